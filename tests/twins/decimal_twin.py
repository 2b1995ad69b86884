"""Text to scaled integer and back, by Decimal and a pattern: the rules INS-01 to INS-06."""

import re
from dataclasses import dataclass
from decimal import Context, Decimal
from enum import Enum

MAX_RAW = 2**63 - 1
MAX_SCALE = 18
MAX_TEXT_LENGTH = 40
DECIMAL_TEXT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)

_EXACT = Context(prec=200)


class Outcome(Enum):
    OK = "ok"
    WIDEN = "widen"
    OVERFLOW = "overflow"
    MALFORMED = "malformed"


@dataclass(frozen=True)
class Parsed:
    """What a text is at a scale.

    `ok`: *raw* at the scale asked for. `widen`: a non-zero digit stands beyond that scale; *raw* at the
    smallest scale that holds it. `overflow` and `malformed` carry neither.
    """

    outcome: Outcome
    raw: int | None = None
    scale: int | None = None


def parse_text(text: str, scale: int) -> Parsed:
    """Read decimal *text* at *scale*.

    Overflow is a raw beyond +-(2^63 - 1), at the scale asked for or at the one it must widen to, and a
    non-zero digit beyond the eighteenth decimal, which no scale holds.
    """
    if len(text) > MAX_TEXT_LENGTH or DECIMAL_TEXT.fullmatch(text) is None:
        return Parsed(Outcome.MALFORMED)
    value = Decimal(text)
    needed = max(scale, decimals_of(value))
    if needed > MAX_SCALE:
        return Parsed(Outcome.OVERFLOW)
    raw = int(value.scaleb(needed, _EXACT))
    if abs(raw) > MAX_RAW:
        return Parsed(Outcome.OVERFLOW)
    return Parsed(Outcome.OK if needed == scale else Outcome.WIDEN, raw, needed)


def format_raw(raw: int, scale: int) -> str:
    """The text of *raw*: exactly *scale* decimals, no sign on zero."""
    return format(Decimal(raw).scaleb(-scale, _EXACT), "f")


def rescale_raw(raw: int, scale: int, wider_scale: int) -> Parsed:
    """*raw* at a wider scale: `ok`, or `overflow` where it does not fit."""
    widened = raw * 10 ** (wider_scale - scale)
    if abs(widened) > MAX_RAW:
        return Parsed(Outcome.OVERFLOW)
    return Parsed(Outcome.OK, widened, wider_scale)


def decimals_of(value: Decimal) -> int:
    """Decimals up to the last non-zero one."""
    exponent = value.normalize(_EXACT).as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)
