"""A book in Decimals and dictionaries, and every state it ever was in, by the venue's number."""

from __future__ import annotations

from decimal import Decimal

Side = list[tuple[Decimal, Decimal]]


class PlainBook:
    """All levels by price; what is published of it is remembered for each number.

    Args:
        depth: published per side, 0 = all.
    """

    def __init__(self, depth: int = 0) -> None:
        self.depth = depth
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}
        self.states: dict[int, tuple[Side, Side]] = {}

    def change(self, number: int, bids: list[list[str]], asks: list[list[str]]) -> None:
        """A diff as the venue sends it: texts, absolute quantities, 0 removes."""
        for side, rows in ((self.bids, bids), (self.asks, asks)):
            for price, qty in rows:
                side.pop(Decimal(price), None)
                if Decimal(qty):
                    side[Decimal(price)] = Decimal(qty)
        self.states[number] = self.published()

    def published(self) -> tuple[Side, Side]:
        """Bids and asks, best first, to the published depth."""
        end = self.depth or None
        return sorted(self.bids.items(), reverse=True)[:end], sorted(self.asks.items())[:end]

    def texts(self) -> tuple[list[list[str]], list[list[str]]]:
        """All levels as a venue's snapshot spells them."""
        bids, asks = sorted(self.bids.items(), reverse=True), sorted(self.asks.items())
        return [[str(p), str(q)] for p, q in bids], [[str(p), str(q)] for p, q in asks]
