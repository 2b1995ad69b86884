"""The one codec of events (EVT-03): JSON names drop ``_raw`` and ``_ns``, money is text, instants are RFC 3339."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from engine.base.errors import ValidationError
from engine.base.instants import from_rfc3339, to_rfc3339
from engine.schema.classes import Event, class_of
from engine.schema.enums import (
    BalanceCause,
    BookReason,
    ChecksumState,
    CloseReason,
    EventFlag,
    EventType,
    InstrumentChange,
    Side,
    UpdateType,
    wire_name,
)
from engine.schema.execution import ExecReport
from engine.schema.instrument import Instrument, OrderType, TimeInForce
from engine.schema.merged import MergedEvent
from engine.schema.order import (
    Anomaly,
    Breach,
    Fee,
    Liquidity,
    OrderState,
    Reason,
    ReportKind,
    ReportSource,
    RiskControlKind,
    RiskScope,
    RiskStatus,
)
from engine.schema.reporttext import report_text

_OP = "event.decode"
INSTANTS = frozenset({
    "ts_venue_ns", "ts_recv_ns", "ts_emit_ns", "open_time_ns", "close_time_ns", "window_open_ns", "window_close_ns",
    "until_ns",
})  # fmt: skip
LEVELS = frozenset({"bids", "asks"})
DECIMALS = frozenset({"cum_notional", "avg_fill_price"})
"""Exact decimals that say their own scale."""
_QTY_WORDS = ("qty", "volume")
ENUMS: dict[str, Any] = {
    "checksum_state": ChecksumState,
    "update_type": UpdateType,
    "reason": BookReason,
    "invalid_reason": BookReason,
    "side": Side,
    "change": InstrumentChange,
    "cause": BalanceCause,
    "close_reason": CloseReason,
    "report": ReportKind,
    "order_state": OrderState,
    "order_type": OrderType,
    "tif": TimeInForce,
    "liquidity": Liquidity,
    "anomaly": Anomaly,
    "source": ReportSource,
    "status": RiskStatus,
    "control": RiskControlKind,
    "breach": Breach,
}
_DERIVED = frozenset({
    "type", "kind", "schema_version", "merge_id", "venue_meta", "interval", "remaining_qty_raw", "is_open",
})  # fmt: skip
_Write = Callable[[Any, tuple[int, int]], Any]
"""Called as write(value, (price scale, quantity scale)) with a value that is not None."""
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)


def json_name(field: str) -> str:
    """JSON spelling of an attribute: durations keep their unit, raws and instants drop it."""
    if field.endswith("_raw"):
        return field[:-4]
    return field[:-3] if field in INSTANTS else field


def to_json(event: Event) -> bytes:
    """One event as a JSON object, every field present."""
    if type(event) is ExecReport and (text := report_text(event)) is not None:
        return text
    return msgspec.json.encode(to_object(event))


def to_object(event: Event, depth: int | None = None) -> dict[str, Any]:
    """The same, as the values that are encoded; of a book no more than the best *depth* levels a side."""
    fields: dict[str, Any] = event.as_dict()
    if depth is not None:
        fields |= {side: fields[side][:depth] for side in ("bids", "asks")}
    scales = _scales(fields)
    told = {}
    for name, value in fields.items():
        spelling, write = _FORMS.get(name) or _form(name)
        told[spelling] = value if value is None or write is None else write(value, scales)
    return told


def _form(name: str) -> tuple[str, _Write | None]:
    """How a field is spelled and written, found out once; no writer: as it is."""
    found = _FORMS[name] = json_name(name), _writer(name)
    return found


def _writer(name: str) -> _Write | None:
    if name in _WRITERS:
        return _WRITERS[name]
    if name.endswith("_raw"):
        place = _place_of(name)
        return lambda value, scales: fixed(value, scales[place])
    if name in INSTANTS:
        return lambda value, scales: to_rfc3339(value)
    if name in DECIMALS:
        return lambda value, scales: f"{value:f}"
    if name in ENUMS:
        # By number within the class: members of different enums are equal.
        spellings = {int(member): wire_name(member) for member in ENUMS[name]}
        return lambda value, scales: spellings[value]
    return None


def _levels(value: Any, scales: tuple[int, int]) -> list[list[str]]:
    return [[fixed(price, scales[0]), fixed(qty, scales[1])] for price, qty in value]


def _reason(value: Any, scales: tuple[int, int]) -> Any:
    if isinstance(value, Reason):
        return {"code": value.code, "venue_code": value.venue_code or None, "text": value.text}
    return wire_name(value)


_WRITERS: dict[str, _Write] = {
    **dict.fromkeys(LEVELS, _levels),
    "ts_venue_ns": lambda value, scales: to_rfc3339(value) if value else None,
    "flags": lambda value, scales: [flag.name.lower() for flag in EventFlag if flag in value] if value else [],
    "fees": lambda value, scales: [{"asset": fee.asset, "amount": f"{fee.amount:f}"} for fee in value],
    "scope": lambda value, scales: msgspec.to_builtins(value),
    "reason": _reason,
    "type": lambda value, scales: wire_name(value),
    "kind": lambda value, scales: wire_name(value),
    "instrument": lambda value, scales: value.to_record(),
    "fragments": lambda value, scales: [to_object(fragment) for fragment in value],
}
_FORMS: dict[str, tuple[str, _Write | None]] = {}


def from_json(document: bytes) -> Event:
    """The event, detached.

    Raises:
        ValidationError: not an event of ours: what is wrong, and in which field.
    """
    try:
        fields = msgspec.json.decode(document, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ValidationError(f"not a JSON object: {error}", op=_OP) from None
    return _from_object(fields)


def _from_object(fields: dict[str, Any]) -> Event:
    cls = _class_named(fields.get("type"))
    if fields.get("merge_id") is not None:
        cls = MergedEvent  # its type is that of its fragments
    names = {json_name(name): name for name in cls().as_dict()}
    unknown = sorted(set(fields) - set(names))
    if unknown:
        raise ValidationError(f"{cls.__name__} has no field {unknown[0]!r}", op=_OP)
    missing = sorted(set(names) - set(fields))
    if missing:
        raise ValidationError(f"{cls.__name__} lacks field {missing[0]!r}", op=_OP)
    if fields["schema_version"] != 1:
        raise ValidationError(f"schema_version {fields['schema_version']!r} is not 1", op=_OP)
    decoded: dict[str, Any] = {}
    for wire, name in names.items():
        if name in _DERIVED:
            continue
        try:
            decoded[name] = _decoded(name, fields[wire], _scales(fields))
        except (ValueError, TypeError, KeyError, ValidationError) as error:
            raise ValidationError(f"{cls.__name__}.{wire}: {error}", op=_OP) from None
    return cls.from_dict(decoded)


def _class_named(name: object) -> type[Event]:
    for event_type in EventType:
        if event_type.class_name == name:
            try:
                return class_of(int(event_type))
            except KeyError:
                break
    raise ValidationError(f"unknown event type {name!r}", op=_OP)


def _decoded(name: str, value: Any, scales: tuple[int, int]) -> Any:
    if value is None:
        return 0 if name == "ts_venue_ns" else None
    if name in LEVELS:
        return [(unfixed(price, scales[0]), unfixed(qty, scales[1])) for price, qty in value]
    if name.endswith("_raw"):
        return unfixed(value, scales[_place_of(name)])
    if name in INSTANTS:
        return from_rfc3339(value)
    if name == "flags":
        return frozenset(EventFlag[flag.upper()] for flag in value)
    if name == "instrument":
        return Instrument.from_record(value)
    if name == "fragments":
        return [_from_object(fragment) for fragment in value]
    if name in DECIMALS:
        return _decimal(value)
    if name == "fees":
        return tuple(Fee(fee["asset"], _decimal(fee["amount"])) for fee in value)
    if name == "scope":
        return RiskScope(value["provider"], value["symbol"], value["consumer_id"])
    if name == "reason" and isinstance(value, Mapping):
        return Reason(code=value["code"], venue_code=value["venue_code"] or "", text=value["text"])
    if name in ENUMS:
        return ChecksumState.NOT_APPLICABLE if value == "n/a" else ENUMS[name][value.upper()]
    return value


def _decimal(text: str) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text!r} is no decimal")
    return Decimal(text)


def _scales(fields: Mapping[str, Any]) -> tuple[int, int]:
    """Scales of an event's prices and of its quantities; an account event has one of its asset for all."""
    if "asset_scale" in fields:
        return fields["asset_scale"], fields["asset_scale"]
    return fields["price_scale"], fields["qty_scale"]


def _place_of(name: str) -> int:
    """Of a raw's scale among (price scale, quantity scale)."""
    return int(any(word in name for word in _QTY_WORDS))


def fixed(raw: int, scale: int) -> str:
    """*raw* x 10^-scale with exactly *scale* decimals."""
    digits = str(abs(raw)).rjust(scale + 1, "0")
    text = f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits
    return f"-{text}" if raw < 0 else text


def unfixed(text: str, scale: int) -> int:
    """The raw of a text that :func:`fixed` wrote.

    Raises:
        ValueError: it has other than *scale* decimals.
    """
    whole, _, decimals = text.partition(".")
    if len(decimals) != scale:
        raise ValueError(f"{text!r} has not {scale} decimals")
    return int(whole + decimals)
