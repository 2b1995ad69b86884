"""Futures-sized frames from the spot capture: the same feed with eight levels in every message.

The recorded changes are all kept, in order. Each message is filled up with changes of other levels of
the same book: four fifths of them among the best twenty of a side, an eighth removals, an eighth new
levels, the rest new quantities taken from the recorded snapshot. Books never cross, a message names a
price at most once, and ids run on from the snapshot, so a strict reader accepts every frame.
"""
import json
import random
from bisect import bisect_left, insort
from dataclasses import replace
from math import gcd

from engine.bench.data.corpus import Corpus
from engine.bench.data.wire import BookMessage, Level, read_binance_snapshot, read_frame, write_binance_update

ZERO = "0.00000000"
DECIMALS = 8
"""Digits after the point of every number in the capture."""

NEAR_LEVELS = 20
NEAR_SHARE = 0.8
REMOVE_SHARE = INSERT_SHARE = 0.125
MIN_SIDE_LEVELS = 100
BID, ASK = 0, 1

Changes = dict[tuple[int, int], str]
"""(side, price in units of 1e-8) -> quantity text."""


def _raw(price: str) -> int:
    return int(price[: -DECIMALS - 1] + price[-DECIMALS:])


def _text(price_raw: int) -> str:
    whole, part = divmod(price_raw, 10**DECIMALS)
    return f"{whole}.{part:0{DECIMALS}d}"


class _Market:
    """Book of one symbol while its frames are written.

    ``prices[side]`` ascends for asks and, as negated prices, for bids: the best is always first.
    ``recorded`` holds the prices the recording itself has, so that a padding level can be told apart.
    """

    def __init__(self, snapshot: BookMessage) -> None:
        self.prices: list[list[int]] = [[], []]
        self.recorded: set[tuple[int, int]] = set()
        self.quantities = [quantity for _, quantity in snapshot.bids + snapshot.asks]
        self.last_id = snapshot.last_id
        opening = _changes(snapshot)
        self.tick_raw = gcd(*(price_raw for _, price_raw in opening))
        self.apply(opening)
        self.note_recorded(opening)

    def _key(self, side: int, price_raw: int) -> int:
        return -price_raw if side == BID else price_raw

    def note_recorded(self, changes: Changes) -> None:
        for level, quantity in changes.items():
            if quantity == ZERO:
                self.recorded.discard(level)
            else:
                self.recorded.add(level)

    def has(self, side: int, price_raw: int) -> bool:
        keys, key = self.prices[side], self._key(side, price_raw)
        index = bisect_left(keys, key)
        return index < len(keys) and keys[index] == key

    def apply(self, changes: Changes) -> None:
        for (side, price_raw), quantity in changes.items():
            held = self.has(side, price_raw)
            if quantity == ZERO and held:
                self.prices[side].remove(self._key(side, price_raw))
            elif quantity != ZERO and not held:
                insort(self.prices[side], self._key(side, price_raw))

    def uncross(self) -> Changes:
        """Removals of padding levels that the recording has just traded through."""
        removals: Changes = {}
        while -self.prices[BID][0] >= self.prices[ASK][0]:
            bid, ask = (BID, -self.prices[BID][0]), (ASK, self.prices[ASK][0])
            stale = ask if ask not in self.recorded else bid
            removals[stale] = ZERO
            self.apply({stale: ZERO})
        return removals

    def padding(self, rng: random.Random, taken: Changes) -> tuple[tuple[int, int], str]:
        """One more change, of a price that *taken* does not name."""
        while True:
            side = rng.randrange(2)
            keys = self.prices[side]
            near = min(NEAR_LEVELS, len(keys))
            rank = rng.randrange(near) if rng.random() < NEAR_SHARE else rng.randrange(len(keys))
            price_raw = abs(keys[rank])
            kind = rng.random()
            quantity = rng.choice(self.quantities)
            if kind < REMOVE_SHARE:
                if len(keys) <= MIN_SIDE_LEVELS:
                    continue
                quantity = ZERO
            elif kind < REMOVE_SHARE + INSERT_SHARE:
                # one tick behind a level that is there: never better than the best, so never crossing
                price_raw += self.tick_raw if side == ASK else -self.tick_raw
                if price_raw <= 0 or self.has(side, price_raw):
                    continue
            if (side, price_raw) not in taken:
                return (side, price_raw), quantity


def _changes(message: BookMessage) -> Changes:
    changes = {(BID, _raw(price)): quantity for price, quantity in message.bids}
    changes |= {(ASK, _raw(price)): quantity for price, quantity in message.asks}
    return changes


def _sides(part: list[tuple[tuple[int, int], str]]) -> tuple[list[Level], list[Level]]:
    """Levels of one message, best first on both sides, as the venue lists them."""
    bids = sorted((price for (side, price), _ in part if side == BID), reverse=True)
    asks = sorted(price for (side, price), _ in part if side == ASK)
    quantity = dict(part)
    return (
        [(_text(price), quantity[BID, price]) for price in bids],
        [(_text(price), quantity[ASK, price]) for price in asks],
    )


def futures_sized(spot: Corpus, levels: int = 8, seed: int = 2021) -> Corpus:
    """*spot* (Binance depth frames) with exactly *levels* levels a message.

    A recorded message with more levels becomes several, removals first, so that no book crosses half way.
    The same arguments give the same bytes. Event times stay the recording's, ids are new.
    """
    rng = random.Random(seed)
    markets = {s: _Market(read_binance_snapshot(s, raw)) for s, raw in spot.snapshots.items()}
    frames: list[bytes] = []
    for raw in spot.frames:
        message = read_frame("binance", raw)[0]
        event_time_ms = json.loads(raw)["data"]["E"]
        market = markets[message.symbol]
        changes = _changes(message)
        market.apply(changes)
        market.note_recorded(changes)
        changes |= market.uncross()
        while len(changes) % levels:
            level, quantity = market.padding(rng, changes)
            changes[level] = quantity
            market.apply({level: quantity})
        ordered = sorted(changes.items(), key=lambda change: change[1] != ZERO)
        for start in range(0, len(ordered), levels):
            bids, asks = _sides(ordered[start:start + levels])
            first_id, market.last_id = market.last_id + 1, market.last_id + levels
            update = BookMessage(message.symbol, bids, asks, first_id, market.last_id)
            frames.append(write_binance_update(update, event_time_ms))
    return replace(spot, name="futures_sized", frames=frames, level_count=levels * len(frames))
