"""Where two assemblies of one book differ, against dictionaries."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from engine.base.clock import ManualClock
from engine.providers.assembler import BookAssembler
from engine.providers.bookdiff import book_differences
from engine.schema.ports import EventPool, EventSink

Sides = tuple[dict[int, int], dict[int, int]]


def book_of(sides: Sides, **scales: int) -> BookAssembler:
    options: dict[str, Any] = {"price_scale": 2, "qty_scale": 3} | scales
    book = BookAssembler(
        provider="binance", symbol="A-B", venue_symbol=b"AB", pool=EventPool(), sink=EventSink(),
        clock=ManualClock(1), **options,
    )  # fmt: skip
    for side, levels in enumerate(sides):
        book.ladder.replace(side, sorted(levels.items(), reverse=side == 0))
    return book


def expected(mine: Sides, other: Sides, worst: tuple[int, int]) -> set[tuple[int, int, int, int]]:
    return {
        (side, price, mine[side].get(price, 0), other[side].get(price, 0))
        for side in (0, 1)
        for price in mine[side].keys() | other[side].keys()
        if mine[side].get(price) != other[side].get(price)
        and (price >= worst[0] if side == 0 else price <= worst[1])
    }


@pytest.mark.parametrize("seed", range(40))
def test_as_two_dictionaries_differ(seed: int) -> None:
    random = Random(seed)
    bids = {price: random.randrange(1, 9) for price in random.sample(range(100, 200), random.randrange(60))}
    asks = {price: random.randrange(1, 9) for price in random.sample(range(200, 300), random.randrange(60))}
    mine: Sides = (bids, asks)
    other: Sides = (dict(bids), dict(asks))
    for _ in range(random.randrange(6)):
        side = random.randrange(2)
        price = random.randrange(100, 200) + 100 * side
        if random.random() < 0.5:
            other[side].pop(price, None)
        else:
            other[side][price] = random.randrange(1, 9)
    worst = (random.randrange(90, 200), random.randrange(200, 310))
    whole = book_differences(book_of(mine), book_of(other))
    assert set(whole or ()) == expected(mine, other, (0, 1000))
    within = book_differences(book_of(mine), book_of(other), *worst)
    assert set(within or ()) == expected(mine, other, worst)


def test_the_other_is_widened_to_the_books_scales() -> None:
    mine, other = ({100: 10}, {}), ({10: 1}, {})
    assert book_differences(book_of(mine), book_of(other, price_scale=1, qty_scale=2)) == []


def test_where_the_other_is_finer_nothing_can_be_said() -> None:
    assert book_differences(book_of(({}, {})), book_of(({}, {}), price_scale=3)) is None
