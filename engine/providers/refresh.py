"""Books are compared with fresh snapshots while they go on being delivered (BOOK-21); a difference is a resync."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from engine.base.clock import Clock
from engine.base.errors import VenueError
from engine.base.workers import TaskScope
from engine.providers.bookdiff import book_differences
from engine.providers.budget import CallClass
from engine.providers.connection import Connection
from engine.providers.feed import ConnectionPlan, Feed, Wanted
from engine.providers.listener import FrameTee
from engine.providers.rest import RestClient
from engine.providers.shadow import Lasting, shadow_of
from engine.schema.enums import BookReason
from engine.schema.ports import FrameSink

BATCH = 10
"""Books that one second connection is opened for."""
WITHIN_S = 15.0
"""A comparison that has come to no result by then is left for the next turn."""
ATTEMPTS = 3
"""Snapshots fetched for one comparison, where they are too old."""
_LOOK_EVERY_S = 0.1
_LEVELS_TO_NAME = 5

log = logging.getLogger("engine.providers")


class BookRefresh:
    """Compares books of one provider with fresh snapshots. Owned by its session.

    Args:
        feed: whose books.
        rest: the way to the venue.
        clock: stamps.
        rest_endpoint, ws_endpoint: in place of the venue's own.
        connection_of: the connection that feeds a symbol index; None = none does now.
        new_connection: makes a second connection, not opened, that tells nobody of its state.
        timeout_s: of a snapshot by REST.
    """

    def __init__(
        self,
        feed: Feed,
        rest: RestClient,
        clock: Clock,
        *,
        ws_endpoint: str | None,
        connection_of: Callable[[int], Connection | None],
        new_connection: Callable[[ConnectionPlan, FrameSink], Connection],
        timeout_s: float,
    ) -> None:
        self._feed = feed
        self._rest = rest
        self._clock = clock
        self._ws_endpoint = ws_endpoint
        self._connection_of = connection_of
        self._new_connection = new_connection
        self._timeout_s = timeout_s
        self.compared = 0
        """Comparisons that came to a result."""
        self.diverged = 0
        """Of these, books that were not the venue's."""

    def batches(self, indexes: Sequence[int]) -> list[list[int]]:
        """What is compared at one time: a book by REST, several by a second connection."""
        size = 1 if self._feed.has_positions else BATCH
        return [list(indexes[start : start + size]) for start in range(0, len(indexes), size)]

    async def compare(self, indexes: Sequence[int]) -> None:
        """Compare a batch of books; one that differs is void from then on, and begins anew."""
        try:
            async with asyncio.timeout(WITHIN_S):
                if self._feed.has_positions:
                    for index in indexes:
                        await self._compare_by_position(index)
                else:
                    await self._compare_by_second_connection(indexes)
        except (VenueError, TimeoutError) as error:
            log.info("%s: books were not compared: %s", self._feed.provider, str(error) or "no result in time")

    async def _compare_by_position(self, index: int) -> None:
        """Let a shadow take the same diffs from its own snapshot on, and compare where both have come as far."""
        feed, connection = self._feed, self._connection_of(index)
        book = feed.stream.book_list()[index]
        if connection is None or not connection.is_up or not book.is_valid:
            return
        instrument = list(feed.instruments.values())[index]
        shadow = shadow_of(feed, [instrument], self._clock)
        shadow.rest_endpoint = feed.rest_endpoint
        request = shadow.snapshot_request(0, BookReason.REFRESH)
        heard_before = connection.sink
        connection.hear(FrameTee(heard_before, shadow.stream))
        try:
            for _ in range(ATTEMPTS):
                body = await self._rest.get(
                    request.url, self._timeout_s, weight=request.weight, call=CallClass.REFRESH
                )
                shadow.take_http(request.url, body, self._clock.now())
                if shadow.stream.book_list()[0].is_valid:
                    break
            else:
                return
            while book.is_valid and feed.position(index) != shadow.position(0):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_EVERY_S)
            if book.is_valid:
                worst_bid_raw, worst_ask_raw = feed.snapshot_reach(body, book)
                found = book_differences(book, shadow.stream.book_list()[0], worst_bid_raw, worst_ask_raw)
                if found is not None:
                    self._judge(index, found)
        finally:
            connection.hear(heard_before)
            shadow.close()

    async def _compare_by_second_connection(self, indexes: Sequence[int]) -> None:
        feed = self._feed
        symbols = list(feed.instruments)
        instruments = list(feed.instruments.values())
        shadow = shadow_of(feed, [instruments[index] for index in indexes], self._clock)
        plan = feed.plan(self._ws_endpoint, Wanted(("book",)), [symbols[index] for index in indexes])
        connection = self._new_connection(plan, shadow.stream)
        async with TaskScope() as scope:
            try:
                await connection.open()
                scope.start(connection.keep())
                await self._look(dict(enumerate(indexes)), shadow)
            finally:
                await connection.close()
                shadow.close()

    async def _look(self, pending: dict[int, int], shadow: Feed) -> None:
        """Look until each book (place in the shadow -> its own index) was equal once, or differs to stay."""
        loop = asyncio.get_running_loop()
        lasting = {place: Lasting() for place in pending}
        books, others = self._feed.stream.book_list(), shadow.stream.book_list()
        while pending:
            await asyncio.sleep(_LOOK_EVERY_S)
            for place, index in list(pending.items()):
                if not books[index].is_valid or not others[place].is_valid:
                    continue
                found = book_differences(books[index], others[place])
                if found is None:
                    continue
                stays = lasting[place].look(loop.time(), found)
                if not found or stays is not None:
                    self._judge(index, [] if stays is None else [stays])
                    del pending[place]

    def _judge(self, index: int, found: list[tuple[int, int, int, int]]) -> None:
        self.compared += 1
        if not found:
            return
        self.diverged += 1
        book = self._feed.stream.book_list()[index]
        log.error(
            "%s %s is not the venue's book; (side, price, quantity here, at the venue): %s",
            self._feed.provider, book.symbol, found[:_LEVELS_TO_NAME],
        )  # fmt: skip
        self._feed.stream.abandon(index, BookReason.DIVERGENCE)
        self._feed.stream.read_end()
