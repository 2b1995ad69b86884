"""QA-09: each planted fault is caught. The plants exist in the checks build alone, where this runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.base.build import has_plants
from engine.config.load import default_config
from engine.runtime.replay import Replay, ReplayOptions, ReplayResult
from engine.runtime.verify import verify
from tests.twins import mutate
from tests.twins.capture_io import read_records, write_records
from tests.twins.facts_compare import facts_differences, published_facts

pytestmark = [
    pytest.mark.replay,
    pytest.mark.skipif(not has_plants(), reason="plants are compiled into the checks build (ENGINE_BUILD=checks)"),
]
BINANCE = "binance_spot_2021_4pairs"
KRAKEN = "kraken_v2_btc_eth_d10_20260707"
COINBASE = "coinbase_advanced_derived_2021_10pairs"


def replay(path: Path) -> ReplayResult:
    return Replay(path, default_config(), ReplayOptions(with_facts=True)).run()


def differences(name: str, captures: Path) -> list[str]:
    facts: dict[str, Any] | None = replay(captures / f"{name}.jsonl.gz").facts
    assert facts is not None
    return facts_differences(facts, published_facts(captures)[name])


@pytest.mark.parametrize(
    ("plant", "name"),
    [
        ("ladder.keep_deleted", BINANCE),
        ("ladder.keep_deleted", COINBASE),
        ("ladder.keep_deleted", KRAKEN),
        ("ladder.no_cut", KRAKEN),
        ("checksum.always", KRAKEN),
    ],
)
def test_a_fault_in_the_book_changes_the_facts(
    plant: str, name: str, captures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert differences(name, captures) == []
    monkeypatch.setenv("ENGINE_PLANT", plant)
    assert differences(name, captures) != []


def test_a_gap_that_is_not_noticed_is_seen_by_the_second_view(
    captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = read_records(captures / f"{BINANCE}.jsonl.gz")
    places = [at for at in mutate.book_frames(records) if "NKNUSDT" in records[at]["raw"]]
    path = write_records(tmp_path / "binance_gap.jsonl.gz", [r for at, r in enumerate(records) if at != places[60]])
    healthy = replay(path)
    assert healthy.facts is not None
    assert healthy.facts["books"]["NKNUSDT"]["gaps"] == 1
    assert not verify(healthy).holds
    monkeypatch.setenv("ENGINE_PLANT", "binance.no_gap")
    planted = replay(path)
    assert planted.facts is not None
    assert planted.facts["books"]["NKNUSDT"].get("gaps", 0) == 0
