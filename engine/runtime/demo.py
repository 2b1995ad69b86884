"""The demo: simulated venues on loopback, the real sessions, sample strategies, and a check of every book."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from engine.base.workers import TaskScope
from engine.config.sections import EngineConfig
from engine.config.sections_providers import ProviderConfig
from engine.providers.facts import ASKS, BIDS, level_texts
from engine.providers.session import Session
from engine.runtime.assembly import Engine
from engine.runtime.demo_desk import RULE, Across, Slow, add_desk, orchestrator
from engine.runtime.demo_maker import MAKER, MarketMaker, add_maker, trading, with_journal
from engine.runtime.demo_maker import VENUE as MAKERS_VENUE
from engine.runtime.live import LiveEngine
from engine.runtime.reportextra import embedded_site
from engine.runtime.runreport import loop_name, run_report
from engine.runtime.samples import Sample, add_samples
from engine.runtime.summary import EngineSummary
from engine.runtime.venues import Sides, SimulatedVenues

if TYPE_CHECKING:
    from engine.runtime.reportserving import EmbeddedSite

TICK_S = 1.0
COINS = ("BTC", "ETH", "SOL")
QUOTES = {"binance": "USDT", "coinbase": "USD", "kraken": "USD"}
_SETTLE_WITHIN_S = 10.0
_FLAT_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.005


@dataclass(frozen=True)
class ProviderView:
    """One provider at a moment; ``tops`` are (symbol, best bid, best ask) texts, None where a book is not valid."""

    name: str
    frames: int
    frames_per_s: float
    connections_up: int
    connections: int
    books_valid: int
    books: int
    tops: list[tuple[str, str | None, str | None]]


@dataclass(frozen=True)
class DemoView:
    """The running demo at a moment."""

    elapsed_s: float
    providers: list[ProviderView]
    summary: EngineSummary


@dataclass(frozen=True)
class BookCheck:
    """One book beside the venue's own; *difference* is empty where they are equal."""

    provider: str
    symbol: str
    bid_levels: int
    ask_levels: int
    difference: str


@dataclass(frozen=True)
class DemoResult:
    """What a demo came to."""

    seconds: float
    first_event_ms: int | None
    """From the start of the process to the first callback."""
    books: list[BookCheck]
    slow_books: list[BookCheck]
    """Those that the slow consumer holds."""
    summary: EngineSummary
    findings: dict[str, list[str]]
    """What each sample strategy found out."""
    struck: dict[str, dict[str, int]]
    """Faults that the venues let happen: venue -> fault -> how often."""
    setup: dict[str, Any]
    """What the run was made of: :func:`engine.runtime.runreport.run_report`."""
    maker_difference: str = ""
    """How the venue's record of the market maker's orders differs from what it was told; empty = not at all."""
    reports: dict[str, bytes] = field(default_factory=dict)
    """By ``venue:SYMBOL``, where they were asked for, as they were read when the market ended."""

    @property
    def differing(self) -> list[BookCheck]:
        """Books that are not the venue's, the slow consumer's among them."""
        return [book for book in (*self.books, *self.slow_books) if book.difference]

    @property
    def outstanding(self) -> dict[str, int]:
        """Pools that have not everything back, and how much is out."""
        return self.summary.pools.out()

    @property
    def faults(self) -> list[str]:
        """Counts that do not add up."""
        return [*self.summary.faults, *filter(None, (self.maker_difference,))]


