"""An engine on live data: its providers' sessions on the running loop, and timers for what waits inside it."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import uvloop

from engine.base.clock import Clock
from engine.base.errors import ConfigError, InternalError
from engine.base.workers import TaskScope
from engine.config.sections_providers import ProviderConfig
from engine.providers.feed import BookRules, Feed
from engine.providers.gate import VenueGate
from engine.providers.session import Session
from engine.runtime.assembly import Engine
from engine.runtime.commands import NoVenues
from engine.runtime.demand import LiveVenues
from engine.runtime.loopwatch import LoopWatch
from engine.runtime.ordercommands import NoOrders
from engine.runtime.orders import LiveOrders

if TYPE_CHECKING:
    from engine.runtime.publishing import Publishing
    from engine.runtime.reporter import Reporter

Result = TypeVar("Result")
NS_PER_MS = 1_000_000
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Who signals a process and its whole group, as timeout(1) does, means it once.
_SAME_SIGNAL_S = 0.25


def run_on_loop(main: Coroutine[Any, Any, Result]) -> Result:
    """Run *main* on a loop of its own, the one that live engines are built for."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[None]:
    """Call *stop* at the first SIGINT or SIGTERM; a second one cancels the task inside. On a running loop only.

    Raises:
        InternalError: it was ended by the second one.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    first_s: float | None = None
    was_cut = False

    def on_signal() -> None:
        nonlocal first_s, was_cut
        if first_s is None:
            first_s = time.monotonic()
            stop()
        elif task is not None and time.monotonic() - first_s > _SAME_SIGNAL_S:
            was_cut = True
            task.cancel()

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    except asyncio.CancelledError:
        if not was_cut:
            raise
        hint = "the first signal alone would have ended it in order"
        raise InternalError("ended by a second signal", op="run", hint=hint) from None
    finally:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)


def book_rules(provider: ProviderConfig) -> BookRules:
    """``providers[].book`` as a feed takes it."""
    book = provider.book
    return BookRules(
        depth_levels=book.depth_levels,
        kept_levels_max=book.kept_levels_max,
        diff_buffer_max=book.diff_buffer_max,
        emit_full=book.emit == "full",
        verify_checksum=book.verify_checksum,
    )


class Waiting(Protocol):
    """A stage in which events wait: for a gap to close, for a merge window to end."""

    on_deadline: Callable[[], None] | None

    @property
    def next_deadline_ns(self) -> int | None:
        """When the first of them has waited long enough, or None."""

    def deliver(self) -> None:
        """Act on deadlines that have come."""


class DeadlineTimer:
    """Wakes a stage when something in it has waited long enough; idle while nothing waits."""

    def __init__(self, stage: Waiting, clock: Clock) -> None:
        self._stage = stage
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._at_ns = 0
        stage.on_deadline = self.arm

    def arm(self) -> None:
        """Wait for the stage's next deadline, whichever stood before."""
        deadline_ns = self._stage.next_deadline_ns
        if self._handle is not None:
            if deadline_ns is not None and deadline_ns >= self._at_ns:
                return  # it fires before, and looks again
            self._handle.cancel()
            self._handle = None
        if deadline_ns is not None:
            # The loop counts in whole milliseconds: told of less, it would turn without a rest until then.
            left_ms = -(-max(0, deadline_ns - self._clock.now()) // NS_PER_MS)
            self._at_ns = deadline_ns
            self._handle = self._loop.call_later(left_ms / 1e3, self._fire)

    def close(self) -> None:
        """Wake nobody any more."""
        self._stage.on_deadline = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = None
        self._stage.deliver()
        # A read may have dealt with that deadline before us: look for what waits now.
        self.arm()


class LiveEngine:
    """An engine and the sessions of its providers: an async context manager; the engine is closed by its owner.

    ``prepare()`` learns the instruments, then the owner subscribes and starts the engine, then ``connect()`` lets
    the frames come; all venues must be there. ``start()`` does both for each venue on its own, and waits for those
    that are not there.

    Args:
        engine: built, not started.
        providers: to open; None = those of its configuration that are enabled.
        takes_orders: False = every order is rejected.
    """

    def __init__(
        self, engine: Engine, providers: Sequence[ProviderConfig] | None = None, *, takes_orders: bool = True
    ) -> None:
        self.engine = engine
        self._takes_orders = takes_orders
        self._providers = (
            [provider for provider in engine.config.providers if provider.enabled]
            if providers is None
            else list(providers)
        )
        self._stack = AsyncExitStack()
        self._gates: dict[tuple[str, str | None], VenueGate] = {}
        self._by_name: dict[str, Session] = {}
        self.scope = TaskScope()
        """For tasks that end with the sessions."""
        self.orders: LiveOrders | None = None
        """What sends orders, where a provider may."""
        self.reporter: Reporter | None = None
        """What computes market reports, where they are enabled."""
        self.publishing: Publishing | None = None
        """What tells the streams, where the bus is one of streams."""
        self.watch: LoopWatch | None = None
        """How late the loop's turns come; None before it runs."""

    @property
    def sessions(self) -> list[Session]:
        """One a provider, in the order of the configuration."""
        return list(self._by_name.values())

    async def __aenter__(self) -> Self:
        engine = self.engine
        await self._stack.__aenter__()
        for stage in (engine.orchestrator, engine.dispatcher):
            self._stack.callback(DeadlineTimer(stage, engine.clock).close)
        engine.post = asyncio.get_running_loop().call_soon_threadsafe
        self._stack.callback(setattr, engine, "post", None)
        if engine.config.cache.backend == "redis" and engine.config.bus.backend != "redis":
            raise ConfigError(
                "cache.backend redis holds what workers write, and bus.backend is inprocess: nobody would write",
                op="reports.start",
                hint="set bus.backend redis and start `engine-run worker`, or cache.backend inprocess",
            )
        if engine.config.reports.enabled and engine.config.cache.backend != "redis" and self._providers:
            from engine.runtime.reporter import Reporter  # an engine without reports starts the sooner

            self.reporter = Reporter(engine, self._providers)
            self._stack.callback(self.reporter.stop)
            self.reporter.start()
        if engine.config.bus.backend == "redis" and self._providers:
            from engine.runtime.publishing import Publishing  # as above

            self.publishing = Publishing(engine, self._providers)
            self._stack.callback(self.publishing.stop)
            self.publishing.start()
        if not self._takes_orders:
            engine.commands.orders.desk = NoOrders(engine.clock)
            self._stack.callback(setattr, engine.commands.orders, "desk", None)
        elif any(provider.orders.enabled for provider in self._providers):
            self.orders = LiveOrders(engine, self._providers, self._by_name, self.scope)
            await self.orders.open()
            self._stack.push_async_callback(self.orders.close)
        await self._stack.enter_async_context(self.scope)
        if self.orders is not None:
            self.orders.start()
        for provider in self._providers:
            feed = engine.open_provider(provider.venue, provider.name, book_rules(provider))
            self._by_name[provider.name] = await self._stack.enter_async_context(self._session(feed, provider))
        venues = LiveVenues(
            self._by_name, engine.catalogue, engine.desk, engine.carry, self._start_provider, self._stop_provider
        )
        engine.commands.venues = venues
        self._stack.callback(setattr, engine.commands, "venues", NoVenues())
        self._stack.callback(venues.close)
        # From here on: what opening the providers takes (their modules are imported then) holds up nobody yet.
        self.watch = LoopWatch(engine.reporting.tell)
        self._stack.callback(self.watch.close)
        return self

    def _session(self, feed: Feed, provider: ProviderConfig) -> Session:
        # Who use one venue from here share its limits; the first one's share of them counts.
        gate = self._gates.setdefault(
            (provider.venue, provider.rest_endpoint),
            VenueGate(feed.socket_limits, feed.rest_limits, provider.rest.limit_share),
        )
        engine = self.engine
        return Session(
            feed,
            provider,
            engine.clock,
            tell=engine.reporting.tell,
            gate=gate,
            pause_ms=engine.config.dispatcher.backpressure.socket_pause_ms,
            reports=self.orders.desk if self.orders is not None and provider.orders.enabled else None,
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.orders is not None:
                await self.orders.part()
        finally:
            await self._stack.__aexit__(kind, error, trace)

    async def prepare(self) -> None:
        """Learn from each venue the instruments of the configuration, and carry them.

        Raises:
            VenueError: a venue cannot be reached.
            UnknownSymbolError: a venue does not list a symbol.
        """
        async with TaskScope() as scope:
            loads = [scope.start(session.configured_instruments()) for session in self.sessions]
            await asyncio.wait(loads)
        for session, load in zip(self.sessions, loads, strict=True):
            for instrument in load.result():
                self.engine.carry(session.feed, instrument)

    async def connect(self) -> None:
        """Open every connection of every provider.

        Raises:
            VenueError: a venue cannot be reached.
        """
        await self._each(lambda session: session.connect())

    def start(self) -> None:
        """Bring each provider up as soon as its venue lets it, whatever the others do."""
        for session in self.sessions:
            session.start(partial(self.engine.carry, session.feed))

    async def round_trip(self) -> None:
        """Return when all that the venues had sent has been taken.

        Raises:
            NetworkError: a connection is not there.
        """
        await self._each(lambda session: session.round_trip())

    async def close(self) -> None:
        """Close every connection; books stay as they are, what is held back stays held. Idempotent."""
        for session in self.sessions:
            await session.close()

    # -- providers that stop and start while the engine runs ----------------------------------------------------

    def _stop_provider(self, name: str, done: Callable[[str], None]) -> None:
        self.scope.start(self._stop(self._by_name[name], done))

    async def _stop(self, session: Session, done: Callable[[str], None]) -> None:
        if session.state != "stopped":
            await session.stop()
        done(session.state)

    def _start_provider(self, name: str, done: Callable[[str], None]) -> None:
        self.scope.start(self._run_again(name, done))

    async def _run_again(self, name: str, done: Callable[[str], None]) -> None:
        old = self._by_name[name]
        if old.state != "stopped":
            done(old.state)
            return
        session = self._by_name[name] = self._session(old.feed, old.settings)
        async with session:
            session.start(partial(self.engine.carry, session.feed))
            done(session.state)
            await session.ended.wait()

    async def _each(self, work: Callable[[Session], Coroutine[Any, Any, None]]) -> None:
        async with TaskScope() as scope:
            await asyncio.wait([scope.start(work(session)) for session in self.sessions])
