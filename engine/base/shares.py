"""Work that comes in bursts, done in shares, so that what else is ready gets the loop in between."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from engine.base.clock import monotonic_now

Item = TypeVar("Item")

SHARE_NS = 200_000
"""Of one turn of the loop: some four reports of orders. Market data that is ready waits no longer for a burst."""

WAITING_MAX = 1024
"""With more to do than turns for it the work is done as it comes; who sends it then has to wait."""


class Shares(Generic[Item]):
    """Does each item at once while this turn's share lasts, the others in later turns, in their order. On a loop alone.

    Args:
        do: called with each item; what it raises reaches who put the item, or the loop's exception handler, and keeps
            no other item from being done.
        share_ns: an item that is begun is done, however long it takes.
    """

    def __init__(self, do: Callable[[Item], None], share_ns: int = SHARE_NS) -> None:
        self._do = do
        self._share_ns = share_ns
        self._waiting: deque[Item] = deque()
        self._until_ns = 0
        """When this turn's share is used up; 0: nothing was done in it."""
        self._is_working = False

    def put(self, item: Item) -> None:
        """Do *item*, or have it wait for those before it."""
        if self._waiting or self._is_working or (self._until_ns and monotonic_now() >= self._until_ns):
            self._waiting.append(item)
            if len(self._waiting) > WAITING_MAX:
                self.flush()
            return
        if not self._until_ns:
            self._begin()
        self._work(item)

    def flush(self) -> None:
        """Do what waits, now; nothing where it is called by the work itself."""
        while self._waiting and not self._is_working:
            self._work(self._waiting.popleft())

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    def _begin(self) -> None:
        self._until_ns = monotonic_now() + self._share_ns
        asyncio.get_running_loop().call_soon(self._on_turn)

    def _on_turn(self) -> None:
        self._until_ns = 0
        if not self._waiting:
            return
        self._begin()
        # One at least: a share may have passed before it began, while another process had the core.
        self._work(self._waiting.popleft())
        while self._waiting and monotonic_now() < self._until_ns:
            self._work(self._waiting.popleft())

    def _work(self, item: Item) -> None:
        self._is_working = True
        try:
            self._do(item)
        finally:
            self._is_working = False
