"""Which ids are taken: an id is claimed before anything else happens to its order, once (TRD-03 to TRD-05, ORDM-05)."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from engine.base.clock import Clock
from engine.base.workers import new_lock
from engine.schema.order import OrderKey

Known = TypeVar("Known")

FORGET_MAX = 8
"""Ids that are let go of at one claim: more than one claim can add, so their number falls by itself."""


class TakenIds(Generic[Known]):
    """Ids and the order that has each. Any thread may claim; what is claimed is any object, told apart by identity.

    Args:
        clock: for the retention.
        retention_ns: how long an ended order's id stays taken (`orders.dedupe_retention_s`).
    """

    def __init__(self, clock: Clock, retention_ns: int) -> None:
        self._clock = clock
        self._retention_ns = retention_ns
        self._taken: dict[OrderKey, Known] = {}
        self._ended: deque[tuple[int, OrderKey, Known]] = deque()
        self._lock = new_lock()

    def __len__(self) -> int:
        return len(self._taken)

    def claim(self, key: OrderKey, order: Known) -> Known | None:
        """Take an id for *order*; the order that has it already, or None: it is this one's now."""
        if self._ended:
            self.forget(FORGET_MAX)
        # One step, whoever else claims: the dictionary compares texts without running Python.
        holder = self._taken.setdefault(key, order)
        if holder is not order and self.forget(len(self._ended)):
            holder = self._taken.setdefault(key, order)
        return None if holder is order else holder

    def find(self, key: OrderKey) -> Known | None:
        """The order that has an id."""
        return self._taken.get(key)

    def release(self, key: OrderKey, order: Known) -> None:
        """The order was suppressed or rejected: its id is free at once. Of another order's id: nothing."""
        with self._lock:
            if self._taken.get(key) is order:
                del self._taken[key]

    def note_end(self, key: OrderKey, order: Known, ended_ns: int | None = None) -> None:
        """The order has ended, now or then; its id is free when the retention is over. Earlier ends are told first."""
        self._ended.append((self._clock.now() if ended_ns is None else ended_ns, key, order))

    def forget(self, count_max: int) -> int:
        """Let go of ids whose retention is over; how many."""
        before_ns = self._clock.now() - self._retention_ns
        count = 0
        with self._lock:
            while count < count_max and self._ended and self._ended[0][0] <= before_ns:
                _, key, order = self._ended.popleft()
                if self._taken.get(key) is order:
                    del self._taken[key]
                count += 1
        return count
