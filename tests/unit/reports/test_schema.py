"""RPT-03, RPT-04, RPT-07, CHK-28, CHK-29: every report fits its schema, and no mandatory field may be missing or of another kind."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from engine.reports.schema import report_schema
from engine.reports.shape import check
from tests.unit.reports.report_kit import Symbol
from tests.unit.reports.test_against_twin import Market
from tests.unit.reports.test_golden import G16

pytestmark = pytest.mark.property

SCHEMA = report_schema()
CHECK = Draft202012Validator(SCHEMA)


def refuse(constant: str) -> None:
    raise AssertionError(constant)


def strict(text: str) -> Any:
    return json.loads(text, parse_constant=refuse)


def test_it_is_a_schema_of_2020_12() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_a_report_before_the_first_entry_fits() -> None:
    """D18, RPT-02: it exists, with nulls; nothing is left out."""
    found = strict(Symbol().text("0.25"))
    CHECK.validate(found)
    assert set(found) == set(SCHEMA["required"])
    assert (found["ingestion"]["status"], found["data_age_ms"], found["book_state"]) == ("down", None, "resyncing")
    assert (found["liquidity"]["walls"], found["anomalies"], found["slow_as_of"], found["last_price"]) == (None, [], None, None)


def test_every_report_of_a_random_run_fits() -> None:
    market = Market(3)
    for _ in range(120):
        market.step()
        market.at_ms = -(-market.at_ms // 250) * 250
        text = market.symbol.text(f"{market.at_ms / 1000:.3f}")
        CHECK.validate(strict(text))
        assert len(text) < 100_000  # RPT-09
        assert "e" not in "".join(part for part in text.split('"')[::2]).replace("true", "").replace("false", "")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each member of each object is."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if isinstance(value, dict):
            yield (*path, key)
        yield from places(inner, (*path, key))


def holder(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        document = document[key]
    return document


@pytest.mark.parametrize("path", list(places(strict(G16))), ids=lambda path: ".".join(map(str, path)))
def test_no_field_may_be_missing_renamed_or_of_another_kind(path: tuple[Any, ...]) -> None:
    for change in ("delete", "rename", "retype"):
        document = copy.deepcopy(strict(G16))
        at = holder(document, path)
        value = at.pop(path[-1])
        if change == "rename":
            at[f"{path[-1]}_"] = value
        elif change == "retype":
            at[path[-1]] = 5 if isinstance(value, str | list | dict | bool) else "text"
        assert not CHECK.is_valid(document), change
        with pytest.raises(msgspec.ValidationError):
            check(json.dumps(document).encode())


@pytest.mark.parametrize(("path", "value"), [
    (("depth", "imbalance"), 1.5), (("data_age_ms",), -1), (("health", "score"), 101), (("writer", "token"), 0),
    (("generated_at",), "2026-01-01 00:00:00"), (("ingestion", "status"), "fine"), (("l1_source",), "guess"),
    (("depth", "top20_bid"), [{"price": 1, "qty": 1}] * 21),
])  # fmt: skip
def test_mcp_05_what_breaks_a_limit_of_the_schema_is_no_report(path: tuple[str, ...], value: Any) -> None:
    document = strict(G16)
    check(json.dumps(document).encode())
    check(json.dumps({**document, "of_a_later_version": 1}).encode())
    holder(document, path)[path[-1]] = value
    assert not CHECK.is_valid(document)
    with pytest.raises(msgspec.ValidationError):
        check(json.dumps(document).encode())