class Demo:
    """Runs once, on a loop.

    Args:
        config: ordering, pools and logs to run with; its providers and consumers are left out.
        venues: started; the demo ends them.
        seconds: how long; 0 = until stop().
        on_view: called each second.
        with_reports: compute market reports beside, and serve them.
    """

    def __init__(
        self,
        config: EngineConfig,
        venues: SimulatedVenues,
        seconds: float,
        on_view: Callable[[DemoView], None],
        *,
        with_reports: bool = False,
    ) -> None:
        reports = config.reports.model_copy(update={"enabled": with_reports})
        self._config = config.model_copy(
            update={"consumers": (), "providers": (), "orchestrator": orchestrator(), "reports": reports}
        )
        self._seconds = seconds
        self._venues = venues
        self._on_view = on_view
        self._reports: dict[str, bytes] = {}
        self._site: EmbeddedSite | None = None
        self._stopped = asyncio.Event()
        self._ran_s = 0.0
        self._first_event_ms: int | None = None
        self._books: list[BookCheck] = []
        self._slow_books: list[BookCheck] = []
        self._samples: dict[str, Sample | Across | Slow | MarketMaker] = {}
        self._maker: MarketMaker | None = None
        self._maker_difference = ""
        self._struck: dict[str, dict[str, int]] = {}

    def stop(self) -> None:
        """End the run; the check and the summary follow."""
        self._stopped.set()

    async def run(self) -> DemoResult:
        """The whole demo.

        Raises:
            UnavailableError: the simulated venues cannot be started, or ended on the way.
            ConfigError: the port of the reports cannot be had.
        """
        with self._served():
            return await self._run()

    @contextmanager
    def _served(self) -> Iterator[None]:
        """Take the port of the reports, where there are any."""
        if not (self._config.reports.enabled and self._config.mcp.enabled):
            yield
            return
        self._site = embedded_site(self._config)
        try:
            yield
        finally:
            if self._site is not None:
                self._site.close()

    async def _run(self) -> DemoResult:
        async with self._venues as venues:
            providers = [_provider(venue, venues.endpoints[venue]) for venue in QUOTES]
            with (
                TemporaryDirectory(prefix="engine-demo-") as folder,
                Engine(with_journal(self._config, Path(folder))) as engine,
            ):
                async with LiveEngine(engine, providers) as live:
                    if live.reporter is not None and self._site is not None:
                        self._site.start(live, live.reporter)
                    async with TaskScope() as scope:
                        # Frames come while other connections still say what they want, paced as each venue asks.
                        scope.start(self._note_first_event(engine))
                        await _unless(venues.ended(), self._start(engine, live))
                        await _unless(venues.ended(), self._watch(engine, live))
                    await _unless(venues.ended(), self._settle(live, venues))
                    await live.close()
            return DemoResult(
                seconds=self._ran_s,
                first_event_ms=self._first_event_ms,
                books=self._books,
                slow_books=self._slow_books,
                summary=engine.summary(),
                findings={name: sample.findings() for name, sample in self._samples.items()},
                struck=self._struck,
                setup=run_report(engine, loop_name()),
                maker_difference=self._maker_difference,
                reports=self._reports,
            )

    async def _start(self, engine: Engine, live: LiveEngine) -> None:
        await live.prepare()
        slow_symbols = dict.fromkeys(f"{COINS[0]}-{quote}" for quote in QUOTES.values())
        across, slow = add_desk(engine, tuple(slow_symbols))
        self._maker = add_maker(engine)
        self._samples = {**add_samples(engine), RULE: across, "slow": slow, MAKER: self._maker}
        engine.start()
        for session in live.sessions:
            session.start(lambda instrument: None)  # they are carried already
        await self._connected(live)

    # -- while it runs ----------------------------------------------------------------------------------------

    async def _watch(self, engine: Engine, live: LiveEngine) -> None:
        started_s = time.monotonic()
        frames = dict.fromkeys(engine.feeds, 0)
        looked_s = started_s
        while not self._stopped.is_set():
            left_s = started_s + self._seconds - time.monotonic() if self._seconds else TICK_S
            if left_s <= 0:
                break
            await self._wait(min(left_s, TICK_S))
            if self._stopped.is_set():
                break
            now_s = time.monotonic()
            self._on_view(_view(engine, live, now_s - started_s, frames, now_s - looked_s))
            frames = {name: feed.stream.frames for name, feed in engine.feeds.items()}
            looked_s = now_s
        self._ran_s = time.monotonic() - started_s
        await self._flat()
        if live.reporter is not None:
            self._reports = live.reporter.read_all()

    async def _flat(self) -> None:
        """Let the market maker end flat while the market still moves."""
        assert self._maker is not None
        self._maker.close()
        deadline_s = time.monotonic() + _FLAT_WITHIN_S
        while not self._maker.is_done and time.monotonic() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            return

    async def _note_first_event(self, engine: Engine) -> None:
        while not any(runner.delivered for runner in engine.runners.values()):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_EVERY_S)
        self._first_event_ms = process_age_ms()

    # -- at its end -------------------------------------------------------------------------------------------

    async def _settle(self, live: LiveEngine, venues: SimulatedVenues) -> None:
        """Stop faults and market, take all that was sent, and lay each book beside the venue's own."""
        self._struck = await venues.disarm()
        await self._connected(live)
        await venues.pause()
        await live.round_trip()
        for session in live.sessions:
            await self._complete(session)
        await self._caught_up(live.engine)
        theirs = await venues.books()
        self._books = [
            _compare(session, venue_symbol, theirs[session.feed.venue][venue_symbol])
            for session in live.sessions
            for venue_symbol in session.feed.instruments
        ]
        assert self._maker is not None
        difference = self._maker.difference(await venues.orders(MAKERS_VENUE))
        self._maker_difference = f"market maker: {difference}" if difference else ""
        slow = self._samples["slow"]
        assert isinstance(slow, Slow)
        self._slow_books = [
            _compared(f"{session.feed.provider} (slow)", symbol, slow.levels(session.feed.provider, symbol), told)
            for session in live.sessions
            for venue_symbol, symbol in _symbols(session)
            if symbol in slow.symbols and (told := theirs[session.feed.venue][venue_symbol])
        ]

    async def _caught_up(self, engine: Engine) -> None:
        """Wait for consumers that have something queued: nothing comes any more."""
        deadline_s = time.monotonic() + _SETTLE_WITHIN_S
        while time.monotonic() < deadline_s and any(  # noqa: ASYNC110
            runner.statistics()["queued"] for runner in engine.runners.values()
        ):
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _connected(self, live: LiveEngine) -> None:
        """Wait for connections that are not made yet, or that the last fault cut."""
        deadline_s = time.monotonic() + _SETTLE_WITHIN_S
        while not all(map(_is_connected, live.sessions)) and time.monotonic() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _complete(self, session: Session) -> None:
        """Wait for books that are not valid yet; one that no message began is asked for.

        Every place where a book may become valid would have to tell; at the end of a run a look now and then will do.
        """
        books = session.feed.stream.book_list()
        for book in books:
            if not book.is_valid:
                session.refresh(book.venue_symbol.decode())
        deadline_s = time.monotonic() + _SETTLE_WITHIN_S
        while not all(book.is_valid for book in books) and time.monotonic() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_EVERY_S)


