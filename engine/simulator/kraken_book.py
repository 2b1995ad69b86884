"""Kraken's depth-limited view of a book."""

from bisect import bisect_right

from engine.simulator.ladder import Ladder
from engine.simulator.market import MarketEvent, SymbolMarket

Levels = list[tuple[int, int]]


class DepthView:
    """What clients of one symbol hold at one depth, and what to send them when the book changes.

    A client keeps the best *depth* levels and forgets the rest. So the venue sends a level that enters the
    view although it did not change, a deletion only of a level in the view, and nothing for a level that
    better ones push out.
    """

    def __init__(self, market: SymbolMarket, depth: int) -> None:
        self.market = market
        self.depth = depth
        self._bids_edge = self._edge(market.bids)
        self._asks_edge = self._edge(market.asks)

    def absorb(self, event: MarketEvent) -> tuple[Levels, Levels]:
        """The bids and asks to send for *event*, in no order; every event must come by here once."""
        bids = self._visible(self.market.bids, event.bids, self._bids_edge)
        asks = self._visible(self.market.asks, event.asks, self._asks_edge)
        self._bids_edge = self._edge(self.market.bids)
        self._asks_edge = self._edge(self.market.asks)
        return bids, asks

    def _edge(self, ladder: Ladder) -> int | None:
        """Key of the worst level in the view; None while the whole side is in it."""
        return ladder.keys[self.depth - 1] if len(ladder) >= self.depth else None

    def _visible(self, ladder: Ladder, changes: dict[int, int], edge_before: int | None) -> Levels:
        edge_now = self._edge(ladder)
        visible = []
        for price_raw, qty_raw in changes.items():
            edge = edge_now if qty_raw else edge_before
            if edge is None or ladder.key_of(price_raw) <= edge:
                visible.append((price_raw, qty_raw))
        if edge_before is not None:
            for key in ladder.keys[bisect_right(ladder.keys, edge_before):self.depth]:
                price_raw = abs(key)
                if price_raw not in changes:
                    visible.append((price_raw, ladder.qty_at(price_raw)))
        return visible
