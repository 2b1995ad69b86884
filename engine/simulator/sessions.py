"""One client's connection as its venue sees it."""

from __future__ import annotations

from typing import Protocol

from engine.simulator.limits import SlidingWindow


class Wire(Protocol):
    """The connection under a session."""

    def send(self, frame: bytes) -> None:
        """Send one text frame."""

    def send_torn(self, frame: bytes) -> None:
        """Send the first half of what carries a text frame, and cut the connection."""

    def ping(self, payload: bytes) -> None:
        """Send one protocol ping."""

    def pong(self, payload: bytes) -> None:
        """Answer a protocol ping."""

    def close(self, code: int = 1000, reason: str = "") -> None:
        """End the connection; code 1006 is none on the wire: it is cut without a close frame."""


class Session:
    """What the venue keeps of a connection. Venues extend it with their own state.

    Attributes:
        number: of the venue's connections, from 1; set by the venue.
        is_open: whether it may be sent to.
        is_muted: whether nothing leaves, although the connection stays open.
        messages: what it has said, where the venue counts each connection by itself.
        held: frames that wait for the next of their stream, to come after it.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.number = 0
        self.is_open = True
        self.is_muted = False
        self.messages: SlidingWindow | None = None
        self.held: dict[tuple[str, str], tuple[str, bytes]] = {}

    def ping(self, payload: bytes) -> None:
        """Send one protocol ping."""
        if not self.is_muted:
            self.wire.ping(payload)

    def pong(self, payload: bytes) -> None:
        """Answer a protocol ping."""
        if not self.is_muted:
            self.wire.pong(payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """End the connection; nothing is sent after this."""
        self.is_open = False
        self.wire.close(code, reason)
