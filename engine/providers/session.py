"""One provider, live: its catalogue by REST, its connections, and the snapshots its books ask for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from random import Random
from types import TracebackType
from typing import Protocol, Self

from engine.base.clock import Clock
from engine.base.errors import ProtocolError, UnknownSymbolError, ValidationError, VenueError
from engine.base.workers import TaskScope
from engine.config.sections_providers import ProviderConfig
from engine.providers.account import Account, AccountWays
from engine.providers.backoff import Backoff
from engine.providers.brake import Brake
from engine.providers.connection import FINAL_REFUSALS, Connection, State
from engine.providers.feed import ConnectionPlan, Feed, SnapshotRequest, Wanted
from engine.providers.fleet import Fleet
from engine.providers.gate import VenueGate, socket_settings
from engine.providers.listing import NOTHING_LISTED, pick
from engine.providers.network import tls_context, wait_to_retry
from engine.providers.ordergateway import Gateway
from engine.providers.private import open_account, private_rest
from engine.providers.refresh import BookRefresh
from engine.providers.refusals import Refusals
from engine.providers.rest import RestClient
from engine.providers.snapshots import SnapshotDesk
from engine.providers.upkeep import Upkeep
from engine.schema.enums import BookReason
from engine.schema.gateway import ReportSink
from engine.schema.instrument import Instrument
from engine.schema.ports import FrameSink

log = logging.getLogger("engine.providers")


class Tape(Protocol):
    """Where a recorder hears what passes beside the frames."""

    def sent(self, connection: Connection, frame: bytes) -> None:
        """A control frame was sent."""

    def lost(self, connection: Connection) -> None:
        """A socket has gone; what its connection brings from now on comes over another one."""

    def body(self, feed: Feed, url: str, body: bytes) -> None:
        """A body by REST is about to be used."""


class Session:
    """The live half of a provider: an async context manager, whose tasks end with it.

    Args:
        feed: the venue's cold half; its hooks for snapshots are the session's from here on.
        settings: endpoints, streams and limits of this provider.
        clock: stamps frames and bodies.
        tell: called as tell(kind, **metadata): telemetry.
        sink: takes the frames in place of the feed's stream.
        random: source of the jitter.
        pause_ms: how long reading stops at a time where places are short; 0 = it does not.
        gate: what this provider shares with others at the same venue; None = it is alone there.
        tape: told of all that goes to and comes from the venue but frames, which pass through *sink*.
        reports: told of orders, where they are enabled; None = they are none of this engine's.
    """

    def __init__(
        self,
        feed: Feed,
        settings: ProviderConfig,
        clock: Clock,
        *,
        tell: Callable[..., None],
        sink: FrameSink | None = None,
        random: Random | None = None,
        gate: VenueGate | None = None,
        pause_ms: int = 0,
        tape: Tape | None = None,
        reports: ReportSink | None = None,
    ) -> None:
        self.feed = feed
        self.settings = settings
        self.gate = gate or VenueGate(feed.socket_limits, feed.rest_limits, settings.rest.limit_share)
        tls = tls_context(settings.tls_ca_file)
        self.rest = RestClient(
            feed.provider,
            timeout_s=settings.rest.timeout_ms / 1e3,
            max_connections=settings.rest.max_connections,
            budget=self.gate.budget,
            tls=tls,
            tell=tell,
        )
        self.private_rest = private_rest(feed, settings, self.gate, tls, tell)
        self._reports = reports
        self._clock = clock
        self._tell = tell
        self._tape = tape
        self._random = random or Random()
        self._scope = TaskScope()
        self._closed = False
        self.ended = asyncio.Event()
        """Set once it is closed."""
        self._carry: Callable[[Instrument], object] = feed.add_instrument
        self.state = "starting"
        """``starting``, ``up``, ``down`` (it comes back by itself), ``refused`` or ``stopped`` (it does not)."""
        self.cause = "not connected yet"
        """What made it so, for a person to read."""
        self.missing_symbols: tuple[str, ...] = ()
        """Configured symbols that the venue does not list."""
        self.listed: dict[str, Instrument] | None = None
        """What the venue lists, by symbol; None until it has said so."""
        self._down_since_s: dict[int, float] = {}
        self.account: Account | None = None
        """Where there is a key; from start() on."""
        self.refusals = Refusals(feed, tell)
        self._socket = socket_settings(settings, feed.socket_limits, self.gate, tls)
        self.fleet = Fleet(
            feed,
            clock,
            self._scope,
            sink=sink or feed.stream,
            socket=self._socket,
            wanted=Wanted(settings.streams, settings.kline_intervals),
            symbols_per_conn=settings.connection.symbols_per_conn,
            ws_endpoint=settings.ws_endpoint,
            new_backoff=self._backoff,
            random=self._random,
            on_lost=self._connection_lost,
            on_state=self._state_changed,
            on_sent=self._sent,
        )
        self.snapshots = SnapshotDesk(
            feed,
            self.rest,
            self._scope,
            connection_of=self.fleet.connection_of,
            is_refused=self.refusals.is_refused,
            take_body=self.take_body,
            new_backoff=self._backoff,
            timeout_s=settings.book.snapshot_timeout_ms / 1e3,
        )
        self.refreshes = BookRefresh(
            feed,
            self.rest,
            clock,
            ws_endpoint=settings.ws_endpoint,
            connection_of=self.fleet.connection_of,
            new_connection=self.fleet.second_connection,
            timeout_s=settings.book.snapshot_timeout_ms / 1e3,
        )
        self.upkeep = Upkeep(
            feed,
            self.rest,
            rest_endpoint=settings.rest_endpoint,
            clock=clock,
            offset=self.gate.clock,
            refresh=self.refreshes,
            is_fed=lambda index: self.fleet.is_fed(index) and not self.refusals.is_refused(index),
            reload_instruments=self.reload_instruments,
        )
        feed.rest_endpoint = settings.rest_endpoint
        feed.on_snapshot_request = self.snapshot_wanted
        feed.on_resubscribe = self.resubscription_wanted
        feed.on_refusal = self.refusals.take
        self.brake = Brake(self.fleet.pause, self.fleet.resume, pause_ms)
        feed.on_pressure = self.brake.press

    # -- life -------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self._scope.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
        await self._scope.__aexit__(kind, error, trace)

    async def close(self) -> None:
        """Close every connection and stop asking for anything; books stay as they are. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self.brake.release()
        if self.gateway is not None:
            await self.gateway.close()
        self._scope.cancel()
        await self.fleet.close()
        if self.account is not None:
            await self.account.close()
        await self.rest.close()
        await self.private_rest.close()
        self.ended.set()

    async def stop(self) -> None:
        """End it while the engine goes on: as close(), and its books are void."""
        connections = [connection for connection in self.connections if connection.is_up]
        await self.close()
        for connection in connections:
            self.feed.connection_lost(connection.plan, connection.number)
        self.feed.stream.read_end()
        self.listed = None
        self._provider_state("stopped", "stopped by an operator")

    @property
    def gateway(self) -> Gateway | None:
        """The way to the venue's orders, from start() on; None where they are not enabled, or the key is no key."""
        return None if self.account is None else self.account.gateway

    def now_ns(self) -> int:
        """Our clock."""
        return self._clock.now()

    # -- instruments ------------------------------------------------------------------------------------------

    async def load_instruments(self) -> list[Instrument]:
        """What the venue lists, by its own metadata; what cannot be used is told of and left out.

        Raises:
            VenueError: the venue cannot be reached, refuses, or answers with something else.
        """
        url = self.feed.instruments_url(self.settings.rest_endpoint)
        body = await self.rest.get(url, weight=self.feed.rest_limits.instruments_weight)
        if self._tape is not None:
            self._tape.body(self.feed, url, body)
        try:
            instruments, skipped = self.feed.read_instruments(body)
        except ValidationError as error:
            raise ProtocolError(
                error.reason, op="instruments.load", provider=self.feed.provider, raw=body
            ) from None
        for item in skipped:
            self._tell(
                "instrument.skipped", provider=self.feed.provider, venue_symbol=item.venue_symbol, why=item.reason
            )
        self.listed = {instrument.symbol: instrument for instrument in instruments}
        return instruments

    async def configured_instruments(self) -> list[Instrument]:
        """The instruments of the configuration's symbols, in its order; another name of one will do.

        Raises:
            UnknownSymbolError: the venue does not list a symbol.
            VenueError: as for load_instruments().
        """
        found, missing = await self.listed_instruments()
        for error in missing:
            raise error
        return found

    async def listed_instruments(self) -> tuple[list[Instrument], list[UnknownSymbolError]]:
        """As configured_instruments(), with an error for each symbol that is not listed beside those that are.

        Raises:
            VenueError: as for load_instruments().
        """
        return pick(self.feed.provider, await self.load_instruments(), self.settings.symbols)

    # -- all of it, whatever the venue does -------------------------------------------------------------------

    def start(self, carry: Callable[[Instrument], object]) -> None:
        """Learn the instruments and connect in a task of this session, which tries for as long as the venue is away.

        What the venue does raises nothing: it is told as the provider's state. A symbol that is not listed is told
        and left out.

        Args:
            carry: takes each instrument before any frame of it comes.
        """
        self._carry = carry
        ways = AccountWays(
            self.private_rest, self._clock, self._scope, self._socket, self._backoff, self._random,
            self.upkeep.measure_clock, self.upkeep.glance_at_clock, self.gate.clock.venue_now_ns, self._tell,
            lambda: self.listed or NOTHING_LISTED,
        )  # fmt: skip
        self.account = open_account(self.feed, self.settings, ways, self.gate, self._reports)
        self._scope.start(self._come_up())

    async def _come_up(self) -> None:
        backoff = self._backoff()
        while True:
            try:
                instruments, missing = await self.listed_instruments()
                break
            except VenueError as error:
                is_final = isinstance(error, FINAL_REFUSALS)
                self._provider_state("refused" if is_final else "down", error.reason)
                log.log(logging.ERROR if is_final else logging.WARNING, "%s", error)
                if is_final:
                    return
                url, delay_s = self.feed.instruments_url(self.settings.rest_endpoint), backoff.next_s()
                await wait_to_retry(url, max(error.retry_after_s or 0.0, delay_s), backoff, error)
        for unknown in missing:
            log.error("%s", unknown)
            self._tell(
                "instrument.skipped", provider=self.feed.provider, venue_symbol=unknown.symbol, why=unknown.reason
            )
        self.missing_symbols = tuple(unknown.symbol or "" for unknown in missing)
        for instrument in instruments:
            self._carry(instrument)
        if self.account is not None:
            self.account.start()
        await self.connect(insist=True)
        settings = self.settings
        self._scope.start(
            self.upkeep.run(
                instruments_s=settings.instrument_refresh_s,
                books_s=settings.book_refresh_interval_s if "book" in settings.streams else None,
                stale_s=settings.stale_after_s,
            )
        )

    async def reload_instruments(self) -> None:
        """Learn the instruments anew; each real change of one that is carried is reported once (INS-22).

        Raises:
            VenueError: as for load_instruments().
            ScaleOverflowError: a book does not fit 64 bits at the venue's new precision.
        """
        self.feed.learn(await self.load_instruments())

    def _provider_state(self, state: str, cause: str) -> None:
        """Note what stands in the provider's way, and tell a change of it."""
        before, self.state, self.cause = self.state, state, cause
        if state != before:
            self._tell("provider.state", provider=self.feed.provider, cause=cause, **{"from": before, "to": state})

    # -- connections ------------------------------------------------------------------------------------------

    @property
    def connections(self) -> list[Connection]:
        """Those that feed the provider's books."""
        return self.fleet.connections

    def plans(self) -> list[ConnectionPlan]:
        """The connections that carry the configured streams of every instrument added to the feed."""
        return self.fleet.plans(list(self.feed.instruments))

    async def connect(
        self, plans: Sequence[ConnectionPlan] | None = None, numbers: Sequence[int] = (), *, insist: bool = False
    ) -> None:
        """Open each connection, one after the other; from then on each comes back by itself.

        Args:
            plans: None = those of plans().
            numbers: the provider's numbers of the connections; empty = from 0.
            insist: leave the first attempt to the connection as well, which tries until it stands.

        Raises:
            VenueError: the first attempt failed.
        """
        await self.fleet.open(self.plans() if plans is None else plans, numbers, insist=insist)

    def subscribe(self, symbols: Sequence[str]) -> None:
        """Carry more symbols of those that are listed, from now on; those that are carried already are left alone."""
        found = [self.listed[symbol] for symbol in symbols] if self.listed else []
        for instrument in found:
            self._carry(instrument)
        self._scope.start(self.fleet.subscribe([instrument.venue_symbol for instrument in found]))

    def unsubscribe(self, symbols: Sequence[str]) -> None:
        """Carry symbols no longer: their books are void and nothing more is sent of them."""
        names = [name for name, instrument in self.feed.instruments.items() if instrument.symbol in symbols]
        self.fleet.unsubscribe(names)
        for name in names:
            self.feed.rest_instrument(name)

    async def round_trip(self) -> None:
        """Return when all that the venue had sent on any connection has been taken.

        Raises:
            NetworkError: a connection is not there.
        """
        await self.fleet.round_trip()

    def _backoff(self) -> Backoff:
        settings = self.settings.connection
        return Backoff(settings.backoff_min_ms / 1e3, settings.backoff_max_ms / 1e3, self._random)

    def _sent(self, connection: Connection, frame: bytes) -> None:
        if connection in self.connections:
            self.feed.request_sent(connection.number, frame)
        if self._tape is not None:
            self._tape.sent(connection, frame)

    def _connection_lost(self, connection: Connection) -> None:
        if self._tape is not None:
            self._tape.lost(connection)
        self._down_since_s[connection.number] = asyncio.get_running_loop().time()
        self.refusals.forget(connection.plan.venue_symbols)
        self.snapshots.connection_lost(connection)
        self.feed.connection_lost(connection.plan, connection.number)
        self.feed.stream.read_end()

    def _state_changed(self, connection: Connection, state: State, cause: str) -> None:
        if state != "up":
            self._provider_state("refused" if self.state == "refused" else state, cause)
        elif all(one.is_up for one in self.connections):
            self._provider_state("up", cause)
        if state == "up" and self.feed.has_positions:
            self._scope.start(self.snapshots.begin_quiet_books(connection))
        self._told_state(connection, state, cause)

    def _told_state(self, connection: Connection, state: State, cause: str) -> None:
        now_s = asyncio.get_running_loop().time()
        down_s = now_s - self._down_since_s.get(connection.number, now_s)
        self._tell(
            "connection.state",
            provider=self.feed.provider,
            conn=connection.number,
            state=state,
            cause=cause,
            attempts=connection.backoff.attempts,
            down_ms=int(down_s * 1e3),
        )
        log.log(
            (logging.INFO if connection.lost_count else logging.DEBUG) if state == "up" else logging.WARNING,
            "%s connection %d is %s: %s", self.feed.provider, connection.number, state, cause,
        )  # fmt: skip

    # -- snapshots --------------------------------------------------------------------------------------------

    def refresh(self, venue_symbol: str) -> None:
        """Ask for a new snapshot of a book, in sync or not."""
        index = self.feed.stream.index_of(venue_symbol.encode())
        self.feed.want_snapshot(self.feed.stream, index, BookReason.REFRESH)

    def is_fetching(self, venue_symbol: str) -> bool:
        """Whether a snapshot of the book is on its way."""
        return self.snapshots.is_fetching(self.feed.stream.index_of(venue_symbol.encode()))

    async def take_body(self, url: str, body: bytes) -> None:
        """Hand a snapshot's body on, at the clock's time; a replay waits for its place first."""
        if self._tape is not None:
            self._tape.body(self.feed, url, body)
        self.feed.take_http(url, body, self._clock.now())
        self.feed.stream.read_end()

    def snapshot_wanted(self, request: SnapshotRequest) -> None:
        """Hook of the feed: fetch a snapshot."""
        if not self._closed:
            self.snapshots.fetch(request)

    def resubscription_wanted(self, symbol_index: int, reason: BookReason) -> None:
        """Hook of the feed: begin a book anew by a new subscription."""
        if not self._closed:
            self.snapshots.resubscribe(symbol_index, reason)
