"""Frames of a seeded market, for a machine without captures: Binance diffs and Kraken books of the same make."""
import json
import random
import zlib
from functools import cache
from typing import Any

from engine.bench.data.corpus import Corpus
from engine.bench.data.wire import BookMessage, Level, write_kraken_update
from engine.simulator.binance_payloads import depth_image, depth_update
from engine.simulator.images import image_of
from engine.simulator.instruments import BINANCE, KRAKEN, SimInstrument, default_coins, list_instruments
from engine.simulator.market import SymbolMarket
from engine.simulator.texts import fixed_text, rfc3339_us

START_US = 1_700_000_000_000_000
STEP_US = 25_000
DEPTH_LEVELS = 1000
SYMBOLS = 4
LEVELS_PER_FRAME = 2.4
"""As in the recorded spot feed: a market event changes one level or a few, and some frames join two events."""

KRAKEN_DEPTH = 10
SEED = 7


def _markets(venue: str, symbol_count: int, seed: int) -> list[SymbolMarket]:
    instruments = list_instruments(venue, default_coins(symbol_count))
    return [
        SymbolMarket(instrument, random.Random(f"{seed}/{instrument.venue_symbol}"), START_US, DEPTH_LEVELS)
        for instrument in instruments
    ]


@cache
def generated_spot(frame_count: int = 20_000, seed: int = SEED) -> Corpus:
    """*frame_count* combined-stream depthUpdate frames of ``SYMBOLS`` symbols, a thousand levels a side.

    The same arguments give the same bytes; frames are never repeated, so nothing has to be looped.
    """
    rng = random.Random(seed)
    markets = _markets(BINANCE, SYMBOLS, seed)
    snapshots = {
        m.instrument.venue_symbol: depth_image(image_of(m), m.instrument, DEPTH_LEVELS).encode() for m in markets
    }
    frames: list[bytes] = []
    level_count = 0
    at_us = START_US
    while len(frames) < frame_count:
        at_us += STEP_US
        market = rng.choice(markets)
        wanted = 1 + int(rng.expovariate(1 / (LEVELS_PER_FRAME - 1)))
        first_id = market.last_update_id + 1
        bids: dict[int, int] = {}
        asks: dict[int, int] = {}
        while len(bids) + len(asks) < wanted:
            event = market.step(at_us)
            bids |= event.bids
            asks |= event.asks
        instrument = market.instrument
        payload = depth_update(instrument, at_us, first_id, market.last_update_id, bids, asks)
        stream = f"{instrument.venue_symbol.lower()}@depth@100ms"
        frames.append(f'{{"stream":"{stream}","data":{payload}}}'.encode())
        level_count += len(bids) + len(asks)
    return Corpus("generated", "binance", frames, snapshots, tuple(snapshots), level_count)


class _KrakenBook:
    """The best ten levels a side as the venue publishes them, and their checksum."""

    def __init__(self, market: SymbolMarket) -> None:
        self.market = market
        self.shown = self._top()

    def _top(self) -> tuple[dict[int, int], dict[int, int]]:
        return dict(self.market.bids.top(KRAKEN_DEPTH)), dict(self.market.asks.top(KRAKEN_DEPTH))

    def _levels(self, changes: dict[int, int]) -> list[Level]:
        instrument = self.market.instrument
        return [
            (fixed_text(price, instrument.price_scale), fixed_text(qty, instrument.qty_scale))
            for price, qty in changes.items()
        ]

    def checksum(self) -> int:
        bids, asks = self.shown
        rows = [*asks.items(), *bids.items()]
        return zlib.crc32("".join(f"{price_raw}{qty_raw}" for price_raw, qty_raw in rows).encode())

    def snapshot(self) -> BookMessage:
        bids, asks = self.shown
        symbol = self.market.instrument.venue_symbol
        return BookMessage(symbol, self._levels(bids), self._levels(asks), 0, 0, True)

    def step(self, at_us: int) -> BookMessage | None:
        """Let one thing happen; None when the best ten of neither side changed."""
        self.market.step(at_us)
        before, self.shown = self.shown, self._top()
        bids = _changes(before[0], self.shown[0], is_bid=True)
        asks = _changes(before[1], self.shown[1], is_bid=False)
        if not bids and not asks:
            return None
        symbol = self.market.instrument.venue_symbol
        return BookMessage(symbol, self._levels(bids), self._levels(asks), 0, 0)


def _changes(before: dict[int, int], after: dict[int, int], *, is_bid: bool) -> dict[int, int]:
    """What the venue tells: a level that was only pushed out of the depth is the reader's to cut."""
    worst = min(after) if is_bid else max(after)
    changes = {
        price_raw: 0
        for price_raw in before
        if price_raw not in after and (price_raw > worst if is_bid else price_raw < worst)
    }
    return changes | {price_raw: qty for price_raw, qty in after.items() if before.get(price_raw) != qty}


@cache
def generated_kraken(frame_count: int = 5_000, seed: int = SEED) -> Corpus:
    """*frame_count* v2 book updates of two symbols at depth 10, each with the checksum of the book behind it."""
    rng = random.Random(seed)
    books = [_KrakenBook(market) for market in _markets(KRAKEN, 2, seed)]
    snapshots: dict[str, bytes] = {}
    for book in books:
        raw = write_kraken_update(book.snapshot(), book.checksum(), rfc3339_us(START_US))
        symbol = book.market.instrument.venue_symbol
        snapshots[symbol] = raw.replace(b'"type":"update"', b'"type":"snapshot"', 1)
    frames: list[bytes] = []
    level_count = 0
    at_us = START_US
    while len(frames) < frame_count:
        at_us += STEP_US
        book = rng.choice(books)
        message = book.step(at_us)
        if message is not None:
            frames.append(write_kraken_update(message, book.checksum(), rfc3339_us(at_us)))
            level_count += len(message.bids) + len(message.asks)
    reference = _asset_pairs([book.market.instrument for book in books])
    symbols = tuple(snapshots)
    return Corpus(
        "generated_kraken", "kraken", frames, snapshots, symbols, level_count, KRAKEN_DEPTH, reference
    )


def _asset_pairs(instruments: list[SimInstrument]) -> bytes:
    """An AssetPairs body with what a reader of books needs of it."""
    result: dict[str, Any] = {
        instrument.venue_symbol.replace("/", ""): {
            "wsname": instrument.venue_symbol,
            "base": instrument.base,
            "quote": instrument.quote,
            "pair_decimals": instrument.price_scale,
            "lot_decimals": instrument.qty_scale,
            "ordermin": fixed_text(instrument.min_qty_raw, instrument.qty_scale),
            "tick_size": fixed_text(instrument.tick_raw, instrument.price_scale),
            "status": "online",
        }
        for instrument in instruments
    }
    return json.dumps({"error": [], "result": result}).encode()
