"""One side of a simulated book: whole depth, plain integers, no depth limit."""

from bisect import bisect_left

from engine.simulator.queues import LevelQueue


class Ladder:
    """Prices in a sorted list of keys, best first; a bid's key is its negative price.

    Keys order both sides alike (a smaller key is a better price), which is why venues may ask for them.

    Attributes:
        queues: of the prices at which clients' orders rest, by price; what a queue has is part of its level.
    """

    __slots__ = ("_qty_by_key", "is_bid", "keys", "queues")

    def __init__(self, is_bid: bool) -> None:
        self.is_bid = is_bid
        self.keys: list[int] = []
        self._qty_by_key: dict[int, int] = {}
        self.queues: dict[int, LevelQueue] = {}

    def __len__(self) -> int:
        return len(self.keys)

    def key_of(self, price_raw: int) -> int:
        """What the price is sorted by."""
        return -price_raw if self.is_bid else price_raw

    def set_level(self, price_raw: int, qty_raw: int) -> None:
        """Give the level this absolute quantity; 0 takes it away."""
        key = self.key_of(price_raw)
        if qty_raw == 0:
            del self.keys[bisect_left(self.keys, key)]
            del self._qty_by_key[key]
            return
        if key not in self._qty_by_key:
            self.keys.insert(bisect_left(self.keys, key), key)
        self._qty_by_key[key] = qty_raw

    def rescale(self, factor: int) -> None:
        """Count prices in units *factor* times as fine."""
        self.keys = [key * factor for key in self.keys]
        self._qty_by_key = {key * factor: qty_raw for key, qty_raw in self._qty_by_key.items()}
        self.queues = {price_raw * factor: queue for price_raw, queue in self.queues.items()}

    def qty_at(self, price_raw: int) -> int:
        """Quantity of the level, 0 where there is none."""
        return self._qty_by_key.get(self.key_of(price_raw), 0)

    def level(self, rank: int) -> tuple[int, int]:
        """Price and quantity of the level *rank* places behind the best; -1 is the worst."""
        key = self.keys[rank]
        return abs(key), self._qty_by_key[key]

    def top(self, levels_count: int | None) -> list[tuple[int, int]]:
        """The best *levels_count* levels, fewer where there are fewer, None for all; best first."""
        return [(abs(key), self._qty_by_key[key]) for key in self.keys[:levels_count]]
