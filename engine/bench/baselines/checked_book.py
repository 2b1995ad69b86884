"""order_book's book as Kraken's checksum needs it: exact decimals, cut to the subscribed depth."""
from decimal import Decimal
from typing import Any

from order_book import OrderBook

from engine.bench.data.corpus import Corpus
from engine.bench.data.wire import read_frame


class ChecksumError(Exception):
    """The book's checksum is not the venue's; the corpus is sound, so a loop that raises this is wrong."""


class CheckedBook:
    """order_book.OrderBook of Decimals, cut to the subscribed depth as the venue does."""

    __slots__ = ("asks", "best_ask", "best_bid", "bids", "book")

    def __init__(self, corpus: Corpus, symbol: str) -> None:
        snapshot = read_frame("kraken", corpus.snapshots[symbol])[0]
        self.book = OrderBook(
            max_depth=corpus.depth_levels, max_depth_strict=True, checksum_format="KRAKEN"
        )
        self.book.bids = {Decimal(price): Decimal(quantity) for price, quantity in snapshot.bids}
        self.book.asks = {Decimal(price): Decimal(quantity) for price, quantity in snapshot.asks}
        self.bids, self.asks = self.book.bids, self.book.asks
        self.read_top()

    def set_level(self, side: Any, price: Decimal, quantity: Decimal) -> None:
        """Absolute quantity; zero removes, and removing what is not there is normal."""
        if quantity:
            side[price] = quantity
        elif price in side:
            del side[price]

    def read_top(self) -> None:
        """Refresh ``best_bid`` and ``best_ask``."""
        self.best_bid: Decimal = self.bids.index(0)[0]
        self.best_ask: Decimal = self.asks.index(0)[0]
