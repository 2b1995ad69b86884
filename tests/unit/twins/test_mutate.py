"""What each mutation does to a recording, told by the facts twin."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.twins.capture_io import Record, read_records, write_records
from tests.twins.facts_compare import facts_differences
from tests.twins.facts_twin import facts_of, facts_of_records
from tests.twins.mutate import (
    add_unknown_fields,
    book_frames,
    change_digit,
    cut_metadata,
    drop,
    duplicate,
    fuzz_frames,
    lose_and_heal,
    numbers_to_strings,
    pad_zeros,
    received_frames,
    repeat_snapshot,
    respell_records,
    shuffle_keys,
    stale_snapshot,
    strings_to_numbers,
    strip_zeros,
    swap_neighbours,
)
from tests.unit.simulator.plain_recording import plain_recording

pytestmark = pytest.mark.replay

RAW_FIELDS = ("raw_bytes", "raw_sha256")


@pytest.fixture(scope="module")
def btcusdt(captures: Path) -> list[Record]:
    return read_records(captures / "binance_spot_btcusdt_20240809.jsonl.gz")[:4000]


@pytest.fixture(scope="module")
def four_pairs(captures: Path) -> list[Record]:
    return read_records(captures / "binance_spot_2021_4pairs.jsonl.gz")


@pytest.fixture(scope="module")
def coinbase(captures: Path) -> list[Record]:
    return read_records(captures / "coinbase_advanced_derived_2021_10pairs.jsonl.gz")[:2500]


@pytest.fixture(scope="module")
def kraken(captures: Path) -> list[Record]:
    return read_records(captures / "kraken_v2_btc_eth_d10_20260707.jsonl.gz")


@pytest.fixture(scope="module")
def plain() -> list[Record]:
    return plain_recording(seconds=3)


def same_but_for_the_text(got: dict[str, Any], want: dict[str, Any]) -> list[str]:
    return facts_differences(
        {key: value for key, value in got.items() if key not in RAW_FIELDS},
        {key: value for key, value in want.items() if key not in RAW_FIELDS},
    )


def times_ns(records: list[Record]) -> list[int]:
    return [record["ts_ns"] for record in records]


# --- losses -------------------------------------------------------------------------------------------------


def test_binance_loses_the_book_with_a_diff_and_a_fresh_snapshot_heals_it(btcusdt: list[Record]) -> None:
    whole = facts_of_records(btcusdt)["books"]["BTCUSDT"]
    lost = {book_frames(btcusdt)[100]}
    broken = facts_of_records([record for at, record in enumerate(btcusdt) if at not in lost])
    assert broken["books"]["BTCUSDT"]["gaps"] == 1
    assert broken["books"]["BTCUSDT"]["in_sync"] is False
    healed = facts_of_records(lose_and_heal(btcusdt, lost, book_frames(btcusdt)[120], "BTCUSDT"))
    book = healed["books"]["BTCUSDT"]
    assert (book["gaps"], book["snapshots"], book["in_sync"]) == (1, 2, True)
    assert book["last_update_id"] == whole["last_update_id"]
    assert (book["top_bids"], book["top_asks"]) == (whole["top_bids"], whole["top_asks"])


def test_kraken_fails_a_checksum_after_a_loss_and_a_fresh_snapshot_heals_it(kraken: list[Record]) -> None:
    whole = facts_of_records(kraken)["books"]["ETH/USD"]
    changes = [at for at in book_frames(kraken) if "ETH/USD" in kraken[at]["raw"]]
    lost = {changes[50]}
    broken = facts_of_records([record for at, record in enumerate(kraken) if at not in lost])
    assert len(broken["books"]["ETH/USD"]["checksum_failed_at_record"]) == 1
    assert broken["books"]["ETH/USD"]["bid_levels"] == 0
    assert facts_differences(broken["books"]["BTC/USD"], facts_of_records(kraken)["books"]["BTC/USD"]) == []
    book = facts_of_records(lose_and_heal(kraken, lost, changes[500], "ETH/USD"))["books"]["ETH/USD"]
    assert len(book["checksum_failed_at_record"]) == 1
    assert (book["snapshot"], book["book_sha256"]) == (2, whole["book_sha256"])


@pytest.mark.parametrize("renumber", [True, False])
def test_coinbase_loses_every_book_of_the_connection_and_heals(
    coinbase: list[Record], renumber: bool
) -> None:
    whole = facts_of_records(coinbase)
    lost = {book_frames(coinbase)[300]}
    broken = facts_of_records([record for at, record in enumerate(coinbase) if at not in lost])
    assert (broken["sequence_gaps"], broken["messages_missing"]) == (1, 1)
    assert {book["bid_levels"] for book in broken["books"].values()} == {0}
    # Without renumbering the next frame repeats the snapshot's number and is ignored: a heartbeat is no loss.
    beats = [at for at in received_frames(coinbase) if '"heartbeats"' in coinbase[at]["raw"]]
    heal_after = next(at for at in beats if at > 1500) - 1
    healed = facts_of_records(lose_and_heal(coinbase, lost, heal_after, "SKL-USD", renumber))
    assert healed["sequence_gaps"] == (1 if renumber else 2)
    assert healed["last_sequence"]["0"] == whole["last_sequence"]["0"] + renumber
    for symbol, book in whole["books"].items():
        assert healed["books"][symbol]["book_sha256"] == book["book_sha256"]


def test_dropped_frames_are_gone_and_the_rest_stays(coinbase: list[Record]) -> None:
    dropped = drop(coinbase, seed=3, count=20)
    assert len(dropped) == len(coinbase) - 20
    assert facts_of_records(dropped)["messages_missing"] in range(1, 21)
    assert drop(coinbase, seed=3, count=20) == dropped != drop(coinbase, seed=4, count=20)


# --- repeats and disorder -----------------------------------------------------------------------------------


def test_duplicated_diffs_are_stale(btcusdt: list[Record]) -> None:
    whole = facts_of_records(btcusdt)["books"]["BTCUSDT"]
    twice = facts_of_records(duplicate(btcusdt, seed=1, count=25, places=book_frames))["books"]["BTCUSDT"]
    assert twice["stale_dropped"] == whole["stale_dropped"] + 25
    assert (twice["diffs"], twice["book_sha256"]) == (whole["diffs"] + 25, whole["book_sha256"])


def test_duplicated_messages_of_a_numbered_connection_are_ignored(coinbase: list[Record]) -> None:
    whole = facts_of_records(coinbase)
    twice = facts_of_records(duplicate(coinbase, seed=1, count=25))
    assert (twice["sequence_gaps"], twice["messages_missing"]) == (25, 0)
    assert twice["trades"] == whole["trades"]
    assert {s: b["book_sha256"] for s, b in twice["books"].items()} == {
        s: b["book_sha256"] for s, b in whole["books"].items()
    }


def test_swapped_neighbours_keep_their_times_and_their_connection(coinbase: list[Record]) -> None:
    swapped = swap_neighbours(coinbase, seed=5, count=3)
    assert times_ns(swapped) == times_ns(coinbase)
    moved = [at for at, (mine, theirs) in enumerate(zip(swapped, coinbase, strict=True)) if mine != theirs]
    assert len(moved) == 6
    assert facts_of_records(swapped)["sequence_gaps"] >= 6
    with pytest.raises(ValueError, match="pairs to swap"):
        swap_neighbours(coinbase[:6], seed=5, count=100)


def test_swapped_diffs_are_a_gap(btcusdt: list[Record]) -> None:
    swapped = swap_neighbours(btcusdt, seed=2, count=1, places=book_frames)
    assert facts_of_records(swapped)["books"]["BTCUSDT"]["gaps"] == 1


# --- snapshots ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("replace", [False, True])
def test_a_stale_snapshot_is_refused(four_pairs: list[Record], replace: bool) -> None:
    whole = facts_of_records(four_pairs)["books"]
    books = facts_of_records(stale_snapshot(four_pairs, "NKNUSDT", replace))["books"]
    assert books["NKNUSDT"]["snapshots_too_old"] == 1
    assert books["NKNUSDT"]["in_sync"] is not replace
    if not replace:
        assert books["NKNUSDT"]["book_sha256"] == whole["NKNUSDT"]["book_sha256"]
    assert facts_differences(books["LRCBTC"], whole["LRCBTC"]) == []


def test_a_repeated_snapshot_is_ignored_in_sync(btcusdt: list[Record]) -> None:
    whole = facts_of_records(btcusdt)["books"]["BTCUSDT"]
    book = facts_of_records(repeat_snapshot(btcusdt, "BTCUSDT", 3000))["books"]["BTCUSDT"]
    assert (book["snapshots_ignored_in_sync"], book["book_sha256"]) == (1, whole["book_sha256"])


# --- the same said otherwise --------------------------------------------------------------------------------

RESPELLINGS = {
    "strip_zeros": strip_zeros,
    "pad_zeros": pad_zeros,
    "numbers": strings_to_numbers,
    "strings": numbers_to_strings,
    "shuffled": lambda raw: shuffle_keys(raw, Random(len(raw))),
    "unknown": lambda raw: add_unknown_fields(raw, Random(len(raw))),
}
TOUCHES = {
    "four_pairs": {"strip_zeros", "pad_zeros", "numbers", "shuffled", "unknown"},
    "coinbase": {"pad_zeros", "numbers", "shuffled", "unknown"},
    "kraken": {"strip_zeros", "pad_zeros", "strings", "shuffled", "unknown"},
    "plain": {"pad_zeros", "numbers", "shuffled", "unknown"},
}


@pytest.mark.parametrize("how", RESPELLINGS)
@pytest.mark.parametrize("source", TOUCHES)
def test_respelled_recordings_have_the_same_facts(
    request: pytest.FixtureRequest, source: str, how: str
) -> None:
    records: list[Record] = request.getfixturevalue(source)
    respelled = respell_records(records, RESPELLINGS[how])
    changed = sum(mine["raw"] != theirs["raw"] for mine, theirs in zip(respelled, records, strict=True))
    assert (changed > len(records) // 2) == (how in TOUCHES[source])
    assert same_but_for_the_text(facts_of_records(respelled), facts_of_records(records)) == []


def test_ids_keep_their_spelling() -> None:
    raw = '{"e":"aggTrade","s":"AB","a":120,"p":"1.50","q":"2.00","f":10,"l":20,"T":300,"m":true}'
    assert numbers_to_strings(pad_zeros(raw, 1)) == raw.replace("1.50", "1.500").replace("2.00", "2.000")
    assert strings_to_numbers(strip_zeros(raw)) == raw.replace('"1.50"', "1.5").replace('"2.00"', "2")


def test_metadata_can_be_cut(kraken: list[Record], four_pairs: list[Record]) -> None:
    assert facts_of_records(cut_metadata(kraken))["http"] == 0
    assert facts_of_records(cut_metadata(four_pairs))["message_types"]["http depth"] == 4
    assert "http exchangeInfo" not in facts_of_records(cut_metadata(four_pairs))["message_types"]


# --- one wrong digit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_a_changed_digit_fails_the_checksum_of_its_record(kraken: list[Record], seed: int) -> None:
    changed, at = change_digit(kraken, seed)
    assert len(changed[at]["raw"]) == len(kraken[at]["raw"])
    assert [record for index, record in enumerate(changed) if record != kraken[index]] == [changed[at]]
    failed = [book.get("checksum_failed_at_record") for book in facts_of_records(changed)["books"].values()]
    assert sorted(failed, key=bool) == [None, [at]]


# --- files and broken frames --------------------------------------------------------------------------------


def test_written_captures_are_the_same_bytes_and_read_back(tmp_path: Path, four_pairs: list[Record]) -> None:
    first = write_records(tmp_path / "a.jsonl.gz", four_pairs)
    second = write_records(tmp_path / "b.jsonl.gz", four_pairs)
    assert first.read_bytes() == second.read_bytes()
    assert read_records(first) == four_pairs
    assert facts_differences({**facts_of(first), "file": ""}, {**facts_of(second), "file": ""}) == []


def test_fuzzed_frames_repeat_by_seed_and_cover_every_kind(
    kraken: list[Record], coinbase: list[Record]
) -> None:
    raws = [record["raw"].encode() for record in [*kraken[:60], *coinbase[:60]]]
    frames = list(fuzz_frames(raws, 3000, seed=9))
    assert len(frames) == 3000
    assert frames == list(fuzz_frames(raws, 3000, seed=9)) != list(fuzz_frames(raws, 3000, seed=10))
    assert sum(frame not in raws for frame in frames) > 2900
    assert any(not _is_utf8(frame) for frame in frames)
    assert any(b"[" * 1000 in frame for frame in frames)
    assert any(b"0" * 400 in frame for frame in frames)
    assert any(frame.count(b'"channel"') == 2 for frame in frames)
    assert any(frame and raw.startswith(frame) and frame != raw for frame in frames for raw in raws[:20])


def _is_utf8(frame: bytes) -> bool:
    try:
        frame.decode()
    except UnicodeDecodeError:
        return False
    return True
