"""What holds of every venue's order gateway: what is known after an order was sent (TRD-10, 11, 17, 24; ORDM-10)."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from engine.base.errors import MisuseError, NetworkError, ProtocolError, RateLimitedError, UnavailableError, VenueError
from engine.base.instants import from_rfc3339
from engine.providers.ordergateway import ANSWER_WITHIN_S, sent_of
from engine.schema.gateway import WireIdStyle
from engine.schema.order import ReportKind, ReportSource, SendOutcome, Sent
from tests.unit.providers.gateway_kit import (
    BINANCE_ROW,
    CANCEL,
    FOUND,
    KRAKEN_ROW,
    PLACE,
    TAKEN,
    coinbase_row,
    error,
    failed,
    run,
)
from tests.unit.providers.order_kit import SILENCE, Trading
from tests.unit.providers.private_kit import VENUES
from tests.unit.providers.virtual_time import START_NS, now_s, pass_s, reached

pytestmark = pytest.mark.timeout(30)  # hours of virtual time, on a machine that may be busy


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


@pytest.mark.parametrize("name", ["binance", "kraken"])
def test_ordm_07_over_a_connection_an_order_leaves_before_anything_is_waited_for(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(it: Trading) -> None:
        outcome = it.gateway.submit(it.order())
        await reached(lambda: len(it.venue.of(PLACE[name])) == 1)
        assert (await outcome).sent is Sent.TAKEN

    run(name, monkeypatch, main)


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


def test_only_what_risk_approved_is_sent_ORDM_04(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        order = it.order()
        for other in (order.request, SimpleNamespace(request=order.request, wire_order_id=order.wire_order_id), None):
            with pytest.raises(MisuseError):
                await it.gateway.submit(other)
        assert it.venue.orders == []

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


def test_errors_of_a_network_are_told_apart_by_what_has_left() -> None:
    assert sent_of(NetworkError("reset", op="x")) is Sent.UNKNOWN
    assert sent_of(UnavailableError("busy", op="x", http_status=503)) is Sent.UNKNOWN
    assert sent_of(UnavailableError("no connection", op="x")) is Sent.NOT_SENT
    assert sent_of(RateLimitedError("ours", op="x")) is Sent.NOT_SENT
    assert sent_of(RateLimitedError("the venue's", op="x", http_status=429)) is Sent.REFUSED
    assert sent_of(ProtocolError("what?", op="x")) is Sent.UNKNOWN
