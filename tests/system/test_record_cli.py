"""`engine-run record` as a user runs it: what was recorded can be replayed and proven, also after a kill (CLI-14)."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.system.test_run_cli import endpoints, simulator

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]


def engine(*args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine", *map(str, args)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=80, check=False)


@pytest.fixture
def example(project_root: Path) -> Path:
    return project_root / "docs" / "examples" / "three-venues.yaml"


def verified(path: Path, cwd: Path) -> dict[str, Any]:
    done = engine("replay", path, "--verify", "--json", cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = json.loads(done.stdout)
    found: dict[str, Any] = result
    return found


def test_every_file_of_a_recording_can_be_replayed_and_proven_CLI_14_CLI_41(example: Path, tmp_path: Path) -> None:
    with simulator() as addresses:
        options = ("--seconds", 5, "--rotate-mib", 0.05, "--json")
        done = engine("record", "--config", example, "--out", "tapes", *options, *endpoints(addresses), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert len(result["paths"]) >= 2
    assert all(count > 100 for count in result["frames"].values())
    records = 0
    for name in result["paths"]:
        played = verified(Path(name), tmp_path)
        assert played["pipeline"]["rejected_frames"] == {}
        assert played["pipeline"]["received"] > 100
        assert len(played["proven"]) == 3
        records += played["records"]
    assert records == result["records"]


def test_a_recording_of_the_plain_feed_is_proven_CLI_14_CLI_41(project_root: Path, tmp_path: Path) -> None:
    example = project_root / "docs" / "examples" / "simulated.yaml"
    with simulator() as addresses:
        own = addresses["simulated"]
        sets = (
            "--set", f"providers[0].ws_endpoint={own['ws']}", "--set", f"providers[0].rest_endpoint={own['rest']}",
        )  # fmt: skip
        done = engine("record", "--config", example, "--out", "tapes", "--seconds", 3, "--json", *sets, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (name,) = json.loads(done.stdout)["paths"]
    played = verified(Path(name), tmp_path)
    assert played["pipeline"]["rejected_frames"] == {}
    assert played["proven"][0].startswith("simulated: ")
    assert "(100.0 %) book messages proven" in played["proven"][0]


def test_what_was_recorded_before_a_kill_is_whole_CLI_14(example: Path, tmp_path: Path) -> None:
    with simulator() as addresses:
        command = [sys.executable, "-m", "engine", "record", "--config", str(example), "--out", "tapes"]
        with subprocess.Popen([*command, *endpoints(addresses)], cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
            tapes = tmp_path / "tapes"
            deadline_s = time.monotonic() + 20
            while not sum(path.stat().st_size for path in tapes.glob("*")) > 60_000 and time.monotonic() < deadline_s:
                process.poll()
            process.send_signal(signal.SIGKILL)
    (path,) = tapes.iterdir()
    lines = gzip.decompress(path.read_bytes()).splitlines()
    assert len(lines) > 100
    assert {json.loads(line)["venue"] for line in lines} == {"binance", "coinbase", "kraken"}
    assert verified(path, tmp_path)["records"] == len(lines)


def test_frames_are_byte_exact_with_what_was_sent_beside_them(example: Path, tmp_path: Path) -> None:
    with simulator() as addresses:
        done = engine("record", "--config", example, "--out", ".", "--seconds", 2, *endpoints(addresses), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("*.gz")
    records = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    said = [json.loads(one["raw"]) for one in records if one.get("dir") == "out" and one["venue"] == "kraken"]
    assert {one["params"]["channel"] for one in said} >= {"book", "trade", "ticker"}
    urls = {one["url"] for one in records if one["channel"] == "http"}
    assert sum("/depth?symbol=" in url for url in urls) == 3
    assert sum(url.endswith(("/exchangeInfo", "product_type=SPOT", "/AssetPairs")) for url in urls) == 3
    heard = [one["raw"] for one in records if one["venue"] == "kraken" and "dir" not in one]
    assert any('"channel":"book"' in raw and '"checksum":' in raw for raw in heard)
    times = [one["ts_ns"] for one in records]
    assert sum(later < earlier for earlier, later in pairwise(times)) == 0


def test_where_no_venue_answers_it_ends_with_4_and_a_folder_that_cannot_be_with_2(example: Path, tmp_path: Path) -> None:
    away = ["--set", "log.level=error"]
    for place in range(3):
        away += ["--set", f"providers[{place}].ws_endpoint=ws://127.0.0.1:9",
                 "--set", f"providers[{place}].rest_endpoint=http://127.0.0.1:9"]  # fmt: skip
    done = engine("record", "--config", example, "--out", "tapes", "--seconds", 1, *away, cwd=tmp_path)
    assert done.returncode == 4
    assert "no provider sent a frame" in done.stderr
    (tmp_path / "file").write_text("")
    done = engine("record", "--config", example, "--out", "file/below", "--seconds", 1, *away, cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
