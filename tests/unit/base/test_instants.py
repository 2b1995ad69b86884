"""INS-10: instants as RFC 3339, nine digits out, 0..9 digits and any offset in."""

from __future__ import annotations

import random

import pytest

from engine.base.errors import ValidationError
from engine.base.instants import from_rfc3339, to_rfc3339

LAST_NS = 2**63 - 1


@pytest.mark.parametrize(
    ("ts_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
        (1_723_161_253_937_085_768, "2024-08-08T23:54:13.937085768Z"),
        (LAST_NS, "2262-04-11T23:47:16.854775807Z"),
    ],
)
def test_known_instants(ts_ns: int, text: str) -> None:
    assert to_rfc3339(ts_ns) == text
    assert from_rfc3339(text) == ts_ns


@pytest.mark.property
def test_round_trip_from_1970_to_2262() -> None:
    rng = random.Random(7)
    for _ in range(2000):
        ts_ns = rng.randint(0, LAST_NS)
        assert from_rfc3339(to_rfc3339(ts_ns)) == ts_ns


@pytest.mark.parametrize("digits", range(10))
def test_any_number_of_digits_up_to_nine(digits: int) -> None:
    fraction = f".{'123456789'[:digits]}" if digits else ""
    assert from_rfc3339(f"1970-01-01T00:00:01{fraction}Z") == 10**9 + int("123456789"[:digits].ljust(9, "0"))


@pytest.mark.parametrize(
    "text",
    [
        "1970-01-02T02:00:00+02:00",
        "1970-01-01T18:30:00-05:30",
        "1970-01-02t00:00:00z",
        "1970-01-02 00:00:00Z",
    ],
)
def test_offsets_and_spellings_of_one_instant(text: str) -> None:
    assert from_rfc3339(text) == 86_400 * 10**9


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00.1234567890Z",
        "1970-02-29T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:00:60Z",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+00:60",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "2262-04-11T23:47:16.854775808Z",
        "１970-01-01T00:00:00Z",
    ],
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        from_rfc3339(text)


@pytest.mark.parametrize("ts_ns", [-1, LAST_NS + 1])
def test_outside_the_years_is_refused(ts_ns: int) -> None:
    with pytest.raises(ValidationError, match=r"1970\.\.2262"):
        to_rfc3339(ts_ns)
