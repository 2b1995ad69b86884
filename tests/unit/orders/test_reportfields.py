"""EVT-16: a report's event has what the order, its request and the venue say, field by field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base.errors import MisuseError
from engine.base.ids import instrument_id
from engine.orders.lifecycle import Transition
from engine.orders.reportfields import FEES_MAX, put_report
from engine.schema.enums import EventFlag, EventType, Side
from engine.schema.execution import ExecReport
from engine.schema.instrument import OrderType, TimeInForce
from engine.schema.order import (
    Anomaly,
    Fee,
    Liquidity,
    Order,
    OrderRequest,
    OrderState,
    Reason,
    ReportKind,
    ReportSource,
    VenueReport,
)
from tests.unit.event_kit import recycler

TEXT = st.text(max_size=8).filter(lambda text: "\0" not in text)
NAME = TEXT.filter(bool)
RAW = st.integers(0, 2**63 - 1)
SCALE = st.integers(0, 8)
WIDE = st.builds(lambda raw, scale: Decimal(f"{raw}E-{scale}"), st.integers(-(2**127) + 1, 2**127 - 1), st.integers(0, 36))
PRICE = st.builds(lambda raw, scale: Decimal(f"{raw}E-{scale}"), st.integers(0, 10**9), st.integers(0, 12))
REASON = st.none() | st.builds(Reason, code=st.just("exchange_error"), venue_code=TEXT, text=TEXT)
UUID = st.just("") | st.uuids().map(str).filter(lambda text: any(digit not in "0-" for digit in text))

REQUESTS = st.builds(
    OrderRequest, client_order_id=NAME, consumer_id=NAME, provider=st.sampled_from(["kraken", "binance"]),
    symbol=st.sampled_from(["BTC-USD", "ETH-USD"]), side=st.sampled_from([Side.BUY, Side.SELL]), order_type=st.sampled_from(OrderType),
    qty_raw=RAW, price_scale=SCALE, qty_scale=SCALE, created_ns=RAW, price_raw=st.none() | RAW, tif=st.sampled_from(TimeInForce),
    trace_id=UUID, decision_id=UUID,
)  # fmt: skip
ORDERS = st.builds(
    Order, request=REQUESTS, wire_order_id=NAME, qty_raw=RAW, created_ns=RAW, updated_ns=RAW, state=st.sampled_from(OrderState),
    venue_order_id=st.none() | NAME, filled_qty_raw=st.just(0), cum_notional=WIDE, order_report_seq=st.integers(0, 2**32 - 1),
)  # fmt: skip
DONE = st.builds(
    Transition, order=ORDERS, report=st.sampled_from(ReportKind), anomaly=st.sampled_from(Anomaly), last_qty_raw=st.just(0) | RAW,
    last_price=st.none() | PRICE, fees=st.lists(st.builds(Fee, NAME, WIDE), max_size=18).map(tuple),
)  # fmt: skip
TOLD = st.builds(
    VenueReport, provider=st.just("kraken"), kind=st.sampled_from(ReportKind), source=st.sampled_from(ReportSource), ts_recv_ns=RAW,
    exec_id=st.none() | NAME, liquidity=st.sampled_from(Liquidity), reason=REASON, ts_venue_ns=st.none() | RAW,
)  # fmt: skip


def fields_of(done: Transition, told: VenueReport, number: int, now_ns: int) -> dict[str, Any]:
    """The same, one by one."""
    order, asked = done.order, done.order.request
    no_reason = Reason(code="exchange_error", text="the venue gave no reason")
    return {
        "provider": asked.provider, "symbol": asked.symbol, "seq_provider": number, "seq_first": number, "epoch": 1,
        "ts_venue_ns": told.ts_venue_ns or 0, "ts_recv_ns": told.ts_recv_ns, "ts_emit_ns": now_ns,
        "folded_count": 0 if told.source is ReportSource.ENGINE else 1,
        "flags": {EventFlag.RECONCILED} if told.source is ReportSource.RECONCILE else set(),
        "price_scale": asked.price_scale, "qty_scale": asked.qty_scale, "decision_id": asked.decision_id or None,
        "client_order_id": asked.client_order_id, "consumer_id": asked.consumer_id, "wire_order_id": order.wire_order_id,
        "venue_order_id": order.venue_order_id, "exec_id": told.exec_id if done.last_qty_raw else None, "report": done.report,
        "order_state": order.state, "order_report_seq": order.order_report_seq, "side": asked.side, "order_type": asked.order_type,
        "tif": asked.tif, "price_raw": asked.price_raw, "qty_raw": order.qty_raw, "filled_qty_raw": order.filled_qty_raw,
        "last_qty_raw": done.last_qty_raw,
        "last_price_raw": None if done.last_price is None else round(done.last_price.scaleb(asked.price_scale)),
        "cum_notional": order.cum_notional, "avg_fill_price": order.avg_fill_price, "liquidity": told.liquidity,
        "fees": done.fees[:16], "reason": told.reason or (no_reason if done.report is ReportKind.REJECTED else None),
        "anomaly": done.anomaly, "source": told.source,
    }  # fmt: skip


@pytest.mark.property
@given(DONE, TOLD, st.integers(1, 2**40), RAW)
def test_evt_16_a_report_s_event_says_what_was_said(done: Transition, told: VenueReport, number: int, now_ns: int) -> None:
    asked = done.order.request
    lease = recycler(2).acquire_lease(EventType.EXEC_REPORT)
    assert lease is not None
    untraced = lease.event().trace_id
    put_report(lease, number, instrument_id(asked.provider, asked.symbol), done, told, now_ns)
    expected = ExecReport.from_dict(fields_of(done, told, number, now_ns) | {"trace_id": asked.trace_id or untraced})
    found = lease.event().detach()
    lease.publish()
    lease.release()
    assert found.as_dict() == expected.as_dict()
    assert FEES_MAX == 16


def test_mem_07_a_report_that_is_published_is_not_filled_again() -> None:
    lease = recycler(2).acquire_lease(EventType.EXEC_REPORT)
    assert lease is not None
    asked = OrderRequest(
        client_order_id="a", consumer_id="c", provider="kraken", symbol="BTC-USD", side=Side.BUY, order_type=OrderType.MARKET,
        qty_raw=1, price_scale=1, qty_scale=1, created_ns=1,
    )  # fmt: skip
    done = Transition(order=Order(request=asked, wire_order_id="w", qty_raw=1, created_ns=1, updated_ns=1), report=ReportKind.ACK)
    told = VenueReport(provider="kraken", kind=ReportKind.ACK, source=ReportSource.STREAM, ts_recv_ns=1)
    lease.publish()
    with pytest.raises(MisuseError, match="after publish"):
        put_report(lease, 1, instrument_id("kraken", "BTC-USD"), done, told, 1)
    lease.release()
    with pytest.raises(MisuseError, match="has ended"):
        put_report(lease, 1, instrument_id("kraken", "BTC-USD"), done, told, 1)
