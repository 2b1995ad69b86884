"""Decimals found from a checksum, where nothing told them."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from engine.providers.kraken.precision import find_precision
from tests.twins.checksum_twin import book_checksum
from tests.twins.kraken_precision import decimals_verifying

Levels = list[tuple[int, int]]


def decimal_levels(levels: Levels, scales: tuple[int, int]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price).scaleb(-scales[0]), Decimal(qty).scaleb(-scales[1])) for price, qty in levels]


BIDS: Levels = [(634_980, 296_239_984), (634_977, 5_100)]
ASKS: Levels = [(634_981, 3_260_644), (634_990, 200_000_000)]


@pytest.mark.parametrize("decimals", [(1, 8), (3, 8), (1, 10), (10, 18), (18, 18)])
def test_found_wherever_the_precision_lies_at_or_above_the_digits(decimals: tuple[int, int]) -> None:
    window = decimal_levels(BIDS, (1, 8)), decimal_levels(ASKS, (1, 8))
    assert find_precision(BIDS, ASKS, 1, 8, book_checksum(window, *decimals)) == decimals


def test_zeros_at_the_end_of_every_number_are_no_digits() -> None:
    bids, asks = ([(price * 1000, qty * 100) for price, qty in side] for side in (BIDS, ASKS))
    window = decimal_levels(BIDS, (1, 8)), decimal_levels(ASKS, (1, 8))
    assert find_precision(bids, asks, 4, 10, book_checksum(window, 1, 8)) == (1, 8)


def test_none_where_no_decimals_will_do() -> None:
    assert find_precision(BIDS, ASKS, 1, 8, 1) is None


def test_an_empty_book_proves_nothing() -> None:
    assert find_precision([], [], 3, 3, 0) == (0, 0)
    assert find_precision([], [], 3, 3, 1) is None


@pytest.mark.property
def test_as_the_twin_finds_it() -> None:
    rng = Random(5)
    for _ in range(60):
        scales = rng.randrange(4), rng.randrange(9)
        bids, asks = (
            [(rng.randrange(1, 10**6), rng.randrange(1, 10**9)) for _ in range(rng.randrange(13))] for _ in range(2)
        )
        window = decimal_levels(bids, scales), decimal_levels(asks, scales)
        told = scales[0] + rng.randrange(3), scales[1] + rng.randrange(3)
        checksum = book_checksum(window, *told) + rng.choice((0, 0, 0, 1))
        best = window[0][:10], window[1][:10]
        want = decimals_verifying(best, checksum)
        assert find_precision(bids, asks, *scales, checksum) == want
