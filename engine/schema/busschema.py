"""The JSON Schema (2020-12) of an entry of the report bus (BUS-30): one source for publishers and consumers."""

from __future__ import annotations

from typing import Any

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

_DECIMAL: Schema = {"type": "string", "pattern": r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"}


def _number(**limits: int) -> Schema:
    """A JSON number within *limits*, or the same as a decimal text; what a text's limits are, the codec sees to."""
    unsigned = {"pattern": r"^(0|[1-9][0-9]*)(\.[0-9]+)?$"} if limits else {}
    return {"anyOf": [{"type": "number", **limits}, {**_DECIMAL, **unsigned}]}


def _integer(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


_POSITIVE = _number(exclusiveMinimum=0)
_AMOUNT = _number(minimum=0)
_PRICE = _number()


def _pair(price: Schema, quantity: Schema) -> Schema:
    return {"type": "array", "prefixItems": [price, quantity], "items": False, "minItems": 2}


def _levels(quantity: Schema, what: str) -> Schema:
    return {"type": "array", "items": _pair(_POSITIVE, quantity), "description": what}


def _payload(required: dict[str, Schema], **optional: Schema) -> Schema:
    return {"type": "object", "properties": {**required, **optional}, "required": list(required)}


_PAYLOADS: dict[str, Schema] = {
    "trade_tick": _payload({
        "price": _POSITIVE,
        "qty": _POSITIVE,
        "side": {"enum": ["buy", "sell", "none"], "description": "the aggressor; none = an auction, or not known"},
        "trade_id": {"type": "string", "minLength": 1},
    }),
    "order_book_depth": _payload(
        {
            "bids": _levels(_POSITIVE, "[price, quantity], prices strictly descending"),
            "asks": _levels(_POSITIVE, "[price, quantity], prices strictly ascending"),
            "levels": {**_integer(0, 2**32 - 1), "description": "of the longer list"},
        },
        complete={"type": "boolean", "description": "whether these are all levels there are; absent = they are"},
    ),
    "order_book_deltas": _payload({
        "bids_upd": _levels(_AMOUNT, "[price, new quantity], 0 removes, the last one of a price counts"),
        "asks_upd": _levels(_AMOUNT, "[price, new quantity], 0 removes, the last one of a price counts"),
    }),
    "ticker_24h": _payload(
        {
            "last_price": _PRICE,
            "price_change_pct": _PRICE,
            "high_24h": _PRICE,
            "low_24h": _PRICE,
            "volume_24h": _AMOUNT,
        },
        best_bid=_pair(_PRICE, _AMOUNT),
        best_ask=_pair(_PRICE, _AMOUNT),
    ),
}  # fmt: skip


def entry_schema() -> Schema:
    """The schema. Members it does not tell are ignored; order of prices and an instrument's decimals it cannot tell."""
    ns = _integer(0, 2**63 - 1)
    return {
        "$schema": DIALECT,
        "title": "entry of the report bus",
        "description": "What the field `data` of an entry of a stream holds.",
        "type": "object",
        "properties": {
            "v": {"const": 1},
            "symbol": {"type": "string", "pattern": "^[A-Z0-9]{1,20}-[A-Z0-9]{1,20}$"},
            "venue": {"type": "string", "pattern": "^[a-z][a-z0-9_]{1,31}$"},
            "type": {"enum": list(_PAYLOADS)},
            "ts_event": {
                "type": "string",
                "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$",
                "description": "venue time; the engine writes nine fractional digits",
            },
            "payload": {"type": "object"},
            "seq": {
                **_integer(1, 2**64 - 2),
                "description": "strictly increasing by venue and symbol; absent = no gap is seen",
            },
            "prev_seq": {
                **_integer(0, 2**64 - 2),
                "description": "seq of the entry written before this one; 0 opens a chain; another one breaks it",
            },
            "n": {**_integer(0, 2**32 - 1), "description": "updates folded into it; absent = 1"},
            "scales": {
                "type": "array",
                "prefixItems": [_integer(0, 18), _integer(0, 18)],
                "items": False,
                "minItems": 2,
                "description": "decimals of prices and of quantities from this entry on; the engine tells them with "
                "every snapshot and where they change",
            },
            "ts_event_ns": {**ns, "description": "ts_event in ns since 1970 UTC; where it stands it counts"},
            "ts_recv_ns": {**ns, "description": "when the engine received it"},
        },
        "required": ["symbol", "venue", "type", "ts_event", "payload"],
        "allOf": [
            {
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": {"properties": {"payload": payload} | ({"n": {"const": 1}} if name == "trade_tick" else {})},
            }
            for name, payload in _PAYLOADS.items()
        ],
    }
