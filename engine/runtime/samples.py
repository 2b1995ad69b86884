"""Three small strategies: what the demo runs, and a pattern for one's own."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from engine.book.local import Book
from engine.consumers.context import Context
from engine.schema.market import BookEvent, Trade

Key = tuple[str, str]
"""Provider and symbol."""


class SpreadWatch:
    """How far the best bid and ask stand apart, in the smallest steps of each instrument's price."""

    event_types = ("BookUpdate",)

    def __init__(self) -> None:
        self.books: dict[Key, Book] = defaultdict(Book)
        self.widest_raw: dict[Key, int] = defaultdict(int)

    def on_batch(self, events: list[Any], ctx: Context) -> None:
        """Follow each book and remember its widest spread."""
        for event in events:
            if isinstance(event, BookEvent):
                key = (event.provider, event.symbol)
                book = self.books[key]
                book.apply(event)
                bid, ask = book.bids(1), book.asks(1)
                if bid and ask:
                    self.widest_raw[key] = max(self.widest_raw[key], ask[0][0] - bid[0][0])


class TradeTape:
    """How much was traded, and by whom: quantities that a buyer and that a seller took."""

    event_types = ("Trade",)

    def __init__(self) -> None:
        self.count = 0
        self.bought_raw: dict[Key, int] = defaultdict(int)
        self.sold_raw: dict[Key, int] = defaultdict(int)

    def on_batch(self, events: list[Any], ctx: Context) -> None:
        """Add each trade to its side."""
        for event in events:
            if isinstance(event, Trade):
                self.count += 1
                side = self.bought_raw if event.side.name == "BUY" else self.sold_raw
                side[event.provider, event.symbol] += event.qty_raw


class DepthBalance:
    """Which side of each book is the heavier: bid quantity less ask quantity over ten levels, in % of both."""

    event_types = ("BookUpdate",)
    levels = 10

    def __init__(self) -> None:
        self.books: dict[Key, Book] = defaultdict(Book)
        self.balance_pct: dict[Key, int] = {}

    def on_batch(self, events: list[Any], ctx: Context) -> None:
        """Follow each book; weigh once a batch, for between two events of it nobody looks."""
        changed: set[Key] = set()
        for event in events:
            if isinstance(event, BookEvent):
                key = (event.provider, event.symbol)
                self.books[key].apply(event)
                changed.add(key)
        for key in changed:
            bids = sum(qty for _, qty in self.books[key].bids(self.levels))
            asks = sum(qty for _, qty in self.books[key].asks(self.levels))
            if bids + asks:
                self.balance_pct[key] = 100 * (bids - asks) // (bids + asks)


SAMPLES: dict[str, type[SpreadWatch | TradeTape | DepthBalance]] = {
    "spread": SpreadWatch,
    "tape": TradeTape,
    "balance": DepthBalance,
}
"""By the name under which the demo runs them."""
