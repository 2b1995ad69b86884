"""Decimal text at a scale: values, widening, overflow, refusals."""

import pytest

from tests.twins.decimal_twin import Outcome, Parsed, format_raw, parse_text, rescale_raw

LARGEST = 2**63 - 1


@pytest.mark.parametrize(
    ("text", "scale", "expected"),
    [
        ("1.1", 2, Parsed(Outcome.OK, 110, 2)),
        ("1.1000", 2, Parsed(Outcome.OK, 110, 2)),
        ("-0.05", 2, Parsed(Outcome.OK, -5, 2)),
        ("0", 18, Parsed(Outcome.OK, 0, 18)),
        ("1.1001", 2, Parsed(Outcome.WIDEN, 11001, 4)),
        ("0.10010", 2, Parsed(Outcome.WIDEN, 1001, 4)),
        ("0.000000000000000001", 0, Parsed(Outcome.WIDEN, 1, 18)),
        ("0.0000000000000000001", 0, Parsed(Outcome.OVERFLOW)),
        (str(LARGEST), 0, Parsed(Outcome.OK, LARGEST, 0)),
        (str(LARGEST + 1), 0, Parsed(Outcome.OVERFLOW)),
        (str(-LARGEST), 0, Parsed(Outcome.OK, -LARGEST, 0)),
        (str(-LARGEST - 1), 0, Parsed(Outcome.OVERFLOW)),
        ("9223372036854775.807", 3, Parsed(Outcome.OK, LARGEST, 3)),
        ("9223372036854775.8071", 3, Parsed(Outcome.OVERFLOW)),
        ("9223372036854775.808", 3, Parsed(Outcome.OVERFLOW)),
    ],
)
def test_values(text: str, scale: int, expected: Parsed) -> None:
    assert parse_text(text, scale) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "+1",
        ".5",
        "1.",
        "01",
        "1e-8",
        "1E3",
        "NaN",
        " 1",
        "1\n",
        "1_0",
        "0x1",
        "--1",
        "１",
        "0." + "0" * 39,
    ],
)
def test_other_text_is_malformed(text: str) -> None:
    assert parse_text(text, 8) == Parsed(Outcome.MALFORMED)


@pytest.mark.parametrize(
    ("raw", "scale", "text"),
    [(110, 2, "1.10"), (-5, 2, "-0.05"), (0, 2, "0.00"), (7, 0, "7"), (LARGEST, 18, "9.223372036854775807")],
)
def test_text_of_raws(raw: int, scale: int, text: str) -> None:
    assert format_raw(raw, scale) == text
    assert parse_text(text, scale) == Parsed(Outcome.OK, raw, scale)


def test_rescaling() -> None:
    assert rescale_raw(15, 1, 3) == Parsed(Outcome.OK, 1500, 3)
    assert rescale_raw(LARGEST, 0, 1) == Parsed(Outcome.OVERFLOW)
