"""JSON Schema (2020-12) of what the codec writes: events by type, and the instrument record in them (EVT-03, D14).

The fields and their order come from the event classes themselves; a field whose JSON form is not told here is an
error, so that a new one cannot be published without its schema.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

from engine.base.errors import InternalError
from engine.schema.classes import Event, class_of
from engine.schema.codec import DECIMALS, ENUMS, INSTANTS, LEVELS, json_name
from engine.schema.enums import (
    KIND_OF_TYPE,
    MERGEABLE_TYPES,
    BookReason,
    EventFlag,
    EventType,
    OrderingMode,
    Side,
    wire_name,
)
from engine.schema.instrument import (
    ChecksumKind,
    InstrumentKind,
    InstrumentStatus,
    OrderType,
    TimeInForce,
)
from engine.schema.order import Breach

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
DECIMAL: Schema = {"type": "string", "pattern": r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$", "maxLength": 40}
INSTANT: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$"}
SYMBOL: Schema = {"type": "string", "pattern": "^[A-Z0-9]{1,20}-[A-Z0-9]{1,20}$"}
UUID: Schema = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
SCALE: Schema = {"type": "integer", "minimum": 0, "maximum": 18}
SWITCH: Schema = {"type": "boolean"}


def _whole(bits: int, least: int = 0) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": 2**bits - 1}


def one_of(members: Iterable[IntEnum]) -> Schema:
    """The spellings of an enum's members."""
    return {"enum": [wire_name(member) for member in members]}


def _many(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _record(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


PROVIDER: Schema = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,31}$"}

CONSUMER: Schema = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,31}$"}

_FIELDS: dict[str, Schema] = {
    "event_id": TEXT,
    "provider": PROVIDER,
    "symbol": SYMBOL,
    "seq_provider": _whole(64),
    "seq_first": _whole(64),
    "epoch": _whole(32),
    "routing_version": _whole(64),
    "merge_id": TEXT,
    "trace_id": UUID,
    "decision_id": UUID,
    "flags": {**_many({"enum": [flag.name.lower() for flag in EventFlag if flag.name]}), "uniqueItems": True},
    "folded_count": _whole(32),
    "price_scale": SCALE,
    "qty_scale": SCALE,
    "venue_meta": {"type": "object", "additionalProperties": TEXT},
    "first_update_id": _whole(64),
    "final_update_id": _whole(64),
    "checksum": _whole(32),
    "verified_through_id": _whole(64),
    "depth_levels": _whole(32),
    "trade_id": {"type": "string", "minLength": 1, "maxLength": 40},
    "match_count": _whole(32, 1),
    "interval_ns": _whole(63, 1),
    "interval": {"type": "string", "pattern": "^[0-9]+[smhdwM]$"},
    "trade_count": _whole(64),
    "is_closed": SWITCH,
    "message_id": {"type": "string", "minLength": 1, "maxLength": 64},
    "consumer_id": CONSUMER,
    "command_type": TEXT,
    "success": SWITCH,
    "error": _record(code=TEXT, message=TEXT),
    "result": {"type": "object"},
    "account": PROVIDER,
    "asset": TEXT,
    "asset_scale": SCALE,
    "instrument": {"$ref": "#/$defs/Instrument"},
    "changed_fields": _many(TEXT),
    "rule": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,31}$"},
    "expected_providers": _many(PROVIDER),
    "source_providers": _many(PROVIDER),
    "fragments": _many({"oneOf": [{"$ref": f"#/$defs/{one.class_name}"} for one in MERGEABLE_TYPES]}),
    "fragment_count": _whole(32, 1),
    "is_complete": SWITCH,
    "client_order_id": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$"},
    "wire_order_id": {"type": "string", "pattern": "^[0-9a-f-]{32,36}$"},
    "venue_order_id": {"type": "string", "minLength": 1},
    "exec_id": {"type": "string", "minLength": 1},
    "order_report_seq": _whole(32, 1),
    "fees": {**_many(_record(asset=TEXT, amount=DECIMAL)), "maxItems": 16},
    "is_open": SWITCH,
    "scope": _record(provider=_or_null(PROVIDER), symbol=_or_null(SYMBOL), consumer_id=_or_null(CONSUMER)),
    "breach_count": _whole(32),
    "operator": TEXT,
    "text": TEXT,
}
"""By attribute name; instants, money, levels and enums are told by the codec."""

_OF_TYPE: dict[tuple[EventType, str], Schema] = {
    (EventType.EXEC_REPORT, "side"): one_of((Side.BUY, Side.SELL)),
    (EventType.EXEC_REPORT, "reason"): _or_null(_record(code=TEXT, venue_code=_or_null(TEXT), text=TEXT)),
    (EventType.EXEC_REPORT, "price_raw"): _or_null(DECIMAL),
}
"""Where a type means something of its own by a name."""

