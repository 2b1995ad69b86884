from collections.abc import Sequence

from typing_extensions import disjoint_base

from engine.book.ladder import Ladder

READS: tuple[str, str, str]

@disjoint_base
class BookLoad:
    """One workload: columns of (side, price, quantity) changes, applied one message each.

    Args:
        sides: 0 a bid, 1 an ask.
        prices, quantities: raw integers; quantity 0 removes.
    """

    def __init__(self, sides: Sequence[int], prices: Sequence[int], quantities: Sequence[int]) -> None: ...
    @property
    def ladder(self) -> Ladder: ...
    @property
    def count(self) -> int:
        """Changes in one run."""

    def open(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        """Load the book a run starts from."""

    def run(self, read: str) -> int:
        """Apply every change and read what *read* of READS says after each; returns wall ns.

        Raises:
            ValueError: *read* is none of READS.
        """
