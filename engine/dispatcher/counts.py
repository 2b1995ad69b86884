"""Frozen counts of one stream up to the fan-out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StreamCounts:
    """received = the sum of all up to ``held`` (EVT-08, first equation).

    The updates that a snapshot took the place of while both waited are counted with the updates.
    """

    received: int
    routed: int
    unrouted: int
    merged: int
    """Went into a merge window and to nobody else."""
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
        to_nobody = self.unrouted + self.merged
        gone = self.routed + to_nobody + self.duplicates + self.late_dropped
        return self.received == gone + self.coalesced_at_entry + self.dropped_at_entry + self.held