_MAY_BE_NULL = frozenset({
    "symbol", "ts_venue_ns", "merge_id", "decision_id", "venue_meta", "first_update_id", "final_update_id", "checksum",
    "invalid_reason", "last_price_raw", "bid_price_raw", "bid_qty_raw", "ask_price_raw", "ask_qty_raw", "open_24h_raw",
    "high_24h_raw", "low_24h_raw", "volume_24h_raw", "trade_count", "error",
    "delta_raw", "venue_order_id", "exec_id", "avg_fill_price", "breach", "until_ns", "operator",
})  # fmt: skip

_INSTRUMENT: dict[str, Schema] = {
    "provider": PROVIDER,
    "symbol": SYMBOL,
    "venue_symbol": TEXT,
    "base": TEXT,
    "quote": TEXT,
    "status": one_of(InstrumentStatus),
    "price_scale": SCALE,
    "qty_scale": SCALE,
    "tick_size": DECIMAL,
    "lot_size": DECIMAL,
    "min_qty": DECIMAL,
    "max_qty": _or_null(DECIMAL),
    "min_notional": _or_null(DECIMAL),
    "max_notional": _or_null(DECIMAL),
    "aliases": _many(TEXT),
    "kind": one_of(InstrumentKind),
    "order_types": _many(one_of(OrderType)),
    "tifs": _many(one_of(TimeInForce)),
    "post_only_supported": SWITCH,
    "ordering_mode": {
        "type": "object",
        "propertyNames": {
            "enum": [one.class_name for one in EventType if one is not EventType.MERGED_EVENT]
        },
        "additionalProperties": one_of(OrderingMode),
    },
    "checksum": one_of(ChecksumKind),
    "book_depths": _many(_whole(32)),
    "version": _whole(32, 1),
    "updated": INSTANT,
}


def instrument_schema() -> Schema:
    """The record of :meth:`engine.schema.instrument.Instrument.to_record`."""
    return {
        "type": "object",
        "properties": dict(_INSTRUMENT),
        "required": list(_INSTRUMENT),
        "additionalProperties": False,
    }


def type_schema(event_type: EventType) -> Schema:
    """One event type, as :func:`event_schema` tells it among the others."""
    return _of_type(event_type)


def event_schema() -> Schema:
    """Every event type that is built, told apart by ``type``."""
    types = [event_type for event_type in EventType if _is_built(event_type)]
    return {
        "$schema": DIALECT,
        "title": "Event",
        "description": "One canonical event as engine.to_json writes it.",
        "oneOf": [{"$ref": f"#/$defs/{event_type.class_name}"} for event_type in types],
        "$defs": {event_type.class_name: _of_type(event_type) for event_type in types}
        | {"Instrument": instrument_schema()},
    }


def _is_built(event_type: EventType) -> bool:
    try:
        class_of(int(event_type))
    except KeyError:
        return False
    return True


def _of_type(event_type: EventType) -> Schema:
    cls = class_of(int(event_type))
    names = list(cls().as_dict())
    if event_type is EventType.MERGED_EVENT:
        return _of_merged(cls, names)
    fixed: dict[str, Schema] = {
        "type": {"const": event_type.class_name},
        "kind": {"const": wire_name(KIND_OF_TYPE[event_type])},
        "schema_version": {"const": 1},
    }
    return {
        "type": "object",
        "description": _summary(cls),
        "properties": {json_name(name): fixed.get(name) or _of_field(name, event_type) for name in names},
        "required": [json_name(name) for name in names],
        "additionalProperties": False,
    }


def _of_merged(cls: type[Event], names: list[str]) -> Schema:
    """A merged event has the type of its fragments; what makes it one are its provider and its merge_id."""
    fixed: dict[str, Schema] = {
        "type": one_of(MERGEABLE_TYPES),
        "kind": {"const": wire_name(KIND_OF_TYPE[EventType.MERGED_EVENT])},
        "schema_version": {"const": 1},
        "provider": {"type": "string", "pattern": "^merged:[a-z][a-z0-9_]{0,31}$"},
        "merge_id": TEXT,
    }
    return {
        "type": "object",
        "description": _summary(cls),
        "properties": {json_name(name): fixed.get(name) or _of_field(name, EventType.MERGED_EVENT) for name in names},
        "required": [json_name(name) for name in names],
        "additionalProperties": False,
    }


def _of_field(name: str, event_type: EventType) -> Schema:
    if (event_type, name) in _OF_TYPE:
        return _OF_TYPE[event_type, name]
    if name in LEVELS:
        pair = {"type": "array", "prefixItems": [DECIMAL, DECIMAL], "items": False, "minItems": 2}
        schema: Schema = _many(pair)
    elif name.endswith("_raw") or name in DECIMALS:
        schema = DECIMAL
    elif name in INSTANTS:
        schema = INSTANT
    elif name in ENUMS:
        nothing = (BookReason.NONE, Breach.NONE)
        schema = one_of(member for member in ENUMS[name] if not any(member is none for none in nothing))
    elif name in _FIELDS:
        schema = _FIELDS[name]
    else:
        raise InternalError(f"no JSON form is told of field {name}", op="schema.events")
    return _or_null(schema) if name in _MAY_BE_NULL else schema


def _summary(cls: type[Event]) -> str:
    return (cls.__doc__ or "").strip().partition("\n")[0]
