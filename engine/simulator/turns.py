"""When a venue did what it had due: what a frame says of its time is when it was due, not when its bytes were made."""

from __future__ import annotations

from array import array

TURN_NS = 100_000
"""What is done within this long of one another is told as one turn, by the instant at which it began."""
KEPT_MAX = 1 << 18


class Turns:
    """Of one timeline, turn by turn: from which due time on, and at which instant of the clock.

    A frame was written no earlier than the turn began whose due times hold the frame's own.

    Args:
        kept_max: turns held; with one more the older half goes.
    """

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._kept_max = kept_max
        self._due_us = array("q")
        self._began_ns = array("q")

    def note(self, due_us: int, now_ns: int) -> None:
        """Something due at *due_us* is done at *now_ns*."""
        if self._due_us and (now_ns - self._began_ns[-1] < TURN_NS or due_us <= self._due_us[-1]):
            return
        if len(self._due_us) == self._kept_max:
            del self._due_us[: self._kept_max // 2], self._began_ns[: self._kept_max // 2]
        self._due_us.append(due_us)
        self._began_ns.append(now_ns)

    def told(self, ahead_ns: int) -> dict[str, list[int]]:
        """``due_us`` of the market's time, and ``began_ns`` of a clock that is *ahead_ns* ahead of the noted one."""
        return {"due_us": self._due_us.tolist(), "began_ns": [began_ns + ahead_ns for began_ns in self._began_ns]}
