"""BOOK-24: a consumer's book, built from events alone, is the book of a slow twin fed with the raw frames, at every event.

Kraken's, where each event carries the venue's checksum as well: tests/unit/providers/kraken/test_replay.py.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.config.load import default_config
from engine.consumers.subscriptions import Subscription
from engine.runtime.replay import Replay
from tests.twins import mutate
from tests.twins.capture_io import Record, is_received, read_records, write_records
from tests.twins.facts_twin import VenueFacts, venue_facts
from tests.twins.heal import lose_and_heal
from tests.twins.ladder_twin import Level

pytestmark = pytest.mark.replay

BOOK_TYPES = ("BookSnapshot", "BookUpdate")
LONG_RUN = 600
"""Book frames of a recording that are played: every one is compared level by level."""


class ConsumerBook:
    """One symbol's published levels as a strategy would keep them; None while the book is not to be used."""

    def __init__(self) -> None:
        self.sides: list[dict[Decimal, Decimal]] | None = None
        self.depth_levels = 0
        self.last = 0, 0

    def take(self, event: Any) -> None:
        place = event.epoch, event.seq_provider
        assert place > self.last, "not in order"
        self.last = place
        if event.type.name == "BOOK_SNAPSHOT":
            self.depth_levels = event.depth_levels
            self.sides = [dict(event.bids.decimals()), dict(event.asks.decimals())]
            return
        if event.update_type.name == "INVALID":
            self.sides = None
            return
        assert self.sides is not None, "an update before its snapshot"
        assert event.update_type.name == "DELTA"
        for side, levels in zip(self.sides, (event.bids, event.asks), strict=True):
            for price, qty in levels.decimals():
                if qty:
                    side[price] = qty
                else:
                    side.pop(price, None)     # a level below the published depth is taken back as well


class Watcher:
    """A consumer with a book a symbol, and the twin to hold each against after every event."""

    def __init__(self, twin: VenueFacts) -> None:
        self.twin = twin
        self.books: dict[str, ConsumerBook] = {}
        self.compared = self.lost = self.caught_up = 0
        self.behind: set[str] = set()
        self.faults: list[str] = []

    def on_event(self, event: Any, ctx: Any) -> None:
        """Once wrong a book stays wrong: the first fault is told, with what was seen."""
        if self.faults:
            return
        try:
            self._check(event)
        except AssertionError as fault:
            self.faults.append(f"{event.event_id}: {fault}")

    def _check(self, event: Any) -> None:
        book = self.books.setdefault(event.symbol, ConsumerBook())
        book.take(event)
        raw = next(twin for name, twin in self.twin.books.items() if plain(name) == plain(event.symbol))  # type: ignore[attr-defined]
        if book.sides is None:
            self.lost += 1
            assert not in_sync(raw)
            return
        assert in_sync(raw)
        if getattr(raw, "book_id", None) is not None and event.final_update_id < raw.book_id:
            # A snapshot, and the diffs kept until it came, leave as one event each; the twin took them all at once.
            self.behind.add(event.symbol)
            self.caught_up += 1
            return
        self.behind.discard(event.symbol)
        published = [dict(levels) for levels in raw.ladder.top(book.depth_levels)]
        same = book.sides == published
        assert same, f"levels differ: {differences(book.sides, published)}"
        self.compared += 1


def plain(symbol: str) -> str:
    return symbol.replace("-", "")


def in_sync(book: Any) -> bool:
    """Whether the twin's book stands: Binance by its update id, Coinbase by its connection."""
    return (book.book_id if hasattr(book, "book_id") else book.conn) is not None


def differences(left: list[dict[Decimal, Decimal]], right: list[dict[Decimal, Decimal]]) -> list[list[Level]]:
    """Up to three levels a side that only one of them has, and how many each has."""
    return [[(len(a), len(b)), *sorted(set(a.items()) ^ set(b.items()))[:3]] for a, b in zip(left, right, strict=True)]


def watched(path: Path, records: list[Record]) -> Watcher:
    """Play *records*, each given to the twin just before the engine has it."""
    write_records(path, records)
    replay = Replay(path, default_config())
    watcher = Watcher(venue_facts(records[0]["venue"], records))
    replay.engine.add_consumer("watcher", watcher, capacity=256)
    for symbol in {instrument.symbol for instrument in replay.engine.catalogue}:
        replay.engine.desk.subscribe(Subscription(consumer_id="watcher", symbol=symbol, event_types=BOOK_TYPES))
    play = replay.play

    def both(record: Any) -> None:
        number = replay._record
        if is_received(records[number]):
            watcher.twin.feed(number, records[number])
        play(record)
        if watcher.behind and not watcher.faults:
            watcher.faults.append(f"record {number}: {watcher.behind} not brought up to the twin")

    replay.play = both  # type: ignore[method-assign]
    result = replay.run()
    assert watcher.faults == []
    row = result.summary.consumers["watcher"]
    assert row["delivered"] == watcher.compared + watcher.lost + watcher.caught_up
    assert (row["failures"], row["dropped"]) == (0, 0)
    return watcher


def book_records(captures: Path, name: str) -> list[Record]:
    """The first frames of a recording that touch a book, with the REST bodies, and all others of Coinbase's sequence."""
    records = read_records(captures / f"{name}.jsonl.gz")
    places = mutate.book_frames(records)
    return records[: places[LONG_RUN] if len(places) > LONG_RUN else len(records)]


@pytest.mark.parametrize(
    ("name", "at_least"),
    [
        ("binance_spot_2021_4pairs", 150),
        ("binance_spot_btcusdt_20240809", 550),
        ("coinbase_advanced_derived_2021_10pairs", 550),
    ],
)
def test_book_24_a_consumer_holds_the_twins_book_at_every_event(
    name: str, at_least: int, captures: Path, tmp_path: Path
) -> None:
    watcher = watched(tmp_path / f"{name}.jsonl.gz", book_records(captures, name))
    assert watcher.compared >= at_least
    assert watcher.lost == 0


@pytest.mark.parametrize(
    ("name", "symbol"), [("binance_spot_2021_4pairs", "NKNUSDT"), ("coinbase_advanced_derived_2021_10pairs", "SKL-USD")]
)
def test_book_24_across_a_loss_and_the_snapshot_that_heals_it(
    name: str, symbol: str, captures: Path, tmp_path: Path
) -> None:
    records = read_records(captures / f"{name}.jsonl.gz")
    places = [at for at in mutate.book_frames(records) if symbol in records[at]["raw"]]
    healed = lose_and_heal(records, {places[20]}, places[26], symbol)
    watcher = watched(tmp_path / f"{name}.jsonl.gz", healed[: places[40]])
    assert watcher.lost >= 1
    assert watcher.books[next(iter(s for s in watcher.books if plain(s) == plain(symbol)))].sides is not None
    assert watcher.compared > 20
