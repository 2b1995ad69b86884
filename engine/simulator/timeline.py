"""What happens when: callbacks on one venue's clock, in microseconds since 1970."""

import heapq
from collections.abc import Callable


def _unwatched(due_us: int) -> None:
    return None


class Timeline:
    """Runs callbacks in order of their due time; those due together run in the order they were added.

    It never reads a clock: time passes only in ``advance``, which makes a venue a function of its inputs.

    Attributes:
        now_us: the present.
        watcher: called with the due time of each callback before it runs.
    """

    def __init__(self, start_us: int) -> None:
        self.now_us = start_us
        self.watcher: Callable[[int], None] = _unwatched
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._added_count = 0

    def at(self, due_us: int, callback: Callable[[], None]) -> None:
        """Run *callback* at *due_us*, at once on the next ``advance`` if that has passed."""
        self._added_count += 1
        heapq.heappush(self._due, (due_us, self._added_count, callback))

    def after(self, delay_us: int, callback: Callable[[], None]) -> None:
        """Run *callback* when *delay_us* have passed from now."""
        self.at(self.now_us + delay_us, callback)

    def next_due_us(self) -> int | None:
        """When the next callback is due, None where there is none."""
        return self._due[0][0] if self._due else None

    def advance(self, to_us: int) -> None:
        """Let time pass until *to_us*, running everything due on the way at its own time."""
        while self._due and self._due[0][0] <= to_us:
            due_us, _, callback = heapq.heappop(self._due)
            self.now_us = max(self.now_us, due_us)
            self.watcher(due_us)
            callback()
        self.now_us = max(self.now_us, to_us)
