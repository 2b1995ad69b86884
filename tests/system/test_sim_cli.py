"""`engine-run sim` as a user runs it: addresses, signals, a storm from a file, what it refuses. CLI-12, CLI-30."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.serving import SIM, get, serving, three_ports

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]


def run(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run((*SIM, *map(str, args)), capture_output=True, text=True, timeout=50, check=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_every_address_and_ends_with_0_at_a_signal(number: signal.Signals) -> None:
    with serving("--port", 0, "--symbols", 2) as (process, addresses):
        assert list(addresses) == ["binance", "coinbase", "kraken", "simulated", "control"]
        assert len({address["ws"].removesuffix("/v2").removesuffix("/simulated") for address in addresses.values() if "ws" in address}) == 1
        assert "serverTime" in get(f"{addresses['binance']['rest']}/api/v3/time")
        assert get(f"{addresses['coinbase']['rest']}/api/v3/brokerage/market/products")["num_products"] == 2
        assert len(get(f"{addresses['kraken']['rest']}/0/public/AssetPairs")["result"]) == 2
        assert len(get(f"{addresses['control']['rest']}/books")["kraken"]) == 2
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 0
        assert errors.startswith("sim: 0 frames; late by p50 ")


def test_rest_and_control_stand_on_the_next_two_ports_and_a_taken_one_is_told() -> None:
    port = three_ports()
    with serving("--port", port, "--venue", "kraken") as (_, addresses):
        assert addresses == {
            "kraken": {
                "ws": f"ws://127.0.0.1:{port}/v2", "ws_private": f"ws://127.0.0.1:{port}/v2/private",
                "rest": f"http://127.0.0.1:{port + 1}",
            },
            "control": {"rest": f"http://127.0.0.1:{port + 2}"},
        }
        done = run("--port", port + 1)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"a port from {port + 1} to {port + 3} is taken" in done.stderr
        assert "--port 0" in done.stderr


def test_a_storm_from_a_file_is_logged_as_it_strikes(tmp_path: Path) -> None:
    scenario = tmp_path / "storm.yaml"
    scenario.write_text("schema_version: 1\nfaults:\n  - {fault: instrument_status, symbol: BTC-USD, at_s: 0.1}\n")
    with serving("--port", 0, "--scenario", scenario) as (process, addresses):
        control = addresses["control"]["rest"]
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(3)]
        assert all("fault=instrument_status" in line and "state=halted" in line for line in lines)
        counts = get(f"{control}/faults")["counts"]
        assert counts == {
            "binance": {}, "coinbase": {"instrument_status": 1}, "kraken": {"instrument_status": 1},
            "simulated": {"instrument_status": 1},
        }  # fmt: skip


def test_a_recording_is_served_in_place_of_a_market(tmp_path: Path) -> None:
    record = {"ts_ns": 1, "venue": "kraken", "channel": "http", "conn": 0, "raw": '{"error":[],"result":{"x":1}}'}
    path = tmp_path / "one.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps({**record, "url": "https://h/0/public/AssetPairs"}).encode() + b"\n"))
    with serving("--port", 0, "--capture", path) as (process, addresses):
        assert list(addresses) == ["kraken", "control"]
        assert get(f"{addresses['kraken']['rest']}/0/public/AssetPairs")["result"] == {"x": 1}
        process.terminate()
        _, errors = process.communicate(timeout=20)
        assert (process.returncode, errors) == (0, "sim: kraken 0 frames played\n")


def test_the_file_to_trust_is_printed_and_removed_at_the_end() -> None:
    with serving("--port", 0, "--tls") as (process, addresses):
        assert addresses["kraken"]["ws"].startswith("wss://")
        file = Path(addresses["tls"]["ca_file"])
        assert "BEGIN CERTIFICATE" in file.read_text()
        process.terminate()
        process.communicate(timeout=20)
        assert not file.parent.exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--faults", "dorp"), "nearest: drop"),
        (("--venue", "bitmex"), "nearest valid: "),
        (("--venue", "kraken", "--faults", "banned"), "banned: no venue here takes it"),
        (("--rate", "fast"), "'fast' is no number; nearest valid: max"),
        (("--rate", "0"), "nearest valid: 1"),
        (("--symbols", "0"), "nearest valid: 1"),
        (("--port", "70000"), "nearest valid: 65533"),
        (("--scenario", "none.yaml"), "none.yaml: cannot be read"),
        (("--capture", "none.gz"), "none.gz: cannot be read"),
        (("--capture", "none.gz", "--faults", "drop"), "leave --faults, --scenario and --load out"),
    ],
)
def test_wrong_use_is_refused_with_2(args: tuple[str, ...], words: str) -> None:
    done = run("--port", 0, *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
