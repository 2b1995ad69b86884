"""What can be wrong with an entry of the bus (BUS-26)."""

from __future__ import annotations

from typing import Any

from engine.base.errors import ValidationError

FAULTS = (
    "", "not_json", "too_large", "missing_member", "wrong_type", "bad_value", "unknown_type", "bad_time",
    "unsorted_prices", "too_many_decimals", "out_of_range", "duplicate_member", "unknown_instrument",
)  # fmt: skip
"""By the codec's numbers."""

_TEXTS = {
    "not_json": "is not one JSON object",
    "too_large": "is larger than an entry may be",
    "missing_member": "is missing",
    "wrong_type": "is of another type than it must be",
    "bad_value": "has a value that it cannot have",
    "unknown_type": "is no type of entry",
    "bad_time": "is no time in RFC 3339 that ends in Z",
    "unsorted_prices": "has prices out of order, or one twice",
    "too_many_decimals": "has more decimals than the instrument",
    "out_of_range": "does not fit 64 bits",
    "duplicate_member": "stands there twice",
    "unknown_instrument": "is of an instrument that nobody told of",
}


class InvalidEntryError(ValidationError):
    """An entry of the bus that cannot be used; the next one can.

    Attributes:
        why: one of :data:`FAULTS`.
        member: the member it is about, ``entry`` where it is about the whole.
        decimals: how many the value has, where they are too many.
    """

    default_hint = "correct the publisher; the entry is in the dead-letter stream as it came"

    def __init__(self, why: str, member: str, *, decimals: int = 0, **fields: Any) -> None:
        super().__init__(f"{member} {_TEXTS[why]}", op="bus.decode", **fields)
        self.why = why
        self.member = member
        self.decimals = decimals
