"""How long the engine's loop keeps whoever waits for it waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LOOK_EVERY_S = 0.05
STALLED_S = 0.1
"""A turn that comes later than this is a stall: longer than the loop may ever be held up (MEM-12)."""


class LoopWatch:
    """Asks the running loop for a turn again and again, and measures how late it comes.

    Args:
        tell: called as tell("loop.stalled", loop=, cycle_ms=).
        name: of the loop, for operators.

    Attributes:
        stalls: turns that came too late.
        longest_s: the latest turn of all, from when it was due.
    """

    def __init__(self, tell: Callable[..., None], name: str = "engine") -> None:
        self.name = name
        self.stalls = 0
        self.longest_s = 0.0
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._due_s = 0.0
        self._handle = self._again()

    def close(self) -> None:
        """Look no more."""
        self._handle.cancel()

    def _again(self) -> asyncio.TimerHandle:
        self._due_s = self._loop.time() + LOOK_EVERY_S
        return self._loop.call_at(self._due_s, self._look)

    def _look(self) -> None:
        late_s = self._loop.time() - self._due_s
        self.longest_s = max(self.longest_s, late_s)
        if late_s > STALLED_S:
            self.stalls += 1
            self._tell("loop.stalled", loop=self.name, cycle_ms=int(late_s * 1000))
        self._handle = self._again()
