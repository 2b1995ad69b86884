"""What all providers that use one venue from here share: it counts what an address does, not what a provider does."""

from __future__ import annotations

import ssl

from engine.config.sections_providers import ProviderConfig
from engine.providers.budget import RestBudget, RestLimits
from engine.providers.clock_offset import ClockOffset
from engine.providers.connection import SocketSettings
from engine.providers.limits import SocketLimits
from engine.providers.pacing import SlidingWindow


class VenueGate:
    """The way to one venue. Owned by the runtime, used on the engine's loop.

    Args:
        limits: the venue's, of sockets.
        rest_limits: the venue's, of REST.
        share: of the limit of REST that snapshots may use.
    """

    def __init__(self, limits: SocketLimits, rest_limits: RestLimits, share: float = 0.8) -> None:
        self.connects = SlidingWindow(limits.connects, limits.connects_within_s)
        """Attempts to open a socket."""
        self.messages = (
            SlidingWindow(limits.messages_per_s, 1.0) if limits.messages_are_per_address else None
        )
        """Control frames of all sockets together, where the venue counts them so."""
        self.budget = RestBudget(rest_limits, share)
        """Calls by REST."""
        self.clock = ClockOffset()
        """The venue's clock."""


def socket_settings(
    settings: ProviderConfig, limits: SocketLimits, gate: VenueGate, tls: ssl.SSLContext
) -> SocketSettings:
    """What every connection of a provider is made with."""
    connection = settings.connection
    return SocketSettings(
        limits=limits,
        connects=gate.connects,
        messages=gate.messages,
        connect_timeout_s=connection.connect_timeout_ms / 1e3,
        ping_interval_s=connection.ping_interval_ms / 1e3,
        pong_timeout_s=connection.pong_timeout_ms / 1e3,
        heartbeat_timeout_s=connection.heartbeat_timeout_ms / 1e3,
        message_bytes_max=connection.max_frame_bytes,
        tls=tls,
    )
