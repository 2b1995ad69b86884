"""The checksum of a book, written from Kraken's own guide; the plain feed has the same."""

import zlib

from engine.simulator.market import SymbolMarket
from engine.simulator.tampering import Tampered

_CHECKSUM_LEVELS = 10

Levels = list[tuple[int, int]]


def book_checksum(bids: Levels, asks: Levels) -> int:
    """CRC32 over the ten best asks, then the ten best bids: price then quantity of each level, best first.

    Each is its decimal text at the pair's precision without the point and without leading zeros, which is
    the text of the integer that the book holds.
    """
    levels = (*asks[:_CHECKSUM_LEVELS], *bids[:_CHECKSUM_LEVELS])
    return zlib.crc32("".join([f"{price_raw}{qty_raw}" for price_raw, qty_raw in levels]).encode())


def checksum_of(market: SymbolMarket, best_bid: tuple[int, int] | None = None) -> int:
    """The checksum of the book now; *best_bid*: one more bid above all others."""
    bids, asks = market.bids.top(_CHECKSUM_LEVELS), market.asks.top(_CHECKSUM_LEVELS)
    return book_checksum(bids if best_bid is None else [best_bid, *bids], asks)


def checksum_told(market: SymbolMarket, told: Tampered) -> int:
    """The checksum to write with an update that a fault has changed."""
    if told.crossing_raw:
        # Of what is told, so that it is the crossing that is found.
        return checksum_of(market, (told.crossing_raw, told.bids[told.crossing_raw])) ^ told.checksum_flip
    return checksum_of(market) ^ told.checksum_flip
