"""Kraken's book checksum from Decimals, by zlib."""

import zlib
from collections.abc import Iterable
from decimal import ROUND_DOWN, Context, Decimal

from tests.twins.ladder_twin import Level, Window

CHECKED_LEVELS = 10
_EXACT = Context(prec=100)


def token(value: Decimal, decimals: int) -> str:
    """*value* with exactly *decimals* decimals, without its point and its leading zeros.

    Digits beyond the venue's precision are cut: they are none of the venue's making.
    """
    fixed = value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_DOWN, context=_EXACT)
    return format(fixed, "f").replace(".", "").lstrip("0")


def checksum_text(window: Window, price_decimals: int, qty_decimals: int) -> str:
    """The text the venue hashes: ten best asks, then ten best bids, each best first."""
    bids, asks = window
    return _side_text(asks, price_decimals, qty_decimals) + _side_text(bids, price_decimals, qty_decimals)


def book_checksum(window: Window, price_decimals: int, qty_decimals: int) -> int:
    """CRC32 of `checksum_text`, unsigned."""
    return zlib.crc32(checksum_text(window, price_decimals, qty_decimals).encode("ascii"))


def _side_text(levels: Iterable[Level], price_decimals: int, qty_decimals: int) -> str:
    best = list(levels)[:CHECKED_LEVELS]
    return "".join(token(price, price_decimals) + token(qty, qty_decimals) for price, qty in best)
