"""A clock that a test turns by hand."""

from __future__ import annotations

START_NS = 1_700_000_000_000_000_000


class HandClock:
    """Nanoseconds that move only when told to."""

    def __init__(self, now_ns: int = START_NS) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns

    def advance_ms(self, by_ms: float) -> None:
        self.now_ns += round(by_ms * 1_000_000)
