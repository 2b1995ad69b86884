"""What the demo shows beside the samples: venues side by side in merged events, and a consumer that is far too slow."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from engine.book.local import Book
from engine.config.sections import MergeRuleConfig, OrchestratorConfig
from engine.consumers.context import Context
from engine.consumers.subscriptions import Subscription
from engine.providers.facts import plain
from engine.runtime.assembly import Engine
from engine.schema.market import BookEvent, Trade
from engine.schema.merged import MergedEvent

RULE = "across"
SYMBOL = "BTC-USD"
WINDOW_MS = 250
MERGED_VENUES = ("coinbase", "kraken")
SLEEPS_S = 0.02
SLOW_MAILBOX = 32


def orchestrator() -> OrchestratorConfig:
    """One rule: trades of one symbol at two venues."""
    rule = MergeRuleConfig(
        name=RULE, merge_key=f"{SYMBOL}:Trade", providers=MERGED_VENUES, window_duration_ms=WINDOW_MS
    )
    return OrchestratorConfig(merge_rules=(rule,))


class Across:
    """Looks at the newest trade of each venue, window by window: where is it dearer?"""

    def __init__(self) -> None:
        self.windows = 0
        self.dearer: dict[str, int] = dict.fromkeys(MERGED_VENUES, 0)

    def on_event(self, event: Any, ctx: Context) -> None:
        """One window in which both have traded."""
        if isinstance(event, MergedEvent):
            self.windows += 1
            trades = [fragment for fragment in event.fragments if isinstance(fragment, Trade)]
            scale = max(trade.price_scale for trade in trades)
            prices = {trade.provider: trade.price_raw * 10 ** (scale - trade.price_scale) for trade in trades}
            if len(set(prices.values())) > 1:
                self.dearer[max(prices, key=lambda venue: prices[venue])] += 1

    def findings(self) -> list[str]:
        """One line."""
        dearer = ", ".join(f"{venue} in {count}" for venue, count in self.dearer.items())
        return [f"{SYMBOL}: {self.windows} windows of {WINDOW_MS} ms in which both traded; dearer: {dearer}"]


class Slow:
    """Sleeps at every event, many times longer than it has. Its books are compared with the venues' at the end.

    Args:
        symbols: whose books it keeps.
    """

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self.symbols = symbols
        self.books: dict[tuple[str, str], Book] = defaultdict(Book)
        self.taken = 0
        self.stands_for = 0

    def on_event(self, event: Any, ctx: Context) -> None:
        """Keep the book, at leisure."""
        time.sleep(SLEEPS_S)
        if isinstance(event, BookEvent):
            self.taken += 1
            self.stands_for += max(1, event.folded_count)
            self.books[event.provider, event.symbol or ""].apply(event)

    def levels(self, provider: str, symbol: str) -> dict[str, list[list[str]]] | None:
        """Its book of a symbol as texts of price and quantity, best first; None while it is not valid."""
        book = self.books[provider, symbol]
        if not book.is_valid:
            return None
        return {
            side: [[plain(price, book.price_scale), plain(qty, book.qty_scale)] for price, qty in levels]
            for side, levels in (("bids", book.bids()), ("asks", book.asks()))
        }

    def findings(self) -> list[str]:
        """One line."""
        return [f"sleeps {SLEEPS_S * 1e3:.0f} ms an event; took {self.taken}, which stand for {self.stands_for:,}"]


def add_desk(engine: Engine, symbols: tuple[str, ...]) -> tuple[Across, Slow]:
    """Connect both; the slow one gets the books of *symbols*."""
    across, slow = Across(), Slow(symbols)
    engine.add_consumer(RULE, across)
    engine.desk.subscribe(Subscription(consumer_id=RULE, symbol=SYMBOL, event_types=("Trade",), merged=RULE))
    engine.add_consumer("slow", slow, mode="thread", capacity=SLOW_MAILBOX)
    for symbol in symbols:
        engine.desk.subscribe(Subscription(consumer_id="slow", symbol=symbol, event_types=("BookUpdate",)))
    return across, slow
