"""Recorded Coinbase traffic, as it was and with something gone wrong in it, against the plain twin."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.providers.coinbase.stream import CoinbaseStream
from engine.schema.enums import Side
from tests.twins.capture_io import Record, exact_json, is_received, read_records
from tests.twins.facts_coinbase import CoinbaseFacts
from tests.twins.facts_common import plain
from tests.twins.facts_compare import published_facts
from tests.twins.fuzz import fuzz_frames
from tests.twins.mutate import drop, duplicate, respell_records, swap_neighbours
from tests.twins.respell import add_unknown_fields, pad_zeros, shuffle_keys, strings_to_numbers
from tests.unit.providers.stream_kit import Wired, wire

CAPTURE = "coinbase_advanced_derived_2021_10pairs"
pytestmark = pytest.mark.replay

Mutation = Callable[[list[Record]], list[Record]]


@pytest.fixture(scope="module")
def records(captures: Path) -> list[Record]:
    return read_records(captures / f"{CAPTURE}.jsonl.gz")


def products_of(records: list[Record]) -> list[str]:
    trees = (exact_json(record["raw"]) for record in records if is_received(record))
    return sorted(
        {event["product_id"] for tree in trees for event in tree["events"] if "product_id" in event}
    )


def wired_for(products: list[str]) -> Wired:
    symbols = {product: product for product in products}
    return wire(CoinbaseStream, "coinbase", symbols, price_scale=0, qty_scale=0)


def play(records: list[Record]) -> tuple[Wired, CoinbaseFacts]:
    """Feed the stream and its twin with the same records."""
    kit, twin = wired_for(products_of(records)), CoinbaseFacts([])
    for index, record in enumerate(records):
        if is_received(record):
            kit.feed(record["raw"], record["conn"], index)
            twin.feed(index, record)
    return kit, twin


def state_of(kit: Wired) -> dict[str, Any]:
    """What the stream counted and holds."""
    states = kit.stream.symbol_states()
    connections = kit.stream.connections()
    return {
        "books": {state.book.symbol: kit.levels(state.book.symbol) for state in states},
        "counts": {
            state.book.symbol: (
                state.snapshots,
                state.updates,
                state.empty_updates,
                state.book.crossed_count,
            )
            for state in states
        },
        "trades": {state.book.symbol: tape_of(state.trades) for state in states if state.trades.count},
        "last_sequence": {conn: numbers.last for conn, numbers in connections.items()},
        "gap_records": sorted(at for numbers in connections.values() for at in numbers.gap_at_record),
        "gaps": sum(numbers.sequence_gaps for numbers in connections.values()),
        "missing": sum(numbers.messages_missing for numbers in connections.values()),
    }


def tape_of(tape: Any) -> dict[str, Any]:
    return {
        "count": tape.count,
        "first_id": tape.first_id,
        "last_id": tape.last_id,
        "volume": plain(Decimal(tape.volume_raw()).scaleb(-tape.qty_scale)),
        "buy": tape.flagged_count,
        "id_breaks": tape.id_breaks,
        "last_price": plain(Decimal(tape.last_price_raw).scaleb(-tape.price_scale)),
    }


def twin_state(twin: CoinbaseFacts) -> dict[str, Any]:
    """The same, by the twin."""
    sections = twin.sections()
    names = ("snapshot", "update", "empty_updates", "crossed_after_message")
    return {
        "books": {symbol: book.ladder.top(0) for symbol, book in twin.books.items()},
        "counts": {
            symbol: tuple(book.counters[name] for name in names) for symbol, book in twin.books.items()
        },
        "trades": {key.removesuffix(" trade"): tally for key, tally in sections["trades"].items()},
        "last_sequence": twin.last_sequence,
        "gap_records": sections.get("sequence_gap_at_record", []),
        "gaps": sections["sequence_gaps"],
        "missing": sections["messages_missing"],
    }


def test_the_recording_gives_the_published_books_counts_and_trades(
    records: list[Record], captures: Path
) -> None:
    published = published_facts(captures)[CAPTURE]
    kit, twin = play(records)
    assert kit.rejects == []
    state = state_of(kit)
    assert state == twin_state(twin)
    for symbol, book in published["books"].items():
        bids, asks = state["books"][symbol]
        assert (len(bids), len(asks)) == (book["bid_levels"], book["ask_levels"])
        assert [[plain(price), plain(qty)] for price, qty in bids[:20]] == book["top_bids"]
        assert [[plain(price), plain(qty)] for price, qty in asks[:20]] == book["top_asks"]
        snapshots, updates, empty_updates, _ = state["counts"][symbol]
        assert (snapshots, updates, empty_updates) == tuple(
            book[name] for name in ("snapshot", "update", "empty_updates")
        )
    assert {f"{symbol} trade": tally for symbol, tally in state["trades"].items()} == published["trades"]
    assert {str(conn): last for conn, last in state["last_sequence"].items()} == published["last_sequence"]
    assert kit.stream.heartbeats == published["message_types"]["heartbeats"]
    kit.assert_balanced()


def test_published_trades_print_at_the_side_they_hit(records: list[Record]) -> None:
    kit = wired_for(products_of(records))
    hit = told = 0
    for record in records:
        if not is_received(record):
            continue
        for event in kit.feed(record["raw"], record["conn"]):
            if type(event).__name__ != "Trade":
                continue
            # A trade leaves the book as it is: the tops are those it was printed at.
            bid, ask = (kit.books[event.symbol].top(side, 1)[0][0] for side in (0, 1))
            if event.price_raw in (bid, ask):
                told += 1
                hit += event.price_raw == (ask if event.side is Side.BUY else bid)
    assert told >= 20
    assert hit / told >= 0.99


MUTATIONS: dict[str, Mutation] = {
    "drop": lambda records: drop(records, seed=1, count=25),
    "duplicate": lambda records: duplicate(records, seed=2, count=25),
    "swap": lambda records: swap_neighbours(records, seed=3, count=25),
    "all_three": lambda records: drop(duplicate(swap_neighbours(records, 4, 10), 5, 10), 6, 10),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_losses_repetitions_and_swaps_leave_what_the_twin_has(records: list[Record], name: str) -> None:
    kit, twin = play(MUTATIONS[name](records))
    assert state_of(kit) == twin_state(twin)
    assert kit.stream.connections()[0].sequence_gaps > 0
    kit.assert_balanced()


def test_snapshots_after_a_gap_bring_the_books_back(records: list[Record]) -> None:
    """The recorded snapshots once more, behind a loss, on the same and on a second connection."""
    received = [record for record in records if is_received(record)]
    snapshots = [record for record in received if '"snapshot"' in record["raw"]]
    mixed = [*received[:600], *received[601:1200], *(snapshots * 2), *received[1200:2000]]
    renumbered, numbers = [], {0: 0, 1: 0}
    for at, record in enumerate(mixed):
        conn = at % 7 == 3 and at > 900
        raw = re.sub(r'"sequence_num":\d+', f'"sequence_num":{numbers[conn]}', record["raw"], count=1)
        renumbered.append({**record, "raw": raw, "conn": int(conn)})
        numbers[conn] += 2 if at in (700, 1500, 1900) else 1
    kit, twin = play(renumbered)
    assert state_of(kit) == twin_state(twin)
    assert state_of(kit)["gaps"] == 3


RESPELLINGS: dict[str, Callable[[str], str]] = {
    "shuffle_keys": lambda raw: shuffle_keys(raw, Random(raw)),
    "unknown_fields": lambda raw: add_unknown_fields(raw, Random(raw)),
    "numbers": strings_to_numbers,
    "zeros": pad_zeros,
}


@pytest.mark.parametrize("name", RESPELLINGS)
def test_another_spelling_of_the_same_messages_changes_nothing(records: list[Record], name: str) -> None:
    part = records[:2500]
    want = state_of(play(part)[0])
    kit = wired_for(products_of(part))
    for index, record in enumerate(respell_records(part, RESPELLINGS[name])):
        if is_received(record):
            kit.feed(record["raw"], record["conn"], index)
    assert kit.rejects == []
    assert state_of(kit) == want


@pytest.mark.fuzz
@pytest.mark.parametrize("seed", [11, 12])
def test_a_broken_frame_is_refused_or_read_as_a_plain_parser_reads_it(
    records: list[Record], seed: int
) -> None:
    """Never a silently changed book: what the stream accepts the twin accepts, and their books are equal."""
    received = [record for record in records if is_received(record)]
    raws = [record["raw"].encode() for record in received[:2000] if len(record["raw"]) < 20_000]
    kit, twin, rng = wired_for(products_of(records)), CoinbaseFacts([]), Random(seed)
    next_number = 0

    def feed(raw: bytes) -> None:
        """Most frames get the number that is due, so that they are read at all."""
        if rng.random() < 0.9:
            raw = re.sub(rb'"sequence_num":\d+', b'"sequence_num":%d' % next_number, raw, count=1)
        before = len(kit.rejects)
        kit.feed(raw)
        if all(code == "unknown_symbol" for code, _ in kit.rejects[before:]):
            twin.feed(0, {"conn": 0, "channel": "ws", "raw": raw.decode()})

    for count, raw in enumerate(fuzz_frames(raws, 2500, seed)):
        if count % 250 == 0:
            for record in received[:20]:
                feed(record["raw"].encode())
                next_number = twin.last_sequence.get(0, -1) + 1
        feed(raw)
        next_number = twin.last_sequence.get(0, -1) + 1
        if count % 50 == 0:
            books = {symbol: kit.levels(symbol) for symbol in kit.books}
            assert books == {
                symbol: twin.books[symbol].ladder.top(0) if symbol in twin.books else ([], [])
                for symbol in kit.books
            }
    assert len(kit.rejects) > 1000
    kit.assert_balanced()
