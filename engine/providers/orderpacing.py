"""How many orders a venue takes in how long. Pure: the caller tells the time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field


class OrderPace(ABC):
    """Of one account. Nothing waits for it: what comes too early is not sent."""

    def __init__(self) -> None:
        self._banned_until_s = float("-inf")

    def ban(self, now_s: float, for_s: float) -> None:
        """The venue has had enough for a while."""
        self._banned_until_s = max(self._banned_until_s, now_s + for_s)

    def wait_s(self, now_s: float, symbol: str) -> float:
        """How long until one more order of *symbol* is within the limit; 0 = it is now."""
        return max(0.0, self._banned_until_s - now_s, self._due_s(now_s, symbol))

    @abstractmethod
    def _due_s(self, now_s: float, symbol: str) -> float:
        """As wait_s(), bans aside."""

    @abstractmethod
    def used_ratio(self, now_s: float) -> float:
        """How much of what the venue allows is used now: of several limits the one that is nearest."""

    @abstractmethod
    def placed(self, now_s: float, symbol: str) -> None:
        """An order was sent."""

    def cancelled(self, now_s: float, symbol: str, age_s: float) -> None:  # noqa: B027 - most venues do not count them
        """A cancel of an order of that age was sent; cancels are never held back."""


@dataclass
class _Window:
    length_s: float
    limit: int
    sent: deque[float] = field(default_factory=deque)
    counted: int = 0
    """Of the venue's own count, those that we did not send within the window that we remember."""
    counted_at_s: float = float("-inf")


class WindowPace(OrderPace):
    """So many orders within so long, of one length or of several; the venue may tell its own limits and counts.

    Args:
        windows: (length in s, orders) of each.
        share: of each limit that is used.
    """

    def __init__(self, windows: Sequence[tuple[float, int]], share: float) -> None:
        super().__init__()
        self._share = share
        self._windows = {length_s: _Window(length_s, limit) for length_s, limit in windows}

    def only(self, windows: Sequence[tuple[float, int]]) -> None:
        """These are all the limits there are; what was sent counts on."""
        known, self._windows = self._windows, {}
        for length_s, limit in windows:
            window = self._windows[length_s] = known.get(length_s) or _Window(length_s, limit)
            window.limit = limit

    def told(self, now_s: float, length_s: float, limit: int, count: int) -> None:
        """The venue says what it allows within *length_s*, and how many it has counted: fills give some back."""
        window = self._windows.setdefault(length_s, _Window(length_s, limit))
        window.limit = limit
        self._trim(window, now_s)
        window.counted = count - len(window.sent)
        window.counted_at_s = now_s

    def _due_s(self, now_s: float, symbol: str) -> float:
        return max((self._window_due_s(window, now_s) for window in self._windows.values()), default=0.0)

    def _window_due_s(self, window: _Window, now_s: float) -> float:
        self._trim(window, now_s)
        room = max(1, int(window.limit * self._share))
        used = len(window.sent) + window.counted
        if used < room:
            return 0.0
        ends_s = [at_s + window.length_s for at_s in window.sent]
        if window.counted > 0:
            ends_s.append(window.counted_at_s + window.length_s)
        return max(0.0, min(ends_s) - now_s) if ends_s else 0.0

    def used_ratio(self, now_s: float) -> float:
        """Of the windows, the one that is fullest."""
        for window in self._windows.values():
            self._trim(window, now_s)
        return max(((len(one.sent) + one.counted) / one.limit for one in self._windows.values()), default=0.0)

    @staticmethod
    def _trim(window: _Window, now_s: float) -> None:
        while window.sent and now_s - window.sent[0] >= window.length_s:
            window.sent.popleft()
        if now_s - window.counted_at_s >= window.length_s:
            window.counted = 0

    def placed(self, now_s: float, symbol: str) -> None:
        """An order was sent."""
        for window in self._windows.values():
            window.sent.append(now_s)


CANCEL_COSTS: tuple[tuple[float, int], ...] = ((5.0, 8), (10.0, 6), (15.0, 5), (45.0, 4), (90.0, 2), (300.0, 1))
"""Of Kraken: an order younger than so many seconds costs so much to cancel, an older one nothing."""
PLACE_COST = 1


class DecayPace(OrderPace):
    """One counter a symbol that falls by itself: orders raise it by one, cancels of young orders by more.

    Args:
        threshold: that the counter may not pass.
        decay_per_s: by how much it falls.
        share: of the threshold that is used.
    """

    def __init__(self, threshold: int, decay_per_s: float, share: float) -> None:
        super().__init__()
        self._share = share
        self.threshold = threshold
        self.decay_per_s = decay_per_s
        self._counters: dict[str, tuple[float, float]] = {}
        """symbol -> (count, when)."""

    def told(self, threshold: int, decay_per_s: float) -> None:
        """The venue says what it allows this account."""
        self.threshold, self.decay_per_s = threshold, decay_per_s

    def count(self, now_s: float, symbol: str) -> float:
        """Of the counter now."""
        count, at_s = self._counters.get(symbol, (0.0, now_s))
        return max(0.0, count - (now_s - at_s) * self.decay_per_s)

    def used_ratio(self, now_s: float) -> float:
        """Of the symbols' counters, the highest."""
        return max((self.count(now_s, symbol) for symbol in self._counters), default=0.0) / self.threshold

    def _due_s(self, now_s: float, symbol: str) -> float:
        over = self.count(now_s, symbol) + PLACE_COST - self.threshold * self._share
        return max(0.0, over / self.decay_per_s)

    def placed(self, now_s: float, symbol: str) -> None:
        """An order was sent."""
        self._counters[symbol] = (self.count(now_s, symbol) + PLACE_COST, now_s)

    def cancelled(self, now_s: float, symbol: str, age_s: float) -> None:
        """A cancel of an order of that age was sent."""
        cost = next((cost for below_s, cost in CANCEL_COSTS if age_s < below_s), 0)
        self._counters[symbol] = (self.count(now_s, symbol) + cost, now_s)
