"""A replay over loopback: the capture is played by a server, and the provider connects to it as to its venue.

Record numbers, recorded times and checkpoints are those of the recording, because frames are handed on in its order
whatever order the sockets deliver them in:

1. the k-th frame received on a connection is the k-th one recorded on it;
2. a frame that comes before its turn waits until the records before it have been played;
3. a depth snapshot is applied in its place; where no book asked for it, the driver asks.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.base.errors import InternalError, UnavailableError
from engine.base.workers import TaskScope
from engine.config.sections_providers import BookConfig, ConnectionConfig, ProviderConfig
from engine.providers.feed import ConnectionPlan, SnapshotRequest
from engine.providers.listener import FrameTap
from engine.providers.session import Session
from engine.runtime.capture import CaptureRecord
from engine.runtime.live import run_on_loop, stopping
from engine.runtime.prescan import base_venue
from engine.runtime.replay import PROGRESS_RECORDS, Replay, ReplayResult
from engine.runtime.runreport import loop_name
from engine.simulator.playback import PlaybackError, PlaybackServer
from engine.simulator.recording import Recording, depth_symbol

_OP = "replay.over_websocket"
_ALL_ON_ONE = 1024
_RETRY_MS = 10
# A request waits at the server until the place of its snapshot is reached, however long the recording.
_SNAPSHOT_TIMEOUT_MS = 7 * 24 * 3_600_000
# What no book asks for the driver asks for, so a request may come late and is never missing.
_REQUEST_TIMEOUT_S = 60.0
_CLIENT_TIMEOUT_S = 120.0


def replay_over_websocket(
    replay: Replay, on_progress: Callable[[int], None] | None = None, *, by_signal: bool = False
) -> ReplayResult:
    """Play *replay*'s file through loopback sockets; the result is that of :meth:`Replay.run`.

    Args:
        replay: not run yet.
        on_progress: called with the number of a record now and then.
        by_signal: SIGINT and SIGTERM stop it; the result is then that of what was played.

    Raises:
        UnavailableError: the playback stopped short.
    """
    if replay.scan.is_fixture:
        return replay.run(on_progress)  # single messages kept as examples: nothing of them is played
    replay.engine.start()
    started_ns = time.monotonic_ns()
    run_on_loop(_play_until_signal(replay, on_progress) if by_signal else _play(replay, on_progress))
    return replay.finish(time.monotonic_ns() - started_ns)


async def _play_until_signal(replay: Replay, on_progress: Callable[[int], None] | None) -> None:
    async with TaskScope() as scope:
        playing = scope.start(_play(replay, on_progress))

        def stop() -> None:
            replay.stop()
            playing.cancel()

        with stopping(stop):
            await asyncio.wait([playing])


async def _play(replay: Replay, on_progress: Callable[[int], None] | None) -> None:
    driver = _Driver(replay, on_progress)
    replay.loop = loop_name()
    async with AsyncExitStack() as stack:
        servers = []
        for venue, found in replay.scan.venues.items():
            server = PlaybackServer(
                _Records(replay),
                venue=venue,
                speed=replay.options.speed,
                request_timeout_s=_REQUEST_TIMEOUT_S,
                timeout_s=_CLIENT_TIMEOUT_S,
                settled=partial(driver.settled, venue),
            )
            servers.append(server)
            await server.start()
            stack.push_async_callback(server.stop)
            session = await stack.enter_async_context(driver.open(venue, server))
            conns = list(found.conns)
            plans = session.plans()[:1] or [ConnectionPlan(server.ws_url, (b"{}",))]
            await session.connect(plans * len(conns), conns)
        try:
            async with TaskScope() as scope:
                driver.begin(scope)
                await asyncio.wait([scope.start(server.finished()) for server in servers])
        except PlaybackError as error:
            raise UnavailableError(str(error), op=_OP) from error
        driver.end()


class _Records:
    """The records of a replay, readable again and again."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def __iter__(self) -> Iterator[CaptureRecord]:
        return (record for _, record in self._replay.records())


@dataclass
class _Venue:
    """One venue of the recording."""

    tap: FrameTap
    session: Session
    snapshots_left: Counter[str]
    answered_count: int = 0
    applied_count: int = 0


