"""`engine-run bench` as a user runs it, in an empty directory without captures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


def bench(*args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine", "bench", *map(str, args)]
    surroundings = {name: value for name, value in os.environ.items() if name != "ENGINE_CAPTURES"}
    return subprocess.run(command, cwd=cwd, env=surroundings, capture_output=True, text=True, timeout=110, check=False)


def test_a_run_prints_its_table_writes_its_file_and_is_compared_with_an_earlier_one(tmp_path: Path) -> None:
    done = bench("--suite", "micro", "--seconds", "0.05", "--out", "first.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split() == [
        "id", "what", "figure", "floor", "or", "baseline", "ratio", "goal", "met", "cores",
    ]  # fmt: skip
    for part in ("G3 ", "G4 ", "G5 ", "G6 ", "G7 ", "bare C slab", "format all", "goals met", "seeded market", "-O"):
        assert part in done.stdout

    # The file is dated and holds machine, versions, flags and rows.
    result: dict[str, Any] = json.loads((tmp_path / "first.json").read_text())
    assert result["at"][:2] == "20"
    assert result["machine"]["cores"] >= 1
    assert "-O" in result["flags"]
    assert result["details"]["profile"] == "throughput"
    assert {row["goal"] for row in result["rows"]} == {"G3", "G4", "G5", "G6", "G7", "RSK-13"}

    # A figure worse than an earlier file's exits 5.
    for row in result["rows"]:
        if row["goal"] == "G3":
            row["figure"] /= 50
            row["figure_min"] = row["figure_max"] = row["figure"]
    (tmp_path / "faster.json").write_text(json.dumps(result))
    for _ in range(3):  # a run whose equal repeats spread too far judges nothing and says so
        done = bench("--suite", "micro", "--seconds", "0.05", "--compare", "faster.json", "--json", cwd=tmp_path)
        compared = json.loads(done.stdout)["compared"]
        if any(line.startswith("G3") and line.endswith("worse") for line in compared):
            break
    assert done.returncode == 5, compared


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--suite", "fanout"), "not built yet"),
        (("--suite", "mikro"), "nearest valid: micro"),
        (("--rates", "1000"), "not built yet"),
        (("--seconds", "0"), "nearest valid: 0.01"),
        (("--compare", "none.json"), "no results of a run"),
        (("--out", "no/such/place.json"), "is not a directory"),
        (("--out", "."), "is a directory"),
        (("--captures", "nowhere"), "no captures"),
    ],
)
def test_wrong_usage_exits_2_with_one_line(args: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = bench(*args, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert done.stdout == ""
