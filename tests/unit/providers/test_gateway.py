"""Order gateways of three venues: what is sent, what is known after it, and what is heard (TRD-10, 11, 17, 24; ORDM-10)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from engine.base.errors import MisuseError, NetworkError, ProtocolError, RateLimitedError, UnavailableError, VenueError
from engine.base.instants import from_rfc3339
from engine.providers.budget import CallClass
from engine.providers.ordergateway import ANSWER_WITHIN_S, sent_of
from engine.schema.enums import Side
from engine.schema.gateway import WireIdStyle
from engine.schema.instrument import OrderType, TimeInForce
from engine.schema.order import Liquidity, OrderRef, ReportKind, ReportSource, SendOutcome, Sent
from tests.unit.providers.order_kit import SILENCE, WIRE_IDS, OrderVenue, Trading, trading
from tests.unit.providers.private_kit import SECRETS, VENUES
from tests.unit.providers.virtual_time import START_NS, in_virtual_time, now_s, pass_s, reached

pytestmark = pytest.mark.timeout(30)  # hours of virtual time, on a machine that may be busy
PLACE = {"binance": "order.place", "coinbase": "orders", "kraken": "add_order"}
CANCEL = {"binance": "order.cancel", "coinbase": "orders/batch_cancel", "kraken": "cancel_order"}
TAKEN: dict[str, Any] = {
    "binance": {"result": {"symbol": "BTCUSDT", "orderId": 42, "orderListId": -1, "clientOrderId": WIRE_IDS["binance"],
                           "transactTime": 1_800_000_000_123}},
    "coinbase": {"success": True, "success_response": {"order_id": "v-42", "product_id": "BTC-USDT", "side": "BUY",
                                                       "client_order_id": WIRE_IDS["coinbase"]}},
    "kraken": {"result": {"order_id": "O-42", "cl_ord_id": WIRE_IDS["kraken"], "order_userref": 0}},
}  # fmt: skip
CANCEL_TAKEN: dict[str, Any] = {
    "binance": {"result": {"symbol": "BTCUSDT", "orderId": 42, "status": "CANCELED"}},
    "coinbase": {"results": [{"success": True, "failure_reason": "UNKNOWN_CANCEL_FAILURE_REASON", "order_id": "v-42"}]},
    "kraken": {"result": {"cl_ord_id": WIRE_IDS["kraken"]}},
}


def error(code: int, said: str, status: int = 400, **data: Any) -> dict[str, Any]:
    """Of Binance."""
    return {"status": status, "error": {"code": code, "msg": said, **({"data": data} if data else {})}}


def failed(reason: str, said: str = "") -> dict[str, Any]:
    """Of Coinbase."""
    return {"success": False, "error_response": {"error": reason, "message": said or reason, "error_details": ""}}


def run(name: str, monkeypatch: pytest.MonkeyPatch, main: Callable[[Trading], Any], **settings: Any) -> None:
    async def all_of_it() -> None:
        async with trading(name, monkeypatch, **settings) as it:
            it.venue.will(PLACE[name], TAKEN[name])
            it.venue.will(CANCEL[name], CANCEL_TAKEN[name])
            await main(it)

    in_virtual_time(all_of_it())


# --- what is sent -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VENUES)
def test_an_order_reaches_the_venue_once_and_is_taken_TRD_10(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        outcome = await it.gateway.submit(it.order())
        assert outcome.sent is Sent.TAKEN
        assert len(it.venue.of(PLACE[name])) == 1
        if name == "kraken":
            assert outcome.report is None  # it was passed on: executions tell whether it is live
        else:
            assert outcome.report is not None
            assert (outcome.report.kind, outcome.report.source) == (ReportKind.ACK, ReportSource.REPLY)
            assert (outcome.report.wire_order_id, outcome.report.symbol) == (it.wire_id, "BTC-USDT")
            assert outcome.report.venue_order_id == {"binance": "42", "coinbase": "v-42"}[name]
        assert it.gateway.wire_id_style is (WireIdStyle.HEX if name == "kraken" else WireIdStyle.HYPHENS)

    run(name, monkeypatch, main)


BINANCE_TERMS = {
    "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.00000005", "price": "60000.0",
    "newClientOrderId": WIRE_IDS["binance"], "newOrderRespType": "ACK", "recvWindow": 5000,
}  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        ({}, {}),
        ({"side": Side.SELL, "tif": TimeInForce.IOC}, {"side": "SELL", "timeInForce": "IOC"}),
        ({"tif": TimeInForce.FOK, "timeout_ms": 800}, {"timeInForce": "FOK", "recvWindow": 800}),
        ({"post_only": True}, {"type": "LIMIT_MAKER", "timeInForce": None}),
        ({"order_type": OrderType.MARKET}, {"type": "MARKET", "timeInForce": None, "price": None}),
    ],
)
@pytest.mark.parametrize("kind", ["ed25519", "hmac"])
def test_terms_of_an_order_at_binance(
    kind: str, fields: dict[str, Any], change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(it: Trading) -> None:
        await it.gateway.submit(it.order(**fields))
        (asked,) = it.venue.of("order.place")
        params = asked["params"]
        if kind == "hmac":
            signature = params.pop("signature")
            text = "&".join(f"{name}={params[name]}" for name in sorted(params))
            assert signature == hmac.new(SECRETS["binance"].encode(), text.encode(), hashlib.sha256).hexdigest()
            assert params.pop("apiKey") == "the-key-of-a-test"
        assert params.pop("timestamp") == (START_NS + int(now_s() * 1e9)) // 10**6
        wanted = {key: value for key, value in {**BINANCE_TERMS, **change}.items() if value is not None}
        assert params == wanted

    run("binance", monkeypatch, main, kind=kind)


@pytest.mark.parametrize(
    ("fields", "configuration"),
    [
        ({}, {"limit_limit_gtc": {"base_size": "0.00000005", "limit_price": "60000.0", "post_only": False}}),
        ({"post_only": True}, {"limit_limit_gtc": {"base_size": "0.00000005", "limit_price": "60000.0", "post_only": True}}),
        ({"tif": TimeInForce.IOC}, {"sor_limit_ioc": {"base_size": "0.00000005", "limit_price": "60000.0"}}),
        ({"tif": TimeInForce.FOK}, {"limit_limit_fok": {"base_size": "0.00000005", "limit_price": "60000.0"}}),
        ({"order_type": OrderType.MARKET}, {"market_market_ioc": {"base_size": "0.00000005"}}),
    ],
)
def test_terms_of_an_order_at_coinbase(
    fields: dict[str, Any], configuration: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(it: Trading) -> None:
        await it.gateway.submit(it.order(**fields))
        (asked,) = it.venue.of("orders")
        assert asked.pop("headers")["Authorization"].startswith("Bearer ey")
        assert asked == {
            "client_order_id": it.wire_id, "product_id": "BTC-USDT", "side": "BUY", "order_configuration": configuration,
        }  # fmt: skip

    run("coinbase", monkeypatch, main)


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        ({}, {}),
        ({"qty_raw": 123_456_789_012_345_678}, {"order_qty": Decimal("1234567890.12345678")}),
        ({"post_only": True, "side": Side.SELL}, {"post_only": True, "side": "sell"}),
        ({"tif": TimeInForce.IOC}, {"time_in_force": "ioc"}),
        ({"order_type": OrderType.MARKET}, {"order_type": "market", "time_in_force": None, "limit_price": None}),
        ({"timeout_ms": 100}, {"deadline": 0.5}),
        ({"timeout_ms": 100_000}, {"deadline": 60.0}),
    ],
)
def test_terms_of_an_order_at_kraken(
    fields: dict[str, Any], change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(it: Trading) -> None:
        await it.gateway.submit(it.order(**fields))
        (asked,) = it.venue.of("add_order")
        wanted = {
            "order_type": "limit", "side": "buy", "symbol": "BTC/USDT", "order_qty": Decimal("0.00000005"), "time_in_force": "gtc",
            "limit_price": Decimal("60000.0"), "cl_ord_id": it.wire_id, "token": "token-1", "deadline": 10.0, **change,
        }  # fmt: skip
        ahead_s = (from_rfc3339(asked["params"].pop("deadline")) - START_NS) / 1e9 - it.venue.orders[0][0]
        assert abs(ahead_s - wanted.pop("deadline")) < 0.01
        assert asked["params"] == {key: value for key, value in wanted.items() if value is not None}

    run("kraken", monkeypatch, main)


@pytest.mark.parametrize("name", VENUES)
def test_a_cancel_names_the_order_and_is_no_report_ORDM_09(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        assert await it.gateway.cancel(it.ref("v-42")) == SendOutcome(sent=Sent.TAKEN)
        (asked,) = it.venue.of(CANCEL[name])
        named = asked["params"] if name != "coinbase" else asked
        assert {
            "binance": lambda: (named["symbol"], named["origClientOrderId"]) == ("BTCUSDT", it.wire_id),
            "coinbase": lambda: named["order_ids"] == ["v-42"],
            "kraken": lambda: named["cl_ord_id"] == [it.wire_id],
        }[name]()

    run(name, monkeypatch, main)


def test_coinbase_finds_the_venues_id_before_it_cancels(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will("orders/historical/batch", {"orders": [coinbase_row()], "has_next": False, "cursor": ""})
        assert (await it.gateway.cancel(it.ref())).sent is Sent.TAKEN
        assert it.venue.of("orders/batch_cancel")[0]["order_ids"] == ["v-42"]
        (asked,) = it.venue.of("orders/historical/batch")
        assert asked["start_date"].startswith("2027-01-15T07:59:00")  # a minute before it was asked for
        it.venue.will("orders/historical/batch", {"orders": [coinbase_row(status="FILLED", filled_size="5")]})
        refused = await it.gateway.cancel(it.ref())
        assert (refused.sent, refused.reason.code if refused.reason else "") == (Sent.REFUSED, "not_found")
        assert refused.report is not None
        assert refused.report.kind is ReportKind.FILLED

    run("coinbase", monkeypatch, main)


# --- what is known afterwards (TRD-11, ORDM-10) -------------------------------------------------------------


@pytest.mark.parametrize("name", VENUES)
def test_no_answer_in_time_is_an_unknown_outcome_TRD_11(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will(PLACE[name], SILENCE)
        began_s = now_s()
        outcome = await it.gateway.submit(it.order(timeout_ms=3000))
        assert 2.9 < now_s() - began_s < 3.5
        assert (outcome.sent, outcome.reason.code if outcome.reason else "") == (Sent.UNKNOWN, "network")
        assert len(it.venue.of(PLACE[name])) == 1  # and it was not sent again

    run(name, monkeypatch, main)


@pytest.mark.parametrize("name", ["binance", "kraken"])
def test_a_connection_that_breaks_leaves_an_unknown_outcome_at_once_TRD_11(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(it: Trading) -> None:
        it.venue.will(PLACE[name], SILENCE)
        sending = asyncio.create_task(it.gateway.submit(it.order()))
        await reached(lambda: bool(it.venue.orders))
        began_s = now_s()
        it.client.transport.disconnect(graceful=False)
        assert (await sending).sent is Sent.UNKNOWN
        assert now_s() - began_s < 1.0
        assert [is_up for is_up, _ in it.desk.states] == [True, False]
        await reached(lambda: it.gateway.is_up)
        assert [is_up for is_up, _ in it.desk.states] == [True, False, True]

    run(name, monkeypatch, main)


@pytest.mark.parametrize("name", VENUES)
def test_nothing_leaves_while_there_is_no_connection(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.is_closed = True
        it.client.transport.disconnect(graceful=False)
        await reached(lambda: not it.gateway.is_up)
        outcome = await it.gateway.submit(it.order())
        assert (outcome.sent, outcome.reason.code if outcome.reason else "") == (Sent.NOT_SENT, "unavailable")
        assert it.venue.orders == []

    run(name, monkeypatch, main)


def test_a_connect_that_is_refused_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.gateway._endpoint = "http://127.0.0.1:9"  # type: ignore[attr-defined]
        outcome = await it.gateway.submit(it.order())
        assert (outcome.sent, outcome.reason.code if outcome.reason else "") == (Sent.NOT_SENT, "network")

    run("coinbase", monkeypatch, main)


UNKNOWNS = [
    ("binance", error(-1007, "Timeout waiting for response from backend server.", 408), "-1007"),
    ("binance", error(-1006, "An unexpected response was received from the message bus.", 500), "-1006"),
    ("binance", error(-1000, "An unknown error occurred.", 500), "-1000"),
    ("binance", error(-9999, "What is this?", 503), "-9999"),
    ("binance", error(-1008, "Server is currently overloaded.", 503), "-1008"),
    ("binance", error(-2010, "Duplicate order sent."), "-2010"),
    ("binance", {"result": {"symbol": "BTCUSDT"}}, ""),
    ("binance", {"status": None}, ""),
    ("binance", {"result": None}, ""),
    ("binance", {"status": 400}, ""),
    ("coinbase", 500, ""),
    ("coinbase", 503, ""),
    ("coinbase", {"neither": 1}, ""),
    ("coinbase", {"success": True, "success_response": {}}, ""),
    ("coinbase", {"success": False, "error_response": ["what?"]}, ""),
    ("coinbase", ["what?"], ""),
    ("kraken", {"result": {}}, ""),
    ("coinbase", failed("DUPLICATE_CLIENT_ORDER_ID"), "DUPLICATE_CLIENT_ORDER_ID"),
    ("kraken", {"error": "EService:Unavailable"}, "EService:Unavailable"),
    ("kraken", {"error": "EService:Busy"}, "EService:Busy"),
    ("kraken", {"error": "EService:Timeout"}, "EService:Timeout"),
    ("kraken", {"error": "EGeneral:Internal error"}, "EGeneral:Internal error"),
    ("kraken", {"error": "EGeneral:Invalid arguments:cl_ord_id is in use"}, "EGeneral:Invalid arguments:cl_ord_id is in use"),
]


@pytest.mark.parametrize(("name", "answer", "code"), UNKNOWNS)
def test_answers_that_do_not_tell_leave_an_unknown_outcome_TRD_11(
    name: str, answer: Any, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(it: Trading) -> None:
        it.venue.will(PLACE[name], answer)
        outcome = await it.gateway.submit(it.order())
        assert outcome.sent is Sent.UNKNOWN
        assert outcome.reason is not None
        assert outcome.reason.venue_code == code
        assert len(it.venue.of(PLACE[name])) == 1
        assert it.gateway.is_up

    run(name, monkeypatch, main)


REFUSALS = [
    ("binance", error(-2010, "Account has insufficient balance for requested action."), "exchange_error", "-2010"),
    ("binance", error(-2010, "Order would immediately match and take."), "exchange_error", "-2010"),
    ("binance", error(-1013, "Filter failure: LOT_SIZE"), "exchange_error", "-1013"),
    ("binance", error(-1111, "Precision is over the maximum."), "invalid_request", "-1111"),
    ("binance", error(-1102, "Mandatory parameter was not sent."), "invalid_request", "-1102"),
    ("binance", error(-7777, "A rule of tomorrow."), "exchange_error", "-7777"),
    ("coinbase", failed("INSUFFICIENT_FUND", "Insufficient balance in source account"), "exchange_error", "INSUFFICIENT_FUND"),
    ("coinbase", failed("INVALID_LIMIT_PRICE_POST_ONLY"), "exchange_error", "INVALID_LIMIT_PRICE_POST_ONLY"),
    ("coinbase", failed("INVALID_SIZE_PRECISION"), "invalid_request", "INVALID_SIZE_PRECISION"),
    ("coinbase", (400, {"error": "INVALID_ARGUMENT", "code": 3, "message": "no side"}), "invalid_request", "INVALID_ARGUMENT"),
    ("kraken", {"error": "EOrder:Insufficient funds"}, "exchange_error", "EOrder:Insufficient funds"),
    ("kraken", {"error": "EGeneral:Invalid arguments:volume"}, "invalid_request", "EGeneral:Invalid arguments:volume"),
    ("kraken", {"error": "Unsupported field: 'x'"}, "invalid_request", "Unsupported field: 'x'"),
    ("kraken", {"error": "EService:Deadline elapsed"}, "unavailable", "EService:Deadline elapsed"),
    ("kraken", {"error": "EService:Market in post_only mode"}, "unavailable", "EService:Market in post_only mode"),
    ("kraken", {"error": "EQuery:Unknown asset pair"}, "not_found", "EQuery:Unknown asset pair"),
]


@pytest.mark.parametrize(("name", "answer", "code", "venue_code"), REFUSALS)
def test_a_refusal_keeps_the_venues_code_and_words_TRD_24(
    name: str, answer: Any, code: str, venue_code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(it: Trading) -> None:
        it.venue.will(PLACE[name], answer)
        outcome = await it.gateway.submit(it.order())
        assert outcome.sent is Sent.REFUSED
        assert outcome.reason is not None
        assert (outcome.reason.code, outcome.reason.venue_code) == (code, venue_code)
        told = answer[1] if isinstance(answer, tuple) else answer
        words = told["error"]["msg"] if name == "binance" else told.get("error_response", told).get("message") or told["error"]
        assert outcome.reason.text == words
        assert it.gateway.is_up
        assert it.desk.reports == []

    run(name, monkeypatch, main)


CANCEL_REFUSALS = [
    ("binance", error(-2011, "Unknown order sent."), "not_found"),
    ("coinbase", {"results": [{"success": False, "failure_reason": "UNKNOWN_CANCEL_ORDER", "order_id": "v-42"}]}, "not_found"),
    ("coinbase", {"results": [{"success": False, "failure_reason": "ORDER_IS_FULLY_FILLED", "order_id": "v-42"}]}, "conflict"),
    ("coinbase", {"results": [{"success": False, "failure_reason": "DUPLICATE_CANCEL_REQUEST", "order_id": "v-42"}]}, "conflict"),
    ("kraken", {"error": "EOrder:Unknown order"}, "not_found"),
    ("kraken", {"error": "EOrder:Invalid order"}, "not_found"),
]


@pytest.mark.parametrize(("name", "answer", "code"), CANCEL_REFUSALS)
def test_a_cancel_of_what_is_not_open_is_refused(name: str, answer: Any, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will(CANCEL[name], answer)
        outcome = await it.gateway.cancel(it.ref("v-42"))
        assert (outcome.sent, outcome.reason.code if outcome.reason else "") == (Sent.REFUSED, code)

    run(name, monkeypatch, main)


@pytest.mark.parametrize("name", VENUES)
def test_a_cancel_without_an_answer_is_unknown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will(CANCEL[name], SILENCE)
        began_s = now_s()
        assert (await it.gateway.cancel(it.ref("v-42"))).sent is Sent.UNKNOWN
        assert now_s() - began_s < ANSWER_WITHIN_S + 1.0

    run(name, monkeypatch, main)


# --- keys, clocks, tokens -----------------------------------------------------------------------------------

HALTS = [
    ("binance", error(-2015, "Invalid API-key, IP, or permissions for action.", 401)),
    ("binance", error(-2014, "API-key format invalid.", 401)),
    ("coinbase", (403, {"error": "PERMISSION_DENIED", "message": "the key may not trade"})),
    ("coinbase", 401),
    ("kraken", {"error": "EGeneral:Permission denied"}),
    ("kraken", {"error": "EAPI:Invalid key"}),
]


@pytest.mark.parametrize(("name", "answer"), HALTS)
def test_a_key_that_may_not_trade_halts_the_orders_ERR_11(name: str, answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will(PLACE[name], answer)
        outcome = await it.gateway.submit(it.order())
        assert (outcome.sent, outcome.reason.code if outcome.reason else "") == (Sent.REFUSED, "auth")
        assert not it.gateway.is_up
        assert [is_up for is_up, _ in it.desk.states] == [True, False]
        asked = len(it.venue.of(PLACE[name]))
        assert (await it.gateway.submit(it.order())).sent is Sent.NOT_SENT
        assert len(it.venue.of(PLACE[name])) == asked
        # What is open can still be cancelled, and the account is heard.
        assert (await it.gateway.cancel(it.ref("v-42"))).sent is Sent.TAKEN
        assert it.held.account.is_up
        await pass_s(3600.0)
        assert [is_up for is_up, _ in it.desk.states] == [True, False]

    run(name, monkeypatch, main)


@pytest.mark.parametrize("name", VENUES)
def test_a_clock_that_is_off_is_set_and_the_order_sent_once_more(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.offset_ns = -20_000_000_000
        refusals: dict[str, Any] = {
            "binance": error(-1021, "Timestamp for this request is outside of the recvWindow."),
            "coinbase": 401,
            "kraken": {"error": "EService:Deadline elapsed"},
        }
        it.venue.will(PLACE[name], refusals[name], TAKEN[name])
        assert (await it.gateway.submit(it.order())).sent is Sent.TAKEN
        first, second = it.venue.of(PLACE[name])
        if name == "binance":
            assert 19_000 < first["params"]["timestamp"] - second["params"]["timestamp"] < 21_000
            assert first["params"]["newClientOrderId"] == second["params"]["newClientOrderId"]
        elif name == "kraken":
            sooner, later = (from_rfc3339(asked["params"]["deadline"]) for asked in (second, first))
            assert 18 < (later - sooner) / 1e9 < 22
            assert first["params"]["cl_ord_id"] == second["params"]["cl_ord_id"]
        else:
            assert {**first, "headers": 0} == {**second, "headers": 0}
            assert first["headers"]["Authorization"] != second["headers"]["Authorization"]

    run(name, monkeypatch, main)


def test_a_clock_that_stays_off_refuses_the_order_and_halts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will("order.place", error(-1021, "Timestamp for this request was 1000ms ahead of the server's time."))
        outcome = await it.gateway.submit(it.order())
        assert (outcome.sent, outcome.reason.code if outcome.reason else "") == (Sent.REFUSED, "auth")
        assert len(it.venue.of("order.place")) == 2
        assert it.gateway.is_up

    run("binance", monkeypatch, main)


@pytest.mark.parametrize("said", ["EAPI:Invalid token", "ESession:Invalid session"])
def test_a_token_that_is_forgotten_is_fetched_and_the_order_sent_once_more(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will("add_order", {"error": said}, TAKEN["kraken"])
        assert (await it.gateway.submit(it.order())).sent is Sent.TAKEN
        assert [asked["params"]["token"] for asked in it.venue.of("add_order")] == ["token-1", "token-2"]

    run("kraken", monkeypatch, main)


def test_only_what_risk_approved_is_sent_ORDM_04(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        order = it.order()
        for other in (order.request, SimpleNamespace(request=order.request, wire_order_id=order.wire_order_id), None):
            with pytest.raises(MisuseError):
                await it.gateway.submit(other)
        assert it.venue.orders == []

    run("binance", monkeypatch, main)


# --- limits -------------------------------------------------------------------------------------------------


def test_the_limit_of_binance_is_kept_to_and_its_own_count_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    def limits(count: int) -> dict[str, Any]:
        row = {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 5, "count": count}
        return {**TAKEN["binance"], "rateLimits": [row]}

    async def main(it: Trading) -> None:
        it.venue.will("order.place", limits(1), limits(2), limits(3), limits(4), limits(0))
        outcomes = [await it.gateway.submit(it.order()) for _ in range(5)]
        # 80 % of five.
        assert [outcome.sent for outcome in outcomes] == [Sent.TAKEN] * 4 + [Sent.NOT_SENT]
        assert outcomes[4].reason is not None
        assert outcomes[4].reason.code == "rate_limited"
        assert outcomes[4].retry_after_s is not None
        assert 9.0 < outcomes[4].retry_after_s <= 10.0
        await pass_s(outcomes[4].retry_after_s + 0.001)
        assert (await it.gateway.submit(it.order())).sent is Sent.TAKEN
        # Orders that were filled are given back: the venue counts none.
        assert [(await it.gateway.submit(it.order())).sent for _ in range(4)] == [Sent.TAKEN] * 4

    run("binance", monkeypatch, main)


@pytest.mark.parametrize(
    ("name", "answer", "retry_s"),
    [
        ("binance", error(-1015, "Too many new orders; current limit is 50 orders per 10 SECOND.", 429), None),
        ("binance", error(-1003, "Too much request weight used.", 429, retryAfter=(START_NS + 30 * 10**9) // 10**6), 30.0),
        ("coinbase", (429, {"errors": [{"id": "rate_limit_exceeded"}]}, {"Retry-After": "7"}), 7.0),
        ("kraken", {"error": "EOrder:Rate limit exceeded"}, None),
        ("kraken", {"error": f"EService:Throttled: {START_NS // 10**9 + 25}"}, 25.0),
        ("kraken", {"error": "EGeneral:Temporary lockout"}, 900.0),
    ],
)
def test_a_venue_that_has_enough_is_left_alone_for_a_while(
    name: str, answer: Any, retry_s: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(it: Trading) -> None:
        it.venue.will(PLACE[name], answer, TAKEN[name])
        outcome = await it.gateway.submit(it.order())
        assert (outcome.sent, outcome.reason.code if outcome.reason else "") == (Sent.REFUSED, "rate_limited")
        if retry_s is None:
            assert outcome.retry_after_s is None
        else:
            assert outcome.retry_after_s is not None
            assert retry_s - 1.0 < outcome.retry_after_s <= retry_s
        hits = [row for kind, row in it.held.told if kind == "rate_limit.hit"]
        assert hits != []
        held_back = await it.gateway.submit(it.order())
        assert (held_back.sent, held_back.reason.code if held_back.reason else "") == (Sent.NOT_SENT, "rate_limited")
        await pass_s((retry_s or 1.0) + 0.1)
        assert (await it.gateway.submit(it.order())).sent is Sent.TAKEN
        assert len(it.venue.of(PLACE[name])) == 2

    run(name, monkeypatch, main)


def test_limits_of_the_metadata_of_binance_are_kept_to(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        rows = [{"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 10}, {"rateLimitType": "RAW_REQUESTS"}]
        it.held.session.feed.read_instruments(json.dumps({"symbols": [], "rateLimits": rows}).encode())
        it.client.transport.disconnect(graceful=False)
        await reached(lambda: it.held.account.logins == 2)
        sent = [(await it.gateway.submit(it.order())).sent for _ in range(9)]
        assert sent == [Sent.TAKEN] * 8 + [Sent.NOT_SENT]
        it.held.session.feed.read_instruments(b'{"symbols": [], "rateLimits": []}')
        it.client.transport.disconnect(graceful=False)
        await reached(lambda: it.held.account.logins == 3)
        assert {(await it.gateway.submit(it.order())).sent for _ in range(200)} == {Sent.TAKEN}

    run("binance", monkeypatch, main)


def test_requests_that_kraken_leaves_unanswered_slow_us_down(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will("add_order", SILENCE)
        sending = asyncio.create_task(it.gateway.submit(it.order()))
        await reached(lambda: bool(it.venue.orders))
        it.client.send(b'{"Error":"Exceeded msg rate"}')
        await reached(lambda: it.gateway.pace.wait_s(now_s(), "BTC-USDT") > 0.0)
        assert (await it.gateway.submit(it.order())).sent is Sent.NOT_SENT
        assert (await sending).sent is Sent.UNKNOWN

    run("kraken", monkeypatch, main)


def test_an_address_that_has_asked_too_much_asks_nothing_more_BOOK_07(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        until_ms = (START_NS + 30 * 10**9) // 10**6
        it.venue.will("order.cancel", error(-1003, "Way too much request weight used; IP banned.", 418, retryAfter=until_ms))
        assert (await it.gateway.cancel(it.ref())).sent is Sent.REFUSED
        outcome = await it.gateway.cancel(it.ref())
        assert (outcome.sent, outcome.reason.code if outcome.reason else "") == (Sent.NOT_SENT, "rate_limited")
        assert outcome.retry_after_s is not None
        assert 29.0 < outcome.retry_after_s <= 30.0
        assert it.held.session.gate.budget.banned_s(now_s(), CallClass.REFRESH) > 29.0  # snapshots wait as well
        assert len(it.venue.orders) == 1

    run("binance", monkeypatch, main)


def test_the_counter_of_kraken_is_kept_to(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        outcomes = [await it.gateway.submit(it.order()) for _ in range(49)]
        assert [outcome.sent for outcome in outcomes] == [Sent.TAKEN] * 48 + [Sent.NOT_SENT]  # 80 % of 60
        await pass_s(10.0)  # falls by one a second; a cancel of a young order costs eight
        assert (await it.gateway.cancel(it.ref(created_ns=START_NS + int(now_s() * 1e9)))).sent is Sent.TAKEN
        sent = [(await it.gateway.submit(it.order())).sent for _ in range(3)]
        assert sent == [Sent.TAKEN, Sent.TAKEN, Sent.NOT_SENT]

    run("kraken", monkeypatch, main)


# --- what is heard ------------------------------------------------------------------------------------------


def event(**fields: Any) -> dict[str, Any]:
    whole = {
        "e": "executionReport", "E": 1, "s": "BTCUSDT", "c": WIRE_IDS["binance"], "C": "", "S": "BUY", "x": "NEW", "X": "NEW",
        "r": "NONE", "i": 42, "q": "5", "l": "0", "z": "0", "L": "0", "Z": "0", "n": "0", "N": None, "T": 2, "t": -1, "m": False,
        "O": 1, **fields,
    }  # fmt: skip
    return {"subscriptionId": 0, "event": whole}


def test_reports_of_binance_reach_the_desk_in_order_and_others_too_TRD_23_TRD_26(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.client.send(
            event(),
            event(x="TRADE", X="PARTIALLY_FILLED", l="2", z="2", L="10", Z="20", n="0.1", N="BNB", t=7, m=True),
            event(c="theirs", s="NEVERHEARDOF", i=43),
            event(x="CANCELED", X="CANCELED", c="of-the-cancel", C=WIRE_IDS["binance"], z="2", Z="20"),
        )
        await reached(lambda: len(it.desk.reports) == 4)
        assert it.desk.told() == [
            ("ACK", it.wire_id, 0), ("PARTIAL", it.wire_id, 2), ("ACK", "theirs", 0), ("CANCELLED", it.wire_id, 2),
        ]  # fmt: skip
        fill = it.desk.reports[1]
        assert (fill.symbol, fill.exec_id, fill.last_qty, fill.liquidity) == ("BTC-USDT", "7", 2, Liquidity.MAKER)
        assert fill.ts_recv_ns > START_NS
        assert it.desk.reports[2].symbol == ""
        assert it.held.account.orders_told == 0  # whose they are the desk knows

    run("binance", monkeypatch, main)


def test_reports_of_coinbase_reach_the_desk_TRD_21(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        base = {
            "order_id": "v-42", "client_order_id": it.wire_id, "cumulative_quantity": "0", "leaves_quantity": "5", "avg_price": "0",
            "total_fees": "0", "status": "OPEN", "product_id": "BTC-USDT", "order_side": "BUY",
        }  # fmt: skip
        some = {**base, "cumulative_quantity": "2", "leaves_quantity": "3", "avg_price": "10.5", "total_fees": "0.02"}
        done = {**some, "cumulative_quantity": "5", "leaves_quantity": "0", "status": "FILLED", "total_fees": "0.05"}
        it.client.numbered("user", {"type": "update", "orders": [base, some]}, {"type": "update", "orders": [done]})
        await reached(lambda: len(it.desk.reports) == 3)
        assert it.desk.told() == [("ACK", it.wire_id, 0), ("PARTIAL", it.wire_id, 2), ("FILLED", it.wire_id, 5)]
        assert [report.cum_notional for report in it.desk.reports] == [0, 21, Decimal("52.5")]
        assert all(report.exec_id is None and report.symbol == "BTC-USDT" for report in it.desk.reports)
        assert it.desk.reports[2].is_fees_total

    run("coinbase", monkeypatch, main)


def execution(number: int, *rows: dict[str, Any], kind: str = "update") -> dict[str, Any]:
    stamped = [{"order_id": "O-42", "timestamp": "2026-11-20T10:00:00.000001Z", **row} for row in rows]
    return {"channel": "executions", "type": kind, "sequence": number, "data": stamped}


def state(what: str, status: str = "", **fields: Any) -> dict[str, Any]:
    return {"exec_type": what, "order_status": status or what, **fields}


def test_reports_of_kraken_reach_the_desk_whichever_connection_told_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        fill = {"exec_id": "T1", "last_qty": 2, "last_price": 9.5, "liquidity_ind": "t", "fees": [{"asset": "USD", "qty": 0.01}]}
        await it.gateway.submit(it.order())
        it.client.send(
            execution(2, state("pending_new", symbol="BTC/USDT", side="buy", order_qty=5, cl_ord_id=it.wire_id)),
            execution(3, state("new"), state("trade", "partially_filled", **fill)),
        )
        await reached(lambda: len(it.desk.reports) == 2)
        it.client.transport.disconnect(graceful=False)
        await reached(lambda: len(it.venue.clients) == 2 and it.gateway.is_up)
        it.client.send(execution(2, state("filled", cum_qty=5, cum_cost=47.5)))
        await reached(lambda: len(it.desk.reports) == 3)
        assert it.desk.told() == [("ACK", it.wire_id, None), ("PARTIAL", it.wire_id, None), ("FILLED", it.wire_id, 5)]
        assert {report.symbol for report in it.desk.reports} == {"BTC-USDT"}
        assert it.desk.reports[1].last_price == Decimal("9.5")

    run("kraken", monkeypatch, main)


def test_a_report_that_cannot_be_read_is_kept_and_the_others_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.client.send(execution(2, state("never_heard_of"), state("new")))
        await reached(lambda: len(it.desk.reports) == 1)
        assert it.held.engine.reporting.rejected_frames["kraken", "bad_value"] == 1

    run("kraken", monkeypatch, main)


def test_while_a_connection_is_replaced_both_are_heard_and_answers_waited_for_BOOK_05(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        old = it.client
        it.venue.will("order.place", SILENCE)
        sending = asyncio.create_task(it.gateway.submit(it.order()))
        await reached(lambda: bool(it.venue.orders))
        old.send({"event": {"e": "serverShutdown", "E": 1}})
        await reached(lambda: len(it.venue.clients) == 2 and it.held.account.logins == 2)
        old.send(event())
        it.client.send(event())
        await reached(lambda: len(it.desk.reports) == 2)
        assert old.is_open
        old.send({"id": it.venue.of("order.place")[0]["id"], "status": 200, **TAKEN["binance"]})
        assert (await sending).sent is Sent.TAKEN
        await reached(lambda: not old.is_open)
        assert [is_up for is_up, _ in it.desk.states] == [True]  # it never was away
        it.venue.will("order.place", TAKEN["binance"])
        assert (await it.gateway.submit(it.order())).sent is Sent.TAKEN

    run("binance", monkeypatch, main)


# --- reconciliation (JRN-07, JRN-08) ------------------------------------------------------------------------


def coinbase_row(**fields: Any) -> dict[str, Any]:
    return {
        "order_id": "v-42", "client_order_id": WIRE_IDS["coinbase"], "product_id": "BTC-USDT", "side": "BUY", "status": "OPEN",
        "order_configuration": {"limit_limit_gtc": {"base_size": "5", "limit_price": "10"}}, "created_time": "2027-01-15T08:00:00Z",
        "filled_size": "0", "average_filled_price": "0", "total_fees": "0", **fields,
    }  # fmt: skip


BINANCE_ROW = {
    "symbol": "BTCUSDT", "orderId": 42, "clientOrderId": WIRE_IDS["binance"], "price": "10", "origQty": "5", "executedQty": "2",
    "cummulativeQuoteQty": "20", "status": "PARTIALLY_FILLED", "side": "BUY", "time": 1, "updateTime": 2,
}  # fmt: skip
KRAKEN_ROW = {
    "status": "open", "opentm": 1800000000.5, "cl_ord_id": WIRE_IDS["kraken"], "vol": "5", "vol_exec": "2", "cost": "20",
    "fee": "0.1", "descr": {"pair": "BTCUSDT", "type": "buy"}, "oflags": "fciq",
}  # fmt: skip
FOUND: dict[str, Any] = {
    "binance": ("order.status", {"result": BINANCE_ROW}),
    "coinbase": ("orders/historical/batch", {"orders": [coinbase_row(filled_size="2", average_filled_price="10")]}),
    "kraken": ("OpenOrders", {"error": [], "result": {"open": {"O-42": KRAKEN_ROW}}}),
}


@pytest.mark.parametrize("name", VENUES)
def test_an_order_is_found_by_its_wire_id_JRN_08(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        method, answer = FOUND[name]
        it.venue.will(method, answer)
        report = await it.gateway.query(it.ref())
        assert report is not None
        assert (report.kind, report.source) == (ReportKind.PARTIAL, ReportSource.RECONCILE)
        assert (report.wire_order_id, report.symbol) == (it.wire_id, "BTC-USDT")
        assert (report.qty, report.filled_qty, report.cum_notional) == (5, 2, 20)

    run(name, monkeypatch, main)


@pytest.mark.parametrize("name", VENUES)
def test_an_order_that_the_venue_does_not_know_is_none_JRN_08(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will("order.status", error(-2013, "Order does not exist."))
        it.venue.will("orders/historical/batch", {"orders": [coinbase_row(client_order_id="theirs")], "has_next": False})
        it.venue.will("OpenOrders", {"error": [], "result": {"open": {"O-1": {**KRAKEN_ROW, "cl_ord_id": "theirs"}}}})
        it.venue.will("ClosedOrders", {"error": [], "result": {"closed": {}, "count": 0}})
        assert await it.gateway.query(it.ref()) is None

    run(name, monkeypatch, main)


@pytest.mark.parametrize("name", ["coinbase", "kraken"])
def test_an_order_is_found_by_the_venues_id(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will("orders/historical/v-42", {"order": coinbase_row()}, 404)
        row = {key: value for key, value in KRAKEN_ROW.items() if key != "cl_ord_id"}
        it.venue.will("QueryOrders", {"error": [], "result": {"v-42": row}}, {"error": ["EOrder:Unknown order"]})
        report = await it.gateway.query(it.ref("v-42"))
        assert report is not None
        assert (report.wire_order_id, report.venue_order_id) == (it.wire_id, "v-42")
        assert await it.gateway.query(it.ref("v-42")) is None

    run(name, monkeypatch, main)


def test_an_order_of_kraken_that_has_ended_is_found_among_those(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will("OpenOrders", {"error": [], "result": {"open": {}}})
        ended = {**KRAKEN_ROW, "status": "canceled", "closetm": 1800000001.25, "reason": "User requested"}
        it.venue.will("ClosedOrders", {"error": [], "result": {"closed": {"O-42": ended}, "count": 1}})
        report = await it.gateway.query(it.ref())
        assert report is not None
        assert (report.kind, report.reason.venue_code if report.reason else "") == (ReportKind.CANCELLED, "User requested")
        assert it.venue.of("ClosedOrders")[0]["cl_ord_id"] == it.wire_id

    run("kraken", monkeypatch, main)


def test_orders_of_kraken_that_ended_are_asked_for_together_JRN_07(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        ended = {**KRAKEN_ROW, "status": "canceled", "closetm": 1800000001.25}
        closed = {f"O-{number}": {**ended, "cl_ord_id": f"{number:032x}"} for number in range(20)}
        it.venue.will("OpenOrders", {"error": [], "result": {"open": {}}})
        it.venue.will("ClosedOrders", {"error": [], "result": {"closed": closed, "count": 20}})
        await it.gateway.open_orders()
        for number in range(20):
            ref = OrderRef(wire_order_id=f"{number:032x}", symbol="BTC-USDT", venue_order_id=f"O-{number}")
            report = await it.gateway.query(ref)
            assert report is not None
            assert (report.kind, report.venue_order_id) == (ReportKind.CANCELLED, f"O-{number}")
        assert await it.gateway.query(it.ref()) is None  # neither open nor ended
        assert [len(it.venue.of(path)) for path in ("OpenOrders", "ClosedOrders")] == [1, 1]
        await pass_s(1.0)
        assert await it.gateway.query(it.ref()) is None  # a second look is one of its own
        assert [len(it.venue.of(path)) for path in ("OpenOrders", "ClosedOrders")] == [2, 2]

    run("kraken", monkeypatch, main)


@pytest.mark.parametrize("name", VENUES)
def test_times_are_told_by_our_clock_and_asked_for_by_the_venues(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.offset_ns = -150_000_000_000
        await it.gateway.ways.glance_at_clock()
        method, answer = FOUND[name]
        it.venue.will(method, answer)
        report = await it.gateway.query(it.ref())
        assert report is not None
        assert report.order_created_ns is not None
        at_venue_ns = {"binance": 1_000_000, "coinbase": START_NS, "kraken": START_NS + 500_000_000}[name]
        assert abs(report.order_created_ns - at_venue_ns - 150_000_000_000) < 2_000_000_000
        it.venue.will("myTrades", {"result": []})
        it.venue.will("orders/historical/fills", {"fills": []})
        it.venue.will("TradesHistory", {"error": [], "result": {"trades": {}}})
        await it.gateway.fills(["BTC-USDT"], START_NS)
        ((_, _, asked), *_) = it.venue.orders[-1:]
        since_ns = {
            "binance": lambda: asked["params"]["startTime"] * 10**6,
            "coinbase": lambda: from_rfc3339(asked["start_sequence_timestamp"]),
            "kraken": lambda: int(asked["start"]) * 10**9,
        }[name]()
        assert abs(since_ns - START_NS + 150_000_000_000) < 3_000_000_000

    run(name, monkeypatch, main)


@pytest.mark.parametrize("name", VENUES)
def test_open_orders_are_told_those_of_others_too_JRN_09(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        theirs: dict[str, Any] = {
            "binance": {**BINANCE_ROW, "orderId": 43, "clientOrderId": "theirs"},
            "coinbase": coinbase_row(order_id="v-43", client_order_id="theirs", status="PENDING"),
            "kraken": {**KRAKEN_ROW, "cl_ord_id": None},
        }
        it.venue.will("openOrders.status", {"result": [BINANCE_ROW, theirs["binance"]]})
        ended = coinbase_row(order_id="v-44", status="CANCELLED")
        it.venue.will("orders/historical/batch", {"orders": [coinbase_row()]}, {"orders": [theirs["coinbase"], ended]})
        it.venue.will("OpenOrders", {"error": [], "result": {"open": {"O-42": KRAKEN_ROW, "O-43": theirs["kraken"]}}})
        found = await it.gateway.open_orders()
        assert [report.wire_order_id for report in found] == [it.wire_id, "" if name == "kraken" else "theirs"]

    run(name, monkeypatch, main)


def trades(first: int, count: int) -> list[dict[str, Any]]:
    return [
        {"id": number, "orderId": 42, "symbol": "BTCUSDT", "price": "10", "qty": "1", "commission": "0", "commissionAsset": "BNB",
         "time": number, "isBuyer": True, "isMaker": False} for number in range(first, first + count)
    ]  # fmt: skip


def test_fills_of_binance_come_page_by_page_BOOK_04(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will("myTrades", {"result": trades(1, 1000)}, {"result": trades(1001, 7)})
        fills = await it.gateway.fills(["BTC-USDT"], 5_000_000)
        assert [fill.exec_id for fill in fills] == [str(number) for number in range(1, 1008)]
        assert {(fill.symbol, fill.venue_order_id) for fill in fills} == {("BTC-USDT", "42")}
        first, second = (asked["params"] for asked in it.venue.of("myTrades"))
        assert (first["startTime"], "fromId" in first) == (5, False)
        assert (second["fromId"], "startTime" in second) == (1001, False)

    run("binance", monkeypatch, main)


def test_fills_of_coinbase_come_page_by_page_BOOK_04(monkeypatch: pytest.MonkeyPatch) -> None:
    def row(number: int, product: str = "BTC-USDT") -> dict[str, Any]:
        return {
            "trade_id": f"t{number}", "order_id": "v-42", "trade_time": f"2027-01-15T08:00:0{number}Z", "price": "10", "size": "1",
            "commission": "0.01", "product_id": product, "liquidity_indicator": "TAKER", "size_in_quote": False, "side": "BUY",
        }  # fmt: skip

    async def main(it: Trading) -> None:
        it.venue.will(
            "orders/historical/fills", {"fills": [row(3), row(2)], "cursor": "next"}, {"fills": [row(1), row(0, "OTHER-USD")], "cursor": ""}
        )
        fills = await it.gateway.fills(["BTC-USDT"], START_NS)
        assert [fill.exec_id for fill in fills] == ["t1", "t2", "t3"]
        first, second = it.venue.of("orders/historical/fills")
        # By the venue's clock, which is known to half of its tick.
        assert abs(from_rfc3339(first["start_sequence_timestamp"]) - START_NS) <= 500_000
        assert second["cursor"] == "next"

    run("coinbase", monkeypatch, main)


def test_fills_of_kraken_come_page_by_page_BOOK_04(monkeypatch: pytest.MonkeyPatch) -> None:
    def row(number: int) -> dict[str, Any]:
        return {"ordertxid": "O-42", "pair": "BTCUSDT", "time": 1_800_000_000 + number // 4, "type": "buy", "price": "10", "vol": "1",
                "cost": "10", "fee": "0.1"}  # fmt: skip

    async def main(it: Trading) -> None:
        pages = [{f"T-{number}": row(number) for number in range(50, 0, -1)}, {"T-0": row(0), "OTHER": {**row(0), "pair": "ADAUSD"}}]
        it.venue.will("TradesHistory", *({"error": [], "result": {"trades": page, "count": 52}} for page in pages))
        fills = await it.gateway.fills(["BTC-USDT"], START_NS)
        assert [fill.exec_id for fill in fills] == [f"T-{number}" for number in range(51)]
        assert [asked["ofs"] for asked in it.venue.of("TradesHistory")] == ["0", "50"]

    run("kraken", monkeypatch, main)


def test_jrn_07_fills_of_kraken_of_one_microsecond_come_in_the_order_in_which_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their ids and their places in the venue's object are: it numbers the trades of a pair."""

    def row(time: str, number: int) -> dict[str, Any]:
        return {"ordertxid": "O-42", "pair": "BTCUSDT", "time": time, "type": "buy", "price": "10", "vol": "1", "cost": "10",
                "fee": "0.1", "trade_id": number}  # fmt: skip

    async def main(it: Trading) -> None:
        same = "1800000000.123457"
        rows = {"T-Z": row("1800000000.123456", 1), "T-A": row(same, 3), "T-C": row(same, 2), "T-B": row(same, 4),
                "T-Y": row("1800000000.123458", 5)}  # fmt: skip
        it.venue.will("TradesHistory", {"error": [], "result": {"trades": rows, "count": 5}})
        fills = await it.gateway.fills(["BTC-USDT"], START_NS)
        assert [fill.exec_id for fill in fills] == ["T-Z", "T-C", "T-A", "T-B", "T-Y"]
        assert fills[0].ts_venue_ns == 1_800_000_000_123_456_000

    run("kraken", monkeypatch, main)


