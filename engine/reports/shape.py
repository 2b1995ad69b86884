"""A report checked by its published schema, at the cost of decoding it once (MCP-05, RPT-07)."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec import Meta

from engine.reports.schema import report_schema

_SCALARS: dict[str, Any] = {"string": str, "number": float, "integer": int, "boolean": bool}
_LIMITS = {"minimum": "ge", "maximum": "le", "pattern": "pattern"}


def type_of(schema: dict[str, Any], name: str = "Report") -> Any:
    """The type that accepts what *schema* does, of the words that :func:`report_schema` uses."""
    if "anyOf" in schema:
        return Union[tuple(type_of(one, name) for one in schema["anyOf"])]  # noqa: UP007
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    kind = schema["type"]
    if kind == "null":
        return None
    if kind == "array":
        items: Any = list.__class_getitem__(type_of(schema["items"], name))
        return Annotated[items, Meta(max_length=schema["maxItems"])] if "maxItems" in schema else items
    if kind == "object":
        fields = [(f"{key}_", type_of(one, f"{name}_{key}")) for key, one in schema["properties"].items()]
        return msgspec.defstruct(name, fields, rename=lambda field: field[:-1])
    limits = {_LIMITS[word]: value for word, value in schema.items() if word in _LIMITS}
    return Annotated[_SCALARS[kind], Meta(**limits)] if limits else _SCALARS[kind]


@cache
def _decoder() -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(type_of(report_schema()))


def check(report: bytes) -> None:
    """Raise unless *report* is one; what it has besides is passed over (RPT-06).

    Raises:
        DecodeError: of msgspec: it is no JSON, or breaks the schema; the text says where.
    """
    _decoder().decode(report)
