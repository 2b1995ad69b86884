"""A price ladder as two dicts, and what a window of its best levels publishes."""

import heapq
from collections.abc import Iterable
from decimal import Decimal

Level = tuple[Decimal, Decimal]
Window = tuple[list[Level], list[Level]]

BID = "bid"
ASK = "ask"
ZERO = Decimal(0)


class LadderTwin:
    """Both sides of one book: price to absolute quantity."""

    def __init__(self) -> None:
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}

    def set(self, side: str, price: Decimal, qty: Decimal) -> None:
        """Give *price* an absolute quantity; 0 deletes, and deleting an unknown level is normal."""
        if qty == 0:
            self.delete(side, price)
        else:
            self._levels(side)[price] = qty

    def delete(self, side: str, price: Decimal) -> None:
        self._levels(side).pop(price, None)

    def replace(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Forget everything and take the levels of a snapshot; levels of quantity 0 are left out."""
        self.clear()
        self.apply(bids, asks)

    def apply(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Set the levels of one message in the order given, so the last value of a price wins."""
        for price, qty in bids:
            self.set(BID, price, qty)
        for price, qty in asks:
            self.set(ASK, price, qty)

    def clear(self) -> None:
        self.bids.clear()
        self.asks.clear()

    def truncate(self, depth_levels: int) -> None:
        """Keep the best *depth_levels* of each side."""
        if len(self.bids) > depth_levels:
            self.bids = dict(heapq.nlargest(depth_levels, self.bids.items()))
        if len(self.asks) > depth_levels:
            self.asks = dict(heapq.nsmallest(depth_levels, self.asks.items()))

    def levels(self) -> Window:
        """All levels, bids then asks, best first."""
        return sorted(self.bids.items(), reverse=True), sorted(self.asks.items())

    def top(self, count: int) -> Window:
        """The best *count* levels of each side, best first; 0 means all, as in `depth_levels`."""
        if count == 0:
            return self.levels()
        return heapq.nlargest(count, self.bids.items()), heapq.nsmallest(count, self.asks.items())

    def best_bid(self) -> Level | None:
        if not self.bids:
            return None
        price = max(self.bids)
        return price, self.bids[price]

    def best_ask(self) -> Level | None:
        if not self.asks:
            return None
        price = min(self.asks)
        return price, self.asks[price]

    def is_crossed(self) -> bool:
        """Best bid at or above best ask: a locked book is no more possible than a crossed one."""
        return bool(self.bids and self.asks) and max(self.bids) >= min(self.asks)

    def _levels(self, side: str) -> dict[Decimal, Decimal]:
        return {BID: self.bids, ASK: self.asks}[side]


def window_delta(before: Window, after: Window) -> Window:
    """What turns the published window *before* into *after*, with the fewest levels.

    Absolute quantities, best first, a price at most once per side. A level that left the window,
    deleted or pushed out, is a removal (quantity 0); one that came into it is an addition.
    """
    bids = _side_delta(before[0], after[0], best_is_highest=True)
    asks = _side_delta(before[1], after[1], best_is_highest=False)
    return bids, asks


def apply_delta(window: Window, delta: Window) -> Window:
    """The window a consumer holds after it applied *delta* to *window*."""
    ladder = LadderTwin()
    ladder.replace(*window)
    ladder.apply(*delta)
    return ladder.levels()


def delta_faults(delta: Window) -> list[str]:
    """Breaches of the form of a published delta: order, repeated prices, negative values."""
    faults = []
    for name, levels, sign in (("bids", delta[0], -1), ("asks", delta[1], 1)):
        keys = [sign * price for price, _ in levels]
        if keys != sorted(keys):
            faults.append(f"{name} are not best first")
        if len(set(keys)) != len(keys):
            faults.append(f"{name} repeat a price")
        if any(price <= 0 or qty < 0 for price, qty in levels):
            faults.append(f"{name} hold a price that is not positive or a negative quantity")
    return faults


def _side_delta(before: list[Level], after: list[Level], best_is_highest: bool) -> list[Level]:
    old, new = dict(before), dict(after)
    changed = {price: qty for price, qty in new.items() if old.get(price) != qty}
    changed.update((price, ZERO) for price in old if price not in new)
    return sorted(changed.items(), reverse=best_is_highest)