@pytest.mark.parametrize("name", VENUES)
def test_a_venue_that_cannot_be_asked_says_so_by_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will("order.status", SILENCE)
        it.venue.will("orders/historical/batch", 503)
        it.venue.will("OpenOrders", {"error": ["EService:Unavailable"]})
        with pytest.raises(VenueError):
            await it.gateway.query(it.ref())
        it.venue.will("openOrders.status", {"result": [{"status": "NEVER_HEARD_OF"}]})
        it.venue.will("orders/historical/batch", {"orders": [{"status": "NEVER_HEARD_OF"}]})
        it.venue.will("OpenOrders", {"error": [], "result": {}})
        with pytest.raises(VenueError):
            await it.gateway.open_orders()

    run(name, monkeypatch, main)


def test_a_nonce_that_came_too_late_is_taken_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will("OpenOrders", {"error": ["EAPI:Invalid nonce"]}, {"error": [], "result": {"open": {}}})
        assert await it.gateway.open_orders() == []
        first, second = it.venue.of("OpenOrders")
        assert int(second["nonce"]) > int(first["nonce"])

    run("kraken", monkeypatch, main)


def test_weights_of_look_ups_count_as_the_addresss_BOOK_07(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will("openOrders.status", {"result": []})
        budget = it.held.session.gate.budget
        before = budget.used(now_s())
        await it.gateway.open_orders()
        assert budget.used(now_s()) - before == 80
        budget.spend(now_s(), 6000)
        began_s = now_s()
        await it.gateway.open_orders()
        assert now_s() - began_s > 30.0

    run("binance", monkeypatch, main)


def test_a_look_up_is_refused_while_the_address_is_banned(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.held.session.gate.budget.ban(now_s(), CallClass.ORDERS, 60.0)
        with pytest.raises(RateLimitedError):
            await it.gateway.open_orders()

    run("binance", monkeypatch, main)


# --- the dead-man switch ------------------------------------------------------------------------------------

ARMED = {"result": {"currentTime": "2026-11-20T10:00:00Z", "triggerTime": "2026-11-20T10:01:00Z"}}


def kraken_with_dead_man(*answers: Any) -> OrderVenue:
    venue = OrderVenue("kraken")
    venue.will("cancel_all_orders_after", *answers)
    return venue


def test_the_dead_man_switch_is_renewed_and_taken_off_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    venue = kraken_with_dead_man(ARMED)

    async def main(it: Trading) -> None:
        await pass_s(100.0)
        times = [at_s for at_s, method, _ in venue.orders if method == "cancel_all_orders_after"]
        assert 5 <= len(times) <= 7
        assert all(19.0 < later - sooner < 21.0 for sooner, later in pairwise(times))
        assert {asked["params"]["timeout"] for asked in venue.of("cancel_all_orders_after")} == {60}
        await it.gateway.close()
        assert venue.of("cancel_all_orders_after")[-1]["params"]["timeout"] == 0
        count = len(venue.orders)
        await it.gateway.close()
        await pass_s(100.0)
        assert len(venue.orders) == count
        assert it.desk.states[-1] == (False, "closed")
        assert (await it.gateway.submit(it.order())).sent is Sent.NOT_SENT

    run("kraken", monkeypatch, main, dead_man_s=60, venue=venue)


def test_the_dead_man_switch_is_armed_anew_after_a_loss_and_tried_again_after_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    venue = kraken_with_dead_man(ARMED, ARMED, {"error": "EService:Busy"}, ARMED)

    async def main(it: Trading) -> None:
        await reached(lambda: len(venue.orders) == 1)
        it.client.transport.disconnect(graceful=False)
        await reached(lambda: len(venue.orders) == 2)
        assert now_s() < 15.0
        await reached(lambda: len(venue.orders) == 4)
        third, fourth = venue.orders[2][0], venue.orders[3][0]
        assert fourth - third < 3.0

    run("kraken", monkeypatch, main, dead_man_s=60, venue=venue)


def test_without_a_dead_man_nothing_is_armed(monkeypatch: pytest.MonkeyPatch) -> None:
    venue = kraken_with_dead_man(ARMED)

    async def main(it: Trading) -> None:
        await pass_s(100.0)
        await it.gateway.close()
        assert venue.orders == []

    run("kraken", monkeypatch, main, dead_man_s=0, venue=venue)


def test_the_session_parts_from_the_venue_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    venue = kraken_with_dead_man(ARMED)

    async def main(it: Trading) -> None:
        await reached(lambda: len(venue.orders) == 1)
        await it.held.session.close()
        assert venue.of("cancel_all_orders_after")[-1]["params"]["timeout"] == 0

    run("kraken", monkeypatch, main, dead_man_s=60, venue=venue)


def test_errors_of_a_network_are_told_apart_by_what_has_left() -> None:
    assert sent_of(NetworkError("reset", op="x")) is Sent.UNKNOWN
    assert sent_of(UnavailableError("busy", op="x", http_status=503)) is Sent.UNKNOWN
    assert sent_of(UnavailableError("no connection", op="x")) is Sent.NOT_SENT
    assert sent_of(RateLimitedError("ours", op="x")) is Sent.NOT_SENT
    assert sent_of(RateLimitedError("the venue's", op="x", http_status=429)) is Sent.REFUSED
    assert sent_of(ProtocolError("what?", op="x")) is Sent.UNKNOWN
