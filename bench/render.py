"""Results file -> markdown tables.

    python -m bench.render bench/results/2026-01-31-all.json            prints them
    python -m bench.render bench/results/2026-01-31-all.json --write    puts them into BENCHMARKS.md
"""
import argparse
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from engine.bench import table as cell
from engine.bench.record import Row, read

BENCHMARKS = Path(__file__).parent / "BENCHMARKS.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"

HEADER = ("case", "regime", "measured", "figure", "floor or baseline", "ratio", "goal (stretch)", "met", "cores")


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.case, row.regime, row.subject, cell.figure(row), cell.baseline(row), cell.ratio(row), cell.goal(row),
        cell.met(row), str(row.cores),
    )  # fmt: skip


def table(rows: Iterable[Row]) -> str:
    """One markdown table; notes follow it as a list."""
    rows = list(rows)
    lines = [HEADER, tuple("---" for _ in HEADER), *map(_cells, rows)]
    text = "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines)
    notes = list(dict.fromkeys(f"- {row.case}, {row.subject}: {row.note}" for row in rows if row.note))
    return text + ("\n\n" + "\n".join(notes) if notes else "")


def conditions(document: dict[str, Any]) -> str:
    """Machine, versions, flags, commit and command of a run, as one short list."""
    machine = document["machine"]
    libraries = ", ".join(f"{name} {release}" for name, release in document["libraries"].items())
    changed = " with uncommitted changes" if document["tree_changed"] else ""
    return "\n".join(
        [
            f"- {document['at']}, `{document['command']}`",
            f"- {machine['cpu']}, {machine['cores_allowed']} of {machine['cores']} cores,"
            f" {machine['system']}, load {machine['load_average']:.2f} at the end",
            f"- Python {document['python']}, {libraries}",
            f"- {document['compiler']}; `{document['flags']}`",
            f"- commit {document['commit'] or 'unknown'}{changed}",
        ]
    )


def render(document: dict[str, Any], rows: list[Row]) -> str:
    """Conditions and one table per goal, goals in order."""
    ordered = sorted(rows, key=cell.order)
    parts = [conditions(document)]
    for goal, group in groupby(ordered, key=lambda row: row.goal):
        parts.append(f"### {goal}\n\n{table(group)}")
    return "\n\n".join(parts)


def insert(markdown: str, text: str) -> str:
    """*markdown* with what stands between the two marks replaced by *text*.

    Raises:
        ValueError: a mark is missing.
    """
    before, begin, rest = markdown.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"BENCHMARKS.md needs the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.render")
    parser.add_argument("results", type=Path)
    parser.add_argument("--write", action="store_true", help="into BENCHMARKS.md instead of the terminal")
    options = parser.parse_args()
    text = render(*read(options.results))
    if options.write:
        BENCHMARKS.write_text(insert(BENCHMARKS.read_text(), text))
    else:
        print(text)


if __name__ == "__main__":
    main()
