"""`engine-run record`: frames of the configured providers, byte for byte, into captures that `replay` plays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from engine.base.errors import UnavailableError
from engine.base.workers import TaskScope
from engine.config.sections import EngineConfig
from engine.config.sections_providers import ProviderConfig
from engine.providers.connection import Connection
from engine.providers.feed import Feed
from engine.providers.listener import FrameRelay, FrameTee
from engine.providers.session import Session
from engine.runtime.assembly import Engine
from engine.runtime.capture import CaptureRecord
from engine.runtime.live import DeadlineTimer, book_rules
from engine.runtime.tapes import TapeFiles

FLUSH_EVERY_S = 0.5
"""What a kill may cost."""


@dataclass(frozen=True)
class RecordResult:
    """What was recorded.

    Attributes:
        paths: the files, in order.
        records: of all files.
        frames: received, by provider.
        resyncs: of books while recording, by provider.
    """

    paths: tuple[str, ...]
    records: int
    frames: dict[str, int]
    resyncs: dict[str, int]


class ProviderTape:
    """One provider's part of a recording.

    Args:
        files: where it goes.
        config: of the provider.
        now_ns: the engine's clock.
        new_conn: gives the number of a socket, one of its own for each in the whole recording.
    """

    def __init__(
        self, files: TapeFiles, config: ProviderConfig, now_ns: Callable[[], int], new_conn: Callable[[], int]
    ) -> None:
        self.venue = config.venue
        self.session: Session | None = None
        self._files = files
        self._now_ns = now_ns
        self._new_conn = new_conn
        self._conns: dict[int, int] = {}
        self._catalogue: tuple[str, bytes] | None = None

    def frame(self, frame: bytes, ts_recv_ns: int, number: int) -> None:
        """A frame came over connection *number*."""
        self._write(ts_recv_ns, "ws", self._conn(number), self._url(number), frame)

    def sent(self, connection: Connection, frame: bytes) -> None:
        """A control frame was sent."""
        number = connection.number
        self._write(self._now_ns(), "ws", self._conn(number), connection.plan.url, frame, is_out=True)

    def lost(self, connection: Connection) -> None:
        """The numbers of what comes over the next socket begin anew."""
        self._conns.pop(connection.number, None)

    def body(self, feed: Feed, url: str, body: bytes) -> None:
        """A body by REST is about to be used."""
        if url == feed.instruments_url(feed.rest_endpoint):
            self._catalogue = (url, body)
        self._write(self._now_ns(), "http", -1, url, body)

    def begin_file(self) -> None:
        """A new file has been begun: it needs what books and instruments begin with."""
        if self._catalogue is not None:
            self._write(self._now_ns(), "http", -1, *self._catalogue)
        if self.session is not None:
            self.session.fleet.begin_books_anew()

    def _conn(self, number: int) -> int:
        if number not in self._conns:
            self._conns[number] = self._new_conn()
        return self._conns[number]

    def _url(self, number: int) -> str | None:
        connections = () if self.session is None else self.session.connections
        return next((one.plan.url for one in connections if one.number == number), None)

    def _write(
        self, ts_ns: int, channel: str, conn: int, url: str | None, raw: bytes, *, is_out: bool = False
    ) -> None:
        self._files.write(
            CaptureRecord(
                ts_ns=ts_ns,
                venue=self.venue,
                channel="ws" if channel == "ws" else "http",
                conn=conn,
                url=url,
                raw=raw.decode(),
                dir="out" if is_out else None,
            )
        )


class Recording:
    """Runs once, on a loop.

    Args:
        config: its providers are recorded; its consumers are left out.
        folder: of the files.
        seconds: how long; 0 = until stop().
        rotate_bytes: of a file.
    """

    def __init__(self, config: EngineConfig, folder: Path, seconds: float, rotate_bytes: int) -> None:
        self._config = config.model_copy(update={"consumers": ()})
        self._seconds = seconds
        self._stopped = asyncio.Event()
        name = f"record-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        self._files = TapeFiles(folder, name, rotate_bytes)
        self._tapes: list[ProviderTape] = []
        self._conns = 0

    def stop(self) -> None:
        """End the recording."""
        self._stopped.set()

    async def run(self) -> RecordResult:
        """Record.

        Raises:
            ValidationError: the disk does not take it.
            UnavailableError: no frame came from any provider.
        """
        try:
            with Engine(self._config) as engine:
                engine.start()
                async with AsyncExitStack() as stack:
                    timer = DeadlineTimer(engine.dispatcher, engine.clock)
                    stack.callback(timer.close)
                    for provider in self._config.providers:
                        if provider.enabled:
                            session = await stack.enter_async_context(self._session(engine, provider))
                            session.start(partial(engine.carry, session.feed))
                    async with TaskScope() as scope:
                        scope.start(self._write_on())
                        await self._until_stopped()
                frames = {name: feed.stream.frames for name, feed in engine.feeds.items()}
                resyncs = {
                    name: sum(sum(book.counts_by_reason().values()) for book in feed.stream.book_list())
                    for name, feed in engine.feeds.items()
                }
        finally:
            self._files.close()
        if not any(frames.values()):
            hint = "see the log for each venue's reason"
            raise UnavailableError("no provider sent a frame", op="record.run", hint=hint)
        return RecordResult(tuple(map(str, self._files.paths)), self._files.records, frames, resyncs)

    def _session(self, engine: Engine, provider: ProviderConfig) -> Session:
        feed = engine.open_provider(provider.venue, provider.name, book_rules(provider))
        tape = ProviderTape(self._files, provider, engine.clock.now, self._new_conn)
        sink = FrameTee(FrameRelay(tape.frame), feed.stream)
        tape.session = Session(feed, provider, engine.clock, tell=engine.reporting.tell, sink=sink, tape=tape)
        self._tapes.append(tape)
        return tape.session

    def _new_conn(self) -> int:
        self._conns += 1
        return self._conns - 1

    async def _write_on(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            self._files.flush()
            if self._files.is_full:
                self._files.rotate()
                for tape in self._tapes:
                    tape.begin_file()

    async def _until_stopped(self) -> None:
        if not self._seconds:
            await self._stopped.wait()
            return
        try:
            async with asyncio.timeout(self._seconds):
                await self._stopped.wait()
        except TimeoutError:
            return
