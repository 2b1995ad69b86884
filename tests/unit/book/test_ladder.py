"""The ladder against its plain twin: levels, the published window, cuts (BOOK-13, BOOK-25, EVT-12, QA-08)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import accumulate
from random import Random

import pytest

from engine.bench.allocations import heap_bytes
from engine.book.ladder import Ladder
from tests.twins.ladder_twin import LadderTwin, Window, apply_delta, delta_faults

Raw = list[tuple[int, int]]
BID, ASK = 0, 1
MIDDLE = 100_000


def decimals(levels: Iterable[tuple[int, int]]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(qty)) for price, qty in levels]


def held(book: Ladder, limit: int = 0) -> Window:
    return decimals(book.levels(BID, limit)), decimals(book.levels(ASK, limit))


class Pair:
    """A ladder and its twin, told the same, and the window of a consumer who applies what is published."""

    def __init__(self, depth: int, cut: int = 0) -> None:
        self.book, self.twin = Ladder(), LadderTwin()
        self.depth, self.cut = depth, cut
        self.window: Window = ([], [])

    def replace(self, bids: Raw, asks: Raw) -> None:
        self.book.replace(BID, bids)
        self.book.replace(ASK, asks)
        self.twin.replace(decimals(bids), decimals(asks))
        self._cut()
        self.window = self.twin.top(self.depth)

    def message(self, bids: Raw, asks: Raw) -> None:
        delta = (
            decimals(self.book.set_levels(BID, bids, self.depth)),
            decimals(self.book.set_levels(ASK, asks, self.depth)),
        )
        self.twin.apply(decimals(bids), decimals(asks))
        self._cut()
        assert delta_faults(delta) == []
        self.window = apply_delta(self.window, delta)

    def check(self) -> None:
        assert held(self.book) == self.twin.levels()
        assert self.window == self.twin.top(self.depth) == held(self.book, self.depth)
        assert self.book.is_crossed == self.twin.is_crossed()
        assert self.book.counts() == (len(self.twin.bids), len(self.twin.asks))

    def _cut(self) -> None:
        if self.cut:
            self.book.cut_to(self.cut)
            self.twin.truncate(self.cut)


def changes(rng: Random, side: int, spread: int, most: int, gone: float) -> Raw:
    """Changes in no order, prices repeated now and then; a share of *gone* removes."""
    sign = -1 if side == BID else 1
    prices = [MIDDLE + sign * int(rng.expovariate(1 / spread)) for _ in range(rng.randrange(most + 1))]
    return [(price, 0 if rng.random() < gone else rng.randrange(1, 10**12)) for price in prices]


# --- by hand ------------------------------------------------------------------------------------------------


def test_levels_are_best_first_and_a_quantity_is_absolute() -> None:
    book = Ladder()
    assert book.set_levels(BID, [(9, 1), (10, 2), (8, 3)]) == [(10, 2), (9, 1), (8, 3)]
    assert book.set_levels(ASK, [(12, 1), (11, 2)]) == [(11, 2), (12, 1)]
    assert book.set_levels(BID, [(9, 5), (10, 0), (7, 0)]) == [(10, 0), (9, 5)]
    assert (book.levels(BID), book.levels(ASK), book.levels(BID, 1)) == ([(9, 5), (8, 3)], [(11, 2), (12, 1)], [(9, 5)])
    assert (book.counts(), book.is_crossed) == ((2, 2), False)


def test_a_price_twice_in_a_message_is_applied_in_order_and_told_once() -> None:
    book = Ladder()
    assert book.set_levels(BID, [(9, 1), (10, 2), (9, 0), (9, 4)]) == [(10, 2), (9, 4)]
    assert book.set_levels(BID, [(10, 0), (10, 3)]) == [(10, 3)]
    assert book.levels(BID) == [(10, 3), (9, 4)]


def test_what_leaves_the_window_is_removed_from_it_and_what_comes_back_is_added() -> None:
    book = Ladder()
    book.replace(ASK, [(11, 1), (12, 2), (13, 3)])
    assert book.set_levels(ASK, [(10, 9)], 2) == [(10, 9), (12, 0)]
    assert book.set_levels(ASK, [(13, 7)], 2) == []
    assert book.set_levels(ASK, [(11, 0)], 2) == [(11, 0), (12, 2)]
    assert book.set_levels(ASK, [(10, 0), (12, 0)], 2) == [(10, 0), (12, 0), (13, 7)]


def test_a_snapshot_in_any_order_with_repeats_and_zeros() -> None:
    book = Ladder()
    book.replace(BID, [(5, 1), (7, 2), (6, 0), (5, 3), (8, 4), (8, 0)])
    assert book.levels(BID) == [(7, 2), (5, 3)]
    book.replace(BID, [(9, 1), (8, 2)])
    assert book.levels(BID) == [(9, 1), (8, 2)]
    book.replace(BID, [])
    assert (book.levels(BID), book.counts()) == ([], (0, 0))


def test_locked_and_crossed_books_are_told() -> None:
    book = Ladder()
    book.replace(BID, [(10, 1)])
    assert not book.is_crossed
    book.replace(ASK, [(11, 1)])
    assert not book.is_crossed
    book.set_levels(BID, [(11, 1)])
    assert book.is_crossed
    book.set_levels(BID, [(12, 1)])
    assert book.is_crossed


def test_a_cut_keeps_the_best_of_both_sides() -> None:
    book = Ladder()
    book.replace(BID, [(price, 1) for price in range(10, 0, -1)])
    book.replace(ASK, [(11, 1)])
    book.cut_to(3)
    assert (book.levels(BID), book.levels(ASK)) == ([(10, 1), (9, 1), (8, 1)], [(11, 1)])
    assert book.set_levels(BID, [(7, 1), (9, 0)], 3) == [(9, 0), (7, 1)]


def test_the_ends_of_64_bits() -> None:
    book = Ladder()
    top = 2**63 - 1
    book.replace(BID, [(top - 1, top), (1, 1)])
    book.replace(ASK, [(top, top)])
    assert (book.levels(BID), book.levels(ASK), book.is_crossed) == ([(top - 1, top), (1, 1)], [(top, top)], False)


# --- against the twin ---------------------------------------------------------------------------------------


@pytest.mark.property
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("depth", "cut"), [(0, 0), (1, 0), (10, 0), (10, 10), (3, 10), (25, 25)])
def test_random_messages_leave_what_the_twin_has(depth: int, cut: int, seed: int) -> None:
    rng = Random(f"{depth} {cut} {seed}")
    pair = Pair(depth, cut)
    for count in range(600):
        spread = rng.choice((2, 15, 200))
        gone = rng.choice((0.1, 0.5, 0.9))
        sides = [changes(rng, side, spread, rng.choice((1, 4, 40)), gone) for side in (BID, ASK)]
        if count % 200 == 0:
            pair.replace(sides[BID], sides[ASK])
        else:
            pair.message(sides[BID], sides[ASK])
        pair.check()


GAPS: dict[str, Callable[[Random], int]] = {
    "even": lambda rng: 1,
    "uneven": lambda rng: 1 + int(rng.expovariate(1 / 40)),
    "in heaps": lambda rng: 1 if rng.random() < 0.99 else 500_000,
    "wider and wider": lambda rng: 1 + int(1.01 ** rng.randrange(1500)),
}


@pytest.mark.property
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("gaps", GAPS)
def test_changes_anywhere_in_a_deep_book_leave_what_the_twin_has(gaps: str, seed: int) -> None:
    """Where a level lies is guessed from where others were met last: nothing but time depends on the guess."""
    rng, pair = Random(f"{gaps} {seed}"), Pair(depth=50)
    offsets = list(accumulate(GAPS[gaps](rng) for _ in range(4000)))
    known = {BID: [10**9 - by for by in offsets], ASK: [10**9 + by for by in offsets]}

    def some(side: int, most: int, *, gone: float = 0.4) -> Raw:
        prices = [rng.choice(known[side]) + rng.choice((0, 0, 0, 1, -1)) for _ in range(rng.randrange(most + 1))]
        return [(price, 0 if rng.random() < gone else rng.randrange(1, 10**9)) for price in prices]

    pair.replace(*([(price, 7) for price in known[side][::2]] for side in (BID, ASK)))
    for number in range(600):
        most = 1 if number % 2 else 24
        bids, asks = some(BID, most), some(ASK, most)
        if number % 150 == 149:
            # The best thousand go at once, and later come back: all that was met is elsewhere now.
            qty = number // 150 % 2 * 9
            bids, asks = ([(price, qty) for price in known[side][:1000]] for side in (BID, ASK))
        pair.message(bids, asks)
        if number % 25 == 24:
            pair.check()


@pytest.mark.property
def test_the_price_walks_1500_levels_away_and_back() -> None:
    """Where the venue does not cut its book, what lies far away is still known when the price comes back."""
    rng = Random(3)
    pair = Pair(1000)
    ladder = [(price, rng.randrange(1, 10**9)) for price in range(MIDDLE - 3000, MIDDLE + 3000)]
    pair.replace([row for row in ladder if row[0] < MIDDLE], [row for row in ladder if row[0] >= MIDDLE])
    steps = [1] * 1500 + [-1] * 1500
    best_ask = MIDDLE
    for count, step in enumerate(steps):
        taken = best_ask if step > 0 else best_ask - 1
        best_ask += step
        qty = rng.randrange(1, 10**9)
        pair.message(*(([(taken, qty)], [(taken, 0)]) if step > 0 else ([(taken, 0)], [(taken, qty)])))
        if count % 100 == 0:
            pair.check()
    pair.check()
    assert best_ask == MIDDLE


@pytest.mark.property
def test_a_book_that_grows_and_shrinks_without_end() -> None:
    """A cut only moves the side's start: the room is found again however long it goes on."""
    rng = Random(8)
    pair = Pair(5, 20)
    for count in range(6000):
        price = MIDDLE - count // 3 - rng.randrange(3)
        pair.message([(price, 0)], [(price, rng.randrange(1, 100))])
        if count % 50 == 0:
            pair.check()
    pair.check()


def test_snapshots_without_end_take_no_more_room_than_one() -> None:
    """A book is loaded anew at each refresh and each loss: hundreds of times a day, for ever."""
    ladder = Ladder()
    snapshots = [[(price + shift, 1) for price in range(10, 0, -1)] for shift in range(3)]
    for snapshot in snapshots:
        ladder.replace(0, snapshot)
    before = heap_bytes()
    if before < 0:
        pytest.skip("this C library does not tell")
    for number in range(30):
        ladder.replace(0, snapshots[number % 3])
        assert ladder.levels(0) == snapshots[number % 3]
    assert heap_bytes() - before < 1 << 20
