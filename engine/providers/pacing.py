"""How fast a venue may be spoken to: pure reckoning on seconds that the caller tells."""

from __future__ import annotations

from collections import deque


class SlidingWindow:
    """At most so many within so long, whichever stretch one looks at.

    Args:
        count: how many.
        within_s: how long.
    """

    def __init__(self, count: int, within_s: float) -> None:
        self.count = count
        self.within_s = within_s
        self._at_s: deque[float] = deque(maxlen=count)

    def wait_s(self, now_s: float, *, spare: int = 0) -> float:
        """How long until one more is allowed, with *spare* left for others."""
        room = self.count - spare
        while self._at_s and now_s - self._at_s[0] >= self.within_s:
            self._at_s.popleft()
        if len(self._at_s) < room:
            return 0.0
        return self._at_s[len(self._at_s) - room] + self.within_s - now_s

    def note(self, now_s: float) -> None:
        """One happened."""
        self._at_s.append(now_s)


class Pacer:
    """When the next control frame of a connection may be sent.

    Answers to the venue's pings go out at once and count all the same: one place of each second is kept for them.

    Args:
        gap_s: least time between two control frames.
        window: of everything sent, on the connection or, where the venue counts so, from this address.
    """

    def __init__(self, gap_s: float, window: SlidingWindow) -> None:
        self._gap_s = gap_s
        self._window = window
        self._last_s = float("-inf")

    def wait_s(self, now_s: float) -> float:
        """How long to wait before a control frame."""
        return max(0.0, self._last_s + self._gap_s - now_s, self._window.wait_s(now_s, spare=1))

    def sent(self, now_s: float) -> None:
        """A control frame or a ping of ours was sent."""
        self._last_s = now_s
        self._window.note(now_s)

    def answered(self, now_s: float) -> None:
        """A ping of the venue was answered."""
        self._window.note(now_s)
