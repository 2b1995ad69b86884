"""`engine-run replay` as a user runs it: facts, proof, exit codes, wrong input."""

from __future__ import annotations

import json
import platform
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
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


def test_without_consumers_three_samples_see_the_traffic_CLI_13(captures: Path, tmp_path: Path) -> None:
    done = run("replay", captures / f"{BTCUSDT}.jsonl.gz", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)
    consumers = result["pipeline"]["consumers"]
    assert {name: row["delivered"] for name, row in consumers.items()} == {"spread": 6494, "tape": 19904, "balance": 6494}
    assert result["pipeline"]["balanced"]
    # Sides as the raw frames tell them: 204.49112 + 233.4244 is the 437.91552 of the published facts.
    assert result["findings"]["tape"] == ["binance BTC-USDT bought 204.49112, sold 233.4244"]


def test_samples_stand_a_book_that_is_lost(captures: Path, tmp_path: Path) -> None:
    records = read_records(captures / f"{SPOT}.jsonl.gz")
    lost = [at for at in mutate.book_frames(records) if "NKNUSDT" in records[at]["raw"]][60]
    write_records(tmp_path / "binance_gap.jsonl.gz", [r for at, r in enumerate(records) if at != lost])
    done = run("replay", "binance_gap.jsonl.gz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "NKN-USDT: not valid" in done.stdout
    assert "FAILED" not in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("how", [(), ("--over-websocket",)])
def test_a_signal_ends_it_with_the_summary_CLI_30(
    number: signal.Signals, how: tuple[str, ...], captures: Path, tmp_path: Path
) -> None:
    # Long pauses between the records: it is in the middle of one when the signal comes.
    (tmp_path / "desk.py").write_text(
        "class Told:\n    def on_event(self, event, ctx):\n        print('seen', flush=True)\n"
        "    def on_stop(self, ctx):\n        print('stopped', flush=True)\n"
    )
    (tmp_path / "engine.yaml").write_text(
        "schema_version: 1\nproviders: [{name: binance, venue: binance, symbols: [BTC-USDT]}]\n"
        "consumers: [{consumer_id: told, mode: inline, handler: 'desk:Told',\n"
        "  subscriptions: [{symbol: BTC-USDT, event_types: [Trade, Ticker, BookUpdate]}]}]\n"
    )
    command = [sys.executable, "-m", "engine", "replay", str(captures / f"{BTCUSDT}.jsonl.gz"), "--speed", "0.05",
               "--facts", "out.json", "--verify", *how]  # fmt: skip
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "seen\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "stopped\n" in out
    assert re.search(r"stopped by a signal: [\d,]+ records were not played; no facts were written", out)
    assert "received" in out
    assert not (tmp_path / "out.json").exists()


def test_what_cannot_be_written_is_told_before_the_work(captures: Path, tmp_path: Path) -> None:
    for flag in ("--facts", "--out"):
        done = run("replay", captures / f"{KRAKEN}.jsonl.gz", flag, "nowhere/x.json", cwd=tmp_path)
        assert done.returncode == 2
        assert "nowhere/x.json: cannot be written" in done.stderr
        assert done.stdout == ""


def test_a_full_disk_below_stdout_is_one_line(captures: Path, tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "engine", "replay", str(captures / f"{KRAKEN}.jsonl.gz")]
        done = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "output failed: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_instruments_that_are_of_no_use_are_told(captures: Path, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"captures": []}')
    refused = run("replay", captures / f"{KRAKEN}.jsonl.gz", "--instruments", "other.json", cwd=tmp_path)
    assert refused.returncode == 2
    assert "no exchangeInfo, products, AssetPairs" in refused.stderr
    info = next(r["raw"] for r in read_records(captures / f"{SPOT}.jsonl.gz") if "exchangeInfo" in (r["url"] or ""))
    (tmp_path / "info.json").write_text(info)
    useless = run("replay", captures / f"{KRAKEN}.jsonl.gz", "--instruments", "info.json", cwd=tmp_path)
    assert useless.returncode == 0
    assert "warning: the instruments given are not used: the recording has its own metadata" in useless.stdout


def test_a_part_of_a_recording_keeps_its_record_numbers(captures: Path, tmp_path: Path) -> None:
    records, at = mutate.change_digit(read_records(captures / f"{KRAKEN}.jsonl.gz"), 3)
    for record in records[:5]:
        record["ts_ns"] -= 3_600_000_000_000
    write_records(tmp_path / "lie.jsonl.gz", records)
    start = datetime.fromtimestamp(records[5]["ts_ns"] // 10**9 - 1, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    done = run("replay", "lie.jsonl.gz", "--verify", "--from", start, cwd=tmp_path)
    assert done.stdout.startswith(f"lie.jsonl.gz: {len(records) - 5:,} of {len(records):,} records")
    assert f"lie.jsonl.gz, record {at}: checksum of kraken" in done.stdout


def test_an_empty_recording_verifies_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    done = run("replay", "empty.jsonl", "--verify", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "  nothing to verify: no frame was played"


def test_qa_14_the_run_report_tells_what_ran(captures: Path, tmp_path: Path) -> None:
    """Each value beside the configuration and the environment; LIB-01 and LIB-03: parser and loop are named."""
    (tmp_path / "desk.py").write_text("class Idle:\n    def on_event(self, event, ctx):\n        pass\n")
    (tmp_path / "engine.yaml").write_text(
        "schema_version: 1\nproviders: [{name: kraken, venue: kraken, symbols: [BTC-USD]}]\n"
        "profile: throughput\n"
        "dispatcher: {quantum_events: 9, stream_ordering: {lateness_tolerance_ms: 70, max_buffer_size: 77}}\n"
        "pools: {Trade: {capacity: 70000}}\nbus: {critical_reserve: 11}\n"
        "consumers: [{consumer_id: idle, name: Idle hands, mode: inline, handler: 'desk:Idle', mailbox_capacity: 33,\n"
        "  subscriptions: [{symbol: BTC-USD, event_types: [Trade]}]}]\n"
    )
    for how, loop in ((("--over-websocket",), "uvloop.Loop"), ((), "none: frames are read from the file")):
        done = run("replay", captures / f"{KRAKEN}.jsonl.gz", "--json", *how, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        (result,) = json.loads(done.stdout)
        told = result["run"]
        assert told["profile"] == "throughput"
        assert told["loop"] == loop
        assert told["quantum_events"] == 9
        assert told["ordering"] == {"lateness_tolerance_ms": 70, "flush_overrun_ms": 50, "max_buffer_size": 77}
        assert told["consumers"] == {
            "idle": {"name": "Idle hands", "mode": "inline", "handler": "Idle", "mailbox_capacity": 33,
                     "critical_reserve": 11, "trading_enabled": False}
        }
        assert told["pools"]["Trade"] == 70000
        assert re.fullmatch(r"simdjson 3\.\d+\.\d+", told["parser"])
        for library in ("picows", "uvloop", "msgspec"):
            assert told["versions"][library] == version(library)
        assert told["versions"]["python"] == platform.python_version()
