"""Broken frames never crash, never hang, and never change a book in silence (BOOK-09).

Each mutant of a real frame is fed to a valid book. If the book is still valid and was changed, the mutant must be
strict JSON and the change must be exactly what an independent reading of it says; anything else must have been
refused, ignored, or have made the book invalid. And whatever is not refused must be strict JSON throughout, also
where nothing is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from engine.base.clock import ManualClock
from engine.config.load import default_config
from engine.providers.feed import Feed
from engine.runtime.assembly import Engine
from engine.runtime.capture import CaptureRecord, read_capture
from tests.fuzz.oracle import APPLY, Books, strict_json
from tests.twins.fuzz import fuzz_frames

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(900)]

FRAMES = int(os.environ.get("ENGINE_FUZZ_FRAMES", "3000"))
MUTANTS_A_FRAME = 100
CAPTURES = {
    "binance": ("binance_spot_2021_4pairs", '"depthUpdate"'),
    "coinbase": ("coinbase_advanced_derived_2021_10pairs", '"l2_data"'),
    "kraken": ("kraken_v2_btc_eth_d10_20260707", '"book"'),
}


class Bench:
    """One venue's recording, and fresh engines that stand just before a chosen book frame of it."""

    def __init__(self, venue: str, captures: Path) -> None:
        self.venue = venue
        name, mark = CAPTURES[venue]
        self.records = [r for r in read_capture(captures / f"{name}.jsonl.gz") if not r.is_out]
        self.places = [i for i, r in enumerate(self.records) if r.channel == "ws" and mark in r.raw]
        metadata = [r for r in self.records if r.channel == "http" and "/depth?" not in (r.url or "")]
        with Engine(default_config(), ManualClock(1)) as engine:
            feed = engine.open_provider(venue, venue)
            bodies = [feed.read_instruments(record.raw.encode())[0] for record in metadata]
        self.known = {instrument.venue_symbol: instrument for body in bodies for instrument in body}

    def open(self, stop: int) -> tuple[Engine, Feed]:
        engine = Engine(default_config(), ManualClock(1))
        feed = engine.open_provider(self.venue, self.venue)
        for symbol in self.symbols():
            engine.carry(feed, self.known.get(symbol) or feed.guess_instrument(symbol))
        engine.start()
        for record in self.records[:stop]:
            self.play(feed, record)
        return engine, feed

    def symbols(self) -> list[str]:
        return {
            "binance": ["NKNUSDT", "BLZETH", "LRCBTC", "RUNEEUR"],
            "coinbase": ["BAND-BTC", "BAND-GBP", "CRV-EUR", "DASH-BTC", "NMR-EUR", "NU-GBP", "SKL-BTC", "SKL-GBP",
                         "SKL-USD", "YFI-BTC"],
            "kraken": ["BTC/USD", "ETH/USD"],
        }[self.venue]  # fmt: skip

    def play(self, feed: Feed, record: CaptureRecord) -> None:
        if record.channel == "http":
            feed.take_http(record.url or "", record.raw.encode(), 1)
        else:
            feed.stream.feed(record.raw.encode(), 1, 0)
            feed.stream.read_end()


def books_of(feed: Feed) -> Books:
    """Every valid book, as exact decimals."""
    found: Books = {}
    for book in feed.stream.book_list():
        if book.is_valid:
            price, qty = Decimal(1).scaleb(-book.price_scale), Decimal(1).scaleb(-book.qty_scale)
            bids, asks = (
                {Decimal(p) * price: Decimal(q) * qty for p, q in book.ladder.levels(side)} for side in (0, 1)
            )
            found[book.venue_symbol.decode()] = (bids, asks)
    return found


def valid_books(feed: Feed) -> list[bool]:
    return [book.is_valid for book in feed.stream.book_list()]


def published(feed: Feed) -> int:
    return sum(book.updates_published + book.snapshots_published for book in feed.stream.book_list())


def mutants(frame: bytes, count: int, seed: int) -> Iterator[bytes]:
    yield from fuzz_frames([frame], count, seed)


@pytest.mark.parametrize("venue", sorted(CAPTURES))
def test_a_broken_frame_changes_no_book_in_silence_BOOK_09(venue: str, captures: Path) -> None:
    bench = Bench(venue, captures)
    rng = Random(20261121)
    fed = changed = refused = 0
    while fed < FRAMES:
        place = rng.choice(bench.places[len(bench.places) // 4 :][:200])
        engine, feed = bench.open(place)
        before, valid = books_of(feed), valid_books(feed)
        frame = bench.records[place].raw.encode()
        for mutant in mutants(frame, MUTANTS_A_FRAME, rng.randrange(2**32)):
            count = published(feed)
            refusals = sum(feed.stream.rejected_by_code().values())
            feed.stream.feed(mutant, 1, 0)
            feed.stream.read_end()
            fed += 1
            refusals = sum(feed.stream.rejected_by_code().values()) - refusals
            refused += refusals
            if not refusals:
                strict_json(mutant)
            if published(feed) == count and valid_books(feed) == valid:
                continue
            after = books_of(feed)
            try:
                document = strict_json(mutant)
            except (ValueError, RecursionError):
                assert all(after[symbol] == before[symbol] for symbol in after), mutant
            else:
                expected = {symbol: (dict(bids), dict(asks)) for symbol, (bids, asks) in before.items()}
                if len(after) == len(before):
                    APPLY[venue](document, expected)
                for symbol, sides in after.items():
                    assert sides == expected[symbol], (symbol, mutant)
            changed += 1
            break  # the book has moved on: start from a fresh one
        engine.close()
        assert engine.recycler.statistics().balanced
    assert refused > FRAMES // 4, "mutations that nothing refuses test nothing"
    assert changed > 0
