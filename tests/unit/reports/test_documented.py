"""RPT-08: the golden vectors of docs/reports.md are run as they stand there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.reports.report_kit import Symbol, decoded

DOCUMENT = Path(__file__).parents[3] / "docs" / "reports.md"


def vectors() -> list[dict[str, Any]]:
    block = DOCUMENT.read_text(encoding="utf-8").split("```jsonl\n")[1].split("```")[0]
    return [json.loads(line) for line in block.splitlines()]


def at(report: Any, path: str) -> Any:
    for key in path.split("."):
        report = report[int(key) if isinstance(report, list) else key]
    return report


def test_all_of_them_are_there() -> None:
    assert {vector["id"] for vector in vectors()} == {f"G{number}" for number in range(1, 17)}


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["id"])
def test_the_documented_vector_holds(vector: dict[str, Any]) -> None:
    symbol = Symbol(vector["tick"], *vector["scales"])
    for seconds, kind, *args in vector["entries"]:
        named = args.pop() if isinstance(args[-1], dict) else {}
        getattr(symbol, kind)(seconds, *args, **named)
    text = symbol.text(vector["at"])
    if "report" in vector:
        assert text == vector["report"]
        return
    found = decoded(text)
    assert {path: at(found, path) for path in vector["expect"]} == vector["expect"]
