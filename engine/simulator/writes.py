"""When a venue's bytes left: what a frame says of its time is when its event was due, not when it was written."""

from __future__ import annotations

from array import array

KEPT_MAX = 1 << 18


class Writes:
    """Of one venue: up to which of its market's times everything had been written to a socket, and when.

    A frame went out no earlier than the first write that reaches the frame's own time: with more sockets than one it
    may be another's.

    Args:
        kept_max: writes held; with one more the older half goes.
    """

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._kept_max = kept_max
        self._up_to_us = array("q")
        self._written_ns = array("q")

    def note(self, up_to_us: int, now_ns: int) -> None:
        """What was made up to *up_to_us* is written at *now_ns*."""
        if self._up_to_us and up_to_us <= self._up_to_us[-1]:
            return
        if len(self._up_to_us) == self._kept_max:
            del self._up_to_us[: self._kept_max // 2], self._written_ns[: self._kept_max // 2]
        self._up_to_us.append(up_to_us)
        self._written_ns.append(now_ns)

    def told(self, ahead_ns: int) -> dict[str, list[int]]:
        """``up_to_us`` of the market's time, ``written_ns`` of a clock that is *ahead_ns* ahead of the noted one."""
        return {
            "up_to_us": self._up_to_us.tolist(),
            "written_ns": [written_ns + ahead_ns for written_ns in self._written_ns],
        }
