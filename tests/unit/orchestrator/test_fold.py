"""MRG-08, BP-05: deltas of one provider folded level by level change a book as they do one after the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.schema.enums import EventType, UpdateType
from tests.unit.orchestrator.merge_kit import DecimalBook, MergeLine, Row, S, rule_of

pytestmark = pytest.mark.property

# Few prices, so that updates meet on them; a quantity of 0 removes.
ROW = st.tuples(st.integers(1, 12), st.sampled_from([0, 0, 1, 2, 5]))
ROWS = st.lists(ROW, max_size=6, unique_by=lambda row: row[0])
DELTA = st.tuples(ROWS, ROWS, st.integers(0, 3), st.integers(0, 3))
"""Bids, asks, and by how many decimals price and quantity are told finer."""


def scaled(rows: list[Row], price_by: int, qty_by: int, is_ask: bool) -> list[Row]:
    best_first = sorted(rows, reverse=not is_ask)
    return [(price * 10**price_by, qty * 10**qty_by) for price, qty in best_first]


@given(base=DELTA, deltas=st.lists(DELTA, min_size=1, max_size=8), data=st.data())
def test_mrg_08_a_folded_fragment_changes_a_book_as_its_deltas_do(
    base: tuple[list[Row], list[Row], int, int], deltas: list[tuple[list[Row], list[Row], int, int]], data: st.DataObject
) -> None:
    """In whatever order they come, and at whatever scales."""
    order = data.draw(st.permutations(range(len(deltas))))
    line = MergeLine(rule_of(event_type=EventType.BOOK_UPDATE))
    for number in order:
        bids, asks, price_by, qty_by = deltas[number]
        line.delta("coinbase", number + 1, scaled(bids, price_by, qty_by, False), scaled(asks, price_by, qty_by, True),
                   price_scale=price_by, qty_scale=qty_by)  # fmt: skip
    line.delta("kraken", 1)
    line.to(line.clock.now() + 10 * S)
    fragment = line.merged.fragments[0]["coinbase"]
    for side, rows_of in (("bids", 0), ("asks", 1)):
        one_by_one, at_once = DecimalBook(), DecimalBook()
        for book in (one_by_one, at_once):
            book.apply(base[rows_of], 0, 0)
        for delta in deltas:
            one_by_one.apply(delta[rows_of], 0, 0)
        at_once.apply(fragment[side], fragment["price_scale"], fragment["qty_scale"])
        assert at_once.levels == one_by_one.levels
        prices = [price for price, _ in fragment[side]]
        assert prices == sorted(set(prices), reverse=side == "bids")
    told = {price for delta in deltas for price, _ in delta[0]}
    assert len(fragment["bids"]) == len(told)                   # removals are kept
    assert (fragment["folded_count"], fragment["seq_provider"]) == (len(deltas), len(deltas))


@given(full=ROWS, deltas=st.lists(ROWS, max_size=6), at=st.integers(0, 6))
def test_mrg_08_a_full_update_among_deltas_is_the_book_they_make(full: list[Row], deltas: list[list[Row]], at: int) -> None:
    full = [row for row in full if row[1]]
    at = min(at, len(deltas))
    line = MergeLine(rule_of(event_type=EventType.BOOK_UPDATE))
    updates = [(rows, UpdateType.DELTA) for rows in deltas]
    updates.insert(at, (full, UpdateType.FULL))
    for number, (rows, kind) in enumerate(updates, 1):
        line.delta("coinbase", number, sorted(rows, reverse=True), update_type=kind)
    line.delta("kraken", 1)
    line.to(line.clock.now() + 10 * S)
    fragment = line.merged.fragments[0]["coinbase"]
    book = DecimalBook()
    for rows, _ in updates[at:]:
        book.apply(rows, 0, 0)
    assert fragment["update_type"] is UpdateType.FULL
    assert [(int(price), int(book.levels[price])) for price in sorted(book.levels, reverse=True)] == fragment["bids"]
