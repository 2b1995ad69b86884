"""Who stands at one price of a book: clients' orders, and the market's own quantity before, between and behind them."""

from __future__ import annotations

from collections.abc import Iterator

from engine.simulator.orders import SimOrder


class LevelQueue:
    """One price with at least one client's order, the oldest first.

    Args:
        market_raw: the market's own quantity, which was there before any of them.
    """

    __slots__ = ("_parts",)

    def __init__(self, market_raw: int) -> None:
        self._parts: list[tuple[SimOrder | None, int]] = [(None, market_raw)] if market_raw else []

    def append(self, order: SimOrder) -> None:
        """An order takes its place behind all that is there."""
        self._parts.append((order, order.leaves_raw))

    @property
    def head(self) -> tuple[SimOrder | None, int]:
        """Who is filled next, None for the market's own, and how much of it there is."""
        return self._parts[0]

    @property
    def total_raw(self) -> int:
        """All quantity of the price."""
        return sum(qty_raw for _, qty_raw in self._parts)

    def orders(self) -> Iterator[SimOrder]:
        """The clients' orders, the oldest first."""
        return (order for order, _ in self._parts if order is not None)

    @property
    def has_orders(self) -> bool:
        """Whether a client's order is there still."""
        return any(order is not None for order, _ in self._parts)

    def ahead_of(self, order: SimOrder) -> int:
        """How much is filled before *order* is."""
        ahead_raw = 0
        for other, qty_raw in self._parts:
            if other is order:
                break
            ahead_raw += qty_raw
        return ahead_raw

    def eat(self, qty_raw: int) -> None:
        """Take quantity off the head, at most what it has."""
        order, part_raw = self._parts[0]
        if qty_raw < part_raw:
            self._parts[0] = (order, part_raw - qty_raw)
        else:
            del self._parts[0]

    def fill(self, order: SimOrder, qty_raw: int) -> None:
        """Take quantity off an order wherever it stands, at most what it has; it keeps its place."""
        for index, (other, part_raw) in enumerate(self._parts):
            if other is order:
                self._parts[index : index + 1] = [(order, part_raw - qty_raw)] if part_raw > qty_raw else []
                return

    def remove(self, order: SimOrder) -> int:
        """Take a client's order out; what it had still there, 0 where it is not there."""
        for index, (other, qty_raw) in enumerate(self._parts):
            if other is order:
                del self._parts[index]
                return qty_raw
        return 0

    def resize(self, total_raw: int) -> int:
        """The market comes, behind all, or leaves, the newest first, until the price has *total_raw*.

        Clients' orders stay. Returns what the price has then.
        """
        change_raw = total_raw - self.total_raw
        if change_raw > 0:
            order, qty_raw = self._parts[-1]
            if order is None:
                self._parts[-1] = (None, qty_raw + change_raw)
            else:
                self._parts.append((None, change_raw))
            return total_raw
        for index in reversed(range(len(self._parts))):
            order, qty_raw = self._parts[index]
            if order is None and change_raw:
                left_raw = max(0, qty_raw + change_raw)
                change_raw += qty_raw - left_raw
                self._parts[index] = (None, left_raw)
        self._parts = [part for part in self._parts if part[1]]
        return self.total_raw
