"""The README keeps its word: its strategy runs, its files exist, the flags it names are there."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.twins.facts_compare import published_facts

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]
CAPTURE = "binance_spot_btcusdt_20240809.jsonl.gz"


@pytest.fixture
def readme(project_root: Path) -> str:
    return (project_root / "README.md").read_text(encoding="utf-8")


def block(readme: str, language: str, place: int = 0) -> str:
    """The first, or a later one, of its code in a language."""
    return str(re.findall(rf"```{language}\n(.*?)```", readme, re.DOTALL)[place])


def run(*args: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, *args], cwd=cwd, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_strategy_of_the_readme_runs_and_has_at_most_15_lines(readme: str, captures: Path, tmp_path: Path) -> None:
    code = block(readme, "python")
    assert len(code.splitlines()) <= 15
    (tmp_path / "capture.jsonl.gz").symlink_to(captures / CAPTURE)
    (tmp_path / "strategy.py").write_text(code)
    lines = run("strategy.py", cwd=tmp_path).splitlines()
    # One snapshot and 6493 updates; the last line is the published book of the recording.
    book = published_facts(captures)[CAPTURE.partition(".")[0]]["books"]["BTCUSDT"]
    assert len(lines) == 6494
    (bid, _), (ask, _) = book["top_bids"][0], book["top_asks"][0]
    assert lines[-1] == f"BTC-USDT {bid} {ask} verified through {book['last_update_id']}"


def test_the_configuration_of_the_readme_runs_the_strategy(readme: str, captures: Path, tmp_path: Path) -> None:
    (tmp_path / "desk.py").write_text(block(readme, "python").partition("engine.replay(")[0])
    (tmp_path / "engine.yaml").write_text(block(readme, "yaml"))
    out = run("-m", "engine", "replay", str(captures / CAPTURE), cwd=tmp_path)
    assert out.count("verified through") == 6494
    assert "spread: 6,494 offered = 6,494 delivered" in out


def test_a_second_strategy_is_added_by_the_readme_alone_and_both_are_served(readme: str, tmp_path: Path) -> None:
    spread = block(readme, "python").partition("engine.replay(")[0]
    (tmp_path / "desk.py").write_text(f"{spread}\n{block(readme, 'python', 1)}")
    (tmp_path / "engine.yaml").write_text(block(readme, "yaml") + block(readme, "yaml", 1))
    command = [sys.executable, "-m", "engine", "run", "--simulated-providers", "--json", "--set", "api.enabled=false", "--set", "mcp.enabled=false"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = 0
        while seen < 100:
            seen += "verified through" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    result = json.loads(out.splitlines()[-1])
    for name in ("spread", "tape"):
        row = result["consumers"][name]
        assert row["offered"] == row["delivered"] > 0, name
        assert row["failures"] == 0
        assert result["delivery"][name]["p99_ns"] > 0
    (told,) = re.findall(r"(\d+) trades, \{'BUY': \d+, 'SELL': \d+\}", err)
    assert int(told) == result["consumers"]["tape"]["delivered"]


def test_every_verb_and_flag_of_the_table_is_there(readme: str, tmp_path: Path) -> None:
    rows = re.findall(r"^\| `engine-run (\w+)[^`]*` \| (.*) \|$", readme, re.MULTILINE)
    told = run("-m", "engine", "--help", cwd=tmp_path)
    assert set(re.findall(r"^  (\w+) {2,}\w", told.partition("Commands:")[2], re.MULTILINE)) == {verb for verb, _ in rows}
    for verb, what in rows:
        flags = set(re.findall(r"--[a-z-]+", what))
        help_text = run("-m", "engine", verb, "--help", cwd=tmp_path)
        assert flags <= set(re.findall(r"--[a-z-]+", help_text)), verb


def test_every_file_it_points_to_exists(readme: str, project_root: Path) -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", readme) if "://" not in target]
    assert len(targets) > 3
    assert [target for target in targets if not (project_root / target).exists()] == []
