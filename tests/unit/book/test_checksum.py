"""The book checksum against zlib and the plain twin, through every way in which a top of book may move."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from decimal import Decimal
from random import Random

import pytest

from engine.base.errors import MisuseError
from engine.book.checksum import KERNELS, BookChecksum, choose_kernel, crc32_of
from engine.book.ladder import Ladder
from tests.twins.checksum_twin import book_checksum
from tests.twins.ladder_twin import Window

BID, ASK = 0, 1


@pytest.fixture(params=KERNELS)
def kernel(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each way to multiply, where the processor has it."""
    try:
        yield choose_kernel(request.param)
    except MisuseError:
        pytest.skip(f"this processor has no {request.param}")
    finally:
        choose_kernel()


def window_of(book: Ladder, price_scale: int, qty_scale: int) -> Window:
    bids, asks = (
        [(Decimal(price).scaleb(-price_scale), Decimal(qty).scaleb(-qty_scale)) for price, qty in book.levels(side)]
        for side in (BID, ASK)
    )
    return bids, asks


def test_crc32_is_zlibs_at_every_length() -> None:
    data = bytes(Random(1).randrange(256) for _ in range(1100))
    for length in [*range(80), 255, 256, 257, 1024, 1099]:
        assert crc32_of(data[:length]) == zlib.crc32(data[:length])
        assert crc32_of(data[3 : 3 + length]) == zlib.crc32(data[3 : 3 + length])


def test_an_empty_book_has_0_and_one_side_is_enough() -> None:
    book, checksum = Ladder(), BookChecksum()
    assert checksum.value(book) == 0
    book.set_levels(ASK, [(110, 7)])
    assert checksum.value(book) == zlib.crc32(b"1107")
    book.set_levels(BID, [(109, 5)])
    assert checksum.value(book) == zlib.crc32(b"11071095")
    book.set_levels(ASK, [(110, 0)])
    assert checksum.value(book) == zlib.crc32(b"1095")


def test_asks_come_first_and_ten_a_side_count() -> None:
    book, checksum = Ladder(), BookChecksum()
    book.replace(BID, [(100 - n, n + 1) for n in range(12)])
    book.replace(ASK, [(101 + n, n + 1) for n in range(12)])
    asks = "".join(f"{101 + n}{n + 1}" for n in range(10))
    bids = "".join(f"{100 - n}{n + 1}" for n in range(10))
    assert checksum.value(book) == zlib.crc32((asks + bids).encode())
    book.set_levels(BID, [(90, 77)])
    book.set_levels(ASK, [(111, 77)])
    assert checksum.value(book) == zlib.crc32((asks + bids).encode())


def test_digits_beyond_the_venues_precision_are_no_part_of_the_text() -> None:
    book = Ladder()
    book.replace(BID, [(109_512, 5_099)])
    assert BookChecksum(2, 3).value(book) == zlib.crc32(b"10955")
    checksum = BookChecksum()
    assert checksum.value(book) == zlib.crc32(b"1095125099")
    checksum.set_spare(4, 4)
    assert checksum.value(book) == zlib.crc32(b"10")


def test_a_kernel_is_one_of_those_there_are() -> None:
    with pytest.raises(MisuseError, match="'simd'"):
        choose_kernel("simd")
    assert choose_kernel() in KERNELS


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("digit", "19")
def test_numbers_of_every_length_are_summed_and_joined(digit: str) -> None:
    """1 to 19 digits, and 10^n around which the count of digits changes, alone and behind one another."""
    numbers = [int(digit * count) for count in range(1, 19)] + [10**count - 1 + int(digit) for count in range(19)]
    for price in numbers:
        book = Ladder()
        book.set_levels(ASK, [(price, 7)])
        assert BookChecksum().value(book) == zlib.crc32(f"{price}7".encode())
    for first in range(0, len(numbers), 7):
        book, rows = Ladder(), [(10**18 + n, number) for n, number in enumerate(numbers[first : first + 10])]
        book.replace(ASK, rows)
        assert BookChecksum().value(book) == zlib.crc32("".join(f"{price}{qty}" for price, qty in rows).encode())


@pytest.mark.usefixtures("kernel")
def test_a_side_that_empties_and_fills_again() -> None:
    book, checksum = Ladder(), BookChecksum()
    book.replace(BID, [(100, 5), (99, 6)])
    book.replace(ASK, [(101, 7)])
    assert checksum.value(book) == zlib.crc32(b"10171005996")
    book.replace(ASK, [])
    assert checksum.value(book) == zlib.crc32(b"1005996")
    book.replace(BID, [])
    assert checksum.value(book) == 0
    book.replace(BID, [(100, 5)])
    assert checksum.value(book) == zlib.crc32(b"1005")


@pytest.mark.usefixtures("kernel")
def test_18_digits_on_every_level() -> None:
    book = Ladder()
    most = 10**18
    book.replace(BID, [(most - 2 * n - 1, most - n - 1) for n in range(10)])
    book.replace(ASK, [(2**63 - 1 - 10 + n, 2**63 - 1 - n) for n in range(10)])
    assert BookChecksum().value(book) == book_checksum(window_of(book, 0, 0), 0, 0)


@pytest.mark.property
@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("spare", "decimals"), [((0, 0), (1, 8)), ((2, 0), (5, 8)), ((1, 4), (0, 3))])
def test_as_the_twin_computes_it_after_every_message(
    spare: tuple[int, int], decimals: tuple[int, int], seed: int
) -> None:
    """Digits of unchanged levels are kept between calls: no insert, removal, cut or snapshot may fool it."""
    rng = Random(f"{spare} {seed}")
    book, checksum = Ladder(), BookChecksum(*spare)
    scales = decimals[0] + spare[0], decimals[1] + spare[1]
    for count in range(500):
        for side, sign in ((BID, -1), (ASK, 1)):
            span = rng.choice((3, 12, 40))
            changes = [
                (10**6 + sign * rng.randrange(1, span), 0 if rng.random() < 0.4 else rng.randrange(1, 10**12))
                for _ in range(rng.choice((0, 1, 1, 3)))
            ]
            if rng.random() < 0.02:
                book.replace(side, changes)
            else:
                book.set_levels(side, changes)
        if rng.random() < 0.2:
            book.cut_to(rng.choice((5, 10, 11)))
        if rng.random() < 0.7:
            assert checksum.value(book) == book_checksum(window_of(book, *scales), *decimals), count
