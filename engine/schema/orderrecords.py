"""Answers about orders as JSON objects: what a submit came to, how an order stands (API-30, ORDM-02, ORDM-03)."""

from __future__ import annotations

from typing import Any

from engine.base.instants import to_rfc3339
from engine.schema.codec import fixed
from engine.schema.enums import wire_name
from engine.schema.order import Order, Reason, SubmitReply

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
