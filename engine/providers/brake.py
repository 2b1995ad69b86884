"""Stops reading a provider's sockets, a short while at a time: the venue's frames wait on its side meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Brake:
    """Owned by a session, used on the engine's loop.

    Args:
        pause: stops reading; again does nothing.
        resume: reads again.
        most_ms: how long at a time; 0 = never.
    """

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None], most_ms: int) -> None:
        self.pauses_count = 0
        self.paused_s = 0.0
        """So far, the pause that lasts left aside."""
        self._pause = pause
        self._resume = resume
        self._most_s = most_ms / 1e3
        self._since_s = 0.0
        self._handle: asyncio.TimerHandle | None = None

    @property
    def is_pressed(self) -> bool:
        """Whether nothing is read now."""
        return self._handle is not None

    def press(self) -> bool:
        """Stop reading for a while; whether that begins now."""
        if self._most_s == 0.0 or self._handle is not None:
            return False
        loop = asyncio.get_running_loop()
        self.pauses_count += 1
        self._since_s = loop.time()
        self._handle = loop.call_later(self._most_s, self.release)
        self._pause()
        return True

    def release(self) -> None:
        """Read again, at once; does nothing unless pressed."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
            self.paused_s += asyncio.get_running_loop().time() - self._since_s
            self._resume()
