"""JSON in and out of a simulated venue."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class RestReply(NamedTuple):
    """Answer to a REST request; *body* is JSON text.

    Attributes:
        delay_us: how long it is held back.
        is_lost: whether the connection ends in its place.
    """

    status: int
    body: str
    headers: Mapping[str, str] = {}
    delay_us: int = 0
    is_lost: bool = False


def decoded(frame: bytes) -> dict[str, Any] | None:
    """A client's JSON object with exact numbers, or None where it is not one."""
    try:
        message = _DECODER.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return message if isinstance(message, dict) else None


def json_text(value: object) -> str:
    """Compact JSON text of strings, integers, lists and mappings."""
    return msgspec.json.encode(value).decode()


class SignedCall(NamedTuple):
    """A call by REST, with all that a signature may be over. *query*: the text behind the question mark."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
