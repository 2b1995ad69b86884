"""One client connection of the playback server: gate, back pressure, round trips."""

import asyncio
from collections.abc import Callable

import msgspec
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport


class _Channel(msgspec.Struct):
    """What tells a Kraken greeting from the frames that only a subscription brings."""

    channel: str = ""


class PlaybackLink(WSListener):
    """Sends one recorded connection's frames, never more than the socket takes."""

    def __init__(self, connected: Callable[["PlaybackLink"], None], has_spoken: bool) -> None:
        """*connected* is called when the handshake is done. *has_spoken*: nothing need be waited for."""
        super().__init__()
        self._connected = connected
        self._transport: WSTransport | None = None
        self._spoken = asyncio.Event()
        if has_spoken:
            self._spoken.set()
        self._writable = asyncio.Event()
        self._writable.set()
        self._pings_count = 0
        self._pongs: dict[bytes, asyncio.Event] = {}

    @property
    def is_open(self) -> bool:
        """Whether the client is still there."""
        return self._transport is not None

    async def send(self, frame: bytes, speak_timeout_s: float) -> None:
        """Send a frame as soon as the socket takes it; a connection that has gone loses it.

        The first frames wait up to *speak_timeout_s* for the client to speak.
        """
        if not self._spoken.is_set() and not _is_greeting(frame):
            try:
                async with asyncio.timeout(speak_timeout_s):
                    await self._spoken.wait()
            except TimeoutError:
                self._spoken.set()
        await self._writable.wait()
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, frame)

    async def round_trip(self) -> None:
        """Return when the client has answered a ping, and so has taken all before it, or has gone."""
        if self._transport is None:
            return
        self._pings_count += 1
        payload = str(self._pings_count).encode()
        answered = self._pongs[payload] = asyncio.Event()
        self._transport.send_ping(payload)
        try:
            await answered.wait()
        finally:
            del self._pongs[payload]

    def close(self) -> None:
        """Drop the client."""
        if self._transport is not None:
            self._transport.disconnect()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport
        self._connected(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Whatever the client says opens the gate; what it says is ignored."""
        if frame.msg_type == WSMsgType.TEXT:
            self._spoken.set()
        elif frame.msg_type == WSMsgType.PONG:
            if answered := self._pongs.get(frame.get_payload_as_bytes()):
                answered.set()
        elif frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Let everything go that waits for this client."""
        self._transport = None
        self._writable.set()
        self._spoken.set()
        for answered in self._pongs.values():
            answered.set()

    def pause_writing(self) -> None:
        """The socket has enough."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The socket takes more."""
        self._writable.set()


def _is_greeting(frame: bytes) -> bool:
    try:
        return msgspec.json.decode(frame, type=_Channel).channel == "status"
    except msgspec.MsgspecError:
        return False
