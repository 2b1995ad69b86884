"""How many orders a venue takes, reckoned on seconds that the test tells."""

from __future__ import annotations

from random import Random

import pytest

from engine.providers.orderpacing import CANCEL_COSTS, DecayPace, WindowPace

B = "BTC-USD"


def test_no_stretch_of_a_window_has_more_than_our_share() -> None:
    pace, random, now_s = WindowPace(((10.0, 50), (60.0, 120)), 0.8), Random(1), 0.0
    sent: list[float] = []
    for _ in range(5000):
        now_s += random.expovariate(12.0)
        if pace.wait_s(now_s, B) == 0.0:
            pace.placed(now_s, B)
            sent.append(now_s)
    for end_s in sent:
        assert sum(end_s - 10.0 < at_s <= end_s for at_s in sent) <= 40
        assert sum(end_s - 60.0 < at_s <= end_s for at_s in sent) <= 96
    assert len(sent) > 96 * (now_s // 60.0 - 1)  # and it is used


def test_met_20_what_is_used_of_a_limit_is_told_by_the_fullest_window_and_by_the_highest_counter() -> None:
    windows = WindowPace(((10.0, 5), (60.0, 20)), 0.8)
    for now_s in (0.0, 1.0, 2.0):
        windows.placed(now_s, B)
    assert windows.used_ratio(2.0) == 0.6
    assert windows.used_ratio(11.5) == 0.2
    assert windows.used_ratio(30.0) == 0.15
    counter = DecayPace(60, 1.0, 0.8)
    assert counter.used_ratio(0.0) == 0.0
    for _ in range(12):
        counter.placed(0.0, B)
    counter.placed(0.0, "ETH-USD")
    assert (counter.used_ratio(0.0), counter.used_ratio(6.0), counter.used_ratio(60.0)) == (0.2, 0.1, 0.0)


def test_the_wait_that_is_told_is_enough() -> None:
    pace = WindowPace(((10.0, 5),), 1.0)
    for now_s in (0.0, 1.0, 2.0, 3.0, 4.0):
        pace.placed(now_s, B)
    assert pace.wait_s(5.0, B) == 5.0
    assert pace.wait_s(10.0, B) == 0.0


def test_what_others_of_the_account_have_sent_counts_until_its_window_ends() -> None:
    pace = WindowPace(((10.0, 5),), 1.0)
    pace.placed(0.0, B)
    pace.told(0.5, 10.0, 5, 5)
    assert pace.wait_s(1.0, B) == 9.0
    pace.told(1.0, 10.0, 5, 0)  # given back
    assert pace.wait_s(1.0, B) == 0.0
    pace.told(2.0, 10.0, 5, 9)
    assert pace.wait_s(12.1, B) == 0.0


def test_a_limit_that_is_no_more_holds_nothing_back() -> None:
    pace = WindowPace(((10.0, 1),), 1.0)
    pace.placed(0.0, B)
    assert pace.wait_s(1.0, B) > 0.0
    pace.only(((10.0, 3),))
    assert pace.wait_s(1.0, B) == 0.0
    pace.only(())
    for _ in range(100):
        pace.placed(1.0, B)
    assert pace.wait_s(1.0, B) == 0.0


def test_a_ban_is_waited_for_and_never_shortened() -> None:
    pace = WindowPace((), 1.0)
    pace.ban(0.0, 30.0)
    pace.ban(1.0, 2.0)
    assert pace.wait_s(2.0, B) == 28.0
    assert pace.wait_s(30.0, B) == 0.0


def test_a_counter_falls_by_itself_and_is_of_one_symbol() -> None:
    pace = DecayPace(10, 2.0, 1.0)
    for _ in range(10):
        assert pace.wait_s(0.0, B) == 0.0
        pace.placed(0.0, B)
    assert pace.wait_s(0.0, B) == 0.5
    assert pace.wait_s(0.5, B) == 0.0
    assert pace.wait_s(0.0, "ETH-USD") == 0.0
    assert pace.count(100.0, B) == 0.0
    pace.told(5, 1.0)
    assert pace.wait_s(0.0, B) == 6.0


@pytest.mark.parametrize(("age_s", "cost"), [(0.0, 8), (4.9, 8), (5.0, 6), (14.9, 5), (44.0, 4), (89.0, 2), (299.0, 1), (300.0, 0)])
def test_a_cancel_costs_by_the_orders_age(age_s: float, cost: int) -> None:
    assert [cost for _, cost in CANCEL_COSTS] == [8, 6, 5, 4, 2, 1]
    pace = DecayPace(60, 1.0, 0.8)
    pace.cancelled(0.0, B, age_s)
    assert pace.count(0.0, B) == cost
