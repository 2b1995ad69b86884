"""Verdicts, results files and tables."""
import json

import pytest

from bench.render import BEGIN, BENCHMARKS, END, insert, render
from engine.bench.paired import paired_ratio
from engine.bench.record import Row, document, read, save_dated
from engine.bench.timing import timed_passes


def costs(*values: float):
    """A run whose cost is the next of *values*, from the first again when they are used up."""
    position = -1

    def run() -> float:
        nonlocal position
        position = (position + 1) % len(values)
        return values[position]

    return run


def test_equal_costs_hold():
    result = paired_ratio(costs(100), costs(100))
    assert (result.median, result.aa_spread, result.verdict) == (1.0, 0.0, "holds")


def test_a_dearer_run_fails_beyond_the_limit_only():
    assert paired_ratio(costs(100), costs(109)).verdict == "holds"
    assert paired_ratio(costs(100), costs(111)).verdict == "fails"
    assert paired_ratio(costs(100), costs(111), limit=0.15).verdict == "holds"


def test_noise_widens_the_limit_and_much_noise_voids_the_run():
    # after the uncounted first run, A gives the pair's first, then the two of A A
    quiet = paired_ratio(costs(100, 100, 100, 100, 100, 100, 120), costs(115))
    assert quiet.aa_spread == pytest.approx(0.2)
    assert quiet.verdict == "holds"
    loud = paired_ratio(costs(100, 100, 100, 100, 100, 100, 130), costs(100))
    assert loud.verdict == "void"


def test_runs_are_interleaved():
    order: list[str] = []
    paired_ratio(lambda: order.append("A") or 1.0, lambda: order.append("B") or 1.0)
    assert "".join(order) == "AB" + "ABAA" * 5


def test_slices_take_turns_and_one_bad_one_is_no_part_of_a_pair():
    order: list[str] = []
    paired_ratio(lambda: order.append("A") or 1.0, lambda: order.append("B") or 1.0, slices=3)
    assert "".join(order) == "AB" + "ABAA" * 15
    # in each pair every place of A B A A meets another process in one of its three rounds
    of_a, of_b = [900, 100, 100, 100, 500, 100, 100, 100, 300], [105, 700, 105]
    disturbed = paired_ratio(costs(100, *of_a * 5), costs(100, *of_b * 5), slices=3)
    assert (disturbed.median, disturbed.aa_spread, disturbed.verdict) == (1.05, 0.0, "holds")
    with pytest.raises(ValueError, match="at least 1 slice"):
        paired_ratio(costs(1), costs(1), slices=0)


def test_too_few_pairs_and_costs_of_nothing_are_refused():
    with pytest.raises(ValueError, match="at least 5 pairs"):
        paired_ratio(costs(1), costs(1), pairs=4)
    with pytest.raises(ValueError, match="above zero"):
        paired_ratio(costs(1), costs(0))


def test_timed_passes_counts_what_it_timed():
    # the first pass warms up; then two repeats of 0.5 ms each: five passes of 100 us, ten units a pass
    spread = timed_passes(costs(100_000), units_per_pass=10, seconds=0.001, repeats=2)
    assert (spread.median_ns, spread.min_ns, spread.max_ns) == (10_000, 10_000, 10_000)
    assert (spread.repeats, spread.units) == (2, 100)


def test_rows_judge_by_their_relation():
    times = Row("G1", "spot", "engine", 380, "ns", "at_most_times", 2.0, 1.6, "walk", 200)
    assert (times.ratio, times.met) == (1.9, True)
    faster = Row("G2", "spot", "engine", 1000, "ns", "times_faster", 3.5, 5, "by hand", 3400)
    assert (faster.ratio, faster.met) == (3.4, False)
    assert Row("G3", "apply", "ladder", 44, "ns", "at_most", 45).met is True
    assert Row("G10", "450 streams", "engine", 1.2, "B/A", "within", 0.15).met is False
    assert Row("G1", "spot", "engine", 380, "ns", "at_most_times", 2.0).met is None
    assert Row("G3", "apply", "ladder", 44, "ns", "at_most", 45, voided=True).met is None


def test_results_come_back_as_written_and_never_overwrite(tmp_path):
    rows = [Row("G3", "apply", "ladder", 44.5, "ns", "at_most", 45, 35)]
    made = document("book", rows, command="bench", flags="-O3", details={"corpus": "none"})
    first, second = save_dated(tmp_path, made), save_dated(tmp_path, made)
    assert first != second
    kept, found = read(first)
    assert found == rows
    assert first.name == f"{kept['at'][:10]}-book.json"
    assert kept["flags"] == "-O3"
    assert kept["machine"]["cores"] >= 1
    assert json.loads(first.read_text())["rows"][0]["met"] is True


def test_a_command_is_kept_without_places_on_this_machine():
    made = document("book", [], command="python -m bench.full --out /home/me/now --captures=/srv/captures --seconds 0.2")
    assert made["command"] == "python -m bench.full --out now --captures=captures --seconds 0.2"
    assert document("book", [], command="bench --out ../now")["command"] == "bench --out ../now"


def test_tables_name_figure_floor_and_verdict(tmp_path):
    rows = [
        Row("G10", "450 streams", "engine", 1.02, "B/A", "within", 0.15),
        Row("G1", "spot", "engine", 380, "ns", "at_most_times", 2.0, 1.6, "simdjson walk", 200, 370, 400),
    ]
    text = render(*read(save_dated(tmp_path, document("all", rows, command="bench all", flags="-O3"))))
    assert text.index("### G1\n") < text.index("### G10\n")
    assert "380.0 ns (370.0-400.0) | simdjson walk: 200.0 ns | 1.90x | <= 2x (1.6) | met | 1" in text
    assert "`bench all`" in text


def test_tables_go_between_the_marks_of_the_document():
    text = insert(BENCHMARKS.read_text(), "TABLES")
    assert f"{BEGIN}\n\nTABLES\n\n{END}" in text
    with pytest.raises(ValueError, match="marks"):
        insert("no marks here", "TABLES")
