"""What a provider does again and again while it is up: its venue's clock, its instruments, its books."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from engine.base.clock import Clock
from engine.base.errors import ScaleOverflowError, ValidationError, VenueError
from engine.base.workers import TaskScope
from engine.providers.budget import CallClass
from engine.providers.clock_offset import REFRESH_S, SAMPLES, ClockOffset, OffsetSample
from engine.providers.feed import Feed
from engine.providers.refresh import BookRefresh
from engine.providers.rest import RestClient
from engine.schema.enums import BookReason

STALE_LOOK_S = 1.0
_NOTHING_FED_S = 1.0

log = logging.getLogger("engine.providers")


class Upkeep:
    """The regular work of one provider. Owned by its session.

    Args:
        feed: the venue's cold half.
        rest: the way to the venue.
        rest_endpoint: in place of the venue's own.
        clock: ours.
        offset: the venue's, less ours; shared by all providers there.
        refresh: compares books.
        is_fed: whether a symbol index is fed by a connection that stands.
        reload_instruments: learns the instruments anew and carries what changed.
    """

    def __init__(
        self,
        feed: Feed,
        rest: RestClient,
        *,
        rest_endpoint: str | None,
        clock: Clock,
        offset: ClockOffset,
        refresh: BookRefresh,
        is_fed: Callable[[int], bool],
        reload_instruments: Callable[[], Awaitable[None]],
    ) -> None:
        self._feed = feed
        self._rest = rest
        self._rest_endpoint = rest_endpoint
        self._clock = clock
        self._offset = offset
        self._refresh = refresh
        self._is_fed = is_fed
        self._reload_instruments = reload_instruments
        self._clock_doubted = asyncio.Event()
        self._instruments_doubted = asyncio.Event()

    async def run(self, *, instruments_s: float, books_s: float | None, stale_s: float) -> None:
        """Do all of it until cancelled.

        Args:
            instruments_s: between two looks at the instruments.
            books_s: in which every book is compared once; None = there are no books.
            stale_s: age of a book's last message from which on it is not believed.
        """
        async with TaskScope() as scope:
            works = [scope.start(self._keep_clock()), scope.start(self._keep_instruments(instruments_s))]
            if books_s is not None:
                works.append(scope.start(self._compare_books(books_s)))
                works.append(scope.start(self._watch_age(stale_s)))
            await asyncio.wait(works)

    def doubt_clock(self) -> None:
        """The venue found a time of ours wrong: measure now (BOOK-30)."""
        self._clock_doubted.set()

    def doubt_instruments(self) -> None:
        """The venue found an order off its grid: look at the instruments now (INS-22)."""
        self._instruments_doubted.set()

    async def measure_clock(self) -> None:
        """Take the offset of the venue's clock.

        Raises:
            VenueError: the venue does not answer.
            ValidationError: it answers with something else.
        """
        await self._measure(SAMPLES, CallClass.RESYNC)

    async def glance_at_clock(self) -> None:
        """The same by one round trip, for an order that waits for it; raises as measure_clock()."""
        await self._measure(1, CallClass.ORDERS)

    async def _measure(self, count: int, call: CallClass) -> None:
        url, weight = self._feed.time_url(self._rest_endpoint), self._feed.rest_limits.time_weight
        samples = []
        for _ in range(count):
            sent_ns = self._clock.now()
            body = await self._rest.get(url, weight=weight, call=call)
            received_ns = self._clock.now()
            samples.append(OffsetSample(sent_ns, received_ns, *self._feed.read_time(body)))
        self._offset.take(samples)

    async def _keep_clock(self) -> None:
        while True:
            await self._try(self.measure_clock, "the venue's clock was not read")
            await _first_of(self._clock_doubted, REFRESH_S)

    async def _keep_instruments(self, every_s: float) -> None:
        while True:
            await _first_of(self._instruments_doubted, every_s)
            await self._try(self._reload_instruments, "the instruments were not read again")

    async def _try(self, work: Callable[[], Awaitable[None]], otherwise: str) -> None:
        try:
            await work()
        except (VenueError, ValidationError, ScaleOverflowError) as error:
            log.warning("%s: %s: %s", self._feed.provider, otherwise, error)

    async def _compare_books(self, within_s: float) -> None:
        """Every book once in *within_s*, evenly; symbols that come later have their turn in the next round."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            batches = self._refresh.batches([i for i in range(len(self._feed.instruments)) if self._is_fed(i)])
            for batch in batches:
                due_s += within_s / len(batches)
                await asyncio.sleep(due_s - loop.time())
                await self._refresh.compare(batch)
            if not batches:
                await asyncio.sleep(_NOTHING_FED_S)
                due_s = loop.time()

    async def _watch_age(self, stale_s: float) -> None:
        """Void a book whose last message is too old: it may be that nobody feeds it any more (BOOK-18)."""
        while True:
            await asyncio.sleep(STALE_LOOK_S)
            now_ns = self._clock.now()
            for index, book in enumerate(self._feed.stream.book_list()):
                if book.is_valid and now_ns - book.last_recv_ns >= stale_s * 1e9 and self._is_fed(index):
                    self._feed.stream.abandon(index, BookReason.STALENESS)
                    self._feed.stream.read_end()


async def _first_of(doubt: asyncio.Event, after_s: float) -> None:
    """Return when *doubt* is cast, at the latest after so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(after_s):
            await doubt.wait()
    doubt.clear()