class _Driver:
    """Knows the place that the replay has reached, and whose turn is next."""

    def __init__(self, replay: Replay, on_progress: Callable[[int], None] | None) -> None:
        self._replay = replay
        self._on_progress = on_progress
        self._records = replay.records()
        self._next: tuple[int, CaptureRecord] | None = next(self._records, None)
        self._venues: dict[str, _Venue] = {}
        self._scope: TaskScope | None = None
        self._moved = asyncio.Event()
        self._look_is_due = False

    # -- the run ----------------------------------------------------------------------------------------------

    def open(self, venue: str, server: PlaybackServer) -> Session:
        """The session of a venue, at its server."""
        replay = self._replay
        feed = replay.engine.feeds[venue]
        tap = FrameTap(feed.stream, partial(self._turn, venue))
        tell = replay.engine.reporting.tell
        session = _RecordedSession(self, feed, _settings(venue, server), replay.clock, tell=tell, sink=tap)
        left = Recording(_Records(replay), venue).snapshots_left
        self._venues[venue] = _Venue(tap, session, left)
        return session

    def begin(self, scope: TaskScope) -> None:
        """Everything is connected: the first frame may come."""
        self._scope = scope
        self._look_soon()

    def end(self) -> None:
        """Play what came before its turn and what stands behind the last frame.

        Raises:
            InternalError: something that was sent has not been played.
        """
        reached = None
        while reached is not self._next:
            reached = self._next
            for part in self._venues.values():
                part.tap.look()
        self._pass_over()
        if self._next is not None:
            number, record = self._next
            where = f"record {number} ({record.channel}, connection {record.conn})"
            raise InternalError(f"{where} was not played", op=_OP)

    def _advance(self) -> CaptureRecord:
        """The next record is played now: bring everything up to just before it."""
        assert self._next is not None
        number, record = self._next
        self._next = next(self._records, None)
        self._replay.before(number, record)
        if self._on_progress is not None and number % PROGRESS_RECORDS == 0:
            self._on_progress(number)
        return record

    def _pass_over(self) -> None:
        """Play records that nobody sends: what the recorder sent, and metadata."""
        while self._next is not None:
            record = self._next[1]
            if not record.is_out and (record.channel == "ws" or depth_symbol(record.url) is not None):
                return
            self._replay.play(self._advance())

    # -- frames -----------------------------------------------------------------------------------------------

    def _turn(self, venue: str, conn: int, length: int) -> int:
        """Hook of a tap: the recorded time of the next frame of *conn* if it is its turn, else -1."""
        self._pass_over()
        if self._next is None:
            raise InternalError(f"{venue} sent more than was recorded", op=_OP)
        number, record = self._next
        if record.channel != "ws" or record.conn != conn or base_venue(record.venue) != venue:
            return -1
        if length != (len(record.raw) if record.raw.isascii() else len(record.raw.encode())):
            raise InternalError(f"record {number}: {length} bytes came, not those recorded", op=_OP)
        self._advance()
        if len(self._venues) > 1 or self._next is None or self._next[1].channel == "http":
            self._look_soon()
        return self._replay.clock.now()

    def _look_soon(self) -> None:
        if not self._look_is_due:
            self._look_is_due = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        """After the frames in hand: hand on what waited, ask for the snapshot whose place is reached."""
        self._look_is_due = False
        for part in self._venues.values():
            part.tap.look()
        self._pass_over()
        self._moved.set()
        if self._next is None:
            return
        record = self._next[1]
        symbol = depth_symbol(record.url) if record.channel == "http" else None
        if symbol is not None:
            self._ask(self._venues[base_venue(record.venue)], symbol)

    # -- snapshots --------------------------------------------------------------------------------------------

    def _ask(self, part: _Venue, symbol: str) -> None:
        """See to it that somebody asks the server for the snapshot."""
        if part.session.is_fetching(symbol):
            return
        if symbol in part.session.feed.instruments and part.session.connections:
            part.session.refresh(symbol)
        elif self._scope is not None:
            self._scope.start(self._fetch_unread(part, symbol))

    async def _fetch_unread(self, part: _Venue, symbol: str) -> None:
        """A snapshot of a book that is not carried: taken from the server, and played to nobody."""
        url = f"{part.session.settings.rest_endpoint}/api/v3/depth?symbol={symbol}"
        await self.snapshot(part.session, url, await part.session.rest.get(url))

    async def snapshot(self, session: Session, url: str, body: bytes) -> None:
        """Apply a snapshot in its place."""
        symbol = depth_symbol(url) or ""
        venue = session.feed.venue
        while not self._is_next(venue, symbol):
            self._moved.clear()
            await self._moved.wait()
        self._advance()
        part = self._venues[venue]
        part.snapshots_left[symbol] -= 1
        session.feed.take_http(url, body, self._replay.clock.now())
        session.feed.stream.read_end()
        part.applied_count += 1
        self._look()

    def _is_next(self, venue: str, symbol: str) -> bool:
        self._pass_over()
        if self._next is None:
            return False
        record = self._next[1]
        return (
            record.channel == "http" and base_venue(record.venue) == venue and depth_symbol(record.url) == symbol
        )

    async def settled(self, venue: str, symbol: str) -> None:
        """Hook of the server: return when the snapshot it has answered with has been applied."""
        part = self._venues[venue]
        part.answered_count += 1
        while part.applied_count < part.answered_count:
            self._moved.clear()
            await self._moved.wait()

    def has_snapshot(self, venue: str, symbol: str) -> bool:
        """Whether the recording has another snapshot of the book to come."""
        return self._venues[venue].snapshots_left[symbol] > 0


class _RecordedSession(Session):
    """A session whose venue has only what was recorded."""

    def __init__(self, driver: _Driver, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._driver = driver

    async def take_body(self, url: str, body: bytes) -> None:
        """Wait for the place of the snapshot, then apply it."""
        await self._driver.snapshot(self, url, body)

    def snapshot_wanted(self, request: SnapshotRequest) -> None:
        """Ask only for what there is."""
        if self._driver.has_snapshot(self.feed.venue, list(self.feed.instruments)[request.symbol_index]):
            super().snapshot_wanted(request)


def _settings(venue: Any, server: PlaybackServer) -> ProviderConfig:
    """A provider that connects to *server* as it would to its venue."""
    return ProviderConfig.model_construct(
        name=venue,
        venue=venue,
        symbols=(),
        ws_endpoint=server.ws_url,
        rest_endpoint=server.rest_url,
        book=BookConfig.model_construct(snapshot_timeout_ms=_SNAPSHOT_TIMEOUT_MS),
        connection=ConnectionConfig(
            backoff_min_ms=_RETRY_MS, backoff_max_ms=_RETRY_MS, symbols_per_conn=_ALL_ON_ONE
        ),
    )
