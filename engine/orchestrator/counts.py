"""Frozen counts of one merge rule."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WindowCounts:
    """opened = emitted + suppressed + discarded + open (MRG-19); late fragments are counted apart."""

    opened: int
    emitted: int
    suppressed: int
    discarded: int
    open: int
    fragments: int
    late_fragments: int

    @property
    def balanced(self) -> bool:
        """Whether the equation holds."""
        return self.opened == self.emitted + self.suppressed + self.discarded + self.open
