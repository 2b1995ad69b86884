"""New snapshots for books that need one: fetched by REST or brought by a new subscription, as the venue has it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from engine.base.errors import VenueError
from engine.base.workers import TaskScope
from engine.providers.backoff import Backoff
from engine.providers.budget import CallClass
from engine.providers.connection import Connection
from engine.providers.feed import Feed, RequestKind, SnapshotRequest, Wanted
from engine.providers.rest import RestClient
from engine.schema.enums import BookReason

RESUBSCRIBED_MAX = 3
RESUBSCRIBED_WITHIN_S = 60.0
"""A book that was begun anew this often within this long waits before it is again (BOOK-17)."""
HELD_S = 5.0
"""One that held for so long since then is lost to something new: it waits a first delay at most, not a longer one."""

QUIET_S = 1.0
"""A symbol that has sent nothing for so long is quiet; a snapshot taken sooner would often be too old to be joined."""

_OF_ONE_BOOK = frozenset({BookReason.STALENESS, BookReason.DIVERGENCE})
_ANEW: tuple[RequestKind, ...] = ("unsubscribe", "subscribe")

log = logging.getLogger("engine.providers")


class SnapshotDesk:
    """Sees to it that each book that asked for a snapshot gets one; at most one is on its way for a book (BOOK-22).

    Owned by its session, whose tasks these are.

    Args:
        feed: the venue's cold half.
        rest: the way to the venue.
        scope: of the session.
        connection_of: the connection that feeds a symbol index; None = none does now.
        is_refused: whether the venue does not send the book of a symbol index.
        take_body: takes each body that was fetched.
        new_backoff: delays of one book's attempts.
        timeout_s: of one request.
    """

    def __init__(
        self,
        feed: Feed,
        rest: RestClient,
        scope: TaskScope,
        *,
        connection_of: Callable[[int], Connection | None],
        is_refused: Callable[[int], bool],
        take_body: Callable[[str, bytes], Awaitable[None]],
        new_backoff: Callable[[], Backoff],
        timeout_s: float,
    ) -> None:
        self._feed = feed
        self._rest = rest
        self._scope = scope
        self._connection_of = connection_of
        self._is_refused = is_refused
        self._take_body = take_body
        self._new_backoff = new_backoff
        self._timeout_s = timeout_s
        self._fetches: dict[int, _Fetch] = {}
        self._renewals: dict[tuple[int, tuple[str, ...]], Renewal] = {}
        self._due: dict[int, list[str]] = {}

    def is_fetching(self, symbol_index: int) -> bool:
        """Whether a snapshot of the book is on its way by REST."""
        return symbol_index in self._fetches

    def connection_lost(self, connection: Connection) -> None:
        """What is on its way for its books cannot join what comes after."""
        for index, fetch in list(self._fetches.items()):
            if self._connection_of(index) is connection:
                fetch.task.cancel()
                del self._fetches[index]

    async def begin_quiet_books(self, connection: Connection) -> None:
        """Ask for those books of a new connection that no message has begun: a quiet symbol's would wait for one."""
        await asyncio.sleep(QUIET_S)
        books = self._feed.stream.book_list()
        for symbol in connection.plan.venue_symbols:
            index = self._feed.stream.index_of(symbol.encode())
            is_waiting = not books[index].is_valid and not self.is_fetching(index)
            if is_waiting and self._connection_of(index) is connection:
                self._feed.want_snapshot(self._feed.stream, index, BookReason.RECONNECT)

    # -- by REST ----------------------------------------------------------------------------------------------

    def fetch(self, request: SnapshotRequest) -> None:
        """Fetch a snapshot; while one is on its way the request is for the one after it."""
        fetch = self._fetches.get(request.symbol_index)
        if fetch is not None:
            fetch.again = True
        elif self._is_up(request.symbol_index):
            self._fetches[request.symbol_index] = fetch = _Fetch()
            fetch.task = self._scope.start(self._fetch(request, fetch))

    def _is_up(self, symbol_index: int) -> bool:
        # A book whose connection is down asks again with its first message.
        connection = self._connection_of(symbol_index)
        return connection is not None and connection.is_up and not self._is_refused(symbol_index)

    async def _fetch(self, request: SnapshotRequest, fetch: _Fetch) -> None:
        """Ask until the book has what it needs: too old a snapshot makes it ask again."""
        backoff = self._new_backoff()
        while True:
            wait_s = 0.0
            try:
                call = CallClass.REFRESH if request.reason is BookReason.REFRESH else CallClass.RESYNC
                body = await self._rest.get(request.url, self._timeout_s, weight=request.weight, call=call)
            except VenueError as error:
                log.warning("%s", error)
                fetch.again, wait_s = True, error.retry_after_s or 0.0
            else:
                fetch.again = False
                await self._take_body(request.url, body)
            if not fetch.again:
                break
            await asyncio.sleep(max(wait_s, backoff.next_s()))
        if self._fetches.get(request.symbol_index) is fetch:
            del self._fetches[request.symbol_index]

    # -- by subscription --------------------------------------------------------------------------------------

    def resubscribe(self, symbol_index: int, reason: BookReason) -> None:
        """Begin a book anew by a new subscription, at once unless that was done too often of late."""
        connection = self._connection_of(symbol_index)
        if connection is None or not connection.is_up or self._is_refused(symbol_index):
            return
        if reason in _OF_ONE_BOOK:
            symbols: tuple[str, ...] = (self._feed.stream.book_list()[symbol_index].venue_symbol.decode(),)
        else:
            symbols = self._feed.begun_together(connection.plan, symbol_index)
        key = (connection.number, symbols)
        renewal = self._renewals.setdefault(key, Renewal(self._new_backoff()))
        if not renewal.is_due:
            renewal.is_due = True
            self._scope.start(self._renew(connection, symbols, renewal))

    async def _renew(self, connection: Connection, symbols: tuple[str, ...], renewal: Renewal) -> None:
        await asyncio.sleep(renewal.wait_s(asyncio.get_running_loop().time()))
        renewal.is_due = False
        due = self._due.setdefault(connection.number, [])
        if not due:
            self._scope.start(self._send_due(connection))
        due.extend(symbols)

    async def _send_due(self, connection: Connection) -> None:
        """Begin anew what is due by now: books lost together in one request, since each takes its turn at the venue."""
        symbols = list(dict.fromkeys(self._due.pop(connection.number)))
        for kind in _ANEW:
            connection.send(self._feed.requests(kind, Wanted(("book",)), symbols))


class _Fetch:
    """A snapshot on its way."""

    task: asyncio.Task[None]

    def __init__(self) -> None:
        self.again = False


class Renewal:
    """How often a subscription was made anew of late.

    Args:
        backoff: delays of one that is made anew again and again.
    """

    def __init__(self, backoff: Backoff) -> None:
        self.is_due = False
        self._backoff = backoff
        self._times_s: deque[float] = deque(maxlen=RESUBSCRIBED_MAX)
        self._begun_s = 0.0

    def wait_s(self, now_s: float) -> float:
        """How long to wait before the next one: nothing, unless there were too many; then longer while none holds."""
        wait_s = 0.0
        if len(self._times_s) == RESUBSCRIBED_MAX and now_s - self._times_s[0] < RESUBSCRIBED_WITHIN_S:
            if now_s - self._begun_s >= HELD_S:
                self._backoff.step_back()
            wait_s = self._backoff.next_s()
        else:
            self._backoff.reset()
        self._times_s.append(now_s)
        self._begun_s = now_s + wait_s
        return wait_s
