"""Frozen counts of one stream up to the fan-out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StreamCounts:
    """received = routed + unrouted + merged + duplicates + late_dropped + held (EVT-08, first equation)."""

    received: int
    routed: int
    unrouted: int
    merged: int
    """Went into a merge window and to nobody else."""
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
        to_nobody = self.unrouted + self.merged
        return self.received == self.routed + to_nobody + self.duplicates + self.late_dropped + self.held
