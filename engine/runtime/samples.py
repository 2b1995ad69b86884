"""Three small strategies: what the demo and a replay without consumers run, and a pattern for one's own."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from engine.book.local import Book
from engine.consumers.context import Context
from engine.consumers.subscriptions import Subscription
from engine.providers.facts import plain
from engine.runtime.assembly import Engine
from engine.schema.account import BalanceUpdate
from engine.schema.market import BookEvent, Trade

Key = tuple[str, str]
"""Provider and symbol."""


class SpreadWatch:
    """How far the best bid and ask stand apart: the widest of each book, in quote units."""

    event_types = ("BookUpdate",)

    def __init__(self) -> None:
        self.books: dict[Key, Book] = defaultdict(Book)
        self.widest: dict[Key, tuple[int, int]] = {}
        """Widest spread as (raw, scale)."""

    def on_batch(self, events: list[Any], ctx: Context) -> None:
        """Follow each book and remember its widest spread."""
        for event in events:
            if isinstance(event, BookEvent):
                key = (event.provider, event.symbol or "")
                book = self.books[key]
                if book.apply(event):
                    bids, asks = book.bids(1), book.asks(1)
                    if bids and asks:
                        self._note(key, asks[0][0] - bids[0][0], book.price_scale)

    def _note(self, key: Key, spread_raw: int, scale: int) -> None:
        widest_raw, widest_scale = self.widest.get(key, (0, 0))
        if spread_raw > widest_raw * 10 ** (scale - widest_scale):
            self.widest[key] = (spread_raw, scale)

    def findings(self) -> list[str]:
        """A line for each book."""
        return [f"{' '.join(key)} widest {plain(*widest)}" for key, widest in self.widest.items()]


class TradeTape:
    """How much was traded, and by whom: quantities that buyers and that sellers took, in base units."""

    event_types = ("Trade",)

    def __init__(self) -> None:
        self.count = 0
        self.taken: dict[Key, dict[str, int]] = defaultdict(lambda: {"BUY": 0, "SELL": 0, "NONE": 0})
        """Quantity by the aggressor's side, at :data:`SCALE` decimals."""

    SCALE = 18

    def on_batch(self, events: list[Any], ctx: Context) -> None:
        """Add each trade to its side."""
        for event in events:
            if isinstance(event, Trade):
                self.count += 1
                qty = event.qty_raw * 10 ** (self.SCALE - event.qty_scale)
                self.taken[event.provider, event.symbol or ""][event.side.name] += qty

    def findings(self) -> list[str]:
        """A line for each symbol."""
        return [
            f"{' '.join(key)} bought {plain(sides['BUY'], self.SCALE)}, sold {plain(sides['SELL'], self.SCALE)}"
            for key, sides in self.taken.items()
        ]


class DepthBalance:
    """Which side of each book is the heavier: bid quantity less ask quantity over ten levels, in % of both."""

    event_types = ("BookUpdate",)
    levels = 10

    def __init__(self) -> None:
        self.books: dict[Key, Book] = defaultdict(Book)
        self.balance_pct: dict[Key, int] = {}

    def on_batch(self, events: list[Any], ctx: Context) -> None:
        """Follow each book; weigh once a batch, for between two events of it nobody looks."""
        changed: dict[Key, bool] = {}
        for event in events:
            if isinstance(event, BookEvent):
                key = (event.provider, event.symbol or "")
                changed[key] = self.books[key].apply(event)
        for key, is_valid in changed.items():
            if is_valid:
                bids = sum(qty for _, qty in self.books[key].bids(self.levels))
                asks = sum(qty for _, qty in self.books[key].asks(self.levels))
                if bids + asks:
                    self.balance_pct[key] = 100 * (bids - asks) // (bids + asks)

    def findings(self) -> list[str]:
        """A line for each book."""
        return [f"{' '.join(key)} {balance:+d} %" for key, balance in self.balance_pct.items()]


class Purse:
    """What the accounts hold, told in the log with each change; not among those that run by themselves."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], tuple[int, int, int]] = {}
        """By provider and asset: total and held, and their scale."""

    def on_balance_update(self, event: BalanceUpdate, ctx: Context) -> None:
        """Note the newest balance, which stands for itself: none needs the one before."""
        self.held[event.account, event.asset] = (event.total_raw, event.held_raw, event.asset_scale)
        total, held = (plain(raw, event.asset_scale) for raw in (event.total_raw, event.held_raw))
        cause = event.cause.name.lower() if event.cause else "none"
        ctx.log.info("%s has %s %s, %s of it held (%s)", event.account, total, event.asset, held, cause)


Sample = SpreadWatch | TradeTape | DepthBalance
SAMPLES: dict[str, type[Sample]] = {
    "spread": SpreadWatch,
    "tape": TradeTape,
    "balance": DepthBalance,
}
"""By the name under which they run."""


def add_samples(engine: Engine) -> dict[str, Sample]:
    """Connect the three to everything an engine carries; returns them by name."""
    symbols = dict.fromkeys(instrument.symbol for instrument in engine.catalogue)
    added: dict[str, Sample] = {}
    for name, kind in SAMPLES.items():
        added[name] = kind()
        engine.add_consumer(name, added[name])
        for symbol in symbols:
            engine.desk.subscribe(Subscription(consumer_id=name, symbol=symbol, event_types=kind.event_types))
    return added
