"""How much may be asked of a venue by REST, and by whom first (BOOK-07). Pure: the caller tells the time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum


class CallClass(IntEnum):
    """What a call is for; the lower, the more urgent."""

    ORDERS = 0
    """Orders and their reconciliation: the whole limit is theirs."""
    RESYNC = 1
    """Books that are not valid, and what a start needs."""
    REFRESH = 2
    """What could as well be asked later."""


REFRESH_SHARE = 0.75
"""Of what snapshots may use, refreshes leave the rest to resyncs."""


@dataclass(frozen=True)
class RestLimits:
    """What a venue allows one address, as its manifest states it.

    Attributes:
        weight: of all calls together ..
        within_s: .. within this long.
        time_weight, instruments_weight: of these calls.
    """

    weight: int
    within_s: float
    time_weight: int = 1
    instruments_weight: int = 1


class RestBudget:
    """Weight spent at one venue, and the classes of calls it has told to wait.

    Any stretch of the venue's window is kept to, so also those that it aligns to the clock.

    Args:
        limits: the venue's.
        share: of the limit that snapshots may use (``providers[].rest.limit_share``).
    """

    def __init__(self, limits: RestLimits, share: float) -> None:
        self.limits = limits
        self._allowed = {
            CallClass.ORDERS: limits.weight,
            CallClass.RESYNC: max(1, int(limits.weight * share)),
            CallClass.REFRESH: max(1, int(limits.weight * share * REFRESH_SHARE)),
        }
        self._spent: deque[tuple[float, int]] = deque()
        self._used = 0
        self._banned_until_s = dict.fromkeys(CallClass, float("-inf"))

    def used(self, now_s: float) -> int:
        """Weight spent within the window that ends now."""
        while self._spent and now_s - self._spent[0][0] >= self.limits.within_s:
            self._used -= self._spent.popleft()[1]
        return self._used

    def wait_s(self, now_s: float, weight: int, call: CallClass) -> float:
        """How long until a call of *weight* is within the limit; bans aside."""
        # A call heavier than all that is allowed would never pass: it goes when nothing else is under way.
        room = max(weight, self._allowed[call]) - weight
        used = self.used(now_s)
        if used <= room:
            return 0.0
        for at_s, spent in self._spent:
            used -= spent
            if used <= room:
                return at_s + self.limits.within_s - now_s
        return 0.0

    def spend(self, now_s: float, weight: int) -> None:
        """A call was sent."""
        self._spent.append((now_s, weight))
        self._used += weight

    def told(self, now_s: float, used: int) -> None:
        """The venue says that *used* was spent in its window: others at this address may have spent it too."""
        if (unknown := used - self.used(now_s)) > 0:
            self.spend(now_s, unknown)

    def ban(self, now_s: float, call: CallClass, for_s: float) -> None:
        """No call of this class, or of a less urgent one, before its time."""
        for one in CallClass:
            if one >= call:
                self._banned_until_s[one] = max(self._banned_until_s[one], now_s + for_s)

    def banned_s(self, now_s: float, call: CallClass) -> float:
        """For how long calls of this class are still stopped."""
        return max(0.0, self._banned_until_s[call] - now_s)
