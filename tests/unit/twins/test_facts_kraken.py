"""The rules of a Kraken book, one by one, on captures of a few records."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.twins.capture_io import Record, read_records
from tests.twins.facts_compare import EMPTY_BOOK, facts_differences, has, published_facts
from tests.twins.facts_twin import facts_of_records
from tests.twins.frames import kraken_checksum, kraken_frame, kraken_message, kraken_reply
from tests.twins.mutate import cut_metadata

BOOK = {"bids": {"10": "1", "9": "2"}, "asks": {"11": "1", "12": "3"}}
SNAPSHOT = kraken_message("snapshot", BOOK, kraken_checksum(BOOK))


def kraken_book(*records: Record) -> dict[str, Any]:
    book: dict[str, Any] = facts_of_records(list(records))["books"]["A/B"]
    return book


def test_failure_stops_comparing_until_the_next_snapshot() -> None:
    wrong = kraken_message("update", {"bids": {"9.5": "1"}}, 1)
    ignored = kraken_message("update", {"bids": {"9.6": "1"}}, 2)
    lost = kraken_book(SNAPSHOT, wrong, ignored)
    assert has(lost, checksums=2, checksum_ok=1, checksum_failed_at_record=[1], update=2, **EMPTY_BOOK)
    healed = kraken_book(SNAPSHOT, wrong, ignored, SNAPSHOT)
    assert has(healed, checksums=3, checksum_ok=2, snapshot=2, bid_levels=2, checksum_failed_at_record=[1])


def test_cuts_to_the_depth_of_the_reply_else_of_the_first_snapshot() -> None:
    after = {"bids": {"10": "1", "9.5": "4"}, "asks": BOOK["asks"]}
    update = kraken_message("update", {"bids": {"9.5": "4"}}, kraken_checksum(after))
    cut = kraken_book(SNAPSHOT, update)
    assert has(cut, depth=2, checksum_ok=2, top_bids=[["10", "1"], ["9.5", "4"]])
    whole = {"bids": {"10": "1", "9.5": "4", "9": "2"}, "asks": BOOK["asks"]}
    update = kraken_message("update", {"bids": {"9.5": "4"}}, kraken_checksum(whole))
    kept = kraken_book(kraken_reply("subscribe", 10), SNAPSHOT, update)
    assert has(kept, depth=10, checksum_ok=2, bid_levels=3)


def test_crossing_loses_the_book() -> None:
    crossed = {"bids": {"11": "1", "10": "1"}, "asks": BOOK["asks"]}
    update = kraken_message("update", {"bids": {"11": "1"}}, kraken_checksum(crossed))
    book = kraken_book(SNAPSHOT, update, kraken_message("update", {}, 5))
    assert has(book, checksums=2, checksum_ok=2, crossed_after_message=1, empty_updates=1, **EMPTY_BOOK)


@pytest.mark.parametrize("decimals", [(0, 0), (1, 8), (5, 3), (10, 10)])
def test_decimals_are_found_from_a_snapshot_without_metadata(decimals: tuple[int, int]) -> None:
    assert has(
        kraken_book(kraken_message("snapshot", BOOK, kraken_checksum(BOOK, *decimals))),
        checksums=1,
        checksum_ok=1,
    )


def test_metadata_rules_over_what_would_verify() -> None:
    pairs = [{"symbol": "A/B", "price_precision": 2, "qty_precision": 8}]
    told = {"channel": "instrument", "type": "snapshot", "data": {"assets": [], "pairs": pairs}}
    assert has(kraken_book(SNAPSHOT, kraken_frame(told)), checksums=1, checksum_failed_at_record=[0])
    pair = {"wsname": "A/B", "pair_decimals": 1, "lot_decimals": 8}
    body = json.dumps({"error": [], "result": {"AB": pair}})
    assert has(facts_of_records([SNAPSHOT], instruments=body)["books"]["A/B"], checksum_ok=1)


@pytest.mark.replay
@pytest.mark.parametrize("name", ["kraken_v2_btc_eth_d10_20260707", "binance_spot_2021_4pairs"])
def test_books_are_the_same_without_the_recordings_own_metadata(captures: Path, name: str) -> None:
    cut = facts_of_records(cut_metadata(read_records(captures / f"{name}.jsonl.gz")))
    want = published_facts(captures)[name]
    assert cut["books"].keys() == want["books"].keys()
    for symbol, book in want["books"].items():
        assert facts_differences(cut["books"][symbol], book) == []


@pytest.mark.replay
def test_decimals_from_a_body_beside_the_recording(captures: Path) -> None:
    path = captures / "kraken_v2_btc_eth_d10_20260707.jsonl.gz"
    records = read_records(path)
    body = next(record["raw"] for record in records if "AssetPairs" in record["url"])
    facts = facts_of_records(cut_metadata(records), instruments=body)
    want = published_facts(captures)["kraken_v2_btc_eth_d10_20260707"]["books"]
    assert facts_differences(facts["books"], want) == []


def test_trades_are_kept_apart_by_frame_type() -> None:
    def trades(kind: str, *numbers: int) -> Record:
        rows = [
            {"symbol": "A/B", "side": "buy", "price": "1.5", "qty": 2, "trade_id": number}
            for number in numbers
        ]
        return kraken_frame({"channel": "trade", "type": kind, "data": rows})

    facts = facts_of_records([trades("snapshot", 1, 2), trades("update", 5, 6, 6)])
    assert has(facts["trades"]["A/B snapshot"], count=2, id_breaks=0, volume="4")
    assert has(facts["trades"]["A/B update"], count=3, buy=3, first_id=5, last_id=6, id_breaks=1)


@pytest.mark.parametrize(
    ("checksum", "points"), [(kraken_checksum(BOOK), [500, 1000]), (1, [])], ids=["valid", "invalid"]
)
def test_checkpoints_are_of_valid_books(checksum: int, points: list[int]) -> None:
    beats = [kraken_frame({"channel": "heartbeat"})] * 1000
    facts = facts_of_records([kraken_message("snapshot", BOOK, checksum), *beats])
    assert [point["before_record"] for point in facts["checkpoints"]] == points
