"""One WebSocket of a provider, kept standing: it connects, says what it has to, and comes back after a loss."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from picows import WSCloseCode, WSError, WSHandshakeError, WSProtocolError, WSTransport, ws_connect

from engine.base.clock import Clock
from engine.base.errors import AuthError, NetworkError, VenueError
from engine.providers.backoff import Backoff
from engine.providers.feed import ConnectionPlan
from engine.providers.listener import FrameListener
from engine.schema.ports import FrameSink

HEALTHY_S = 60.0
"""A connection that stood this long makes the next delay a first one."""
REFUSED_FOR_GOOD = frozenset({400, 401, 403, 404})
"""Answers to the upgrade that asking again does not change."""
_POLICY_VIOLATION = 1008
_CLOSE_WITHIN_S = 1.0

State = Literal["up", "down", "refused"]
log = logging.getLogger("engine.providers")


class Connection:
    """One of a provider's connections. Owned by its session, used on the engine's loop.

    Args:
        provider: for texts.
        number: the provider's number of this connection, told with each frame.
        plan: where to, and what to say there.
        sink: takes the frames.
        clock: stamps them.
        backoff: delays between attempts.
        connect_timeout_s: of one attempt.
        message_bytes_max: larger messages end the connection.
        on_state: called as on_state(connection, state, cause) at each change, with *state* ``down`` at once when
            the socket has gone and before anything else happens.
    """

    def __init__(
        self,
        provider: str,
        number: int,
        plan: ConnectionPlan,
        sink: FrameSink,
        clock: Clock,
        *,
        backoff: Backoff,
        connect_timeout_s: float,
        message_bytes_max: int,
        on_state: Callable[[Connection, State, str], None],
    ) -> None:
        self.provider = provider
        self.number = number
        self.plan = plan
        self.backoff = backoff
        self.lost_count = 0
        self._sink = sink
        self._clock = clock
        self._connect_timeout_s = connect_timeout_s
        self._message_bytes_max = message_bytes_max
        self._on_state = on_state
        self._listener: FrameListener | None = None
        self._transport: WSTransport | None = None
        self._closing = False
        self.state: State = "down"

    @property
    def is_up(self) -> bool:
        """Whether the socket stands."""
        return self._listener is not None and self._listener.transport is not None

    async def open(self) -> None:
        """Connect once and say what the plan says.

        Raises:
            AuthError: the venue refuses the upgrade, and would again.
            NetworkError: anything else that keeps it from standing.
        """
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                self._transport, _ = await ws_connect(
                    self._new_listener,
                    self.plan.url,
                    enable_auto_pong=False,
                    websocket_handshake_timeout=self._connect_timeout_s,
                    max_frame_size=self._message_bytes_max,
                    logger_name=self.provider,
                )
        except (OSError, WSError) as error:
            raise self._failure(error) from error
        if not self.is_up:
            raise NetworkError("closed at once", op="connection.open", provider=self.provider)
        self.send(self.plan.frames)
        self._become("up", "connected")

    async def keep(self) -> None:
        """Stand, at once if it does not yet, and come back whenever lost; returns where the venue refuses for good.

        Raises:
            Exception: whatever a stage raised while it took a frame.
        """
        try:
            if self._transport is None:
                await self._come_up()
            while await self._gone():
                await asyncio.sleep(self.backoff.next_s())
                await self._come_up()
        except AuthError as error:
            self._become("refused", error.reason)

    def send(self, frames: tuple[bytes, ...]) -> None:
        """Send control frames, where the connection stands."""
        if self._listener is not None:
            for frame in frames:
                self._listener.send(frame)

    async def round_trip(self) -> None:
        """Return when the venue has answered a ping: what it had sent before has been taken.

        Raises:
            NetworkError: the connection is not there.
        """
        if self._transport is None or not self.is_up:
            raise NetworkError(f"connection {self.number} is down", op="connection.ping", provider=self.provider)
        try:
            await self._transport.measure_roundtrip_time(1)
        except ConnectionResetError as error:
            raise NetworkError("lost while waiting", op="connection.ping", provider=self.provider) from error

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

    def _new_listener(self) -> FrameListener:
        # Kept from here on: frames may come before the task that connects runs again.
        self._listener = FrameListener(
            self._sink,
            self._clock,
            self.number,
            message_bytes_max=self._message_bytes_max,
            on_lost=self._lost,
        )
        return self._listener

    def _lost(self, listener: FrameListener) -> None:
        if not self._closing and listener is self._listener:
            self.lost_count += 1
            self._become("down", self._cause())

    async def _gone(self) -> bool:
        """Wait for the end of the connection; False if the venue ended it for good."""
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        stood_from_s = loop.time()
        try:
            await self._transport.wait_disconnected()
        except WSProtocolError as error:
            log.warning("%s connection %d broke the protocol: %s", self.provider, self.number, error)
        if loop.time() - stood_from_s >= HEALTHY_S:
            self.backoff.reset()
        if self._listener is not None and self._listener.close_code == _POLICY_VIOLATION:
            self._become("refused", self._cause())
            return False
        return not self._closing

    async def _come_up(self) -> None:
        """Try until it stands; the first failure of a connection that never stood is told as its state."""
        while True:
            try:
                await self.open()
            except NetworkError as error:
                log.warning("%s", error)
                if self._transport is None and self.backoff.attempts == 0:
                    self._become("down", error.reason)
            else:
                return
            await asyncio.sleep(self.backoff.next_s())

    def _become(self, state: State, cause: str) -> None:
        self.state = state
        self._on_state(self, state, cause)

    def _cause(self) -> str:
        code = -1 if self._listener is None else self._listener.close_code
        return "connection lost" if code < 0 else f"closed by the venue, code {code}"

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
