"""Orders and reports of them, for the tests of this folder."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.orders.lifecycle import Track
from engine.schema.enums import Side
from engine.schema.instrument import OrderType, TimeInForce
from engine.schema.order import Order, OrderRequest, OrderState, ReportKind, ReportSource, VenueReport

TRACE = "5f0c1d2e-3a4b-5968-7786-a5b4c3d2e1f0"
WIRE = "0000d833-6800-8000-89e7-dc0d75d75dbc"


def request(**changes: Any) -> OrderRequest:
    """A limit order of 5.000 at 100.0."""
    fields: dict[str, Any] = {
        "client_order_id": "mm1-000017", "consumer_id": "mm1", "provider": "kraken", "symbol": "BTC-USD", "side": Side.BUY,
        "order_type": OrderType.LIMIT, "price_raw": 1000, "qty_raw": 5000, "price_scale": 1, "qty_scale": 3, "created_ns": 7,
        "tif": TimeInForce.GTC, "trace_id": TRACE,
    }  # fmt: skip
    return OrderRequest(**{**fields, **changes})


def track(state: OrderState = OrderState.SUBMITTED, filled: str = "0", **changes: Any) -> Track:
    """An order in that state with so much filled."""
    asked = request(**changes)
    filled_raw = int(Decimal(filled) * 10**asked.qty_scale)
    order = Order(request=asked, wire_order_id=WIRE, qty_raw=asked.qty_raw, created_ns=7, updated_ns=7, state=state,
                  filled_qty_raw=filled_raw, cum_notional=Decimal(filled) * 100)  # fmt: skip
    return Track(order)


def report(kind: ReportKind, total: str | None = None, last: str | None = None, exec_id: str | None = None, **more: Any) -> VenueReport:
    """What a venue says; quantities in base units."""
    fields: dict[str, Any] = {
        "provider": "kraken", "kind": kind, "source": ReportSource.STREAM, "ts_recv_ns": 9, "wire_order_id": WIRE,
        "filled_qty": None if total is None else Decimal(total), "last_qty": None if last is None else Decimal(last),
        "exec_id": exec_id, "last_price": None if last is None else Decimal(100),
    }  # fmt: skip
    return VenueReport(**{**fields, **more})
