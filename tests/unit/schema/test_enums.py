"""INS-15: closed sets with fixed integers, the same in C and in Python, lower_snake on the wire."""

from __future__ import annotations

import re
from enum import IntEnum
from pathlib import Path

import pytest

from engine.schema.enums import (
    BookReason,
    ChecksumState,
    EventFlag,
    EventType,
    InstrumentChange,
    OfferResult,
    OrderingMode,
    Side,
    UpdateType,
    wire_name,
)
from tests.unit.event_kit import BUILT

DECLARED = re.compile(r"^cdef enum (\w+):\n((?:    .*\n|\n)+)", re.MULTILINE)
MEMBER = re.compile(r"^    (\w+) = (\d+)", re.MULTILINE)

PAIRS: list[tuple[str, str, type[IntEnum], str, set[str]]] = [
    ("event", "EventTypeC", EventType, "", {"TYPE_NONE", "TYPE_COUNT", "TYPE_STRIDE"}),
    ("event", "EventFlagC", EventFlag, "FLAG_", set()),
    ("event", "OrderingModeC", OrderingMode, "ORDER_", set()),
    ("market", "BookReasonC", BookReason, "REASON_", {"REASON_COUNT"}),
    ("market", "UpdateTypeC", UpdateType, "UPDATE_", set()),
    ("market", "TradeSideC", Side, "TRADE_SIDE_", set()),
    ("ports", "Offer", OfferResult, "", set()),
]


def members_in_c(path: Path, enum: str) -> dict[str, int]:
    """Enumerators of a ``cdef enum``, as they stand in the declaration."""
    bodies = dict(DECLARED.findall(path.read_text(encoding="utf-8")))
    return {name: int(value) for name, value in MEMBER.findall(bodies[enum])}


@pytest.mark.parametrize(("module", "in_c", "in_python", "prefix", "only_in_c"), PAIRS, ids=[pair[1] for pair in PAIRS])
def test_ins_15_python_and_c_agree(
    module: str, in_c: str, in_python: type[IntEnum], prefix: str, only_in_c: set[str], project_root: Path
) -> None:
    found = members_in_c(project_root / "engine" / "schema" / f"{module}.pxd", in_c)
    assert found
    assert only_in_c <= set(found)
    assert {name.removeprefix(prefix): value for name, value in found.items() if name not in only_in_c} == {
        member.name: member.value for member in in_python
    }


@pytest.mark.parametrize("event_type", BUILT)
def test_ins_15_each_class_carries_the_integer_of_its_type(event_type: EventType) -> None:
    assert BUILT[event_type]().type is event_type
    assert BUILT[event_type].__name__ == event_type.class_name == wire_name(event_type)


def test_ins_15_wire_names_are_lower_snake() -> None:
    assert wire_name(BookReason.DIVERGENCE) == "divergence"
    assert wire_name(InstrumentChange.SCALE_WIDENED) == "scale_widened"
    assert wire_name(ChecksumState.VERIFIED) == "verified"
    assert wire_name(ChecksumState.NOT_APPLICABLE) == "n/a"
    assert wire_name(EventType.KLINE_SUMMARY) == "KlineSummary"


@pytest.mark.parametrize("enum", [pair[2] for pair in PAIRS])
def test_ins_15_an_unknown_value_is_no_default(enum: type[IntEnum]) -> None:
    with pytest.raises(ValueError, match="not a valid"):
        enum(200)
