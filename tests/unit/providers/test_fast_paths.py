"""Where a decoder reads the venue's usual spelling by a shorter way, it reads what the general walk reads.

The same frame once as it stands and once with white space that means nothing, which no short way expects: both must
cause the same events, refusals and requests and leave the same books, also for frames that are broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.base.clock import ManualClock
from engine.config.load import default_config
from engine.consumers.subscriptions import Subscription
from engine.providers.feed import Feed
from engine.runtime.assembly import Engine
from engine.runtime.capture import CaptureRecord, read_capture
from tests.twins.fuzz import fuzz_frames
from tests.unit.simulator.plain_recording import SYMBOLS as PLAIN_SYMBOLS
from tests.unit.simulator.plain_recording import plain_recording

NS = 1_800_000_000_000_000_000
SYMBOLS = {
    "binance": ["NKNUSDT", "BLZETH", "LRCBTC", "RUNEEUR"],
    "coinbase": ["BAND-BTC", "CRV-EUR", "DASH-BTC", "SKL-USD", "YFI-BTC"],
    "kraken": ["BTC/USD", "ETH/USD"],
    "simulated": list(PLAIN_SYMBOLS),
}
CAPTURES = {
    "binance": "binance_spot_2021_4pairs",
    "coinbase": "coinbase_advanced_derived_2021_10pairs",
    "kraken": "kraken_v2_btc_eth_d10_20260707",
}
# What the short ways compare as a whole, each with a space put in: the same JSON, but for the walk alone.
SPACED: dict[str, tuple[tuple[bytes, bytes], ...]] = {
    "binance": ((b'{"stream"', b'{ "stream"'), (b'["', b'[ "')),
    "coinbase": ((b'{"', b'{ "'), (b'":', b'" :')),
    "kraken": ((b'{"price"', b'{ "price"'), (b',"qty"', b', "qty"')),
    "simulated": ((b'["', b'[ "'),),
}
PARTS: dict[str, tuple[tuple[bytes, bytes], ...]] = {
    "binance, only the envelope": SPACED["binance"][:1],
    "binance, only the levels": SPACED["binance"][1:],
}


class Venue:
    """One venue's feed in an engine of its own, and all that it caused."""

    def __init__(self, venue: str) -> None:
        self.engine = Engine(default_config(), ManualClock(NS))
        self.events: list[dict[str, Any]] = []
        self.engine.add_consumer("watch", self)
        self.feed: Feed = self.engine.open_provider(venue, venue)
        for spelling in SYMBOLS[venue]:
            instrument = self.feed.guess_instrument(spelling)
            self.engine.carry(self.feed, instrument)
            self.engine.desk.subscribe(
                Subscription(
                    consumer_id="watch",
                    symbol=instrument.symbol,
                    event_types=("BookUpdate", "Trade", "Ticker", "KlineSummary", "InstrumentUpdate"),
                )
            )
        self.engine.start()

    def on_event(self, event: Any, ctx: object) -> None:
        fields = event.detach().as_dict()
        self.events.append({name: value for name, value in fields.items() if name != "trace_id"})

    def play(self, record: CaptureRecord, frame: bytes) -> None:
        if record.channel == "http":
            self.feed.take_http(record.url or "", frame, NS)
        else:
            self.feed.stream.feed(frame, NS, record.conn)
        self.feed.stream.read_end()

    def state(self) -> Any:
        """What can be told of the stream and its books, and the events since it was asked last."""
        events, self.events = self.events, []
        books = [
            (book.is_valid, book.price_scale, book.qty_scale, book.ladder.levels(0), book.ladder.levels(1))
            for book in self.feed.stream.book_list()
        ]
        counts = [book.counts_by_reason() for book in self.feed.stream.book_list()]
        return events, self.feed.stream.rejected_by_code(), self.feed.stream.ignored, books, counts


@pytest.fixture
def pair() -> Iterator[Callable[[str], tuple[Venue, Venue]]]:
    opened: list[Venue] = []

    def open_two(venue: str) -> tuple[Venue, Venue]:
        opened.extend((Venue(venue), Venue(venue)))
        return opened[-2], opened[-1]

    yield open_two
    for one in opened:
        one.engine.close()


def records_of(venue: str, captures: Path, most: int) -> list[CaptureRecord]:
    if venue == "simulated":
        return [CaptureRecord(**record) for record in plain_recording()][:most]
    records = [r for r in read_capture(captures / f"{CAPTURES[venue]}.jsonl.gz") if not r.is_out]
    return records[:most]


def spaced(frame: bytes, by: tuple[tuple[bytes, bytes], ...]) -> bytes:
    for plain, other in by:
        frame = frame.replace(plain, other)
    return frame


WAYS = {**SPACED, **PARTS}


@pytest.mark.replay
@pytest.mark.parametrize("way", WAYS)
def test_recorded_frames_cause_the_same_either_way(
    way: str, captures: Path, pair: Callable[[str], tuple[Venue, Venue]]
) -> None:
    venue = way.partition(",")[0]
    plain, general = pair(venue)
    respelled = events = 0
    for record in records_of(venue, captures, 700):
        frame = record.raw.encode()
        other = spaced(frame, WAYS[way])
        respelled += other != frame
        plain.play(record, frame)
        general.play(record, other)
        told = plain.state()
        events += len(told[0])
        assert told == general.state(), frame[:300]
    assert respelled > 150
    assert events > 200


@pytest.mark.fuzz
@pytest.mark.parametrize("way", WAYS)
def test_broken_frames_cause_the_same_either_way(
    way: str, captures: Path, pair: Callable[[str], tuple[Venue, Venue]]
) -> None:
    venue = way.partition(",")[0]
    plain, general = pair(venue)
    records = records_of(venue, captures, 700)
    frames = [r.raw.encode() for r in records if r.channel == "ws" and len(r.raw) < 4000]
    mutants = fuzz_frames(frames, 100_000, 7)
    rng = Random(way)
    respelled = 0
    for record in records:
        whole = record.raw.encode()
        broken = [next(mutants) for _ in range(2)] if record.channel == "ws" else []
        for frame in (*broken, whole) if rng.random() < 0.5 else (whole, *broken):
            other = spaced(frame, WAYS[way])
            respelled += other != frame
            plain.play(record, frame)
            general.play(record, other)
            assert plain.state() == general.state(), frame[:600]
    assert respelled > 400
    assert sum(plain.feed.stream.rejected_by_code().values()) > 200
