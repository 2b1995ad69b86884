"""What all providers that use one venue from here share: it counts what an address does, not what a provider does."""

from __future__ import annotations

from engine.providers.limits import SocketLimits
from engine.providers.pacing import SlidingWindow


class VenueGate:
    """The way to one venue. Owned by the runtime, used on the engine's loop.

    Args:
        limits: the venue's.
    """

    def __init__(self, limits: SocketLimits) -> None:
        self.connects = SlidingWindow(limits.connects, limits.connects_within_s)
        """Attempts to open a socket."""
        self.messages = (
            SlidingWindow(limits.messages_per_s, 1.0) if limits.messages_are_per_address else None
        )
        """Control frames of all sockets together, where the venue counts them so."""
