"""ORDM-01, TRD-01, TRD-07, TRD-08, INS-04, INS-06: an order as it is asked for, and what is none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.base.errors import MisuseError, ScaleOverflowError, UnknownSymbolError
from engine.orders.asking import order_of
from engine.schema.enums import Side
from engine.schema.instrument import Instrument, OrderType, TimeInForce
from engine.schema.order import OrderRequest
from engine.schema.payloads import SubmitRequest
from tests.unit.orders.risk_kit import instrument

NOW_NS = 1_700_000_000_000_000_000
ASKED: dict[str, Any] = {"client_order_id": "a", "symbol": "BTC-USD", "side": "buy", "order_type": "limit", "qty": "0.01", "price": "61200.0"}


def asked(carriers: dict[str, Instrument] | None = None, trace_id: str = "", **changes: Any) -> OrderRequest:
    fields = {name: value for name, value in (ASKED | changes).items() if value is not None}
    listed = {"simulated": instrument()} if carriers is None else carriers
    return order_of(msgspec.convert(fields, SubmitRequest), "mm1", listed, now_ns=NOW_NS, timeout_ms=10_000, trace_id=trace_id)


@pytest.mark.parametrize(
    ("changes", "tif", "timeout_ms"),
    [
        ({}, TimeInForce.GTC, 10_000),
        ({"order_type": "market", "price": None}, TimeInForce.IOC, 10_000),
        ({"tif": "fok", "timeout_ms": 800}, TimeInForce.FOK, 800),
        ({"order_type": "market", "price": None, "tif": "fok"}, TimeInForce.FOK, 10_000),
    ],
)
def test_trd_07_what_is_not_said_has_its_default(changes: dict[str, Any], tif: TimeInForce, timeout_ms: int) -> None:
    order = asked(**changes)
    assert (order.tif, order.timeout_ms, order.created_ns, order.side) == (tif, timeout_ms, NOW_NS, Side.BUY)
    assert (order.price_raw, order.qty_raw) == (None if order.order_type is OrderType.MARKET else 612_000, 1)
    assert (order.provider, order.price_scale, order.qty_scale, order.decision_id) == ("simulated", 1, 2, "")
    assert len(order.trace_id) == 36


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"client_order_id": ""}, "client_order_id"),
        ({"client_order_id": "a b"}, "client_order_id"),
        ({"price": None}, "price: a limit order needs a price"),
        ({"order_type": "market"}, "price: a market order takes no price"),
        ({"price": "0"}, "price: 0 is not above 0"),
        ({"price": "-1"}, "price: -1 is not above 0"),
        ({"price": "1e5"}, "price: '1e5' is not a decimal number"),
        ({"price": "+1"}, "price:"),
        ({"price": "NaN"}, "price:"),
        ({"price": "61200.01"}, "price: 61200.01 needs 2 decimals, the scale has 1"),
        ({"qty": "0"}, "qty: 0 is not above 0"),
        ({"qty": ".5"}, "qty:"),
        ({"qty": "0.001"}, "qty: 0.001 needs 3 decimals"),
        ({"order_type": "market", "price": None, "tif": "gtc"}, "tif: a market order does not stand"),
        ({"tif": "ioc", "post_only": True}, "post_only"),
        ({"decision_id": "7"}, "decision_id"),
        ({"decision_id": "00000000-0000-0000-0000-000000000000"}, "decision_id"),
        ({"trace_id": "mine"}, "trace_id"),
        ({"trace_id": "00000000-0000-0000-0000-000000000000"}, "trace_id"),
    ],
)
def test_ordm_01_a_field_that_cannot_be_is_named(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(MisuseError) as caught:
        asked(**changes)
    assert caught.value.code == "invalid_request"
    assert says in caught.value.reason


@pytest.mark.parametrize("changes", [{"side": "hold"}, {"order_type": "stop"}, {"qty": 0.01}, {"price": 61_200}, {"tif": "day"}, {"weight": 1}])
def test_ins_06_a_number_or_an_unknown_word_is_no_payload(changes: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        asked(**changes)


def test_ins_04_64_bits_hold_this_and_not_one_more() -> None:
    assert asked(price=f"{(2**63 - 1) // 10}.7").price_raw == 2**63 - 1
    with pytest.raises(ScaleOverflowError, match="price"):
        asked(price=f"{(2**63 - 1) // 10}.8")


@pytest.mark.parametrize(
    ("names", "provider", "found"),
    [
        ((), None, "no provider takes orders of BTC-USD"),
        (("kraken",), None, "kraken"),
        (("coinbase", "kraken"), None, "coinbase, kraken take orders of BTC-USD: name one"),
        (("coinbase", "kraken"), "kraken", "kraken"),
        (("coinbase",), "kraken", "provider kraken takes no orders of BTC-USD"),
    ],
)
def test_trd_08_none_and_several_candidates_are_refused(names: tuple[str, ...], provider: str | None, found: str) -> None:
    carriers = {name: instrument(name) for name in names}
    if " " not in found:
        assert asked(carriers, provider=provider).provider == found
        return
    with pytest.raises(UnknownSymbolError) as caught:
        asked(carriers, provider=provider)
    assert caught.value.reason == found
