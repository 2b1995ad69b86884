"""The books a user would write by hand for speed: one symbol, prices as floats or integers.

Every book keeps ``best_bid`` and ``best_ask`` after ``apply``, which is what its consumers read.
"""
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Protocol

from order_book import OrderBook
from sortedcontainers import SortedDict

from engine.bench.data.plainbook import Top

Levels = Iterable[tuple[str, str]]
BINANCE_DECIMALS = 8


class HandBook(Protocol):
    """What the loops need of a book."""

    last_update_id: int

    def apply(self, bids: Levels, asks: Levels) -> None:
        """Set the levels, then ``best_bid`` and ``best_ask``."""

    def top(self) -> Top:
        """The same two prices, exact."""


class FloatBook:
    """SortedDict keyed by float price, bids by its negative, so that the best is first on both sides."""

    __slots__ = ("asks", "best_ask", "best_bid", "bids", "last_update_id")

    def __init__(self, bids: Levels, asks: Levels, last_update_id: int) -> None:
        self.bids: Any = SortedDict({-float(price): float(quantity) for price, quantity in bids})
        self.asks: Any = SortedDict({float(price): float(quantity) for price, quantity in asks})
        self.last_update_id = last_update_id
        self.apply((), ())

    def apply(self, bids: Levels, asks: Levels) -> None:
        side = self.bids
        for price, text in bids:
            quantity = float(text)
            if quantity:
                side[-float(price)] = quantity
            else:
                side.pop(-float(price), None)
        side = self.asks
        for price, text in asks:
            quantity = float(text)
            if quantity:
                side[float(price)] = quantity
            else:
                side.pop(float(price), None)
        self.best_bid = -self.bids.peekitem(0)[0]
        self.best_ask = self.asks.peekitem(0)[0]

    def top(self) -> Top:
        # repr of a float read from eight decimals gives those decimals back
        return Decimal(repr(self.best_bid)), Decimal(repr(self.best_ask))


class IntBook:
    """The same with exact integers, which Binance's fixed eight decimals make easy to read."""

    __slots__ = ("asks", "best_ask", "best_bid", "bids", "last_update_id")

    def __init__(self, bids: Levels, asks: Levels, last_update_id: int) -> None:
        self.bids: Any = SortedDict({-int(p.replace(".", "")): int(q.replace(".", "")) for p, q in bids})
        self.asks: Any = SortedDict({int(p.replace(".", "")): int(q.replace(".", "")) for p, q in asks})
        self.last_update_id = last_update_id
        self.apply((), ())

    def apply(self, bids: Levels, asks: Levels) -> None:
        side = self.bids
        for price, text in bids:
            quantity = int(text.replace(".", ""))
            if quantity:
                side[-int(price.replace(".", ""))] = quantity
            else:
                side.pop(-int(price.replace(".", "")), None)
        side = self.asks
        for price, text in asks:
            quantity = int(text.replace(".", ""))
            if quantity:
                side[int(price.replace(".", ""))] = quantity
            else:
                side.pop(int(price.replace(".", "")), None)
        self.best_bid = -self.bids.peekitem(0)[0]
        self.best_ask = self.asks.peekitem(0)[0]

    def top(self) -> Top:
        bid, ask = Decimal(self.best_bid), Decimal(self.best_ask)
        return bid.scaleb(-BINANCE_DECIMALS), ask.scaleb(-BINANCE_DECIMALS)


class OrderBookFloat:
    """order_book.OrderBook keyed by float."""

    __slots__ = ("asks", "best_ask", "best_bid", "bids", "book", "last_update_id")

    def __init__(self, bids: Levels, asks: Levels, last_update_id: int) -> None:
        self.book = OrderBook()
        self.book.bids = {float(price): float(quantity) for price, quantity in bids}
        self.book.asks = {float(price): float(quantity) for price, quantity in asks}
        self.bids, self.asks = self.book.bids, self.book.asks
        self.last_update_id = last_update_id
        self.apply((), ())

    def apply(self, bids: Levels, asks: Levels) -> None:
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for price_text, text in levels:
                price, quantity = float(price_text), float(text)
                if quantity:
                    side[price] = quantity
                elif price in side:
                    del side[price]
        self.best_bid = self.bids.index(0)[0]
        self.best_ask = self.asks.index(0)[0]

    def top(self) -> Top:
        return Decimal(repr(self.best_bid)), Decimal(repr(self.best_ask))
