#!/usr/bin/env python3
"""Judges what ``coverage report`` printed (QA-01): scripts/covered.py REPORT [--root FOLDER] [--at-least PERCENT].

A compiled module that was not traced is not in the report: its lines count as uncovered, and it is named. The exit code
is 1 when one is missing or the figure is too low. Standard library only.
"""

import argparse
import re
import sys
from pathlib import Path

_ROW = re.compile(r"^(\S+)\s+(\d+)\s+(\d+)\s+[\d.]+%", re.MULTILINE)


def untraced(report: str, root: Path) -> dict[str, int]:
    """Sources of compiled modules that *report* lacks, each with its lines that are neither empty nor comment."""
    told = {name for name, _, _ in _ROW.findall(report)}
    found = {}
    for path in sorted((root / "pyx").rglob("*.pyx")):
        name = path.relative_to(root).as_posix()
        if name not in told:
            lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
            found[name] = sum(bool(line) and not line.startswith("#") for line in lines)
    return found


def figure(report: str, missing: dict[str, int]) -> float:
    """Percent of all lines that ran, those of *missing* files not among them.

    Raises:
        ValueError: the report has no rows.
    """
    rows = [(int(lines), int(missed)) for name, lines, missed in _ROW.findall(report) if name != "TOTAL"]
    lines = sum(count for count, _ in rows)
    if not lines:
        raise ValueError("no rows in the report")
    return 100 * (lines - sum(missed for _, missed in rows)) / (lines + sum(missing.values()))


def main() -> int:
    """Print the figure and what is missing; 1 when that is not good enough."""
    parser = argparse.ArgumentParser(prog="scripts/covered.py")
    parser.add_argument("report", type=Path)
    parser.add_argument("--root", type=Path, default=Path())
    parser.add_argument("--at-least", type=float, default=85.0)
    options = parser.parse_args()
    report = options.report.read_text(encoding="utf-8")
    missing = untraced(report, options.root)
    found = figure(report, missing)
    for name, lines in missing.items():
        print(f"coverage says nothing of {name}: it was not traced, and its {lines} lines count as uncovered")
    print(f"coverage, compiled modules included: {found:.1f} %, at least {options.at_least:g} % asked for")
    return int(bool(missing) or found < options.at_least)


if __name__ == "__main__":
    sys.exit(main())
