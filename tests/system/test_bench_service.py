"""`engine-run bench --suite service`: its processes start, measure and end, each row with its figure and its limit."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from engine.bench import suite_service
from engine.bench.record import Row
from engine.bench.service import asked, failures, flips, load, reports, sustained, trading, windows

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]


FEWER_ORDERS = partial(sustained.sustained, frames=1000, orders_a_minute=6000)
"""Whatever else the machine does."""


@pytest.mark.parametrize(
    ("part", "goals"),
    [
        (load.normal, ["SC-01", "SC-14"]),
        (load.disorder, ["SC-02", "SC-36", "SC-36"]),
        (flips.flips, ["SC-05", "SC-05", "SC-25", "SC-25", "SC-31", "SC-31", "SC-31"]),
        (trading.burst, ["SC-03"]),
        (trading.switching, ["SC-05", "SC-08"]),
        (trading.duplicates, ["SC-07"]),
        (trading.grown, ["SC-11"]),
        (windows.windows, ["SC-09", "SC-09", "SC-10"]),
        (lambda seconds: failures.outstanding(), ["SC-35"]),
    ],
    ids=["normal", "disorder", "flips", "burst", "switching", "duplicates", "grown", "windows", "outstanding"],
)
def test_a_part_measures_from_outside_and_proves_something(
    part: Callable[[float], Iterator[Row]], goals: list[str]
) -> None:
    rows = list(part(1.0))
    assert [row.goal for row in rows] == goals
    for row in rows:
        assert not row.voided, row.note
        assert row.limit is not None
        assert row.cores == 2
        assert row.regime == "profile service"
    # What counts and not how fast must hold on any machine.
    assert [row for row in rows if row.unit in ("", "events", "windows", "%") and row.met is False] == []


@pytest.mark.parametrize(
    ("part", "goals"),
    [(asked.clients, ["API-04", "API-04"]), (FEWER_ORDERS, ["ORDM-07"] * 5), (flips.unnoticed, ["RTE-08"])],
    ids=["clients", "orders", "flips"],
)
def test_a_comparison_in_turns_measures_what_it_says(part: Callable[[float, int], Iterator[Row]], goals: list[str]) -> None:
    """One pair of one second each: too few samples to judge how fast, enough to see that all was done."""
    rows = list(part(1.0, 1))
    assert [row.goal for row in rows] == goals
    for row in rows:
        assert row.limit is not None or row.relation == "shown"
        assert row.regime == "profile service"
        assert not row.voided or re.search("samples in the shortest run|equal runs differ", row.note), row.note
    assert [row for row in rows if row.unit in ("", "%") and row.met is False and row.limit in (0, 100)] == []
    assert all(row.figure > 0 for row in rows if row.unit == "ms" and "add" not in row.subject)


def test_chk_42_reports_are_asked_for_in_an_open_loop() -> None:
    """How fast is for the bench to say; here every call is answered with what it asked for, or counted as refused."""
    rows = list(reports.calls(0.5, clients=10, rate=40))  # as many as any machine can bear
    assert [row.goal for row in rows] == ["SLO-05", "SLO-05", "MCP-03", "MCP-03", "SLO-05"]
    for row in rows[:4]:
        assert not row.voided, row.note
        assert (row.regime, row.cores) == ("profile service", 2)
        assert "open loop, from the instant a call was due: p50 " in row.note
        assert row.figure > 0
    assert [row.limit for row in rows] == [150, 100, 150, 150, None]
    assert rows[4].figure > 0


def test_slo_05_reports_are_asked_for_through_a_server_too() -> None:
    (row,) = reports.stored(0.5, clients=10, rate=40)
    assert not row.voided, row.note
    assert (row.goal, row.limit, row.regime) == ("SLO-05", 150, "profile service")
    assert "none refused" in row.note
    assert row.figure > 0


def test_the_command_runs_the_suite_and_writes_it(tmp_path: Path) -> None:
    short = "from engine.bench import suite_service as s; s.PARTS = s.PARTS[-2:-1]; from engine.cli.main import main; main()"
    command = [sys.executable, "-c", short, "bench", "--suite", "service", "--seconds", "0.5", "--out", "rows.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=80, check=False)
    assert done.returncode == 0, done.stderr
    assert "SC-35" in done.stdout
    assert "later: SC-22, SC-30, SC-32 in processes: " in done.stdout
    assert "profile service" in done.stdout.splitlines()[-2]
    document = json.loads((tmp_path / "rows.json").read_text())
    assert document["details"]["profile"] == "service"
    assert [row["goal"] for row in document["rows"]] == ["SC-35"]
    assert len(suite_service.PARTS) == 24
