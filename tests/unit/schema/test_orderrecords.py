"""API-30, ORDM-02, ORDM-03: answers about orders as JSON, as the published examples have them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.schema.enums import Side
from engine.schema.instrument import OrderType
from engine.schema.order import (
    Breach,
    Fee,
    Order,
    OrderRequest,
    OrderState,
    Reason,
    SubmitReason,
    SubmitReply,
    SubmitStatus,
)
from engine.schema.orderrecords import order_record, order_view, submit_record, submit_reply
from engine.schema.payloads import SubmitRequest

REPLY = (
    b'{"client_order_id":"mm1-000017","status":"rejected","order_state":null,"reason":{"code":"invalid_request",'
    b'"breach":"price_band","text":"price 61200.0 is 1.31 % from mid 62012.5, limit 1.00 %"},"body_matches":null,'
    b'"wire_order_id":null,"trace_id":"5f0c1d2e-3a4b-5968-7786-a5b4c3d2e1f0","ts":"2030-01-02T03:04:05.126000000Z"}'
)
SUBMIT = (
    b'{"op":"submit_order","message_id":"m-42","payload":{"client_order_id":"mm1-000017","provider":"kraken","symbol":"BTC-USD",'
    b'"side":"buy","order_type":"limit","price":"61200.0","qty":"0.01000000","tif":"gtc","post_only":true,"timeout_ms":10000,'
    b'"decision_id":null}}'
)


def test_the_published_answer_to_a_submit_is_written_to_the_byte_API_30() -> None:
    text = "price 61200.0 is 1.31 % from mid 62012.5, limit 1.00 %"
    reply = SubmitReply(
        client_order_id="mm1-000017",
        status=SubmitStatus.REJECTED,
        ts_ns=1_893_553_445_126_000_000,
        reason=SubmitReason(code="invalid_request", breach=Breach.PRICE_BAND, text=text),
        trace_id="5f0c1d2e-3a4b-5968-7786-a5b4c3d2e1f0",
    )
    assert msgspec.json.encode(submit_record(reply)) == REPLY
    assert submit_reply(msgspec.json.decode(REPLY)) == reply


@pytest.mark.parametrize("status", SubmitStatus)
@pytest.mark.parametrize("state", [None, *OrderState])
def test_ordm_02_an_answer_to_a_submit_is_the_value_again(status: SubmitStatus, state: OrderState | None) -> None:
    reply = SubmitReply(client_order_id="c", status=status, ts_ns=5, order_state=state, body_matches=False, wire_order_id="w")
    assert submit_reply(msgspec.json.decode(msgspec.json.encode(submit_record(reply)))) == reply


def test_the_published_submit_is_a_payload_API_30() -> None:
    payload = msgspec.json.decode(SUBMIT)["payload"]
    asked = msgspec.convert(payload, SubmitRequest)
    assert {name: getattr(asked, name) for name in payload} == payload


def test_ordm_03_an_order_has_every_field_and_fits_an_answer() -> None:
    request = OrderRequest(
        client_order_id="c" * 64, consumer_id="m" * 32, provider="p" * 32, symbol="B" * 20 + "-" + "Q" * 20, side=Side.SELL,
        order_type=OrderType.LIMIT, qty_raw=2**63 - 1, price_raw=2**63 - 1, price_scale=18, qty_scale=18, created_ns=1,
        trace_id="5f0c1d2e-3a4b-5968-7786-a5b4c3d2e1f0", decision_id="5f0c1d2e-3a4b-5968-7786-a5b4c3d2e1f0",
    )  # fmt: skip
    order = Order(
        request=request, wire_order_id="w" * 36, venue_order_id="v" * 64, qty_raw=2**63 - 1, created_ns=1, updated_ns=2,
        state=OrderState.PARTIALLY_FILLED, filled_qty_raw=2**62, cum_notional=Decimal(f"{2**126}E-36"), order_report_seq=9,
        fees=tuple(Fee(f"{number:031}", Decimal(f"{2**63}E-18")) for number in range(16)),
        last_reason=Reason(code="exchange_error", venue_code="x" * 64, text="y" * 2000),
    )  # fmt: skip
    record: dict[str, Any] = order_record(order)
    assert len(msgspec.json.encode(record)) <= 4096
    assert record["avg_fill_price"] == "18.446744073709551616"
    assert (record["filled_qty"], record["remaining_qty"]) == ("4.611686018427387904", "4.611686018427387903")
    assert (record["is_open"], record["state"], record["side"]) == (True, "partially_filled", "sell")
    assert record["last_reason"]["text"] == "y" * 200
    view = order_view(msgspec.json.decode(msgspec.json.encode(record)))
    assert (view.qty, view.filled_qty + view.remaining_qty) == (Decimal(2**63 - 1).scaleb(-18), view.qty)
    assert (view.price, view.avg_fill_price) == (Decimal(2**63 - 1).scaleb(-18), order.avg_fill_price)
    assert view.cum_notional == order.cum_notional
    assert (view.side, view.order_type, view.tif, view.state) == (request.side, request.order_type, request.tif, order.state)
    assert view.fees == order.fees
    assert view.last_reason == Reason(code="exchange_error", venue_code="x" * 64, text="y" * 200)
    assert (view.created_ns, view.updated_ns, view.is_open, view.order_report_seq) == (1, 2, True, 9)
    assert set(view.__struct_fields__) == {name + "_ns" if name in ("created", "updated") else name for name in record}


def test_ins_05_an_average_is_half_even_at_six_decimals_more_than_prices() -> None:
    request = OrderRequest(client_order_id="c", consumer_id="m", provider="p", symbol="B-Q", side=Side.BUY, order_type=OrderType.MARKET,
                           qty_raw=8, price_scale=1, qty_scale=0, created_ns=1)  # fmt: skip
    cases = {"0.0000004": "0.0000000", "0.0000012": "0.0000002", "0.0000013": "0.0000002", "1": "0.1250000"}
    for cost, average in cases.items():
        order = Order(request=request, wire_order_id="w", qty_raw=8, created_ns=1, updated_ns=1, filled_qty_raw=8, cum_notional=Decimal(cost))
        assert f"{order.avg_fill_price:f}" == average, cost
    assert Order(request=request, wire_order_id="w", qty_raw=8, created_ns=1, updated_ns=1).avg_fill_price is None
