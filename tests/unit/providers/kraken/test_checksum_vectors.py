"""Published vectors of the book checksum (BOOK-15), computed from the ladder."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.book.checksum import BookChecksum, crc32_of
from engine.book.ladder import Ladder

BID, ASK = 0, 1
# The v2 guide's worked example: price without its one decimal, quantity without its eight.
GUIDE_ASKS = """
    452852 100000  452864 154571953  452866 154571109  452896 154560911  452902 15890660
    452918 154553491  452947 4454749  452961 35380000  452975 9945542  452995 18772827
"""
GUIDE_BIDS = """
    452835 10000000  452834 154582015  452821 10000000  452810 10000000  452803 154592586
    452790 7990000  452776 3310103  452775 30000000  452773 154602737  452766 15445238
"""


def ladder_of(bids: list[tuple[str, str]], asks: list[tuple[str, str]], price_scale: int, qty_scale: int) -> Ladder:
    book = Ladder()
    for side, levels in ((BID, bids), (ASK, asks)):
        book.replace(
            side,
            [(int(Decimal(price).scaleb(price_scale)), int(Decimal(qty).scaleb(qty_scale))) for price, qty in levels],
        )
    return book


def test_the_worked_example_of_the_v2_guide() -> None:
    book = Ladder()
    for side, tokens in ((BID, GUIDE_BIDS), (ASK, GUIDE_ASKS)):
        numbers = [int(token) for token in tokens.split()]
        book.replace(side, list(zip(numbers[::2], numbers[1::2], strict=True)))
    assert BookChecksum().value(book) == 3310070434
    assert crc32_of("".join((GUIDE_ASKS + GUIDE_BIDS).split()).encode()) == 3310070434


V1_ASKS = [(f"0.0{5005 + 5 * n}", "0.00000500") for n in range(10)]
V1_BIDS = [
    (price, "0.00000500")
    for price in [
        "0.05000",
        "0.04995",
        "0.04990",
        "0.04980",
        "0.04975",
        "0.04970",
        "0.04965",
        "0.04960",
        "0.04955",
        "0.04950",
    ]
]
SHORT_BIDS = [("62710.4", "0.01"), ("62709.1", "2")]
SHORT_ASKS = [("62710.5", "0.93111634"), ("62710.6", "0.5"), ("62711.0", "1.2")]


@pytest.mark.parametrize(
    ("bids", "asks", "decimals", "checksum"),
    [
        (V1_BIDS, V1_ASKS, (5, 8), 974947235),
        (SHORT_BIDS, SHORT_ASKS, (1, 8), 1396696505),
        ([], [], (1, 8), 0),
    ],
    ids=["v1 guide", "short book", "empty book"],
)
@pytest.mark.parametrize("spare", [(0, 0), (2, 0), (3, 4)])
def test_the_vectors_at_the_venues_precision_whatever_the_engines_scale(
    bids: list[tuple[str, str]],
    asks: list[tuple[str, str]],
    decimals: tuple[int, int],
    checksum: int,
    spare: tuple[int, int],
) -> None:
    book = ladder_of(bids, asks, decimals[0] + spare[0], decimals[1] + spare[1])
    assert BookChecksum(*spare).value(book) == checksum


@pytest.mark.parametrize(
    ("price", "qty", "text"),
    [
        ("45285.2", "0.00100000", "452852100000"),
        ("0.1", "45285.21000000", "14528521000000"),
        ("12", "0.00159953", "120159953"),
        ("1", "0.000123", "1012300"),
    ],
)
def test_tokens_have_no_point_and_no_leading_zeros(price: str, qty: str, text: str) -> None:
    assert BookChecksum().value(ladder_of([(price, qty)], [], 1, 8)) == crc32_of(text.encode())


def test_only_ten_levels_a_side_count() -> None:
    levels = [(str(100 - n), "1") for n in range(10)]
    ten = BookChecksum().value(ladder_of(levels, [], 0, 0))
    assert BookChecksum().value(ladder_of([*levels, ("1", "7")], [], 0, 0)) == ten
