"""A loop whose clock jumps to the next timer as soon as nothing else is to do: a day passes in a moment.

Sockets are real, on loopback: a jump is made only after looking again whether one of them has something.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any

from engine.base.clock import ManualClock

START_NS = 1_800_000_000_000_000_000
LIMIT_S = 60.0
_LATE_S = 1e-6


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.now_s = 0.0
        self._end_s = time.monotonic() + LIMIT_S
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        # What was just sent may be under way in the kernel: let it have the processor, once, since on a busy machine each
        # time costs everybody else's turn.
        os.sched_yield()
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None or timeout < 0:
            return super().select(timeout)
        if time.monotonic() > self._end_s:
            raise TimeoutError(f"no end after {LIMIT_S:g} s, {self.now_s:.3f} s of the test's own time")
        # A little late, as timers are: who looks at the clock then finds that its time has come.
        self.now_s += timeout + _LATE_S
        self._clock.set(START_NS + int(self.now_s * 1e9))
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; ``clock`` is the engine's and keeps step with it."""

    def __init__(self) -> None:
        self.clock = ManualClock(START_NS)
        self._jumping = _JumpingSelector(self.clock)
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._jumping.now_s


def in_virtual_time(main: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main)


def virtual_clock() -> ManualClock:
    """The engine's clock on the running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop.clock


def now_s() -> float:
    """Seconds since the running loop was made."""
    return asyncio.get_running_loop().time()


async def pass_s(seconds: float) -> None:
    """Let that much of the loop's time pass."""
    loop = asyncio.get_running_loop()
    passed: asyncio.Future[None] = loop.create_future()
    timer = loop.call_later(seconds, lambda: passed.done() or passed.set_result(None))
    try:
        await passed
    finally:
        timer.cancel()


async def reached(holds: Callable[[], bool], within_s: float = 600.0) -> None:
    """Let time pass until *holds*."""
    async with asyncio.timeout(within_s):
        while not holds():
            await pass_s(0.02)
