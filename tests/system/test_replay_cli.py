"""`engine-run replay` as a user runs it: facts, proof, exit codes, wrong input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.twins import mutate
from tests.twins.capture_io import read_records, write_records
from tests.twins.facts_compare import facts_differences, published_facts

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]

BTCUSDT = "binance_spot_btcusdt_20240809"
SPOT = "binance_spot_2021_4pairs"
KRAKEN = "kraken_v2_btc_eth_d10_20260707"


def run(*args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine", *map(str, args)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=80, check=False)


def facts_in(path: Path) -> dict[str, Any]:
    captures: list[dict[str, Any]] = json.loads(path.read_text())["captures"]
    assert len(captures) == 1
    return captures[0]


@pytest.mark.parametrize("how", [(), ("--over-websocket",)])
def test_facts_and_proof_of_the_large_recording_CLI_40(how: tuple[str, ...], captures: Path, tmp_path: Path) -> None:
    done = run("replay", captures / f"{BTCUSDT}.jsonl.gz", "--facts", "out.json", "--verify", *how, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert facts_differences(facts_in(tmp_path / "out.json"), published_facts(captures)[BTCUSDT]) == []
    assert "1,072 of 6,495 (16.5 %)" in done.stdout.splitlines()[-1]


def test_one_changed_digit_exits_5_and_names_the_record_CLI_41(captures: Path, tmp_path: Path) -> None:
    for seed in range(5):
        records, at = mutate.change_digit(read_records(captures / f"{KRAKEN}.jsonl.gz"), seed)
        write_records(tmp_path / "lie.jsonl.gz", records)
        done = run("replay", "lie.jsonl.gz", "--verify", cwd=tmp_path)
        assert done.returncode == 5
        assert f"lie.jsonl.gz, record {at}: checksum of kraken" in done.stdout


def test_a_gap_that_nothing_heals_exits_5_and_a_healed_one_is_listed(captures: Path, tmp_path: Path) -> None:
    records = read_records(captures / f"{SPOT}.jsonl.gz")
    places = [at for at in mutate.book_frames(records) if "NKNUSDT" in records[at]["raw"]]
    lost, heal = places[60], places[70]
    write_records(tmp_path / "binance_gap.jsonl.gz", [r for at, r in enumerate(records) if at != lost])
    gap = run("replay", "binance_gap.jsonl.gz", "--verify", cwd=tmp_path)
    assert gap.returncode == 5
    assert f"record {places[61] - 1}: binance NKN-USDT lost: gap; no later snapshot" in gap.stdout
    write_records(tmp_path / "binance_healed.jsonl.gz", mutate.lose_and_heal(records, {lost}, heal, "NKNUSDT"))
    healed = run("replay", "binance_healed.jsonl.gz", "--verify", cwd=tmp_path)
    assert healed.returncode == 0, healed.stdout
    assert "healed: record" in healed.stdout


def test_events_are_written_as_json_lines(captures: Path, tmp_path: Path) -> None:
    done = run("replay", captures / f"{SPOT}.jsonl.gz", "--out", "events.jsonl", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    delivered = json.loads(done.stdout)[0]["pipeline"]["consumers"]["event-file"]["delivered"]
    assert len(events) == delivered > 200
    assert {event["type"] for event in events} >= {"BookSnapshot", "BookUpdate", "Trade", "Ticker", "KlineSummary"}


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("replay",), 2, "FILE"),
        (("replay", "missing.jsonl.gz"), 2, "missing.jsonl.gz: cannot be read"),
        (("replay", "missing.jsonl.gz", "--speed", "fast"), 2, "nearest valid: max"),
        (("replay", "missing.jsonl.gz", "--from", "yesterday"), 2, "--from"),
        (("replay", "missing.jsonl.gz", "--verfy"), 2, "nearest valid: --verify"),
        (("rpelay",), 2, "nearest valid: replay"),
    ],
)
def test_wrong_usage_says_what_and_names_a_valid_one(
    args: tuple[str, ...], code: int, says: str, tmp_path: Path
) -> None:
    done = run(*args, cwd=tmp_path)
    assert done.returncode == code
    assert says in done.stderr
    assert done.stdout == ""


def test_a_damaged_file_names_the_record(captures: Path, tmp_path: Path) -> None:
    whole = (captures / f"{KRAKEN}.jsonl.gz").read_bytes()
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    done = run("replay", "cut.jsonl.gz", cwd=tmp_path)
    assert done.returncode == 2
    assert "record" in done.stderr
    assert "gzip" in done.stderr


def test_a_configured_consumer_gets_the_recording(captures: Path, tmp_path: Path) -> None:
    (tmp_path / "desk.py").write_text(
        "class Tape:\n"
        "    def __init__(self, label):\n        self.label, self.volume_raw = label, 0\n"
        "    def on_trade(self, event, ctx):\n        self.volume_raw += event.qty_raw * 10 ** (8 - event.qty_scale)\n"
        "    def on_stop(self, ctx):\n        print(self.label, self.volume_raw)\n"
    )
    (tmp_path / "engine.yaml").write_text(
        "schema_version: 1\n"
        "providers: [{name: binance, venue: binance, symbols: [BTC-USDT]}]\n"
        "consumers:\n"
        "  - {consumer_id: tape, mode: inline, handler: 'desk:Tape', params: {label: volume},\n"
        "     subscriptions: [{symbol: BTC-USDT, event_types: [Trade]}]}\n"
    )
    done = run("replay", captures / f"{BTCUSDT}.jsonl.gz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "volume 43791552000" in done.stdout
