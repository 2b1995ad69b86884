"""Answers about orders as JSON objects, and back: what a submit came to, how an order stands (API-30, ORDM-02, 03)."""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum
from typing import Any

import msgspec

from engine.base.instants import from_rfc3339, to_rfc3339
from engine.schema.codec import fixed
from engine.schema.enums import Side, wire_name
from engine.schema.instrument import OrderType, TimeInForce
from engine.schema.order import (
    Breach,
    Fee,
    Order,
    OrderState,
    Reason,
    SubmitReason,
    SubmitReply,
    SubmitStatus,
)

_ENUMS: dict[str, type[IntEnum]] = {"side": Side, "order_type": OrderType, "tif": TimeInForce, "state": OrderState}
_TEXT_CHARS = 200
"""Words of a venue are cut: an answer has to fit a ControlResult."""


def submit_record(reply: SubmitReply) -> dict[str, Any]:
    """The answer to a submit."""
    reason = reply.reason
    return {
        "client_order_id": reply.client_order_id,
        "status": wire_name(reply.status),
        "order_state": None if reply.order_state is None else wire_name(reply.order_state),
        "reason": None
        if reason is None
        else {"code": reason.code, "breach": wire_name(reason.breach), "text": reason.text[:_TEXT_CHARS]},
        "body_matches": reply.body_matches,
        "wire_order_id": reply.wire_order_id,
        "trace_id": reply.trace_id,
        "ts": to_rfc3339(reply.ts_ns),
    }


def order_record(order: Order) -> dict[str, Any]:
    """An order as it stands; money as text at the order's scales."""
    asked, average = order.request, order.avg_fill_price
    return {
        "client_order_id": asked.client_order_id,
        "consumer_id": asked.consumer_id,
        "provider": asked.provider,
        "symbol": asked.symbol,
        "wire_order_id": order.wire_order_id,
        "venue_order_id": order.venue_order_id,
        "side": wire_name(asked.side),
        "order_type": wire_name(asked.order_type),
        "tif": wire_name(asked.tif),
        "post_only": asked.post_only,
        "price": None if asked.price_raw is None else fixed(asked.price_raw, asked.price_scale),
        "qty": fixed(order.qty_raw, asked.qty_scale),
        "state": wire_name(order.state),
        "filled_qty": fixed(order.filled_qty_raw, asked.qty_scale),
        "remaining_qty": fixed(order.remaining_qty_raw, asked.qty_scale),
        "cum_notional": f"{order.cum_notional:f}",
        "avg_fill_price": None if average is None else f"{average:f}",
        "fees": [{"asset": fee.asset, "amount": f"{fee.amount:f}"} for fee in order.fees],
        "is_open": order.is_open,
        "cancel_requested": order.cancel_requested,
        "order_report_seq": order.order_report_seq,
        "last_reason": None if order.last_reason is None else _reason_record(order.last_reason),
        "created": to_rfc3339(order.created_ns),
        "updated": to_rfc3339(order.updated_ns),
        "trace_id": asked.trace_id,
        "decision_id": asked.decision_id or None,
    }


def _reason_record(reason: Reason) -> dict[str, Any]:
    return {"code": reason.code, "venue_code": reason.venue_code or None, "text": reason.text[:_TEXT_CHARS]}


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it stood when it was answered (ORDM-03).

    Attributes:
        price: in quote units; None = a market order.
        qty: base units, the whole of it; ``filled_qty`` and ``remaining_qty`` make it up.
        cum_notional: quote units, sum of price x quantity of its fills; ``avg_fill_price`` None while there is none.
        fees: by asset, of all fills.
        cancel_requested: its end was asked for.
        order_report_seq: number of its last report, 0 = none yet.
        last_reason: the newest a report gave.
        created_ns, updated_ns: ns since 1970 UTC.
    """

    client_order_id: str
    consumer_id: str
    provider: str
    symbol: str
    wire_order_id: str
    venue_order_id: str | None
    side: Side
    order_type: OrderType
    tif: TimeInForce
    post_only: bool
    price: Decimal | None
    qty: Decimal
    state: OrderState
    filled_qty: Decimal
    remaining_qty: Decimal
    cum_notional: Decimal
    avg_fill_price: Decimal | None
    fees: tuple[Fee, ...]
    is_open: bool
    cancel_requested: bool
    order_report_seq: int
    last_reason: Reason | None
    created_ns: int
    updated_ns: int
    trace_id: str
    decision_id: str | None


def submit_reply(record: dict[str, Any]) -> SubmitReply:
    """The value of what :func:`submit_record` wrote."""
    reason, state = record["reason"], record["order_state"]
    return SubmitReply(
        client_order_id=record["client_order_id"],
        status=SubmitStatus[record["status"].upper()],
        ts_ns=from_rfc3339(record["ts"]),
        order_state=None if state is None else OrderState[state.upper()],
        reason=None
        if reason is None
        else SubmitReason(code=reason["code"], breach=Breach[reason["breach"].upper()], text=reason["text"]),
        body_matches=record["body_matches"],
        wire_order_id=record["wire_order_id"],
        trace_id=record["trace_id"],
    )


def order_view(record: dict[str, Any]) -> OrderView:
    """The value of what :func:`order_record` wrote."""
    told = dict(record)
    reason = told["last_reason"]
    for name in ("price", "qty", "filled_qty", "remaining_qty", "cum_notional", "avg_fill_price"):
        told[name] = None if told[name] is None else Decimal(told[name])
    for name, kind in _ENUMS.items():
        told[name] = kind[told[name].upper()]
    for name in ("created", "updated"):
        told[f"{name}_ns"] = from_rfc3339(told.pop(name))
    told["fees"] = tuple(Fee(fee["asset"], Decimal(fee["amount"])) for fee in told["fees"])
    if reason is not None:
        told["last_reason"] = Reason(code=reason["code"], venue_code=reason["venue_code"] or "", text=reason["text"])
    return OrderView(**told)
