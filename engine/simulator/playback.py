"""A recorded capture played as the venue would: over a WebSocket and REST server on loopback.

What a client can rely on:
1. frames come byte-exact and in recorded order; the n-th connection opened gets the n-th recorded one;
2. nothing but Kraken's ``status`` comes before the client's first message (Binance: or streams in the URL);
3. a depth request is answered with that symbol's next recorded snapshot once its place is reached, after
   the client has taken every frame before it, and no later frame is sent until it is answered;
4. where nobody asked for a snapshot within the timeout, the recording goes on without it.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable

import msgspec
import picows
from aiohttp import web

from engine.simulator.playback_link import PlaybackLink
from engine.simulator.recording import CaptureRecord, Recording, depth_symbol, endpoint_of, frame_bytes

_HOST = "127.0.0.1"
_YIELD_FRAMES = 256


class PlaybackError(Exception):
    """The recording could not be played to its end; says why."""


class PlaybackCounts(msgspec.Struct, frozen=True):
    """What has been played so far."""

    frames_sent: int
    snapshots_answered: int
    snapshots_unrequested: int
    connections: int


class _DepthRequest:
    """A client that waits for a snapshot: the player sets ``body``, the handler sets ``answered``."""

    def __init__(self) -> None:
        self.body: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.answered = asyncio.Event()


class PlaybackServer:
    """Plays one venue's records once: ``start``, point the client at the URLs, ``finished``, ``stop``.

    One that is never started has no ports of its own, and is handed its clients by ``accept`` and ``answer``.
    """

    def __init__(
        self, records: Iterable[CaptureRecord], *, venue: str | None = None, speed: float | None = None,
        request_timeout_s: float = 2.0, timeout_s: float = 30.0,
        settled: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """*records*: see ``Recording``, whose errors this raises. *speed*: multiple of the recorded pace,
        None for as fast as the client reads. *request_timeout_s*: how long a snapshot waits to be asked
        for, and a connection for its first message. *timeout_s*: how long a client may take to connect or
        to answer a ping before the playback fails. *settled*: awaited with the symbol after each answered
        snapshot, for a caller that knows when its client has applied it.
        """
        self._recording = Recording(records, venue)
        self._speed = speed
        self._request_timeout_s = request_timeout_s
        self._timeout_s = timeout_s
        self._settled = settled
        self._unused: deque[PlaybackLink] = deque()
        self._links: dict[int, PlaybackLink] = {}
        self._requests: dict[str, deque[_DepthRequest]] = {}
        self._unrequested: dict[str, bytes] = {}
        self._changed = asyncio.Event()
        self._position = -1
        self._counts: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._runner: web.AppRunner | None = None
        self._stopped = False
        self.ws_url = ""
        self.rest_url = ""

    async def start(self) -> None:
        """Listen on free loopback ports. Metadata is served from now on, frames by ``finished``."""
        self._server = await picows.ws_create_server(self.accept, _HOST, 0)
        self.ws_url = f"ws://{_HOST}:{self._server.sockets[0].getsockname()[1]}"
        application = web.Application()
        application.router.add_get("/{path:.*}", self.answer)
        # A client that gives up its request must not take a snapshot with it.
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, _HOST, 0).start()
        self.rest_url = f"http://{_HOST}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop playing, drop the client and close the ports."""
        self._stopped = True
        self._changed.set()
        if self._server is not None:
            self._server.close()
        for link in [*self._unused, *self._links.values()]:
            link.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def position(self) -> int:
        """0-based place of the record played last, -1 before the first."""
        return self._position

    def counts(self) -> PlaybackCounts:
        """The counts so far."""
        counted = self._counts
        return PlaybackCounts(
            counted["frames"], counted["answered"], counted["unrequested"], counted["connections"]
        )

    # --- the player ---

    async def finished(self) -> None:
        """Play from the client's first connection on, and return when it has taken the last frame.

        The frames are sent by whoever awaits this, which therefore runs beside the client. Raises
        PlaybackError where the client stays away, does not answer, or the server is stopped.
        """
        started_s: float | None = None
        first_ns = 0
        loop = asyncio.get_running_loop()
        for index, record in self._recording:
            self._position = index
            if started_s is None:
                await self._wait_for_client()
                started_s, first_ns = loop.time(), record.ts_ns
            elif self._speed is not None:
                due_s = started_s + (record.ts_ns - first_ns) / 1e9 / self._speed
                if due_s > loop.time():
                    await asyncio.sleep(due_s - loop.time())
            if record.channel == "ws":
                await self._send_frame(record)
            elif symbol := depth_symbol(record.url):
                await self._offer_snapshot(symbol, frame_bytes(record))
        await self._synchronise()

    async def _wait_for_client(self) -> None:
        if self._recording.frames_count and not await self._wait_until(self._has_unused, self._timeout_s):
            raise PlaybackError(f"no client connected within {self._timeout_s} s")

    async def _send_frame(self, record: CaptureRecord) -> None:
        frame = frame_bytes(record)
        link = self._links.get(record.conn)
        if link is None or not link.is_open:
            link = self._links[record.conn] = await self._next_link(record.conn)
        await link.send(frame, self._request_timeout_s)
        self._counts["frames"] += 1
        if self._counts["frames"] % _YIELD_FRAMES == 0:
            await asyncio.sleep(0)

    async def _next_link(self, conn: int) -> PlaybackLink:
        """The client's next connection. Where it has none to spare, end those whose recording has ended:
        the client comes back as the recorder did.
        """
        if not self._unused:
            for ended, link in self._links.items():
                if self._recording.last_record_of_conn[ended] < self._position:
                    link.close()
        if not await self._wait_until(self._has_unused, self._timeout_s):
            raise PlaybackError(
                f"no client connection for recorded connection {conn} at record {self._position} "
                f"within {self._timeout_s} s"
            )
        return self._unused.popleft()

    async def _offer_snapshot(self, symbol: str, body: bytes) -> None:
        await self._synchronise()
        requested = await self._wait_until(lambda: self._is_requested(symbol), self._request_timeout_s)
        self._recording.snapshots_left[symbol] -= 1
        if not requested:
            self._counts["unrequested"] += 1
            self._unrequested[symbol] = body
            return
        request = self._requests[symbol].popleft()
        request.body.set_result(body)
        await request.answered.wait()
        if self._settled is not None:
            await self._settled(symbol)
        await self._synchronise()

    async def _synchronise(self) -> None:
        """Return when every client connection has taken all frames sent to it so far, or has gone."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.gather(*(link.round_trip() for link in self._links.values()))
        except TimeoutError:
            raise PlaybackError(f"the client answered no ping within {self._timeout_s} s") from None

    def _has_unused(self) -> bool:
        return bool(self._unused)

    def _is_requested(self, symbol: str) -> bool:
        """Whether a client waits for the symbol's snapshot; those that have given up are forgotten."""
        waiting = self._requests.setdefault(symbol, deque())
        while waiting and waiting[0].body.cancelled():
            waiting.popleft()
        return bool(waiting)

    async def _wait_until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Whether *holds* came true within *timeout_s*; looked at whenever a client did something."""
        try:
            async with asyncio.timeout(timeout_s):
                while not holds():
                    if self._stopped:
                        raise PlaybackError("the playback was stopped")
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    # --- clients ---

    def accept(self, request: picows.WSUpgradeRequest) -> PlaybackLink:
        """A connection for an upgrade request."""
        path = request.path.decode()
        names_streams = "streams=" in path or path.startswith("/ws/")
        return PlaybackLink(self._on_connected, has_spoken=names_streams)

    def _on_connected(self, link: PlaybackLink) -> None:
        self._counts["connections"] += 1
        self._unused.append(link)
        self._changed.set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a REST request; one for a depth snapshot waits for its place in the recording."""
        endpoint = endpoint_of(request.path)
        if endpoint == "depth":
            return await self._answer_depth(request, request.query.get("symbol", ""))
        body = self._recording.body(endpoint, self._position)
        if body is None:
            raise web.HTTPNotFound(text="not in the recording")
        return web.Response(body=body, content_type="application/json")

    async def _answer_depth(self, request: web.Request, symbol: str) -> web.StreamResponse:
        if self._recording.snapshots_left[symbol] <= 0:
            body = self._unrequested.pop(symbol, None)
            if body is None:
                raise web.HTTPServiceUnavailable(text="no further snapshot in the recording")
            return web.Response(body=body, content_type="application/json")
        depth_request = _DepthRequest()
        waiting = self._requests.setdefault(symbol, deque())
        waiting.append(depth_request)
        self._changed.set()
        try:
            body = await depth_request.body
            response = web.Response(body=body, content_type="application/json")
            await response.prepare(request)
            await response.write_eof()
            self._counts["answered"] += 1
            return response
        finally:
            depth_request.answered.set()
            if depth_request in waiting:
                waiting.remove(depth_request)
