"""A book as it was at one moment."""

from __future__ import annotations

from typing import NamedTuple

from engine.simulator.market import SymbolMarket

Levels = list[tuple[int, int]]


class BookImage(NamedTuple):
    """Both sides whole, best first, under the update id they stood at."""

    bids: Levels
    asks: Levels
    last_update_id: int


def image_of(market: SymbolMarket, levels_count: int | None = None) -> BookImage:
    """The best levels of *market* now, all of them by default."""
    return BookImage(market.bids.top(levels_count), market.asks.top(levels_count), market.last_update_id)


class OldImages:
    """What stale snapshots are made of: each symbol's book as it was when it was last remembered."""

    def __init__(self) -> None:
        self._images: dict[str, BookImage] = {}

    def remember(self, market: SymbolMarket) -> None:
        """Keep the book as it is now."""
        self._images[market.instrument.venue_symbol] = image_of(market)

    def take(self, market: SymbolMarket) -> BookImage:
        """The remembered book, and remember the present one in its place."""
        present = image_of(market)
        old = self._images.get(market.instrument.venue_symbol, present)
        self._images[market.instrument.venue_symbol] = present
        return old
