"""The engine's facts of every recording equal the published ones, and those of an independent reading of broken ones.

CLI-40: same keys and shape; ``pipeline`` is ours alone, the two reference experiments are not asked for.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.base.errors import ValidationError
from engine.config.load import default_config
from engine.runtime.replay import Replay, ReplayOptions, ReplayResult
from tests.twins import mutate, respell
from tests.twins.capture_io import read_records, write_records
from tests.twins.facts_compare import facts_differences, published_facts
from tests.twins.facts_twin import facts_of

pytestmark = pytest.mark.replay

NAMES = (
    "binance_fixtures",
    "binance_spot_2021_4pairs",
    "binance_spot_btcusdt_20240809",
    "coinbase_advanced_derived_2021_10pairs",
    "coinbase_fixtures",
    "kraken_fixtures",
    "kraken_v2_btc_eth_d10_20260707",
    "kraken_v2_btcusd_d10_20230730_respelled",
    "kraken_v2_btcusd_d25_20260802",
)
LEGACY = ("coinbase_exchange_2021_10pairs", "kraken_v1_2021_10pairs")


def replayed(path: Path) -> ReplayResult:
    return Replay(path, default_config(), ReplayOptions(with_facts=True)).run()


def facts_by_engine(path: Path) -> dict[str, Any]:
    facts = replayed(path).facts
    assert facts is not None
    return facts


@pytest.mark.parametrize("name", NAMES)
def test_facts_equal_the_published_ones(name: str, captures: Path) -> None:
    path = captures / f"{name}.jsonl.gz"
    facts = facts_by_engine(path)
    assert facts_differences(facts, published_facts(captures)[name]) == []
    if "pipeline" in facts:
        assert facts["pipeline"]["balanced"] is True


@pytest.mark.parametrize("name", LEGACY)
def test_a_legacy_feed_is_refused_by_name(name: str, captures: Path) -> None:
    with pytest.raises(ValidationError, match=r"record \d+: .*(legacy|Exchange feed)"):
        replayed(captures / f"{name}.jsonl.gz")


MUTATED = (
    "binance_spot_2021_4pairs",
    "coinbase_advanced_derived_2021_10pairs",
    "kraken_v2_btc_eth_d10_20260707",
    "kraken_v2_btcusd_d10_20230730_respelled",
    "kraken_v2_btcusd_d25_20260802",
)
Records = list[dict[str, Any]]


def check_against_the_twin(records: Records, path: Path) -> dict[str, Any]:
    write_records(path, records)
    facts = facts_by_engine(path)
    assert facts_differences(facts, facts_of(path)) == []
    assert facts["pipeline"]["balanced"] is True
    return facts


@pytest.mark.parametrize("name", MUTATED)
@pytest.mark.parametrize("seed", range(4))
def test_losses_repeats_and_swaps(name: str, seed: int, captures: Path, tmp_path: Path) -> None:
    records = read_records(captures / f"{name}.jsonl.gz")
    rng = Random(f"{name}{seed}")
    for change in rng.sample((mutate.drop, mutate.duplicate, mutate.swap_neighbours), 2):
        places = rng.choice((mutate.received_frames, mutate.book_frames))
        records = change(records, rng.randrange(1000), rng.randint(1, 3), places)
    check_against_the_twin(records, tmp_path / f"{name}.jsonl.gz")


@pytest.mark.parametrize("symbol", ["NKNUSDT", "BLZETH"])
@pytest.mark.parametrize("replace", [False, True])
def test_a_stale_snapshot(symbol: str, replace: bool, captures: Path, tmp_path: Path) -> None:
    records = read_records(captures / "binance_spot_2021_4pairs.jsonl.gz")
    facts = check_against_the_twin(mutate.stale_snapshot(records, symbol, replace), tmp_path / "binance_a.jsonl.gz")
    assert facts["books"][symbol]["snapshots_too_old"] == 1
    assert facts["books"][symbol]["in_sync"] is not replace


def test_a_snapshot_that_nobody_needs(captures: Path, tmp_path: Path) -> None:
    records = read_records(captures / "binance_spot_2021_4pairs.jsonl.gz")
    facts = check_against_the_twin(mutate.repeat_snapshot(records, "NKNUSDT", 200), tmp_path / "binance_b.jsonl.gz")
    assert facts["books"]["NKNUSDT"]["snapshots_ignored_in_sync"] == 1


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("binance_spot_2021_4pairs", "NKNUSDT"),
        ("coinbase_advanced_derived_2021_10pairs", "SKL-USD"),
        ("kraken_v2_btc_eth_d10_20260707", "ETH/USD"),
    ],
)
def test_a_loss_that_a_later_snapshot_heals(name: str, symbol: str, captures: Path, tmp_path: Path) -> None:
    records = read_records(captures / f"{name}.jsonl.gz")
    places = [at for at in mutate.book_frames(records) if symbol in records[at]["raw"]]
    lost = places[len(places) // 2]
    healed = mutate.lose_and_heal(records, {lost}, places[len(places) // 2 + 5], symbol)
    check_against_the_twin(healed, tmp_path / f"{name}.jsonl.gz")


RESPELLINGS = {
    "keys shuffled": lambda raw, rng: respell.shuffle_keys(raw, rng),
    "unknown fields": lambda raw, rng: respell.add_unknown_fields(raw, rng),
    "zeros gone": lambda raw, rng: respell.strip_zeros(raw),
    "zeros added": lambda raw, rng: respell.pad_zeros(raw),
    "numbers as strings": lambda raw, rng: respell.numbers_to_strings(raw),
    "strings as numbers": lambda raw, rng: respell.strings_to_numbers(raw),
}


@pytest.mark.parametrize("how", RESPELLINGS)
@pytest.mark.parametrize("name", MUTATED)
def test_spelling_changes_nothing(name: str, how: str, captures: Path, tmp_path: Path) -> None:
    rng = Random(how)
    records = read_records(captures / f"{name}.jsonl.gz")
    respelled = respell.respell_records(records, lambda raw: RESPELLINGS[how](raw, rng))
    facts = check_against_the_twin(respelled, tmp_path / f"{name}.jsonl.gz")
    published = published_facts(captures)[name]
    for symbol, book in facts["books"].items():
        assert book["book_sha256"] == published["books"][symbol]["book_sha256"]


@pytest.mark.parametrize("name", MUTATED)
def test_precision_is_found_without_metadata(name: str, captures: Path, tmp_path: Path) -> None:
    records = mutate.cut_metadata(read_records(captures / f"{name}.jsonl.gz"))
    facts = check_against_the_twin(records, tmp_path / f"{name}.jsonl.gz")
    for symbol, book in published_facts(captures)[name]["books"].items():
        assert facts["books"][symbol]["book_sha256"] == book["book_sha256"]
        assert facts["books"][symbol].get("checksum_ok", 0) == book.get("checksum_ok", 0)
