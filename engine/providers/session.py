"""One provider, live: its catalogue by REST, its connections, and the snapshots its books ask for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from random import Random
from types import TracebackType
from typing import Self

from engine.base.clock import Clock
from engine.base.errors import (
    AuthError,
    InvalidRequestError,
    NotFoundError,
    ProtocolError,
    UnknownSymbolError,
    ValidationError,
    VenueError,
)
from engine.base.workers import TaskScope
from engine.config.sections_providers import ProviderConfig
from engine.providers.backoff import Backoff
from engine.providers.connection import Connection, SocketSettings, State
from engine.providers.feed import ConnectionPlan, Feed, SnapshotRequest, Wanted
from engine.providers.gate import VenueGate
from engine.providers.handover import hand_over, replace_at_s
from engine.providers.network import tls_context
from engine.providers.rest import RestClient
from engine.providers.snapshots import SnapshotDesk
from engine.schema.enums import BookReason
from engine.schema.instrument import Instrument
from engine.schema.ports import FrameSink

FINAL_REFUSALS = (AuthError, InvalidRequestError, NotFoundError)
"""Answers that asking again does not change."""
_LOOK_AGAIN_S = 1.0

log = logging.getLogger("engine.providers")


class Session:
    """The live half of a provider: an async context manager, whose tasks end with it.

    Args:
        feed: the venue's cold half; its hooks for snapshots are the session's from here on.
        settings: endpoints, streams and limits of this provider.
        clock: stamps frames and bodies.
        tell: called as tell(kind, **metadata): telemetry.
        sink: takes the frames in place of the feed's stream.
        random: source of the jitter.
        gate: what this provider shares with others at the same venue; None = it is alone there.
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
    ) -> None:
        self.feed = feed
        self.settings = settings
        self.rest = RestClient(
            feed.provider,
            timeout_s=settings.rest.timeout_ms / 1e3,
            max_connections=settings.rest.max_connections,
        )
        self.connections: list[Connection] = []
        self._clock = clock
        self._tell = tell
        self._sink: FrameSink = sink or feed.stream
        self._random = random or Random()
        self._scope = TaskScope()
        self._closed = False
        self.state = "starting"
        """``starting``, ``up``, ``down`` (it comes back by itself) or ``refused`` (it does not)."""
        self.cause = "not connected yet"
        """What made it so, for a person to read."""
        self.missing_symbols: tuple[str, ...] = ()
        """Configured symbols that the venue does not list."""
        self._connection_of: dict[int, Connection] = {}
        self._down_since_s: dict[int, float] = {}
        self.wanted = Wanted(settings.streams, settings.kline_intervals)
        self._socket_settings = _socket_settings(settings, feed, gate or VenueGate(feed.socket_limits))
        self.snapshots = SnapshotDesk(
            feed,
            self.rest,
            self._scope,
            connection_of=self._connection_of.get,
            take_body=self.take_body,
            new_backoff=self._backoff,
            timeout_s=settings.book.snapshot_timeout_ms / 1e3,
        )
        feed.on_shutdown = self._shutdown_announced
        feed.rest_endpoint = settings.rest_endpoint
        feed.on_snapshot_request = self.snapshot_wanted
        feed.on_resubscribe = self.resubscription_wanted

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
        self._scope.cancel()
        for connection in self.connections:
            await connection.close()
        await self.rest.close()

    # -- instruments ------------------------------------------------------------------------------------------

    async def load_instruments(self) -> list[Instrument]:
        """What the venue lists, by its own metadata; what cannot be used is told of and left out.

        Raises:
            VenueError: the venue cannot be reached, refuses, or answers with something else.
        """
        body = await self.rest.get(self.feed.instruments_url(self.settings.rest_endpoint))
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
        listed: dict[str, Instrument] = {}
        for instrument in await self.load_instruments():
            for alias in instrument.aliases:
                listed.setdefault(alias, instrument)
            listed[instrument.symbol] = instrument
        missing = [
            UnknownSymbolError(
                f"{symbol} is not listed", op="instruments.load", provider=self.feed.provider, symbol=symbol
            )
            for symbol in self.settings.symbols
            if symbol not in listed
        ]
        return [listed[symbol] for symbol in self.settings.symbols if symbol in listed], missing

    # -- all of it, whatever the venue does -------------------------------------------------------------------

    def start(self, carry: Callable[[Instrument], object]) -> None:
        """Learn the instruments and connect in a task of this session, which tries for as long as the venue is away.

        What the venue does raises nothing: it is told as the provider's state. A symbol that is not listed is told
        and left out.

        Args:
            carry: takes each instrument before any frame of it comes.
        """
        self._scope.start(self._come_up(carry))

    async def _come_up(self, carry: Callable[[Instrument], object]) -> None:
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
                await asyncio.sleep(max(error.retry_after_s or 0.0, backoff.next_s()))
        for unknown in missing:
            log.error("%s", unknown)
            self._tell(
                "instrument.skipped", provider=self.feed.provider, venue_symbol=unknown.symbol, why=unknown.reason
            )
        self.missing_symbols = tuple(unknown.symbol or "" for unknown in missing)
        for instrument in instruments:
            carry(instrument)
        await self.connect(insist=True)

    def _provider_state(self, state: str, cause: str) -> None:
        """Note what stands in the provider's way, and tell a change of it."""
        before, self.state, self.cause = self.state, state, cause
        if state != before:
            self._tell("provider.state", provider=self.feed.provider, cause=cause, **{"from": before, "to": state})

    # -- connections ------------------------------------------------------------------------------------------

    def plans(self) -> list[ConnectionPlan]:
        """The connections that carry the configured streams of every instrument added to the feed."""
        settings = self.settings
        symbols = list(self.feed.instruments)
        return self.feed.connections(settings.ws_endpoint, self.wanted, symbols, settings.connection.symbols_per_conn)

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
        for place, plan in enumerate(self.plans() if plans is None else plans):
            connection = self._new_connection(numbers[place] if numbers else place, plan, self._sink)
            self._take_charge(connection)
            if not insist:
                await connection.open()
            self._scope.start(self._keep(connection))

    async def _keep(self, connection: Connection) -> None:
        """Keep a connection up, and see to its planned end where the venue has one."""
        lifetime_s = self.feed.socket_limits.lifetime_s
        if lifetime_s is None:
            await connection.keep()
            return
        async with TaskScope() as scope:
            scope.start(self._replace_in_time(connection, lifetime_s))
            await connection.keep()

    async def _replace_in_time(self, connection: Connection, lifetime_s: float) -> None:
        """Replace a connection before the venue ends it, by age or because it said so; try again where that fails."""
        loop = asyncio.get_running_loop()
        share, backoff = self._random.random(), self._backoff()
        while True:
            due_s = replace_at_s(connection.stood_from_s, lifetime_s, share)
            if connection.is_up and not connection.is_ending and loop.time() < due_s:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(due_s):
                        await connection.ending.wait()
                continue
            if not connection.is_up:
                # It comes back as a new one; its age begins again.
                await asyncio.sleep(_LOOK_AGAIN_S)
                continue
            new = await hand_over(connection, self.feed.stream, partial(self._new_like, connection))
            if new is not None:
                self._take_charge(new, in_place_of=connection)
                self._scope.start(self._keep(new))
                self._told_state(new, "up", "took over from a connection that was about to end")
                await connection.close()
                return
            await asyncio.sleep(backoff.next_s())

    def _new_like(self, connection: Connection, sink: FrameSink) -> Connection:
        return self._new_connection(max(one.number for one in self.connections) + 1, connection.plan, sink)

    def _new_connection(self, number: int, plan: ConnectionPlan, sink: FrameSink) -> Connection:
        return Connection(
            self.feed.provider,
            number,
            plan,
            sink,
            self._clock,
            settings=self._socket_settings,
            backoff=self._backoff(),
            on_state=self._state_changed,
        )

    def _take_charge(self, connection: Connection, in_place_of: Connection | None = None) -> None:
        """From now on the connection feeds the books of its plan."""
        if in_place_of is not None:
            self.connections.remove(in_place_of)
        self.connections.append(connection)
        for symbol in connection.plan.venue_symbols:
            self._connection_of[self.feed.stream.index_of(symbol.encode())] = connection

    def _shutdown_announced(self, conn: int) -> None:
        """Hook of the feed: the venue is about to end a connection."""
        for connection in self.connections:
            if connection.number == conn:
                connection.ending.set()

    def pause(self) -> None:
        """Stop reading from the venue; what it sends waits on its side. Again does nothing."""
        for connection in self.connections:
            connection.pause()

    def resume(self) -> None:
        """Read again."""
        for connection in self.connections:
            connection.resume()

    async def round_trip(self) -> None:
        """Return when all that the venue had sent on any connection has been taken.

        Raises:
            NetworkError: a connection is not there.
        """
        for connection in self.connections:
            await connection.round_trip()

    def _backoff(self) -> Backoff:
        settings = self.settings.connection
        return Backoff(settings.backoff_min_ms / 1e3, settings.backoff_max_ms / 1e3, self._random)

    def _state_changed(self, connection: Connection, state: State, cause: str) -> None:
        if connection not in self.connections:
            return  # it does not feed anything yet, or not any more
        if state == "down":
            self._down_since_s[connection.number] = asyncio.get_running_loop().time()
            self.snapshots.connection_lost(connection)
            self.feed.connection_lost(connection.plan, connection.number)
            self.feed.stream.read_end()
        if state != "up":
            self._provider_state("refused" if self.state == "refused" else state, cause)
        elif all(one.is_up for one in self.connections):
            self._provider_state("up", cause)
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


def _socket_settings(settings: ProviderConfig, feed: Feed, gate: VenueGate) -> SocketSettings:
    connection = settings.connection
    return SocketSettings(
        limits=feed.socket_limits,
        connects=gate.connects,
        messages=gate.messages,
        connect_timeout_s=connection.connect_timeout_ms / 1e3,
        ping_interval_s=connection.ping_interval_ms / 1e3,
        pong_timeout_s=connection.pong_timeout_ms / 1e3,
        heartbeat_timeout_s=connection.heartbeat_timeout_ms / 1e3,
        message_bytes_max=connection.max_frame_bytes,
        tls=tls_context(settings.tls_ca_file),
    )
