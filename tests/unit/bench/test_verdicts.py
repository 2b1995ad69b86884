"""Rows, comparison with an earlier file, table cells, figures taken in turns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.bench import record, suites
from engine.bench.compare import compare
from engine.bench.measure import Figure, cpu_ns, figure_of, in_turns
from engine.bench.record import Row, document, read, save
from engine.bench.sources import Sources
from engine.bench.table import HEADER, cells

ROW = Row("G3", "apply", "ladder", 40.0, "ns", "at_most", 45, 35, "plain", 300.0, 39.0, 41.0)


@pytest.mark.parametrize(
    ("figure", "verdict"), [(40.0, "holds"), (43.9, "holds"), (44.5, "worse"), (30.0, "holds")]
)
def test_worse_is_beyond_ten_percent(figure: float, verdict: str) -> None:
    now = replace(ROW, figure=figure, figure_min=figure, figure_max=figure)
    (found,) = compare([now], [ROW])
    assert found.verdict == verdict


def test_the_spread_of_equal_runs_widens_the_tolerance_and_a_large_one_voids() -> None:
    noisy = replace(ROW, figure=46.0, figure_min=41.0, figure_max=49.0)
    assert compare([noisy], [ROW])[0].verdict == "holds"
    loud = replace(ROW, figure=60.0, figure_min=40.0, figure_max=61.0)
    assert compare([loud], [ROW])[0].verdict == "void"


def test_rows_of_the_earlier_file_that_are_gone_are_told_and_new_ones_are_not() -> None:
    other = replace(ROW, case="another")
    (found,) = compare([other], [ROW])
    assert found.verdict == "gone"
    assert "not measured now" in str(found)


def test_a_figure_that_needs_more_cores_is_never_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "cores_allowed", lambda: 1)
    assert ROW.met is True
    assert replace(ROW, cores=2).met is None


def test_cells_name_figure_floor_goal_verdict_and_cores() -> None:
    told = dict(zip(HEADER, cells(ROW), strict=True))
    assert told["figure"] == "40 ns (39-41)"
    assert told["floor or baseline"] == "plain: 300.0 ns"
    assert (told["goal"], told["met"], told["cores"]) == ("<= 45 ns (35)", "met", "1")
    faster = replace(ROW, relation="times_faster", limit=10)
    assert cells(faster)[4:7] == ("7.5x faster", ">= 10x faster (35)", "missed")
    assert cells(replace(ROW, voided=True))[6] == "void"


def test_a_document_is_read_back_as_written(tmp_path: Path) -> None:
    made = document("bench", [ROW], command="engine-run bench", details={"frames": "none"})
    save(tmp_path / "out.json", made)
    found, rows = read(tmp_path / "out.json")
    assert rows == [ROW]
    assert found["machine"]["cores_allowed"] >= 1
    assert "msgspec" in found["libraries"]
    assert found["flags"]


@pytest.mark.timeout(30)
def test_runs_are_taken_in_turns_and_the_first_is_not_counted() -> None:
    order: list[str] = []
    costs = {"a": iter([9.0, 1, 2, 3, 4, 5]), "b": iter([9.0, 6, 6, 6, 6, 6])}

    def run(name: str) -> float:
        order.append(name)
        return next(costs[name])

    found = in_turns({"a": lambda: run("a"), "b": lambda: run("b")}, 0.0)
    assert "".join(order) == "ab" * 6
    assert found == {"a": Figure(3, 1, 5, 5), "b": Figure(6, 6, 6, 5)}
    with pytest.raises(ValueError, match="nothing to run"):
        in_turns({}, 1.0)


def test_figures_take_parts_off() -> None:
    whole, part = figure_of([10.0, 12.0, 11.0]), figure_of([4.0])
    assert whole.less(part) == Figure(7.0, 6.0, 8.0, 3)
    assert cpu_ns(lambda: sum(range(10_000))) > 0


def test_an_unknown_suite_is_refused() -> None:
    with pytest.raises(ValueError, match="not one of micro, pipeline, service, all"):
        next(suites.run("fanout", Sources(frames=10), 0.1, lambda line: None))
