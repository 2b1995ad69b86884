"""Points in time as text: RFC 3339 in UTC with nine fractional digits out; any offset, 0..9 digits in."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from engine.base.errors import ValidationError

_NS_PER_S = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?"
    r"(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
_LAST_NS = 2**63 - 1


def to_rfc3339(ts_ns: int) -> str:
    """``2024-08-08T23:54:13.937085768Z`` for nanoseconds since 1970 UTC, years 1970 to 2262.

    Raises:
        ValidationError: outside those years.
    """
    if not 0 <= ts_ns <= _LAST_NS:
        raise ValidationError(f"{ts_ns} ns lies outside 1970..2262", op="instant.format")
    seconds, fraction_ns = divmod(ts_ns, _NS_PER_S)
    return f"{_second(seconds)}.{fraction_ns:09d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    """Most instants that are written are of the same few seconds."""
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"


def from_rfc3339(text: str) -> int:
    """Nanoseconds since 1970 UTC of an RFC 3339 text.

    Raises:
        ValidationError: not such a text, no such date, or outside 1970..2262.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValidationError(f"{text!r} is not a time in RFC 3339", op="instant.parse")
    fraction, sign, hours, minutes = match.group(7, 8, 9, 10)
    try:
        year, month, day, hour, minute, second = (int(part) for part in match.group(1, 2, 3, 4, 5, 6))
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise ValidationError(f"{text!r} names no moment: {error}", op="instant.parse") from error
    offset_s = 0 if sign is None else int(f"{sign}1") * (int(hours) * 3600 + int(minutes) * 60)
    whole_s = (moment - _EPOCH) // timedelta(seconds=1) - offset_s
    ts_ns = whole_s * _NS_PER_S + int((fraction or "").ljust(9, "0"))
    if not 0 <= ts_ns <= _LAST_NS:
        raise ValidationError(f"{text!r} lies outside 1970..2262", op="instant.parse")
    return ts_ns
