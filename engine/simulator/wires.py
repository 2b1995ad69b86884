"""The network side of a session: picows listeners that hand frames to a venue and its frames to a socket."""

from urllib.parse import parse_qsl, urlsplit

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest

from engine.simulator.venue import Session, Venue

# A client that lets this much pile up is dropped, as the venues drop slow readers.
_SLOW_READER_BYTES = 64 * 1024 * 1024


class Connection(WSListener):
    """One accepted connection of *venue*; it lives as long as its socket."""

    def __init__(self, venue: Venue, path: str, query: dict[str, str]) -> None:
        super().__init__()
        self._venue = venue
        self._path = path
        self._query = query
        self._transport: WSTransport | None = None
        self._session: Session | None = None
        self._is_congested = False

    # --- what the venue calls ---

    def send(self, frame: bytes) -> None:
        """Send one text frame; a reader that has fallen far behind is dropped."""
        transport = self._transport
        if transport is None:
            return
        transport.send(WSMsgType.TEXT, frame)
        if self._is_congested and self._buffered_bytes(transport) > _SLOW_READER_BYTES:
            transport.disconnect(graceful=False)

    def ping(self, payload: bytes) -> None:
        """Send one protocol ping."""
        if self._transport is not None:
            self._transport.send_ping(payload)

    def close(self) -> None:
        """Drop the client."""
        if self._transport is not None:
            self._transport.disconnect()

    # --- what picows calls ---

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done: the venue opens a session."""
        self._transport = transport
        self._session = self._venue.connect(self._path, self._query, self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Hand text to the venue and answer a close."""
        if frame.msg_type == WSMsgType.TEXT and self._session is not None:
            self._venue.receive(self._session, frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The venue forgets the session."""
        self._transport = None
        if self._session is not None:
            self._venue.disconnect(self._session)
            self._session = None

    def pause_writing(self) -> None:
        """The client reads more slowly than the venue writes."""
        self._is_congested = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._is_congested = False

    @staticmethod
    def _buffered_bytes(transport: WSTransport) -> int:
        return transport.underlying_transport.get_write_buffer_size()


def accept(venue: Venue, request: WSUpgradeRequest) -> Connection | None:
    """A connection for an upgrade request, None (404) where the venue serves no WebSocket at its path."""
    target = urlsplit(request.path.decode())
    if not venue.serves(target.path):
        return None
    return Connection(venue, target.path, dict(parse_qsl(target.query)))
