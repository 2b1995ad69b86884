"""The dict ladder and what its window publishes."""

from decimal import Decimal
from random import Random

from tests.twins.ladder_twin import ASK, BID, LadderTwin, Level, apply_delta, delta_faults, window_delta


def levels(*pairs: tuple[str, str]) -> list[Level]:
    return [(Decimal(price), Decimal(qty)) for price, qty in pairs]


def test_levels_are_absolute_and_zero_removes() -> None:
    ladder = LadderTwin()
    ladder.replace(levels(("10", "1"), ("9", "0")), levels(("11", "2")))
    ladder.apply(levels(("10", "3"), ("8", "1"), ("8", "4")), levels(("11", "0"), ("12.0", "1"), ("7", "0")))
    assert ladder.levels() == (levels(("10", "3"), ("8", "4")), levels(("12", "1")))
    assert (ladder.best_bid(), ladder.best_ask()) == (levels(("10", "3"))[0], levels(("12", "1"))[0])
    ladder.clear()
    assert (ladder.best_bid(), ladder.best_ask(), ladder.top(0)) == (None, None, ([], []))


def test_truncation_keeps_the_best_of_each_side() -> None:
    ladder = LadderTwin()
    ladder.replace(levels(("8", "1"), ("10", "1"), ("9", "1")), levels(("13", "1"), ("11", "1"), ("12", "1")))
    ladder.truncate(2)
    assert ladder.levels() == (levels(("10", "1"), ("9", "1")), levels(("11", "1"), ("12", "1")))


def test_locked_is_crossed_and_one_side_alone_is_not() -> None:
    ladder = LadderTwin()
    ladder.set(BID, Decimal("10"), Decimal(1))
    assert not ladder.is_crossed()
    ladder.set(ASK, Decimal("10.0"), Decimal(1))
    assert ladder.is_crossed()
    ladder.delete(ASK, Decimal("10"))
    assert not ladder.is_crossed()


def test_a_level_pushed_out_of_the_window_is_removed_and_comes_back_as_added() -> None:
    ladder = LadderTwin()
    ladder.replace(levels(("10", "1"), ("9", "2")), levels(("12", "1")))
    before = ladder.top(2)
    ladder.apply(levels(("11", "5")), levels(("12", "1")))
    pushed = ladder.top(2)
    assert window_delta(before, pushed) == (levels(("11", "5"), ("9", "0")), [])
    ladder.apply(levels(("11", "0")), [])
    assert window_delta(pushed, ladder.top(2)) == (levels(("11", "0"), ("9", "2")), [])


def test_deltas_rebuild_the_window_over_a_random_walk() -> None:
    rng = Random(7)
    ladder = LadderTwin()
    held = ladder.top(5)
    for _ in range(500):
        before = ladder.top(5)
        for _ in range(rng.randint(1, 4)):
            side, qty = rng.choice((BID, ASK)), Decimal(rng.choice((0, 0, 1, 2)))
            price = Decimal(rng.randint(1, 20) if side == BID else rng.randint(21, 40))
            ladder.set(side, price, qty)
        delta = window_delta(before, ladder.top(5))
        assert delta_faults(delta) == []
        held = apply_delta(held, delta)
        assert held == ladder.top(5)


def test_faults_of_form_are_named() -> None:
    assert delta_faults((levels(("9", "1"), ("10", "1")), [])) == ["bids are not best first"]
    assert delta_faults(([], levels(("10", "1"), ("10", "2")))) == ["asks repeat a price"]
    assert len(delta_faults((levels(("0", "1")), levels(("1", "-1"))))) == 2
