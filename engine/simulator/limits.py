"""The limits that the venues publish, as counters that are told the time: what is over, and what the venue answers.

Where a venue publishes no figure, ours is named here and in docs/simulator.md.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, Protocol

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
DAY_US = 24 * 60 * MINUTE_US

TOO_MANY_REQUESTS = 429
BANNED = 418
PRIVATE_REQUESTS = "private_requests"
"""The breach of who calls too often with a key."""


class Refusal(NamedTuple):
    """A request that is over a limit. *retry_after_s*: whole seconds; 0 = the venue does not say."""

    status: int
    retry_after_s: int
    breach: str


class SlidingWindow:
    """At most so many in any span of so long."""

    def __init__(self, limit: int, window_us: int) -> None:
        self._limit = limit
        self._window_us = window_us
        self._taken_us: deque[int] = deque()

    def take(self, now_us: int) -> bool:
        """Count one; whether it is within the limit. One beyond it is not counted."""
        self._forget(now_us)
        if len(self._taken_us) >= self._limit:
            return False
        self._taken_us.append(now_us)
        return True

    def left(self, now_us: int) -> int:
        """How many more are within the limit."""
        self._forget(now_us)
        return self._limit - len(self._taken_us)

    def wait_s(self, now_us: int) -> int:
        """Whole seconds until one more is within the limit."""
        if self.left(now_us) > 0:
            return 0
        return _whole_s(self._taken_us[0] + self._window_us - now_us)

    def _forget(self, now_us: int) -> None:
        while self._taken_us and self._taken_us[0] <= now_us - self._window_us:
            self._taken_us.popleft()


class CountedWindow:
    """How many in a window of the clock, which begins anew at each multiple of its length."""

    def __init__(self, limit: int, window_us: int) -> None:
        self._limit = limit
        self._window_us = window_us
        self._window = 0
        self._count = 0

    def count(self, now_us: int) -> int:
        """How many count now."""
        self._turn(now_us)
        return self._count

    def has_room(self, now_us: int) -> bool:
        """Whether one more is within the limit."""
        return self.count(now_us) < self._limit

    def left_us(self, now_us: int) -> int:
        """How long until the next window."""
        return self._window_us - now_us % self._window_us

    def add(self, now_us: int) -> None:
        """Count one."""
        self._turn(now_us)
        self._count += 1

    def give_back(self, now_us: int) -> None:
        """Let one of the window count no longer."""
        self._turn(now_us)
        self._count = max(0, self._count - 1)

    def _turn(self, now_us: int) -> None:
        window = now_us // self._window_us
        if window != self._window:
            self._window, self._count = window, 0


class RestBudget(Protocol):
    """What a venue counts of the REST calls of one address."""

    def take(self, weight: int, now_us: int) -> Refusal | None:
        """Count a call; why it is refused, None where it is not."""

    def headers(self, now_us: int) -> dict[str, str]:
        """What every reply tells of the count."""


class WeightBudget:
    """Binance: weights by the minute of the clock; who carries on after a 429 is banned, each time for longer."""

    _LIMIT = 6000
    _BAN_AFTER_REFUSALS = 10
    _FIRST_BAN_US = 2 * MINUTE_US
    _LONGEST_BAN_US = 3 * DAY_US

    def __init__(self) -> None:
        self._minute = 0
        self._used = 0
        self._refused_count = 0
        self._banned_until_us = 0
        self._next_ban_us = self._FIRST_BAN_US

    def take(self, weight: int, now_us: int) -> Refusal | None:
        """Count a call; why it is refused, None where it is not."""
        self._turn(now_us)
        if now_us < self._banned_until_us:
            return Refusal(BANNED, _whole_s(self._banned_until_us - now_us), "banned")
        if self._used + weight <= self._LIMIT:
            self._used += weight
            return None
        self._refused_count += 1
        if self._refused_count < self._BAN_AFTER_REFUSALS:
            return Refusal(TOO_MANY_REQUESTS, _whole_s((self._minute + 1) * MINUTE_US - now_us), "weight")
        self._banned_until_us = now_us + self._next_ban_us
        self._next_ban_us = min(2 * self._next_ban_us, self._LONGEST_BAN_US)
        return Refusal(BANNED, _whole_s(self._banned_until_us - now_us), "banned")

    def give_back(self, weight: int) -> None:
        """Let what has been taken count no longer."""
        self._used = max(0, self._used - weight)

    def headers(self, now_us: int) -> dict[str, str]:
        """What every reply tells of the count."""
        self._turn(now_us)
        return {"X-MBX-USED-WEIGHT": str(self._used), "X-MBX-USED-WEIGHT-1M": str(self._used)}

    def _turn(self, now_us: int) -> None:
        minute = now_us // MINUTE_US
        if minute != self._minute:
            self._minute, self._used, self._refused_count = minute, 0, 0


class RateBudget:
    """Coinbase: calls a second; its refusals do not say how long to wait."""

    def __init__(self, limit: int = 10) -> None:
        self._limit = limit
        self._window = SlidingWindow(limit, SECOND_US)

    def take(self, weight: int, now_us: int) -> Refusal | None:
        """Count a call; why it is refused, None where it is not."""
        return None if self._window.take(now_us) else Refusal(TOO_MANY_REQUESTS, 0, "requests")

    def headers(self, now_us: int) -> dict[str, str]:
        """What every reply tells of the count."""
        return {
            "x-ratelimit-limit": str(self._limit),
            "x-ratelimit-remaining": str(self._window.left(now_us)),
            "x-ratelimit-reset": str(self._window.wait_s(now_us)),
        }


class DecayingCount:
    """A count that falls by itself, and is never above its ceiling."""

    def __init__(self, ceiling: int, decay_per_s: float) -> None:
        self._ceiling = ceiling
        self._decay_per_s = decay_per_s
        self._count = 0.0
        self._counted_us = 0

    def take(self, weight: int, now_us: int) -> bool:
        """Count so much; whether it is within the ceiling. What is not is not counted."""
        fallen = max(0, now_us - self._counted_us) / SECOND_US * self._decay_per_s
        self._count = max(0.0, self._count - fallen)
        self._counted_us = now_us
        if self._count + weight > self._ceiling:
            return False
        self._count += weight
        return True


class CounterBudget:
    """Kraken: counters that fall, of public calls by one a second, of a key's by a half. The public ceiling is ours."""

    def __init__(self) -> None:
        self._public = DecayingCount(15, 1.0)
        self._keys: dict[str, DecayingCount] = {}

    def take(self, weight: int, now_us: int) -> Refusal | None:
        """Count a public call; why it is refused, None where it is not."""
        return None if self._public.take(weight, now_us) else Refusal(TOO_MANY_REQUESTS, 0, "requests")

    def take_private(self, api_key: str, weight: int, now_us: int) -> Refusal | None:
        """Count a call of a key; why it is refused, None where it is not."""
        counter = self._keys.setdefault(api_key, DecayingCount(20, 0.5))
        return None if counter.take(weight, now_us) else Refusal(TOO_MANY_REQUESTS, 0, PRIVATE_REQUESTS)

    def headers(self, now_us: int) -> dict[str, str]:
        """The venue tells nothing."""
        return {}


class Block:
    """A refusal that stands until its time has come; calls meanwhile are breaches."""

    def __init__(self) -> None:
        self._until_us = 0
        self._status = TOO_MANY_REQUESTS

    def set(self, status: int, for_us: int, now_us: int) -> Refusal:
        """Refuse everything for *for_us* from now on; the refusal of the call at hand."""
        self._status = status
        self._until_us = now_us + for_us
        return Refusal(status, _whole_s(for_us), "")

    def check(self, now_us: int) -> Refusal | None:
        """The refusal of a call now, None where nothing stands."""
        if now_us >= self._until_us:
            return None
        return Refusal(self._status, _whole_s(self._until_us - now_us), "called_while_refused")


def _whole_s(span_us: int) -> int:
    return max(1, -(-span_us // SECOND_US))
