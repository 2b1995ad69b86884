"""Recorded Kraken traffic, as it was and with something gone wrong in it, against facts and twin."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.providers.kraken.stream import KrakenStream
from engine.providers.kraken.symbols import instruments_of
from engine.schema.enums import Side
from tests.twins.capture_io import Record, is_received, read_records
from tests.twins.checksum_twin import book_checksum
from tests.twins.facts_common import TradeTally, book_section, checkpoint_section, plain
from tests.twins.facts_compare import facts_differences, published_facts
from tests.twins.facts_kraken import KrakenBook, KrakenFacts
from tests.twins.facts_twin import facts_of_records
from tests.twins.fuzz import fuzz_frames
from tests.twins.ladder_twin import LadderTwin
from tests.twins.mutate import (
    change_digit,
    cut_metadata,
    drop,
    duplicate,
    lose_and_heal,
    respell_records,
    swap_neighbours,
)
from tests.twins.respell import add_unknown_fields, numbers_to_strings, pad_zeros, shuffle_keys, strip_zeros
from tests.unit.providers.stream_kit import Wired, wire

pytestmark = pytest.mark.replay

TWO_PAIRS = "kraken_v2_btc_eth_d10_20260707"
DEPTH_25 = "kraken_v2_btcusd_d25_20260802"
RESPELLED = "kraken_v2_btcusd_d10_20230730_respelled"
CAPTURES = (TWO_PAIRS, DEPTH_25, RESPELLED)
SYMBOLS = {"BTC/USD": "BTC-USD", "ETH/USD": "ETH-USD"}
CHECKPOINT_EVERY = 500

Mutation = Callable[[list[Record]], list[Record]]


@pytest.fixture(scope="module")
def recordings(captures: Path) -> dict[str, list[Record]]:
    return {name: read_records(captures / f"{name}.jsonl.gz") for name in CAPTURES}


def wired(**hooks: Any) -> Wired:
    return wire(KrakenStream, "kraken", SYMBOLS, price_scale=0, qty_scale=0, **hooks)


def ladder_of(kit: Wired, venue_symbol: str) -> LadderTwin:
    ladder = LadderTwin()
    ladder.replace(*kit.levels(SYMBOLS[venue_symbol]))
    return ladder


def tape_section(tape: Any) -> dict[str, Any]:
    want = TradeTally("buy").section()
    got = {
        "count": tape.count,
        "first_id": tape.first_id,
        "last_id": tape.last_id,
        "volume": plain(Decimal(tape.volume_raw()).scaleb(-tape.qty_scale)),
        "buy": tape.flagged_count,
        "id_breaks": tape.id_breaks,
        "last_price": plain(Decimal(tape.last_price_raw).scaleb(-tape.price_scale)),
    }
    assert got.keys() == want.keys()
    return got


def book_facts(kit: Wired, state: Any) -> dict[str, Any]:
    ids, book = state.continuity, state.book
    return {
        "depth": ids.depth_levels or None,
        "checksums": book.checksums_compared,
        "checksum_ok": book.checksums_ok,
        "checksum_failed_at_record": ids.checksum_failed_at_record,
        "snapshot": ids.snapshots,
        "update": ids.updates,
        "empty_updates": ids.empty_updates,
        "crossed_after_message": book.crossed_count,
        **book_section(ladder_of(kit, book.venue_symbol.decode())),
    }


def facts_by_stream(records: list[Record], kit: Wired | None = None) -> dict[str, Any]:
    """What the stream counts and holds, in the shape of the facts."""
    kit = kit or wired()
    checkpoints = []
    for index, record in enumerate(records):
        if index and index % CHECKPOINT_EVERY == 0:
            checkpoints += [
                checkpoint_section(index, symbol, ladder_of(kit, symbol))
                for symbol in sorted(SYMBOLS)
                if kit.books[SYMBOLS[symbol]].is_valid
            ]
        if not is_received(record):
            continue
        if record["channel"] == "http":
            for instrument in instruments_of(record["raw"].encode())[0]:
                index_of = kit.stream.index_of(instrument.venue_symbol.encode())
                if index_of >= 0:
                    kit.stream.set_precision(index_of, instrument.price_scale, instrument.qty_scale)
        else:
            kit.feed(record["raw"], record["conn"], index)
    states = kit.stream.symbol_states()
    tapes = {
        f"{state.book.venue_symbol.decode()} {kind}": tape
        for state in states
        for kind, tape in (("snapshot", state.past_trades), ("update", state.trades))
    }
    kit.assert_balanced()
    return {
        "books": {
            state.book.venue_symbol.decode(): book_facts(kit, state)
            for state in states
            if state.continuity.snapshots + state.continuity.updates
        },
        "trades": {key: tape_section(tape) for key, tape in tapes.items() if tape.count},
        "checkpoints": checkpoints,
    }


def part(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: facts[name] for name in ("books", "trades", "checkpoints")}


# --- as recorded --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CAPTURES)
def test_the_recording_gives_the_published_facts(
    recordings: dict[str, list[Record]], captures: Path, name: str
) -> None:
    published = published_facts(captures)[name]
    kit = wired()
    got = facts_by_stream(recordings[name], kit)
    assert facts_differences(got, part(published)) == []
    assert (kit.rejects, kit.wanted) == ([], [])
    assert kit.stream.heartbeats == published["message_types"].get("heartbeat", 0)


def test_the_decimals_are_found_without_metadata(recordings: dict[str, list[Record]], captures: Path) -> None:
    got = facts_by_stream(cut_metadata(recordings[TWO_PAIRS]))
    published = published_facts(captures)[TWO_PAIRS]
    assert facts_differences(got["books"], published["books"]) == []
    assert facts_differences(got["trades"], published["trades"]) == []


@pytest.mark.parametrize("name", CAPTURES)
def test_a_consumer_that_applies_what_is_published_holds_the_book(
    recordings: dict[str, list[Record]], name: str
) -> None:
    kit = wired()
    held = {symbol: LadderTwin() for symbol in SYMBOLS.values()}
    last = dict.fromkeys(SYMBOLS.values(), 0)
    checked = 0
    for record in recordings[name]:
        if record["channel"] == "http":
            continue
        for event in kit.feed(record["raw"], record["conn"]):
            kind = type(event).__name__
            if not kind.startswith("Book"):
                continue
            bids, asks = ([(price, qty) for price, qty in side.decimals()] for side in (event.bids, event.asks))
            assert event.seq_provider == last[event.symbol] + 1
            last[event.symbol] = event.seq_provider
            if kind == "BookSnapshot":
                held[event.symbol].replace(bids, asks)
            else:
                held[event.symbol].apply(bids, asks)
            window = held[event.symbol].levels()
            assert window == kit.levels(event.symbol)
            book = kit.books[event.symbol]
            assert book_checksum(window, book.price_scale, book.qty_scale) == event.checksum
            checked += 1
    assert checked > 500


def test_published_trades_print_at_the_side_they_hit(recordings: dict[str, list[Record]]) -> None:
    kit = wired()
    told = hit = 0
    for record in recordings[TWO_PAIRS]:
        if record["channel"] == "http":
            continue
        tops = {symbol: [side[0][0] if side else None for side in kit.levels(symbol)] for symbol in kit.books}
        for event in kit.feed(record["raw"], record["conn"]):
            if type(event).__name__ != "Trade":
                continue
            price = Decimal(event.price_raw).scaleb(-event.price_scale)
            told += price in tops[event.symbol]
            hit += price == tops[event.symbol][event.side is Side.BUY]
    assert (told, hit) == (16, 16)


# --- spelled otherwise --------------------------------------------------------------------------------------

RESPELLINGS: dict[str, Callable[[str], str]] = {
    "shuffle_keys": lambda raw: shuffle_keys(raw, Random(raw)),
    "unknown_fields": lambda raw: add_unknown_fields(raw, Random(raw)),
    "texts": numbers_to_strings,
    "more_zeros": pad_zeros,
    "no_zeros": strip_zeros,
}


@pytest.mark.parametrize("with_metadata", [True, False])
@pytest.mark.parametrize("name", RESPELLINGS)
def test_another_spelling_of_the_same_messages_changes_nothing(
    recordings: dict[str, list[Record]], captures: Path, name: str, with_metadata: bool
) -> None:
    for capture in CAPTURES:
        records = recordings[capture] if with_metadata else cut_metadata(recordings[capture])
        kit = wired()
        got = facts_by_stream(respell_records(records, RESPELLINGS[name]), kit)
        want = published_facts(captures)[capture]
        assert facts_differences(got["books"], want["books"]) == []
        assert facts_differences(got["trades"], want["trades"]) == []
        assert kit.rejects == []


# --- with something gone wrong ------------------------------------------------------------------------------

MUTATIONS: dict[str, Mutation] = {
    "drop": lambda records: drop(records, seed=1, count=5),
    "duplicate": lambda records: duplicate(records, seed=2, count=25),
    "swap": lambda records: swap_neighbours(records, seed=3, count=5),
    "digit": lambda records: change_digit(records, seed=4)[0],
    "lose_and_heal": lambda records: lose_and_heal(records, set(range(150, 152)), 170, "BTC/USD"),
    "snapshots_again": lambda records: [*records, *records[5:60]],
}


@pytest.mark.parametrize("capture", CAPTURES)
@pytest.mark.parametrize("name", MUTATIONS)
def test_losses_repetitions_and_swaps_leave_what_the_twin_has(
    recordings: dict[str, list[Record]], name: str, capture: str
) -> None:
    records = MUTATIONS[name](recordings[capture])
    want = facts_of_records(records)
    assert facts_differences(facts_by_stream(records), part(want)) == []


@pytest.mark.parametrize("seed", range(6))
def test_a_changed_digit_is_found_at_its_record(recordings: dict[str, list[Record]], seed: int) -> None:
    records, at = change_digit(recordings[DEPTH_25], seed)
    kit = wired()
    facts_by_stream(records, kit)
    assert kit.stream.symbol_states()[0].continuity.checksum_failed_at_record == [at]
    assert kit.books["BTC-USD"].counts_by_reason() == {"checksum": 1}


@pytest.mark.fuzz
@pytest.mark.parametrize("verify", [True, False])
def test_a_broken_frame_is_refused_or_read_as_a_plain_parser_reads_it(
    recordings: dict[str, list[Record]], verify: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a silently changed book: what the stream accepts the twin accepts, and valid books are equal.

    Where checksums are compared they refuse nearly every broken level; without them the reading is on trial.
    """
    if not verify:
        monkeypatch.setattr(KrakenBook, "_compare", lambda *_: True)
    received = [record for record in recordings[TWO_PAIRS] if record["channel"] == "ws"]
    raws = [record["raw"].encode() for record in received]
    start = [raw for raw in raws if b'"snapshot","data"' in raw]
    kit, twin = wired(verify_checksum=verify), KrakenFacts(recordings[TWO_PAIRS][:1])
    changed = unreadable = 0

    def feed(raw: bytes) -> None:
        nonlocal changed, unreadable
        before = len(kit.rejects)
        events = [event for event in kit.feed(raw) if type(event).__name__.startswith("Book")]
        if len(kit.rejects) > before:
            return
        changed += bool(events)
        try:
            twin.feed(0, {"conn": 0, "channel": "ws", "raw": raw.decode()})
        except KeyError:                        # a reply without its depth, and what else only the twin needs
            unreadable += 1
            for event in events:
                twin.books[event.symbol.replace("-", "/")].ladder.replace(*kit.levels(event.symbol))

    for raw in fuzz_frames(raws, 6000, 11):
        if not all(book.is_valid for book in kit.books.values()):
            for snapshot in start:
                feed(snapshot)
        feed(raw)
        for venue_symbol, symbol in SYMBOLS.items():
            if kit.books[symbol].is_valid:
                assert kit.levels(symbol) == twin.books[venue_symbol].ladder.levels()
    assert len(kit.rejects) > 1500
    assert changed > (1500 if verify else 3000)
    assert unreadable < 60
    kit.assert_balanced()
