from typing import final

@final
class LatencyHistogram:
    """Durations in ns. No bucket rounds a sub-millisecond duration to 0; the relative width is 1/16."""

    count: int
    max_ns: int
    min_ns: int
    def __init__(self) -> None: ...
    def add(self, duration_ns: int, times: int = 1) -> None:
        """Record a duration *times* times."""
    def percentile_ns(self, share: float) -> int:
        """Duration below which *share* (0..1) of the records lie, to the width of its bucket; 0 when empty."""
    def mean_ns(self) -> int:
        """Mean duration; 0 when empty, too small once the sum of all is beyond 64 bits."""
    def buckets(self) -> list[tuple[int, int]]:
        """(upper edge in ns, count) of every bucket that was hit."""
