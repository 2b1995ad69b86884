"""The one module that knows threads: waiting for a condition, from a thread or from a coroutine."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


class Waiting:
    """Callers that wait until something is there; notify() makes all of them look again."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._futures: list[asyncio.Future[None]] = []

    @staticmethod
    def on_loop() -> bool:
        """Whether the calling thread runs an event loop right now."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return True

    def notify(self) -> None:
        """Something came back; called from any thread, never blocks for long."""
        with self._condition:
            self._condition.notify_all()
            futures, self._futures = self._futures, []
        for future in futures:
            future.get_loop().call_soon_threadsafe(_wake, future)

    def until(self, look: Callable[[], Found | None], timeout_s: float) -> Found | None:
        """Wait in this thread until look() finds something; None after *timeout_s*."""
        deadline_s = time.monotonic() + timeout_s
        with self._condition:
            while (found := look()) is None:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0 or not self._condition.wait(left_s):
                    return look()
        return found

    async def until_async(self, look: Callable[[], Found | None], timeout_s: float) -> Found | None:
        """Wait in this coroutine until look() finds something; None after *timeout_s*."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        while (found := look()) is None:
            left_s = deadline_s - loop.time()
            if left_s <= 0:
                return None
            future: asyncio.Future[None] = loop.create_future()
            self._futures.append(future)
            await asyncio.wait([future], timeout=left_s)
        return found


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
