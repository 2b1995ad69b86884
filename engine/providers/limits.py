"""What a venue allows on its sockets, as its manifest states it."""

from __future__ import annotations

from dataclasses import dataclass

STREAMS_PER_FRAME = 100
"""A control frame names no more (BOOK-06)."""


@dataclass(frozen=True)
class SocketLimits:
    """Of one venue; BOOK-06 has the figures.

    Attributes:
        control_gap_s: least time between two control frames of a connection.
        messages_per_s: that a connection may send, pings and pongs included.
        messages_are_per_address: all connections together may send no more than that.
        connects: attempts an address may make ..
        connects_within_s: .. within this long.
        has_heartbeat: the venue says something each second, so that silence tells.
        lifetime_s: the venue ends a connection of this age; None = it does not.
    """

    control_gap_s: float
    messages_per_s: int
    connects: int
    connects_within_s: float
    has_heartbeat: bool
    messages_are_per_address: bool = False
    lifetime_s: float | None = None
