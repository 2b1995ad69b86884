"""JSON texts off the hot path: control frames, and escapes in a symbol's spelling."""

from __future__ import annotations

import msgspec


def unescape(raw: bytes) -> bytes:
    """The UTF-8 contents of a JSON string, given without its quotes; unchanged where it is not one."""
    try:
        return msgspec.json.decode(b'"' + raw + b'"', type=str).encode()
    except msgspec.DecodeError:
        return raw


def encode(value: object) -> bytes:
    """*value* as compact JSON: control frames and answers."""
    return msgspec.json.encode(value)


def decode_shape(raw: bytes) -> object:
    """Any JSON value, numbers as floats: for the shape of a message, never for its money; None if it is not JSON."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return None
