from collections.abc import Callable

from picows import WSFrame, WSListener, WSTransport
from typing_extensions import disjoint_base

@disjoint_base
class BareListener(WSListener):
    """Counts.

    Args:
        on_lost: called without arguments when the connection has gone.
    """

    def __init__(self, on_lost: Callable[[], None]) -> None: ...
    @property
    def frames(self) -> int: ...
    @property
    def reads(self) -> int: ...
    @property
    def byte_count(self) -> int: ...
    @property
    def transport(self) -> WSTransport | None: ...
    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One frame."""

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The connection has gone."""

    def send(self, text: bytes) -> None:
        """Send one text frame."""
