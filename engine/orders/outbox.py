"""Reports wait here, in their order, until the journal has them.

An owner tells repeats by a report's number within its order. What it was told and the journal never had would get
that number again after a crash, for something else. So a report goes once it is committed. While the journal does
not work there is nothing to wait for: reports reach their owners whatever the disk does (JRN-03).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

KEPT_WITHIN_NS = 1_000_000_000
"""A disk that takes longer for a commit no longer holds reports back."""
Go = Callable[[], None]


class Outbox:
    """Owned by the orders of a live engine, used on its loop.

    Args:
        keeps: whether the journal works.
        now_ns: the engine's clock.
    """

    def __init__(self, keeps: Callable[[], bool], now_ns: Callable[[], int]) -> None:
        self._keeps = keeps
        self._now_ns = now_ns
        self._waiting: deque[tuple[int, int, Go]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, report_no: int, go: Go) -> None:
        """Let a report go once the journal has it, and all before it have gone.

        Args:
            report_no: its number in the journal; 0 = the journal has had it, and it goes behind those that wait.
            go: called once.
        """
        if not self._waiting and (report_no == 0 or not self._keeps()):
            go()
        else:
            self._waiting.append((report_no, self._now_ns(), go))

    def kept(self, report_no: int) -> None:
        """The journal has every report up to this one."""
        while self._waiting and self._waiting[0][0] <= report_no:
            self._waiting.popleft()[2]()

    def flush(self) -> None:
        """The journal does not work, or has ended: nothing waits for it."""
        while self._waiting:
            self._waiting.popleft()[2]()

    def let_overdue_go(self) -> int:
        """Let go what has waited too long, and all before it; how many."""
        before_ns, count = self._now_ns() - KEPT_WITHIN_NS, 0
        while self._waiting and self._waiting[0][1] <= before_ns:
            self._waiting.popleft()[2]()
            count += 1
        return count
