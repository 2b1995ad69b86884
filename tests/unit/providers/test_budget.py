"""BOOK-07: weight and bans of REST, by a clock that the test moves."""

from __future__ import annotations

from random import Random

import pytest

from engine.providers.budget import CallClass, RestBudget, RestLimits

ORDERS, RESYNC, REFRESH = CallClass
BINANCE = RestLimits(6000, 60.0)


def test_snapshots_use_at_most_their_share_and_orders_all_of_it_BOOK_07() -> None:
    budget = RestBudget(RestLimits(100, 60.0), 0.8)
    budget.spend(0.0, 60)
    assert budget.wait_s(1.0, 1, REFRESH) == 59.0
    assert budget.wait_s(1.0, 20, RESYNC) == 0.0
    assert budget.wait_s(1.0, 21, RESYNC) == 59.0
    assert budget.wait_s(1.0, 40, ORDERS) == 0.0
    assert budget.wait_s(1.0, 41, ORDERS) == 59.0
    assert budget.wait_s(60.0, 60, REFRESH) == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_no_minute_holds_more_than_the_share_whatever_is_asked(seed: int) -> None:
    random = Random(seed)
    budget = RestBudget(BINANCE, 0.8)
    now_s, calls = 0.0, []
    for _ in range(3000):
        weight = random.choice((1, 2, 20, 50, 250))
        now_s += random.uniform(0.0, 0.5)
        now_s += budget.wait_s(now_s, weight, RESYNC)
        assert budget.wait_s(now_s, weight, RESYNC) < 1e-9
        budget.spend(now_s, weight)
        calls.append((now_s, weight))
    for start_s, _ in calls[::20]:
        assert sum(weight for at_s, weight in calls if start_s <= at_s < start_s + 60.0 - 1e-6) <= 4800


def test_50_books_every_120_s_need_not_wait_BOOK_07() -> None:
    budget = RestBudget(BINANCE, 0.8)
    for number in range(500):
        assert budget.wait_s(number * 2.4, 50, REFRESH) == 0.0
        budget.spend(number * 2.4, 50)


def test_a_call_heavier_than_the_share_goes_when_nothing_else_is_under_way() -> None:
    budget = RestBudget(RestLimits(3, 3.0), 0.5)
    assert budget.wait_s(0.0, 20, REFRESH) == 0.0
    budget.spend(0.0, 20)
    assert budget.wait_s(1.0, 1, ORDERS) == 2.0


def test_what_others_spent_counts_as_well() -> None:
    budget = RestBudget(BINANCE, 0.8)
    budget.spend(0.0, 100)
    budget.told(1.0, 4790)
    assert budget.used(1.0) == 4790
    assert budget.wait_s(1.0, 50, RESYNC) == 59.0
    budget.told(2.0, 10)
    assert budget.used(2.0) == 4790


def test_a_ban_stops_its_class_and_those_less_urgent_until_its_time_BOOK_07() -> None:
    budget = RestBudget(BINANCE, 0.8)
    budget.ban(0.0, RESYNC, 30.0)
    assert [budget.banned_s(10.0, one) for one in CallClass] == [0.0, 20.0, 20.0]
    budget.ban(10.0, REFRESH, 5.0)
    assert budget.banned_s(10.0, REFRESH) == 20.0
    budget.ban(10.0, ORDERS, 120.0)
    assert [budget.banned_s(10.0, one) for one in CallClass] == [120.0] * 3
    assert budget.banned_s(130.0, ORDERS) == 0.0
