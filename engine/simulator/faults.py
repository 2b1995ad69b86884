"""A venue's fault plan at work: which rule strikes at a chance, and what has struck."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import msgspec

from engine.simulator.fault_rules import FaultRule, Point

_KEPT_INJECTIONS = 100_000


class Injection(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fault that struck.

    Attributes:
        number: 1, 2, 3 of its venue.
        at_us: the market's time, microseconds since 1970.
        at_s: the same in seconds from the market's start.
        rule: number of the rule.
        connection: number of the venue's connection; 0 = of none.
        detail: what exactly was done.
    """

    number: int
    at_us: int
    at_s: float
    rule: int
    fault: str
    venue: str
    symbol: str = ""
    connection: int = 0
    detail: dict[str, Any] = {}


class ArmedRule:
    """A rule of one venue with the generator and the count of its own."""

    def __init__(self, number: int, rule: FaultRule, rng: random.Random, start_us: int) -> None:
        self.number = number
        self.rule = rule
        self.rng = rng
        self.struck = 0
        self.due_us = start_us + round(rule.at_s * 1e6)

    @property
    def is_spent(self) -> bool:
        """Whether it has struck as often as it may."""
        return 0 < self.rule.count <= self.struck


class FaultPlan:
    """The armed rules of one venue. Pure: the same chances in the same order give the same strikes.

    Args:
        venue: whose plan.
        seed: of the generators; each rule has one of its own.
        start_us: the market's first moment.
        told: called with each fault that struck.
    """

    def __init__(
        self, venue: str, seed: int, start_us: int, told: Callable[[Injection], None] = lambda _: None
    ) -> None:
        self.venue = venue
        self.counts: Counter[str] = Counter()
        self.injections: deque[Injection] = deque(maxlen=_KEPT_INJECTIONS)
        self.told = told
        self._seed = seed
        self._start_us = start_us
        self._armed: dict[Point, list[ArmedRule]] = {point: [] for point in Point}
        self._number = 0

    def arm(self, number: int, rule: FaultRule) -> ArmedRule:
        """Let *rule* strike from now on; *number* names it and, with the seed, makes its generator."""
        rng = random.Random(f"{self._seed}/{self.venue}/fault/{number}/{rule.fault}")
        armed = ArmedRule(number, rule, rng, self._start_us)
        self._armed[rule.kind.point].append(armed)
        return armed

    def disarm(self) -> None:
        """Take every rule out of the plan; what has struck stays told."""
        for armed in self._armed.values():
            armed.clear()

    def has(self, point: Point) -> bool:
        """Whether any rule can strike at *point*; the cheap question before :meth:`draw`."""
        return bool(self._armed[point])

    def is_armed(self, armed: ArmedRule) -> bool:
        """Whether *armed* may still strike."""
        return armed in self._armed[armed.rule.kind.point]

    def rules(self) -> list[ArmedRule]:
        """What can still strike, by number."""
        return sorted((armed for rules in self._armed.values() for armed in rules), key=lambda armed: armed.number)

    def draw(
        self, point: Point, now_us: int, symbol: str, fits: Callable[[FaultRule], bool] = lambda _: True
    ) -> ArmedRule | None:
        """The first rule that strikes at this chance. A rule that does not fit keeps its chance for later.

        The caller does what the rule says and tells it by :meth:`strike`.
        """
        for armed in self._armed[point]:
            rule = armed.rule
            if now_us < armed.due_us or (rule.symbol and rule.symbol != symbol) or not fits(rule):
                continue
            if rule.probability < 1 and armed.rng.random() >= rule.probability:
                continue
            return armed
        return None

    def strike(self, armed: ArmedRule, now_us: int, symbol: str = "", connection: int = 0, **detail: Any) -> None:
        """Note that *armed* has struck; a rule that is spent leaves the plan."""
        rule = armed.rule
        armed.struck += 1
        armed.due_us = now_us + round(rule.every_s * 1e6)
        if armed.is_spent and self.is_armed(armed):
            self._armed[rule.kind.point].remove(armed)
        self.counts[rule.fault] += 1
        self._number += 1
        at_s = (now_us - self._start_us) / 1e6
        injection = Injection(
            self._number, now_us, at_s, armed.number, rule.fault, self.venue, symbol, connection, detail
        )
        self.injections.append(injection)
        self.told(injection)
