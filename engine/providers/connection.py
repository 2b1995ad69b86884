"""One WebSocket of a provider, kept standing: it connects, says what it has to, and comes back after a loss."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Literal, Protocol

from picows import WSCloseCode, WSError, WSHandshakeError, WSProtocolError, WSTransport, ws_connect

from engine.base.clock import Clock
from engine.base.errors import AuthError, InvalidRequestError, NetworkError, NotFoundError, VenueError
from engine.base.workers import TaskScope
from engine.providers.backoff import Backoff
from engine.providers.feed import ConnectionPlan
from engine.providers.limits import SocketLimits
from engine.providers.listener import FrameListener
from engine.providers.liveness import Liveness, Verdict
from engine.providers.network import proxy_for, wait_to_retry
from engine.providers.pacing import Pacer, SlidingWindow
from engine.schema.ports import FrameSink

HEALTHY_S = 60.0
"""A connection that stood this long makes the next delay a first one (BOOK-03)."""
IN_SERVICE_S = 10.0
"""So does one that stood this long and fed its books: what a venue cuts again and again must heal in time (BOOK-20)."""
FINAL_REFUSALS = (AuthError, InvalidRequestError, NotFoundError)
"""Answers that asking again does not change."""
REFUSED_FOR_GOOD = frozenset({400, 401, 403, 404})
"""Answers to the upgrade that asking again does not change."""
_POLICY_VIOLATION = 1008
_CLOSE_WITHIN_S = 1.0

State = Literal["up", "down", "refused"]
log = logging.getLogger("engine.providers")


@dataclass(frozen=True)
class SocketSettings:
    """What every connection of a provider is made with.

    Attributes:
        limits: the venue's.
        connects: attempts made at the venue, shared by all who connect there.
        messages: control frames sent to the venue, where it counts those of all connections together.
        connect_timeout_s: of one attempt.
        ping_interval_s, pong_timeout_s, heartbeat_timeout_s: see :class:`~engine.providers.liveness.Liveness`.
        message_bytes_max: larger messages end the connection.
        tls: how the venue is verified.
    """

    limits: SocketLimits
    connects: SlidingWindow
    messages: SlidingWindow | None = None
    connect_timeout_s: float = 5.0
    ping_interval_s: float = 20.0
    pong_timeout_s: float = 5.0
    heartbeat_timeout_s: float = 5.0
    message_bytes_max: int = 16 * 1024 * 1024
    tls: ssl.SSLContext | None = field(default=None, repr=False)


class Opening(Protocol):
    """What is said on a connection where that is made anew each time: logins."""

    async def prepare(self) -> None:
        """Get what is needed before the connection is made.

        Raises:
            VenueError: the venue refuses it, or cannot be reached.
        """

    def frames(self) -> tuple[bytes, ...]:
        """What to say now that the connection stands."""


class Connection:
    """One of a provider's connections. Owned by its session, used on the engine's loop.

    Args:
        provider: for texts.
        number: the provider's number of this connection, told with each frame.
        plan: where to, and what to say there.
        sink: takes the frames.
        clock: stamps them.
        settings: limits and time-outs.
        backoff: delays between attempts.
        on_state: called as on_state(connection, state, cause) at each change, with *state* ``down`` at once when
            the socket has gone and before anything else happens.
        on_sent: called with this connection and each control frame that was sent.
        opening: says what to say in place of the plan.
    """

    def __init__(
        self,
        provider: str,
        number: int,
        plan: ConnectionPlan,
        sink: FrameSink,
        clock: Clock,
        *,
        settings: SocketSettings,
        backoff: Backoff,
        on_state: Callable[[Connection, State, str], None],
        on_sent: Callable[[Connection, bytes], None] | None = None,
        opening: Opening | None = None,
    ) -> None:
        self.provider = provider
        self.number = number
        self.plan = plan
        self.backoff = backoff
        self.state: State = "down"
        self.lost_count = 0
        self.stood_from_s = 0.0
        """By the loop's clock; of the socket that stands or stood last."""
        self.ending = asyncio.Event()
        """Set when the venue has said that it is about to end this connection."""
        self.sink = sink
        """Who hears it now."""
        self._clock = clock
        self._settings = settings
        self._on_state = on_state
        self._on_sent = on_sent
        self._opening = opening
        self._listener: FrameListener | None = None
        self._transport: WSTransport | None = None
        self._pacer = self._new_pacer()
        self._pings = 0
        self._outbox: deque[bytes] = deque()
        self._has_post = asyncio.Event()
        self._liveness: Liveness | None = None
        self._is_paused = False
        self._closing = False
        self._death = ""

    @property
    def is_up(self) -> bool:
        """Whether the socket stands."""
        return self._listener is not None and self._listener.transport is not None

    # -- coming and going -------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect once, as soon as the venue's limit allows, and say what the plan says.

        Raises:
            AuthError: the venue refuses the upgrade, and would again.
            NetworkError: anything else that keeps it from standing.
            VenueError: as the preparation of its opening has it.
        """
        settings = self._settings
        await self._admitted()
        if self._opening is not None:
            await self._opening.prepare()
        is_secure = self.plan.url.startswith("wss:")
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                self._transport, _ = await ws_connect(
                    self._new_listener,
                    self.plan.url,
                    enable_auto_pong=False,
                    websocket_handshake_timeout=settings.connect_timeout_s,
                    max_frame_size=settings.message_bytes_max,
                    logger_name=self.provider,
                    proxy=proxy_for(self.plan.url),
                    ssl_context=settings.tls if is_secure else None,
                )
        except (OSError, WSError) as error:
            raise self._failure(error) from error
        if not self.is_up:
            raise NetworkError("closed at once", op="connection.open", provider=self.provider)
        now_s = asyncio.get_running_loop().time()
        self.stood_from_s = now_s
        self._death = ""
        self.ending.clear()
        self._pacer = self._new_pacer()
        self._pings = 0
        heartbeat_s = settings.heartbeat_timeout_s if settings.limits.has_heartbeat else None
        self._liveness = Liveness(heartbeat_s, settings.ping_interval_s, settings.pong_timeout_s, now_s)
        self._outbox.clear()
        self.send(self.plan.frames if self._opening is None else self._opening.frames())
        if self._is_paused:
            self._transport.underlying_transport.pause_reading()
        self._become("up", "connected")

    async def keep(self) -> None:
        """Stand, at once if it does not yet, and come back whenever lost; returns where the venue refuses for good.

        Raises:
            Exception: whatever a stage raised while it took a frame.
        """
        try:
            if self._transport is None:
                await self._come_up()
            while await self._stand():
                await wait_to_retry(self.plan.url, self._delay_s(), self.backoff)
                await self._come_up()
        except FINAL_REFUSALS as error:
            self._become("refused", error.reason)

    async def close(self) -> None:
        """Close for good, without a word to on_state; again does nothing."""
        self._closing = True
        if self._transport is None or not self.is_up:
            return
        self._transport.send_close(WSCloseCode.OK)
        self._transport.disconnect()
        with suppress(TimeoutError, WSError):
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await self._transport.wait_disconnected()

    def drop(self, cause: str) -> None:
        """Cut the connection, which then comes back as after a loss."""
        if self._transport is not None and self.is_up:
            self._death = cause
            self._transport.disconnect(graceful=False)

    # -- while it stands --------------------------------------------------------------------------------------

    def send(self, frames: tuple[bytes, ...]) -> None:
        """Send control frames as fast as the venue lets us, where the connection stands."""
        if self.is_up:
            self._outbox.extend(frames)
            self._send_due()

    def post(self, frame: bytes) -> bool:
        """Send at once what no pace of control frames concerns: an order. False where nothing has left."""
        return self._listener is not None and self._listener.send(frame)

    def hear(self, sink: FrameSink) -> None:
        """Hand the frames to *sink* from now on."""
        self.sink = sink
        if self._listener is not None:
            self._listener.hear(sink)

    def pause(self) -> None:
        """Stop reading, so that the venue's frames wait on its side; again does nothing."""
        if not self._is_paused:
            self._is_paused = True
            if self._transport is not None and self.is_up:
                self._transport.underlying_transport.pause_reading()

    def resume(self) -> None:
        """Read again; the venue's silence meanwhile is not held against it."""
        if self._is_paused:
            self._is_paused = False
            if self._transport is not None and self.is_up:
                self._transport.underlying_transport.resume_reading()
                if self._liveness is not None:
                    self._liveness.excuse(asyncio.get_running_loop().time())

    async def round_trip(self) -> None:
        """Return when the venue has answered a ping: what it had sent before has been taken.

        Raises:
            NetworkError: the connection is not there, or is lost meanwhile.
        """
        if self._transport is None or not self.is_up:
            raise NetworkError("not connected", op="connection.ping", provider=self.provider)
        try:
            await self._transport.measure_roundtrip_time(1)
        except ConnectionResetError as error:
            raise NetworkError("lost while waiting", op="connection.ping", provider=self.provider) from error

    async def settled(self) -> None:
        """Return when all that was to be said has been sent, or the connection has gone."""
        loop = asyncio.get_running_loop()
        while self._outbox and self.is_up:
            await asyncio.sleep(self._pacer.wait_s(loop.time()))
            self._send_due()

    def _send_due(self) -> None:
        """Send what may be sent now, and have the rest sent when it may."""
        now_s = asyncio.get_running_loop().time()
        self._note_answers(now_s)
        while self._outbox and self._listener is not None and self._pacer.wait_s(now_s) <= 0.0:
            frame = self._outbox.popleft()
            self._listener.send(frame)
            self._pacer.sent(now_s)
            if self._on_sent is not None:
                self._on_sent(self, frame)
        if self._outbox:
            self._has_post.set()

    def _note_answers(self, now_s: float) -> None:
        """Count the pings of the venue that were answered since, on the hot side."""
        if self._listener is not None:
            for _ in range(self._listener.pings - self._pings):
                self._pacer.answered(now_s)
            self._pings = self._listener.pings

    async def _deliver_post(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._has_post.wait()
            await asyncio.sleep(self._pacer.wait_s(loop.time()))
            self._has_post.clear()
            self._send_due()

    async def _watch(self) -> None:
        """Look whether the venue is alive whenever that may have changed; end the connection if it is not."""
        loop = asyncio.get_running_loop()
        while True:
            listener, liveness = self._listener, self._liveness
            assert listener is not None
            assert liveness is not None
            await asyncio.sleep(max(0.0, liveness.next_s() - loop.time()))
            now_s = loop.time()
            if self._is_paused:
                liveness.excuse(now_s)
                continue
            verdict = liveness.look(now_s, listener.reads, listener.pongs)
            if verdict is Verdict.PING and self._transport is not None and self.is_up:
                self._transport.send_ping()
                self._pacer.sent(now_s)
                liveness.pinged(now_s)
            elif verdict is Verdict.DEAD and self._transport is not None:
                self._death = liveness.cause
                self._transport.disconnect(graceful=False)
                return

    async def _stand(self) -> bool:
        """Serve the connection until it ends; False if it is not to come back."""
        assert self._transport is not None
        try:
            async with TaskScope() as scope:
                scope.start(self._deliver_post())
                scope.start(self._watch())
                await self._transport.wait_disconnected()
        except WSProtocolError as error:
            log.warning("%s connection %d broke the protocol: %s", self.provider, self.number, error)
        if self._listener is not None and self._listener.close_code == _POLICY_VIOLATION:
            self._become("refused", self._cause())
            return False
        return not self._closing

    # -- details ----------------------------------------------------------------------------------------------

    def _delay_s(self) -> float:
        """How long to wait after a loss: the longer, the more attempts in a row have brought nothing."""
        stood_s = asyncio.get_running_loop().time() - self.stood_from_s
        was_heard = self._listener is not None and self._listener.frames > 0
        if stood_s >= (IN_SERVICE_S if was_heard else HEALTHY_S):
            self.backoff.reset()
        return self.backoff.next_s()

    async def _admitted(self) -> None:
        """Wait until the venue allows one more attempt, and count it."""
        loop = asyncio.get_running_loop()
        connects = self._settings.connects
        while (wait_s := connects.wait_s(loop.time())) > 0.0:  # noqa: ASYNC110
            await asyncio.sleep(wait_s)
        connects.note(loop.time())

    async def _come_up(self) -> None:
        """Try until it stands; the first failure of a connection that never stood is told as its state."""
        for attempt in count():
            try:
                await self.open()
            except FINAL_REFUSALS:
                raise
            except VenueError as error:
                log.warning("%s", error)
                if self._transport is None and attempt == 0:
                    self._become("down", error.reason)
                delay_s = max(error.retry_after_s or 0.0, self.backoff.next_s())
                await wait_to_retry(self.plan.url, delay_s, self.backoff, error)
            else:
                return

    def _new_pacer(self) -> Pacer:
        limits = self._settings.limits
        return Pacer(limits.control_gap_s, self._settings.messages or SlidingWindow(limits.messages_per_s, 1.0))

    def _new_listener(self) -> FrameListener:
        # Kept from here on: frames may come before the task that connects runs again.
        self._listener = FrameListener(
            self.sink,
            self._clock,
            self.number,
            message_bytes_max=self._settings.message_bytes_max,
            on_lost=self._lost,
        )
        return self._listener

    def _lost(self, listener: FrameListener) -> None:
        if not self._closing and listener is self._listener:
            self.lost_count += 1
            self._become("down", self._cause())

    def _become(self, state: State, cause: str) -> None:
        self.state = state
        self._on_state(self, state, cause)

    def _cause(self) -> str:
        code = -1 if self._listener is None else self._listener.close_code
        return self._death or ("connection lost" if code < 0 else f"closed by the venue, code {code}")

    def _failure(self, error: Exception) -> VenueError:
        status = error.response.status if isinstance(error, WSHandshakeError) and error.response else None
        kind = AuthError if status in REFUSED_FOR_GOOD else NetworkError
        why = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        return kind(
            f"{self.plan.url.partition('?')[0]}: {why}",
            op="connection.open",
            provider=self.provider,
            http_status=None if status is None else int(status),
        )
