"""Frozen counts of one stream up to the fan-out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StreamCounts:
    """received = routed + unrouted + duplicates + late_dropped + held (EVT-08, first equation)."""

    received: int
    routed: int
    unrouted: int
    duplicates: int
    late_dropped: int
    held: int
    late_delivered: int
    gaps: int
    held_total: int
    overflowed: int

    @property
    def balanced(self) -> bool:
        """Whether the equation holds."""
        return self.received == self.routed + self.unrouted + self.duplicates + self.late_dropped + self.held
