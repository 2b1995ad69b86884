"""The network side of a session: picows listeners that hand frames to a venue and its frames to a socket."""

import asyncio
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlsplit

from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
)

from engine.simulator.load import Tape
from engine.simulator.pacing import Pacer
from engine.simulator.sessions import Session
from engine.simulator.venue import Venue

# A client that lets this much pile up is dropped, as the venues drop slow readers.
_SLOW_READER_BYTES = 64 * 1024 * 1024
_ABNORMAL = 1006
_FRAMES_AT_ONCE = 8
"""Frames in one write at most: the first of them waits for the last."""
_DRAIN_LOOK_S = 0.001


class Connection(WSListener):
    """One accepted connection of *venue*; it lives as long as its socket."""

    def __init__(self, venue: Venue, pacer: Pacer, path: str, query: dict[str, str]) -> None:
        super().__init__()
        self._venue = venue
        self._pacer = pacer
        self._path = path
        self._query = query
        self._transport: WSTransport | None = None
        self._session: Session | None = None
        self._is_congested = False
        self._waiting: list[bytes] = []
        self._tape: Tape | None = None
        self._changed = asyncio.Event()

    # --- what the venue calls ---

    def send(self, frame: bytes) -> None:
        """Send one text frame, with what else this turn of the loop sends; a reader that falls far behind is cut."""
        if self._transport is None:
            return
        if self._tape is not None:
            self._tape.append((self._venue.timeline.now_us, text_frame(frame)))
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._write_waiting)
        self._waiting.append(text_frame(frame))
        if len(self._waiting) == _FRAMES_AT_ONCE:
            self._write_waiting()

    def _write_waiting(self) -> None:
        if not self._waiting:
            return
        wire_bytes = b"".join(self._waiting)
        self._waiting.clear()
        transport = self._transport
        if transport is None or transport.underlying_transport.is_closing():
            return
        self._pacer.wrote(self._venue.timeline)
        transport.underlying_transport.write(wire_bytes)
        if self._is_congested and self._buffered_bytes(transport) > _SLOW_READER_BYTES:
            transport.disconnect(graceful=False)

    def ping(self, payload: bytes) -> None:
        """Send one protocol ping."""
        if (transport := self._standing()) is not None:
            transport.send_ping(payload)

    def pong(self, payload: bytes) -> None:
        """Answer a protocol ping."""
        if (transport := self._standing()) is not None:
            transport.send_pong(payload)

    def send_torn(self, frame: bytes) -> None:
        """Send the first half of what carries a text frame, and cut the connection."""
        if (transport := self._standing()) is not None:
            wire_bytes = text_frame(frame)
            transport.underlying_transport.write(wire_bytes[: len(wire_bytes) // 2])
            # Not at once, which would take back what was just written.
            transport.underlying_transport.close()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """End the connection; code 1006 cuts it without a close frame."""
        transport = self._standing()
        if transport is None:
            return
        if code == _ABNORMAL:
            transport.disconnect(graceful=False)
        else:
            transport.send_close(WSCloseCode(code), reason.encode())
            transport.disconnect()

    def _standing(self) -> WSTransport | None:
        """The transport, if it takes anything, after what waits: a socket has often ended long before we know."""
        self._write_waiting()
        transport = self._transport
        return None if transport is None or transport.underlying_transport.is_closing() else transport

    # --- what a load run calls ---

    def begin_tape(self) -> None:
        """Keep what is sent from now on."""
        self._tape = []

    @property
    def tape(self) -> Tape:
        """What has been kept: when it was due, in microseconds of the market's time, and its bytes on the wire."""
        return [] if self._tape is None else self._tape

    def end_tape(self) -> None:
        """Send again as usual."""
        self._tape = None

    def write(self, wire_bytes: bytes) -> None:
        """Send bytes as they are; a connection that has ended takes none."""
        if (transport := self._standing()) is not None:
            transport.underlying_transport.write(wire_bytes)

    async def writable(self) -> None:
        """Return when the socket takes more, or the client has gone."""
        while self._is_congested and self._transport is not None:
            self._changed.clear()
            await self._changed.wait()

    async def drained(self) -> None:
        """Return when the socket has taken everything, or the client has gone."""
        while self._transport is not None and self._buffered_bytes(self._transport):  # noqa: ASYNC110
            await asyncio.sleep(_DRAIN_LOOK_S)

    # --- what picows calls ---

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done: the venue opens a session."""
        self._transport = transport
        self._session = self._venue.connect(self._path, self._query, self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Hand text, pings and pongs to the venue and answer a close."""
        session = self._session
        if session is None:
            return
        if frame.msg_type == WSMsgType.TEXT:
            # What is asked happens now, not when the market last moved.
            self._pacer.bring(self._venue.timeline)
            self._venue.receive(session, frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.PING:
            self._venue.ping_received(session, frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.PONG:
            self._venue.pong_received(session, frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            self._write_waiting()
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The venue forgets the session."""
        self._transport = None
        self._changed.set()
        if self._session is not None:
            self._venue.disconnect(self._session)
            self._session = None

    def pause_writing(self) -> None:
        """The client reads more slowly than the venue writes."""
        self._is_congested = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._is_congested = False
        self._changed.set()

    @staticmethod
    def _buffered_bytes(transport: WSTransport) -> int:
        return transport.underlying_transport.get_write_buffer_size()


def text_frame(payload: bytes) -> bytes:
    """*payload* as the bytes of one unmasked text frame."""
    if len(payload) < 126:
        return bytes((0x81, len(payload))) + payload
    if len(payload) < 1 << 16:
        return b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload
    return b"\x81\x7f" + len(payload).to_bytes(8, "big") + payload


def accept(
    venues: Iterable[Venue], pacer: Pacer, request: WSUpgradeRequest
) -> Connection | WSUpgradeResponseWithListener | None:
    """A connection for an upgrade request, or why it is refused: None (404) where no venue serves its path."""
    target = urlsplit(request.path.decode())
    for venue in venues:
        if not venue.serves(target.path):
            continue
        refusal = venue.admit()
        if refusal is None:
            return Connection(venue, pacer, target.path, dict(parse_qsl(target.query)))
        headers = {"Retry-After": str(refusal.retry_after_s)} if refusal.retry_after_s else {}
        response = WSUpgradeResponse.create_error_response(refusal.status, b"refused", headers)
        return WSUpgradeResponseWithListener(response, None)
    return None
