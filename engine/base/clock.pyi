from typing import Self, final

from typing_extensions import disjoint_base

@disjoint_base
class Clock:
    """Source of now_ns(); owned by the runtime, shared by every stage of one engine."""

    def now(self) -> int:
        """Nanoseconds since 1970 UTC by this clock; never decreasing."""

@final
class SystemClock(Clock):
    """The monotonic clock, anchored to UTC once and slewed towards it, at most 500 us a second.

    Where the kernel itself keeps time by the processor's tick counter, so does this clock between two readings of
    the kernel's, less than a millisecond apart: a system call's fence and arithmetic cost as much as a book update.
    """

    def __init__(self) -> None: ...
    def reanchor(self, wall_ns: int | None = None) -> int:
        """Aim at the wall clock again, by slewing; returns the offset in ns that is being worked in.

        Args:
            wall_ns: what the wall clock says, ns since 1970 UTC; by default the system's.
        """

@disjoint_base
class ManualClock(Clock):
    """Stands until it is moved: the clock of tests and of a replay at recorded time."""

    def __new__(cls, now_ns: int = 0) -> Self: ...
    def set(self, now_ns: int) -> None:
        """Move to *now_ns*; an earlier instant is ignored, as a Clock never goes back."""
    def advance(self, by_ns: int) -> None:
        """Move forward by *by_ns*.

        Raises:
            ValueError: by_ns is negative.
        """

def monotonic_now() -> int:
    """The monotonic clock in ns, for durations only."""
