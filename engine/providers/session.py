"""One provider, live: its catalogue by REST, its connections, and the snapshots its books ask for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
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
from engine.providers.connection import Connection, State
from engine.providers.feed import ConnectionPlan, Feed, SnapshotRequest
from engine.providers.rest import RestClient
from engine.schema.enums import BookReason
from engine.schema.instrument import Instrument
from engine.schema.ports import FrameSink

FINAL_REFUSALS = (AuthError, InvalidRequestError, NotFoundError)
"""Answers that asking again does not change."""
RESUBSCRIBED_MAX = 3
RESUBSCRIBED_WITHIN_S = 60.0
"""A book that was begun anew this often within this long waits before it is again (BOOK-17)."""

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
        self._fetches: dict[int, _Fetch] = {}
        self._renewals: dict[tuple[int, tuple[bytes, ...]], _Renewal] = {}
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
        return self.feed.connections(settings.ws_endpoint, settings.streams, settings.kline_intervals)

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
        settings = self.settings.connection
        for place, plan in enumerate(self.plans() if plans is None else plans):
            connection = Connection(
                self.feed.provider,
                numbers[place] if numbers else place,
                plan,
                self._sink,
                self._clock,
                backoff=self._backoff(),
                connect_timeout_s=settings.connect_timeout_ms / 1e3,
                message_bytes_max=settings.max_frame_bytes,
                on_state=self._state_changed,
            )
            self.connections.append(connection)
            for symbol in plan.venue_symbols:
                self._connection_of[self.feed.stream.index_of(symbol.encode())] = connection
            if not insist:
                await connection.open()
            self._scope.start(connection.keep())

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
        now_s = time.monotonic()
        if state == "down":
            self._down_since_s[connection.number] = now_s
            for index, fetch in list(self._fetches.items()):
                if self._connection_of.get(index) is connection:
                    fetch.task.cancel()
                    del self._fetches[index]
            self.feed.connection_lost(connection.plan, connection.number)
            self.feed.stream.read_end()
        if state != "up":
            self._provider_state("refused" if self.state == "refused" else state, cause)
        elif all(one.is_up for one in self.connections):
            self._provider_state("up", cause)
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

    # -- snapshots by REST ------------------------------------------------------------------------------------

    def refresh(self, venue_symbol: str) -> None:
        """Ask for a new snapshot of a book, in sync or not."""
        index = self.feed.stream.index_of(venue_symbol.encode())
        self.feed.want_snapshot(self.feed.stream, index, BookReason.REFRESH)

    def is_fetching(self, venue_symbol: str) -> bool:
        """Whether a snapshot of the book is on its way."""
        return self.feed.stream.index_of(venue_symbol.encode()) in self._fetches

    async def take_body(self, url: str, body: bytes) -> None:
        """Hand a snapshot's body on, at the clock's time; a replay waits for its place first."""
        self.feed.take_http(url, body, self._clock.now())
        self.feed.stream.read_end()

    def snapshot_wanted(self, request: SnapshotRequest) -> None:
        """Hook of the feed: fetch a snapshot; one is on its way for a book at any time."""
        fetch = self._fetches.get(request.symbol_index)
        if fetch is not None:
            fetch.again = True
        elif not self._closed and self._is_up(request.symbol_index):
            self._fetches[request.symbol_index] = fetch = _Fetch()
            fetch.task = self._scope.start(self._fetch(request, fetch))

    def _is_up(self, symbol_index: int) -> bool:
        # A book whose connection is down asks again with its first message.
        connection = self._connection_of.get(symbol_index)
        return connection is not None and connection.is_up

    async def _fetch(self, request: SnapshotRequest, fetch: _Fetch) -> None:
        """Ask until the book has what it needs: too old a snapshot makes it ask again."""
        backoff = self._backoff()
        timeout_s = self.settings.book.snapshot_timeout_ms / 1e3
        while True:
            wait_s = 0.0
            try:
                body = await self.rest.get(request.url, timeout_s)
            except VenueError as error:
                log.warning("%s", error)
                fetch.again, wait_s = True, error.retry_after_s or 0.0
            else:
                fetch.again = False
                await self.take_body(request.url, body)
            if not fetch.again:
                break
            await asyncio.sleep(max(wait_s, backoff.next_s()))
        if self._fetches.get(request.symbol_index) is fetch:
            del self._fetches[request.symbol_index]

    # -- snapshots by subscription ----------------------------------------------------------------------------

    def resubscription_wanted(self, symbol_index: int, reason: BookReason) -> None:
        """Hook of the feed: begin a book anew by a new subscription."""
        if self._closed or not self._is_up(symbol_index):
            return
        connection = self._connection_of[symbol_index]
        frames = self.feed.resubscription(connection.plan, symbol_index)
        if not frames:
            return
        key = (connection.number, frames)
        renewal = self._renewals.setdefault(key, _Renewal(self._backoff()))
        # Books that one loss took together are begun anew by one request.
        if not renewal.is_due:
            renewal.is_due = True
            self._scope.start(self._renew(connection, frames, renewal))

    async def _renew(self, connection: Connection, frames: tuple[bytes, ...], renewal: _Renewal) -> None:
        await asyncio.sleep(renewal.wait_s(time.monotonic()))
        renewal.is_due = False
        connection.send(frames)


class _Fetch:
    """A snapshot on its way."""

    task: asyncio.Task[None]

    def __init__(self) -> None:
        self.again = False


class _Renewal:
    """How often a subscription was made anew of late."""

    def __init__(self, backoff: Backoff) -> None:
        self.is_due = False
        self._backoff = backoff
        self._times_s: deque[float] = deque(maxlen=RESUBSCRIBED_MAX)

    def wait_s(self, now_s: float) -> float:
        """How long to wait before the next one: nothing, unless there were too many."""
        too_often = (
            len(self._times_s) == RESUBSCRIBED_MAX and now_s - self._times_s[0] < RESUBSCRIBED_WITHIN_S
        )
        self._times_s.append(now_s)
        if too_often:
            return self._backoff.next_s()
        self._backoff.reset()
        return 0.0