async def _unless(failing: Coroutine[Any, Any, None], work: Coroutine[Any, Any, None]) -> None:
    """Do *work* beside *failing*, which ends it by an error."""
    async with TaskScope() as scope:
        scope.start(failing)
        await work


def _is_connected(session: Session) -> bool:
    connections = session.connections
    return len(connections) >= len(session.plans()) > 0 and all(one.is_up for one in connections)


def _provider(venue: Any, endpoints: dict[str, str]) -> ProviderConfig:
    provider = ProviderConfig(
        name=venue,
        venue=venue,
        symbols=tuple(f"{coin}-{QUOTES[venue]}" for coin in COINS),
        ws_endpoint=endpoints["ws"],
        ws_private_endpoint=endpoints.get("ws_private"),
        rest_endpoint=endpoints["rest"],
    )
    return trading(provider) if venue == MAKERS_VENUE else provider


def _view(
    engine: Engine, live: LiveEngine, elapsed_s: float, frames_before: dict[str, int], since_s: float
) -> DemoView:
    providers = []
    for session in live.sessions:
        feed = session.feed
        books = feed.stream.book_list()
        tops = []
        for book in books:
            bids, asks = level_texts(book, BIDS, 1), level_texts(book, ASKS, 1)
            tops.append((book.symbol, bids[0][0] if bids else None, asks[0][0] if asks else None))
        frames = feed.stream.frames
        providers.append(
            ProviderView(
                name=feed.provider,
                frames=frames,
                frames_per_s=(frames - frames_before[feed.provider]) / since_s if since_s else 0.0,
                connections_up=sum(connection.is_up for connection in session.connections),
                connections=len(session.connections),
                books_valid=sum(book.is_valid for book in books),
                books=len(books),
                tops=tops,
            )
        )
    return DemoView(elapsed_s, providers, engine.summary())


def _symbols(session: Session) -> list[tuple[str, str]]:
    """(the venue's spelling, ours) of what a session carries."""
    return [(venue_symbol, instrument.symbol) for venue_symbol, instrument in session.feed.instruments.items()]


def _compare(session: Session, venue_symbol: str, theirs: Sides) -> BookCheck:
    book = session.feed.book_of(venue_symbol)
    ours = {"bids": level_texts(book, BIDS, 0), "asks": level_texts(book, ASKS, 0)} if book.is_valid else None
    return _compared(session.feed.provider, book.symbol, ours, theirs)


def _compared(who: str, symbol: str, ours: Sides | None, theirs: Sides) -> BookCheck:
    """*ours* beside the venue's; None = it is not valid."""
    if ours is None:
        return BookCheck(who, symbol, 0, 0, "not valid")
    difference = ""
    for side in ("bids", "asks"):
        if ours[side] != theirs[side]:
            difference = difference or _first_difference(side, ours[side], theirs[side])
    return BookCheck(who, symbol, len(ours["bids"]), len(ours["asks"]), difference)


def _first_difference(side: str, ours: list[list[str]], theirs: list[list[str]]) -> str:
    for place, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        if mine != other:
            return f"{side} level {place + 1}: {' x '.join(mine)} here, {' x '.join(other)} at the venue"
    return f"{side}: {len(ours)} levels here, {len(theirs)} at the venue"


def process_age_ms() -> int | None:
    """Milliseconds since this process was started, interpreter and imports included; None where nobody tells."""
    try:
        stat = Path("/proc/self/stat").read_text()
    except OSError:
        return None
    # The name in parentheses may hold blanks; the start, in clock ticks since boot, is the 20th word behind it.
    started_ticks = int(stat.rpartition(")")[2].split()[19])
    return int((time.clock_gettime(time.CLOCK_BOOTTIME) - started_ticks / os.sysconf("SC_CLK_TCK")) * 1e3)
