"""Broken frames never crash, never hang, and never change a book in silence (BOOK-09).

Each mutant of a real frame is fed to an engine with valid books. If a book is still valid and was changed, the mutant
must be strict JSON and the change must be exactly what an independent reading of it says; anything else must have been
refused, ignored, or have made the book invalid. And whatever is not refused must be strict JSON throughout, also where
nothing is read.

``ENGINE_FUZZ_FRAMES`` is the number of mutants a venue, 3,000 if it is not set.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from random import Random

import msgspec
import pytest

from engine.base.clock import ManualClock
from engine.config.load import load_config
from engine.pools.sizes import FLOORS
from engine.providers.feed import Feed
from engine.runtime.assembly import Engine
from engine.runtime.capture import CaptureRecord, read_capture
from tests.fuzz.oracle import APPLY, Side, strict_json
from tests.twins.fuzz import fuzz_frames
from tests.unit.simulator.plain_recording import SYMBOLS as PLAIN_SYMBOLS
from tests.unit.simulator.plain_recording import plain_recording

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(900)]

FRAMES = int(os.environ.get("ENGINE_FUZZ_FRAMES", "3000"))
PARTS = 4
"""Tests a venue, each with its share of the mutants, so that two processes end at the same time."""
PLACES = 80
"""Frames of the recording that are broken, from its first book frame after the snapshots on."""
MUTANTS_A_PLACE = 25
SNAPSHOT_LEVELS = 50
SMALL_POOLS = [f"pools.{pooled.class_name}.capacity=32" for pooled in FLOORS["service"]]
"""Engines are opened by the ten thousand here; that one has hundreds of slots changes no book."""
CAPTURES = {
    "binance": ("binance_spot_2021_4pairs", '"depthUpdate"', ["NKNUSDT", "BLZETH", "LRCBTC", "RUNEEUR"]),
    "coinbase": (
        "coinbase_advanced_derived_2021_10pairs",
        '"l2_data"',
        ["BAND-BTC", "BAND-GBP", "CRV-EUR", "DASH-BTC", "NMR-EUR", "NU-GBP", "SKL-BTC", "SKL-GBP", "SKL-USD", "YFI-BTC"],
    ),
    "kraken": ("kraken_v2_btc_eth_d10_20260707", '"book"', ["BTC/USD", "ETH/USD"]),
    "simulated": ("", '"book"', list(PLAIN_SYMBOLS)),
}

Levels = tuple[list[tuple[int, int]], list[tuple[int, int]], int, int]
"""Bids and asks as raw prices and quantities, and the scales of both."""


class Bench:
    """One venue's recording, and fresh engines that stand just before a chosen frame of it."""

    def __init__(self, venue: str, captures: Path) -> None:
        name, mark, self.symbols = CAPTURES[venue]
        self.venue = venue
        self.config = load_config(None, SMALL_POOLS, {})
        records = [shallow(record) for record in records_of(captures, name) if not record.is_out]
        metadata = [record for record in records if is_metadata(record)]
        self.records = [record for record in records if not is_metadata(record)]
        with Engine(self.config, ManualClock(1)) as engine:
            feed = engine.open_provider(venue, venue)
            bodies = [feed.read_instruments(record.raw.encode())[0] for record in metadata]
        self.known = {instrument.venue_symbol: instrument for body in bodies for instrument in body}
        first = self.first_place()
        places = [at for at, r in enumerate(self.records) if at >= first and r.channel == "ws"][: 2 * PLACES]
        books = [at for at in places if mark in self.records[at].raw]
        others = [at for at in places if mark not in self.records[at].raw]
        self.places = books[:PLACES] + others[: PLACES // 4]

    def first_place(self) -> int:
        """The first record that finds every book valid."""
        engine, feed = self.open(0)
        at = 0
        while len(levels_of(feed)) < len(self.symbols):
            play(feed, self.records[at])
            at += 1
        engine.close()
        return at

    def open(self, stop: int) -> tuple[Engine, Feed]:
        engine = Engine(self.config, ManualClock(1))
        feed = engine.open_provider(self.venue, self.venue)
        for symbol in self.symbols:
            engine.carry(feed, self.known.get(symbol) or feed.guess_instrument(symbol))
        engine.start()
        for record in self.records[:stop]:
            play(feed, record)
        return engine, feed


def is_metadata(record: CaptureRecord) -> bool:
    """What says which symbols a venue has; read once, not at each opening."""
    return record.channel == "http" and "/depth?" not in (record.url or "")


def records_of(captures: Path, name: str) -> Iterable[CaptureRecord]:
    """A recording by name; without one, of the plain feed, which is made on the spot."""
    return read_capture(captures / f"{name}.jsonl.gz") if name else (CaptureRecord(**one) for one in plain_recording())


def shallow(record: CaptureRecord) -> CaptureRecord:
    """A snapshot of a deep book cut to its best levels, which takes less time to open with; else the record itself."""
    is_depth = record.channel == "http" and "/depth?" in (record.url or "")
    if not is_depth and not (record.venue == "coinbase" and '"type":"snapshot"' in record.raw):
        return record
    document = json.loads(record.raw)
    if is_depth:
        document["bids"], document["asks"] = document["bids"][:SNAPSHOT_LEVELS], document["asks"][:SNAPSHOT_LEVELS]
    else:
        for event in document["events"]:
            bids = [row for row in event["updates"] if row["side"] == "bid"]
            asks = [row for row in event["updates"] if row["side"] != "bid"]
            bids.sort(key=lambda row: Decimal(row["price_level"]), reverse=True)
            asks.sort(key=lambda row: Decimal(row["price_level"]))
            event["updates"] = bids[:SNAPSHOT_LEVELS] + asks[:SNAPSHOT_LEVELS]
    return msgspec.structs.replace(record, raw=json.dumps(document, separators=(",", ":")))


def play(feed: Feed, record: CaptureRecord) -> None:
    if record.channel == "http":
        feed.take_http(record.url or "", record.raw.encode(), 1)
    else:
        feed.stream.feed(record.raw.encode(), 1, 0)
        feed.stream.read_end()


def levels_of(feed: Feed) -> dict[str, Levels]:
    """Every valid book, as the ladder has it."""
    return {
        book.venue_symbol.decode(): (book.ladder.levels(0), book.ladder.levels(1), book.price_scale, book.qty_scale)
        for book in feed.stream.book_list()
        if book.is_valid
    }


def decimals(levels: Levels) -> tuple[Side, Side]:
    """A book as exact decimals."""
    bids, asks, price_scale, qty_scale = levels
    price, qty = Decimal(1).scaleb(-price_scale), Decimal(1).scaleb(-qty_scale)
    return {p * price: q * qty for p, q in bids}, {p * price: q * qty for p, q in asks}


class Expected(dict[str, tuple[Side, Side]]):
    """The books as they were, made decimals when the oracle first asks for one, and as it then changes them."""

    def __init__(self, before: dict[str, Levels]) -> None:
        self.before = before

    def __missing__(self, symbol: str) -> tuple[Side, Side]:
        self[symbol] = sides = decimals(self.before[symbol])
        return sides


def refused_by(feed: Feed) -> int:
    return sum(feed.stream.rejected_by_code().values())


def state_of(feed: Feed) -> list[tuple[bool, int]]:
    """What moves, for each book, when anything happens to it that consumers are told."""
    return [
        (book.is_valid, book.updates_published + book.snapshots_published) for book in feed.stream.book_list()
    ]


def same(levels: Levels, other: Levels) -> bool:
    """Whether two books say the same; a finer scale alone changes nothing."""
    return levels == other or decimals(levels) == decimals(other)


def check_change(venue: str, mutant: bytes, before: dict[str, Levels], after: dict[str, Levels]) -> None:
    """What is still valid is as it was, or as the independent reading of the mutant makes it."""
    expected = Expected(before)
    try:
        document = strict_json(mutant)
    except (ValueError, RecursionError):
        pass  # nothing may have changed
    else:
        if len(after) == len(before):
            APPLY[venue](document, expected)
    for symbol, levels in after.items():
        if symbol in expected:
            assert decimals(levels) == expected[symbol], (symbol, mutant)
        else:
            assert same(levels, before[symbol]), (symbol, mutant)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("venue", sorted(CAPTURES))
def test_a_broken_frame_changes_no_book_in_silence_BOOK_09(venue: str, part: int, captures: Path) -> None:
    bench = Bench(venue, captures)
    rng = Random(f"{venue} {part}")
    share = FRAMES // PARTS + (part < FRAMES % PARTS)
    fed = changed = refused = 0
    while fed < share:
        place = rng.choice(bench.places)
        mutants = fuzz_frames(
            [bench.records[place].raw.encode()], min(MUTANTS_A_PLACE, share - fed), rng.randrange(2**32)
        )
        before: dict[str, Levels] = {}
        mutant: bytes | None = b""
        while mutant is not None:  # an opening lasts until a mutant changes something: the book has moved on
            engine, feed = bench.open(place)
            before = before or levels_of(feed)
            state = state_of(feed)
            while (mutant := next(mutants, None)) is not None:
                refusals = refused_by(feed)
                feed.stream.feed(mutant, 1, 0)
                feed.stream.read_end()
                fed += 1
                if refused_by(feed) == refusals:
                    strict_json(mutant)
                if state_of(feed) != state:
                    check_change(venue, mutant, before, levels_of(feed))
                    changed += 1
                    break
            else:
                for symbol, levels in levels_of(feed).items():
                    assert same(levels, before[symbol]), f"{symbol} was changed at record {place}, and nobody was told"
            refused += refused_by(feed)
            engine.close()
            assert engine.recycler.statistics().balanced
    assert fed == share
    assert refused > share // 4, "mutations that nothing refuses test nothing"
    assert changed > 0
