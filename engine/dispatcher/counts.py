"""Frozen counts of one stream up to the fan-out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StreamCounts:
    """received = routed + unrouted + duplicates + late_dropped + coalesced_at_entry + dropped_at_entry + held (EVT-08).

    The updates that a snapshot took the place of while both waited are counted with the updates.
    """

    received: int
    routed: int
    unrouted: int
    duplicates: int
    late_dropped: int
    coalesced_at_entry: int
    """Folded while they waited for a token."""
    dropped_at_entry: int
    """Past the buffer while they waited for a token."""
    held: int
    throttled: int
    """That had to wait for a token."""
    late_delivered: int
    gaps: int
    held_total: int
    overflowed: int

    @property
    def balanced(self) -> bool:
        """Whether the equation holds."""
        gone = self.routed + self.unrouted + self.duplicates + self.late_dropped
        return self.received == gone + self.coalesced_at_entry + self.dropped_at_entry + self.held
