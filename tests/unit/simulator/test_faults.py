"""When a rule strikes: at its time, as often as it may, by its own generator."""

from __future__ import annotations

from typing import Any

import pytest

from engine.simulator.fault_rules import FaultRule, Point, read_rule
from engine.simulator.faults import FaultPlan, Injection

START_US = 1_700_000_000_000_000
SECOND_US = 1_000_000


def rule(**entry: Any) -> FaultRule:
    made, faults = read_rule({"fault": "drop", **entry})
    assert made is not None, faults
    return made


def plan(*rules: FaultRule, seed: int = 1) -> FaultPlan:
    made = FaultPlan("kraken", seed, START_US)
    for number, one in enumerate(rules, 1):
        made.arm(number, one)
    return made


def strikes(made: FaultPlan, chances: int, step_us: int = 100_000, symbol: str = "A") -> list[int]:
    """Which of so many chances a fault struck."""
    struck = []
    for chance in range(chances):
        now_us = START_US + chance * step_us
        armed = made.draw(Point.FRAME, now_us, symbol)
        if armed is not None:
            made.strike(armed, now_us, symbol)
            struck.append(chance)
    return struck


def test_a_rule_strikes_at_its_time_and_as_often_as_it_says() -> None:
    assert strikes(plan(rule(at_s=0.5, count=3)), 20) == [5, 6, 7]


def test_a_time_between_is_kept() -> None:
    assert strikes(plan(rule(count=3, every_s=0.4)), 20) == [0, 4, 8]


def test_count_0_has_no_end() -> None:
    assert strikes(plan(rule(count=0)), 20) == list(range(20))


def test_a_spent_rule_leaves_the_plan() -> None:
    made = plan(rule(count=2))
    assert made.has(Point.FRAME)
    strikes(made, 5)
    assert not made.has(Point.FRAME)
    assert made.rules() == []


def test_only_its_symbol_is_struck() -> None:
    made = plan(rule(symbol="A"))
    assert strikes(made, 5, symbol="B") == []
    assert strikes(made, 5, symbol="A") == [0]


def test_probability_is_met_and_repeatable() -> None:
    one, same, other = (strikes(plan(rule(count=0, probability=0.1), seed=seed), 5000) for seed in (1, 1, 2))
    assert one == same != other
    assert len(one) == pytest.approx(500, rel=0.15)


def test_a_rule_does_not_disturb_anothers_chances() -> None:
    alone = strikes(plan(rule(count=0, probability=0.1)), 500)
    beside = plan(rule(count=0, probability=0.1), rule(fault="crossed", count=0, probability=0.5))
    for chance in range(500):
        beside.draw(Point.BOOK, START_US + chance, "A")
    assert strikes(beside, 500) == alone


def test_a_chance_that_does_not_fit_is_kept() -> None:
    made = plan(rule(count=1))
    assert made.draw(Point.FRAME, START_US, "A", lambda _: False) is None
    assert strikes(made, 3) == [0]


def test_what_struck_is_told_counted_and_listed() -> None:
    told: list[Injection] = []
    made = FaultPlan("kraken", 1, START_US, told.append)
    armed = made.arm(7, rule(count=0))
    made.strike(armed, START_US + SECOND_US, "A", 3, stream="book")
    made.strike(armed, START_US + 2 * SECOND_US, "B", 4)
    assert made.counts == {"drop": 2}
    assert list(made.injections) == told
    assert told[0] == Injection(
        1, START_US + SECOND_US, 1.0, 7, "drop", "kraken", "A", 3, {"stream": "book"}
    )
    assert [injection.number for injection in told] == [1, 2]


def test_disarming_ends_every_rule_and_keeps_the_list() -> None:
    made = plan(rule(count=0))
    strikes(made, 2)
    made.disarm()
    assert strikes(made, 5) == []
    assert made.counts == {"drop": 2}
