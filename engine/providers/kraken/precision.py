"""The decimals of a pair that no metadata told: those under which a checksum of the venue's own comes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.book.checksum import crc32_of

DECIMALS_MAX = 18
CHECKED_LEVELS = 10

Levels = Sequence[tuple[int, int]]


def find_precision(
    bids: Levels, asks: Levels, price_scale: int, qty_scale: int, checksum: int
) -> tuple[int, int] | None:
    """(price, quantity) decimals under which the book has *checksum*: the fewest that will do, else None.

    *bids* and *asks* are (price_raw, qty_raw), best first, at the scales given; ten levels a side matter.
    What has no level proves no decimals: an empty book of checksum 0 answers (0, 0).
    """
    levels = [*asks[:CHECKED_LEVELS], *bids[:CHECKED_LEVELS]]
    prices = [price_raw for price_raw, _ in levels]
    quantities = [qty_raw for _, qty_raw in levels]
    fewest_price = _fewest_decimals(prices, price_scale)
    fewest_qty = _fewest_decimals(quantities, qty_scale)
    for price_decimals, qty_decimals in _choices(fewest_price, fewest_qty):
        texts = zip(
            _digits(prices, price_scale, price_decimals), _digits(quantities, qty_scale, qty_decimals), strict=True
        )
        if crc32_of("".join(price + qty for price, qty in texts).encode()) == checksum:
            return price_decimals, qty_decimals
    return None


def _choices(fewest_price: int, fewest_qty: int) -> Iterator[tuple[int, int]]:
    choices = [
        (price, qty) for price in range(fewest_price, DECIMALS_MAX + 1) for qty in range(fewest_qty, DECIMALS_MAX + 1)
    ]
    yield from sorted(choices, key=sum)


def _fewest_decimals(raws: Sequence[int], scale: int) -> int:
    """Decimals that the values need: trailing zeros of all of them need none."""
    while scale and all(raw % 10 == 0 for raw in raws):
        raws = [raw // 10 for raw in raws]
        scale -= 1
    return scale


def _digits(raws: Sequence[int], scale: int, decimals: int) -> Iterator[str]:
    """Each value at *decimals* without its point and its leading zeros; nothing for 0."""
    for raw in raws:
        digits = raw * 10 ** (decimals - scale) if decimals >= scale else raw // 10 ** (scale - decimals)
        yield str(digits) if digits else ""
