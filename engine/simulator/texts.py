"""Numbers and times as the text that the venues put on the wire."""

from datetime import UTC, datetime
from functools import lru_cache

POWERS: tuple[int, ...] = tuple(10**exponent for exponent in range(40))
"""Of ten."""


def fixed_text(value_raw: int, scale: int) -> str:
    """*value_raw* x 10^-*scale* with exactly *scale* decimals (``1.10`` at scale 2)."""
    if scale == 0:
        return str(value_raw)
    digits = str(value_raw)
    if value_raw < 0 or len(digits) <= scale:
        sign = "-" if value_raw < 0 else ""
        digits = sign + str(abs(value_raw)).rjust(scale + 1, "0")
    return f"{digits[:-scale]}.{digits[-scale:]}"


def trimmed_text(value_raw: int, scale: int) -> str:
    """*value_raw* x 10^-*scale* without trailing zeros (``1.1``; a whole number has no point)."""
    text = fixed_text(value_raw, scale)
    return text.rstrip("0").rstrip(".") if scale else text


def rescaled(value_raw: int, from_scale: int, to_scale: int) -> int:
    """*value_raw* at *to_scale*; digits that do not fit are cut off toward zero."""
    if to_scale >= from_scale:
        return value_raw * POWERS[to_scale - from_scale]
    whole = abs(value_raw) // POWERS[from_scale - to_scale]
    return -whole if value_raw < 0 else whole


def ratio_raw(numerator_raw: int, denominator_raw: int, scale: int) -> int:
    """``numerator / denominator`` at *scale*, cut off toward zero; 0 where the denominator is 0."""
    if denominator_raw == 0:
        return 0
    whole = abs(numerator_raw) * POWERS[scale] // abs(denominator_raw)
    return -whole if (numerator_raw < 0) != (denominator_raw < 0) else whole


@lru_cache(maxsize=64)
def _second_text(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def rfc3339_us(unix_us: int) -> str:
    """``2026-11-20T10:00:00.793075Z``: six fractional digits."""
    unix_s, part_us = divmod(unix_us, 1_000_000)
    return f"{_second_text(unix_s)}.{part_us:06d}Z"


def rfc3339_ns(unix_us: int) -> str:
    """The same time with nine fractional digits, the last three of them zero."""
    unix_s, part_us = divmod(unix_us, 1_000_000)
    return f"{_second_text(unix_s)}.{part_us:06d}000Z"
