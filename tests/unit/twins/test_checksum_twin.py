"""The checksum twin against the venue's published vectors."""

from decimal import Decimal

import pytest

from tests.twins.checksum_twin import book_checksum, checksum_text, token
from tests.twins.ladder_twin import Level

# The worked example of the version 2 guide: price without its one decimal, quantity without its eight.
GUIDE_ASKS = """
    452852 100000  452864 154571953  452866 154571109  452896 154560911  452902 15890660
    452918 154553491  452947 4454749  452961 35380000  452975 9945542  452995 18772827
"""
GUIDE_BIDS = """
    452835 10000000  452834 154582015  452821 10000000  452810 10000000  452803 154592586
    452790 7990000  452776 3310103  452775 30000000  452773 154602737  452766 15445238
"""


def guide_side(tokens: str) -> list[Level]:
    numbers = [Decimal(token) for token in tokens.split()]
    return [
        (price.scaleb(-1), qty.scaleb(-8)) for price, qty in zip(numbers[::2], numbers[1::2], strict=True)
    ]


def test_version_2_guide() -> None:
    window = guide_side(GUIDE_BIDS), guide_side(GUIDE_ASKS)
    assert checksum_text(window, 1, 8) == "".join((GUIDE_ASKS + GUIDE_BIDS).split())
    assert book_checksum(window, 1, 8) == 3310070434


def side(prices: str, qtys: str) -> list[Level]:
    prices_, qtys_ = prices.split(), qtys.split()
    return [(Decimal(price), Decimal(qty)) for price, qty in zip(prices_, qtys_ * len(prices_), strict=False)]


def test_version_1_guide() -> None:
    asks = side(
        "0.05005 0.05010 0.05015 0.05020 0.05025 0.05030 0.05035 0.05040 0.05045 0.05050", "0.00000500"
    )
    bids = side("0.05000 0.04995 0.04990 0.04980 0.04975 0.04970 0.04965 0.04960 0.04955 0.04950", "0.000005")
    assert checksum_text((bids, asks), 5, 8).startswith("5005500501050050155005020500")
    assert book_checksum((bids, asks), 5, 8) == 974947235


def test_short_book() -> None:
    asks, bids = side("62710.5 62710.6 62711.0", "0.93111634 0.5 1.2"), side("62710.4 62709.1", "0.01 2")
    text = "62710593111634627106500000006271101200000006271041000000627091200000000"
    assert checksum_text((bids, asks), 1, 8) == text
    assert book_checksum((bids, asks), 1, 8) == 1396696505


def test_only_ten_levels_count_and_an_empty_book_is_0() -> None:
    bids, asks = side(" ".join(str(price) for price in range(30, 10, -1)), "1"), side("31 32", "1")
    assert book_checksum((bids, asks), 1, 8) == book_checksum((bids[:10], asks), 1, 8)
    assert book_checksum(([], []), 1, 8) == 0


@pytest.mark.parametrize(
    ("text", "decimals", "expected"),
    [
        ("45285.21", 8, "4528521000000"),
        ("0.00159953", 8, "159953"),
        ("0.000123", 6, "123"),
        ("0", 8, ""),
        ("0.0", 1, ""),
        ("62711", 1, "627110"),
        ("0.123456789", 8, "12345678"),
    ],
)
def test_tokens(text: str, decimals: int, expected: str) -> None:
    assert token(Decimal(text), decimals) == expected
