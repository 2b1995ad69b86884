"""A replay through loopback sockets comes to the same as the direct one, whatever the recording holds."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.base.errors import UnavailableError
from engine.config.load import default_config
from engine.runtime import overwire
from engine.runtime.overwire import replay_over_websocket
from engine.runtime.replay import Replay, ReplayOptions
from engine.simulator.playback import PlaybackError, PlaybackServer
from tests.twins import mutate
from tests.twins.capture_io import read_records, write_records
from tests.twins.facts_compare import facts_differences, published_facts

pytestmark = pytest.mark.replay

SPOT = "binance_spot_2021_4pairs"
BTCUSDT = "binance_spot_btcusdt_20240809"
COINBASE = "coinbase_advanced_derived_2021_10pairs"
KRAKEN = "kraken_v2_btc_eth_d10_20260707"
NAMES = (
    SPOT,
    BTCUSDT,
    COINBASE,
    KRAKEN,
    "kraken_v2_btcusd_d10_20230730_respelled",
    "kraken_v2_btcusd_d25_20260802",
    "kraken_fixtures",
)
Records = list[dict[str, Any]]


def prepared(path: Path, **options: Any) -> Replay:
    return Replay(path, default_config(), ReplayOptions(with_facts=True, **options))


def facts_over_websocket(path: Path, **options: Any) -> dict[str, Any]:
    facts = replay_over_websocket(prepared(path, **options)).facts
    assert facts is not None
    return without_telemetry(facts)


def without_telemetry(facts: dict[str, Any]) -> dict[str, Any]:
    """What a socket tells of itself is no fact of the recording."""
    facts.get("pipeline", {}).pop("telemetry", None)
    return facts


def facts_directly(path: Path, **options: Any) -> dict[str, Any]:
    facts = prepared(path, **options).run().facts
    assert facts is not None
    return without_telemetry(facts)


def check_against_direct(records: Records, path: Path, **options: Any) -> dict[str, Any]:
    write_records(path, records)
    facts = facts_over_websocket(path, **options)
    assert facts == facts_directly(path, **options)
    return facts


@pytest.mark.parametrize("name", NAMES)
def test_facts_equal_the_published_ones_and_the_direct_replay(name: str, captures: Path) -> None:
    path = captures / f"{name}.jsonl.gz"
    facts = facts_over_websocket(path)
    assert facts_differences(facts, published_facts(captures)[name]) == []
    assert facts == facts_directly(path)


@pytest.mark.parametrize("name", [SPOT, COINBASE, KRAKEN])
@pytest.mark.parametrize("seed", range(3))
def test_losses_repeats_and_swaps(name: str, seed: int, captures: Path, tmp_path: Path) -> None:
    records = read_records(captures / f"{name}.jsonl.gz")
    rng = Random(f"{name}{seed}")
    for change in (mutate.drop, mutate.duplicate, mutate.swap_neighbours):
        records = change(records, rng.randrange(1000), 2, mutate.book_frames)
    check_against_direct(records, tmp_path / f"{name}.jsonl.gz")


@pytest.mark.parametrize("replace", [False, True])
def test_a_stale_snapshot_is_asked_for_again(replace: bool, captures: Path, tmp_path: Path) -> None:
    records = mutate.stale_snapshot(read_records(captures / f"{SPOT}.jsonl.gz"), "NKNUSDT", replace)
    facts = check_against_direct(records, tmp_path / "binance_stale.jsonl.gz")
    assert facts["books"]["NKNUSDT"]["snapshots_too_old"] == 1


def test_a_snapshot_that_no_book_asks_for_is_fetched_all_the_same(captures: Path, tmp_path: Path) -> None:
    records = mutate.repeat_snapshot(read_records(captures / f"{SPOT}.jsonl.gz"), "NKNUSDT", 200)
    facts = check_against_direct(records, tmp_path / "binance_repeat.jsonl.gz")
    assert facts["books"]["NKNUSDT"]["snapshots_ignored_in_sync"] == 1


def test_a_snapshot_of_a_symbol_that_cannot_be_carried_holds_nothing_up(captures: Path, tmp_path: Path) -> None:
    records = mutate.cut_metadata(read_records(captures / f"{SPOT}.jsonl.gz"))
    depth = next(record for record in records if "/depth" in (record["url"] or ""))
    alien = {**depth, "url": depth["url"].partition("symbol=")[0] + "symbol=US&limit=1000"}
    check_against_direct([*records[:100], alien, *records[100:]], tmp_path / "binance_alien.jsonl.gz")


def test_a_gap_heals_over_the_socket_too(captures: Path, tmp_path: Path) -> None:
    records = read_records(captures / f"{SPOT}.jsonl.gz")
    places = [at for at in mutate.book_frames(records) if "NKNUSDT" in records[at]["raw"]]
    healed = mutate.lose_and_heal(records, {places[60]}, places[70], "NKNUSDT")
    facts = check_against_direct(healed, tmp_path / "binance_healed.jsonl.gz")
    assert facts["books"]["NKNUSDT"]["gaps"] == 1
    assert facts["books"]["NKNUSDT"]["in_sync"] is True


def test_frames_of_several_connections_keep_their_recorded_order(captures: Path, tmp_path: Path) -> None:
    """Nothing orders two sockets: without a turn for each frame, numbers and checkpoints would be off."""
    records = read_records(captures / f"{KRAKEN}.jsonl.gz")
    spread = [
        record if record["channel"] == "http" else {**record, "conn": 3 + 4 * ("ETH/USD" in record["raw"])}
        for record in records
    ]
    facts = check_against_direct(spread, tmp_path / f"{KRAKEN}.jsonl.gz")
    assert facts_differences(facts, published_facts(captures)[KRAKEN]) == []


def test_two_venues_in_one_recording(captures: Path, tmp_path: Path) -> None:
    spot = read_records(captures / f"{SPOT}.jsonl.gz")
    kraken = read_records(captures / f"{KRAKEN}.jsonl.gz")[: 3 * len(spot)]
    mixed = [record for at, one in enumerate(spot) for record in (one, *kraken[3 * at : 3 * at + 3])]
    for number, record in enumerate(mixed):
        mixed[number] = {**record, "ts_ns": 1_700_000_000_000_000_000 + 1_000_000 * number}
    check_against_direct(mixed, tmp_path / "binance_and_kraken.jsonl.gz")


def test_a_part_of_the_recording(captures: Path) -> None:
    path = captures / f"{KRAKEN}.jsonl.gz"
    stamps = [record["ts_ns"] for record in read_records(path)]
    part = {"from_ns": stamps[700], "to_ns": stamps[2000]}
    assert facts_over_websocket(path, **part) == facts_directly(path, **part)


def test_progress_is_told(captures: Path) -> None:
    told: list[int] = []
    replay_over_websocket(prepared(captures / f"{KRAKEN}.jsonl.gz"), told.append)
    assert told == [0, 2000]


def test_a_playback_that_stops_short_is_an_error(captures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stops(server: PlaybackServer) -> None:
        raise PlaybackError("the client answered no ping within 30 s")

    monkeypatch.setattr(PlaybackServer, "finished", stops)
    with pytest.raises(UnavailableError, match="no ping"):
        overwire.replay_over_websocket(prepared(captures / f"{KRAKEN}.jsonl.gz"))
