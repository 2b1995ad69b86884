"""JSON in and out of a simulated venue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec


class RestReply(NamedTuple):
    """Answer to a REST request; *body* is JSON text. *delay_us*: how long it is held back."""

    status: int
    body: str
    headers: Mapping[str, str] = {}
    delay_us: int = 0


def decoded(frame: bytes) -> dict[str, Any] | None:
    """A client's JSON object, or None where it is not one."""
    try:
        message = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return message if isinstance(message, dict) else None


def json_text(value: object) -> str:
    """Compact JSON text of strings, integers, lists and mappings."""
    return msgspec.json.encode(value).decode()
