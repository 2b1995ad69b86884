"""How far a venue's clock is from ours (BOOK-30), by the middle of the shortest round trips. Pure."""

from __future__ import annotations

from dataclasses import dataclass

SAMPLES = 3
"""Round trips of one refresh; the shortest counts."""
REFRESH_S = 300.0


@dataclass(frozen=True)
class OffsetSample:
    """One round trip: our times around it, the venue's between, and how coarse its clock is."""

    sent_ns: int
    received_ns: int
    venue_ns: int
    resolution_ns: int

    @property
    def round_trip_ns(self) -> int:
        """From the question to the answer."""
        return self.received_ns - self.sent_ns

    @property
    def offset_ns(self) -> int:
        """The venue's clock less ours, at the middle of the round trip and of the venue's tick."""
        return self.venue_ns + self.resolution_ns // 2 - (self.sent_ns + self.received_ns) // 2

    @property
    def error_ns(self) -> int:
        """How far the offset may be off."""
        return (self.round_trip_ns + self.resolution_ns) // 2


class ClockOffset:
    """One venue's offset; of all samples of a refresh the one with the least possible error is kept."""

    def __init__(self) -> None:
        self.best: OffsetSample | None = None

    def take(self, samples: list[OffsetSample]) -> None:
        """A refresh is done; none at all leaves what was known."""
        if samples:
            self.best = min(samples, key=lambda sample: sample.error_ns)

    @property
    def offset_ns(self) -> int:
        """The venue's clock less ours; 0 while nothing is known."""
        return 0 if self.best is None else self.best.offset_ns

    def venue_now_ns(self, now_ns: int) -> int:
        """The time on the venue's clock when ours shows *now_ns*."""
        return now_ns + self.offset_ns
