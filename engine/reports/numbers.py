"""Exact numbers as a report writes them: rounded once, half to even, plain decimals without trailing zeros (D0)."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from msgspec import Raw

NULL = Raw(b"null")
MS_PER_S = 1000
_POWERS: tuple[int, ...] = tuple(10**places for places in range(40))


def rounded(num: int, den: int, places: int = 0) -> int:
    """The fraction num / den in units of 10^-places, half to even; den is above 0."""
    whole, rest = divmod(num * _POWERS[places], den)
    twice = 2 * rest
    return whole + 1 if twice > den or (twice == den and whole & 1) else whole


def scaled_text(value: int, places: int) -> str:
    """The value / 10^places as the shortest plain decimal."""
    if places == 0 or value == 0:
        return str(value)
    sign, digits = ("-", str(-value)) if value < 0 else ("", str(value))
    if len(digits) <= places:
        digits = digits.zfill(places + 1)
    fraction = digits[-places:].rstrip("0")
    return f"{sign}{digits[:-places]}.{fraction}" if fraction else sign + digits[:-places]


def number(value: int, places: int) -> Raw:
    """The value / 10^places for the encoder."""
    return Raw(scaled_text(value, places).encode())


def ratio(num: int, den: int, places: int) -> Raw:
    """The fraction num / den, rounded to *places*, for the encoder."""
    return number(rounded(num, den, places), places)


@lru_cache(maxsize=64)
def _second_text(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"


def instant(ms: int) -> str:
    """Milliseconds since 1970 UTC as RFC 3339 with three digits."""
    second, rest = divmod(ms, MS_PER_S)
    return f"{_second_text(second)}.{rest:03d}Z"
