"""The facts twin against the published facts, and what it says of a file as a whole."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.twins.capture_io import Record, write_records
from tests.twins.facts_compare import facts_differences, has, published_facts, published_facts_subset_equal
from tests.twins.facts_twin import facts_of, facts_of_records
from tests.twins.frames import frame

PUBLISHED = (
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


# --- published facts ----------------------------------------------------------------------------------------


@pytest.mark.replay
@pytest.mark.parametrize("name", PUBLISHED)
def test_facts_of_a_recording_are_the_published_ones(captures: Path, name: str) -> None:
    assert facts_differences(facts_of(captures / f"{name}.jsonl.gz"), published_facts(captures)[name]) == []


@pytest.mark.parametrize("name", ["kraken_v1_2021_10pairs", "coinbase_exchange_2021_10pairs"])
def test_legacy_feeds_are_refused(captures: Path, name: str) -> None:
    with pytest.raises(ValueError, match="legacy"):
        facts_of(captures / f"{name}.jsonl.gz")


def test_comparison_finds_each_changed_field_and_forgives_only_zeros(captures: Path) -> None:
    want = published_facts(captures)["kraken_v2_btc_eth_d10_20260707"]
    assert published_facts_subset_equal(
        {**want, "pipeline": {"received": 1}, "sequence_gaps": 0, "gap_at": []}, want
    )
    changes: tuple[Callable[[dict[str, Any]], Any], ...] = (
        lambda facts: facts.update(records=facts["records"] + 1),
        lambda facts: facts["books"]["ETH/USD"].pop("checksum_ok"),
        lambda facts: facts["books"]["ETH/USD"].update(crossed_after_message=1),
        lambda facts: facts["books"]["ETH/USD"]["top_asks"].pop(),
        lambda facts: facts["checkpoints"][3].update(symbol="A/B"),
        lambda facts: facts["trades"].pop("ETH/USD update"),
    )
    for change in changes:
        got = deepcopy(want)
        change(got)
        assert len(facts_differences(got, want)) == 1


# --- the whole file -----------------------------------------------------------------------------------------


def test_counts_come_from_the_records_as_written(tmp_path: Path) -> None:
    records = [
        frame({"method": "SUBSCRIBE"}, dir="out", ts_ns=5),
        frame({"result": None, "id": 1}, ts_ns=9),
        frame({"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1}}, ts_ns=7),
        frame("{}", channel="http", url="https://x/api/v3/exchangeInfo?a=b", ts_ns=8),
    ]
    facts = facts_of(write_records(tmp_path / "some.jsonl.gz", records))
    raws = [record["raw"] for record in records]
    assert has(facts, file="some.jsonl.gz", venue="binance", records=4, ws_in=2, ws_out=1, http=1)
    assert has(facts, ts_regressions=1, first_ts_ns=5, last_ts_ns=8, raw_bytes=sum(map(len, raws)))
    assert facts["message_types"] == {"http exchangeInfo": 1, "object": 1, "serverShutdown": 1}


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([], "without records"),
        ([frame("{}", venue="bitstamp")], "unknown venue"),
        ([frame('{"e":"depthUpdate","s":"AB"')], "record 0"),
        ([frame("{}"), frame('{"e":"trade","s":"AB"}')], "record 1"),
    ],
)
def test_what_has_no_facts_is_refused(records: list[Record], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        facts_of_records(records)


def test_a_variant_of_a_venue_is_read_as_the_venue() -> None:
    assert facts_of_records([frame("{}", venue="binance_us")])["venue"] == "binance"
