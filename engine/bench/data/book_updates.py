"""The book-only workload: random level changes on a book of a thousand levels a side.

Four fifths of the changes fall among the twenty ticks next to the middle, a quarter are removals; the
shape of a busy venue's feed, and the same numbers for every book that is measured.
"""
import random
from array import array
from dataclasses import dataclass

LEVELS_PER_SIDE = 1000
MIDDLE_TICKS = 100_000
NEAR_TICKS = 20
NEAR_SHARE = 0.8
REMOVE_SHARE = 0.25
MAX_QUANTITY = 100_000
OPENING_QUANTITY = 5


@dataclass(frozen=True)
class BookUpdates:
    """Columns of equal length; ``side`` 0 is a bid, 1 an ask; quantity 0 removes the level."""

    side: "array[int]"
    price_ticks: "array[int]"
    quantity: "array[int]"


def opening_levels() -> tuple[list[int], list[int]]:
    """Prices in ticks of the full book the updates start from: bids, then asks, best first."""
    distances = range(1, LEVELS_PER_SIDE + 1)
    return [MIDDLE_TICKS - d for d in distances], [MIDDLE_TICKS + d for d in distances]


def book_updates(count: int, seed: int = 7) -> BookUpdates:
    """*count* changes; the same seed gives the same changes."""
    rng = random.Random(seed)
    sides, prices, quantities = array("q"), array("q"), array("q")
    for _ in range(count):
        near = rng.random() < NEAR_SHARE
        distance = 1 + (rng.randrange(NEAR_TICKS) if near else rng.randrange(NEAR_TICKS, LEVELS_PER_SIDE))
        side = rng.randrange(2)
        sides.append(side)
        prices.append(MIDDLE_TICKS + distance if side else MIDDLE_TICKS - distance)
        quantities.append(0 if rng.random() < REMOVE_SHARE else rng.randrange(1, MAX_QUANTITY))
    return BookUpdates(sides, prices, quantities)
