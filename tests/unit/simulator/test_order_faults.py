"""What goes wrong with orders on request: lost, late, double and hidden, with the venue's own truth untouched."""

from __future__ import annotations

from typing import Any

import pytest

from engine.simulator.fault_rules import FAULTS, Point, named_rules
from tests.unit.simulator.clients import make_venue, run
from tests.unit.simulator.orders_kit import BinanceClient, CoinbaseClient, KrakenClient, held
from tests.unit.simulator.test_frame_faults import arm

ABNORMAL = 1006


@pytest.fixture
def binance() -> BinanceClient:
    return BinanceClient(held(make_venue("binance")))


@pytest.fixture
def kraken() -> KrakenClient:
    return KrakenClient(held(make_venue("kraken")))


@pytest.fixture
def coinbase() -> CoinbaseClient:
    return CoinbaseClient(held(make_venue("coinbase")))


def test_a_lost_reply_leaves_an_order_and_a_lost_request_none(binance: BinanceClient) -> None:
    arm(binance.venue, fault="lost_reply", symbol="BTC-USDT")
    assert binance.place(newClientOrderId="a") is None
    assert [report["c"] for report in binance.events()] == ["a"]
    assert binance.ask("order.status", symbol="BTCUSDT", origClientOrderId="a")["status"] == 200
    arm(binance.venue, fault="lost_request")
    assert binance.place(newClientOrderId="b") is None
    assert binance.events() == []
    assert binance.ask("order.status", symbol="BTCUSDT", origClientOrderId="b")["error"]["code"] == -2013
    assert binance.place(newClientOrderId="c")["status"] == 200
    told = [(one.fault, one.symbol) for one in binance.venue.faults.injections]
    assert told == [("lost_reply", "BTCUSDT"), ("lost_request", "BTCUSDT")]


def test_a_cancels_reply_is_lost_where_the_rule_says_so(binance: BinanceClient) -> None:
    arm(binance.venue, fault="lost_reply", call="cancel")
    order = binance.place()["result"]["orderId"]
    assert binance.ask("order.cancel", symbol="BTCUSDT", orderId=order) is None
    assert binance.events()[-1]["X"] == "CANCELED"
    arm(binance.venue, fault="lost_request", call="cancel")
    order = binance.place()["result"]["orderId"]
    assert binance.ask("order.cancel", symbol="BTCUSDT", orderId=order) is None
    assert binance.events()[-1]["X"] == "NEW"
    assert binance.ask("order.cancel", symbol="BTCUSDT", orderId=order)["status"] == 200


def test_nobody_knows_says_each_venue_in_its_words(
    binance: BinanceClient, kraken: KrakenClient, coinbase: CoinbaseClient
) -> None:
    for client in (binance, kraken, coinbase):
        arm(client.venue, fault="failed_reply", count=2)
    reply = binance.place()
    assert (reply["status"], reply["error"]["code"]) == (503, -1007)
    limit = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "61000.00", "quantity": "0.001"}
    assert binance.rest("POST", "order", **limit)[0] == 503
    assert kraken.place()["error"] == "EService:Timeout"
    asked = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "61000.0", "volume": "0.001"}
    assert kraken.rest("AddOrder", **asked)[0] == 503
    body = {"client_order_id": "x", "product_id": "BTC-USD", "side": "BUY", "order_configuration": {"limit_limit_gtc": {"base_size": "0.001", "limit_price": "61000.00"}}}
    assert coinbase.rest("POST", "orders", body)[0] == 503
    # Sent again, the same body finds the order.
    assert coinbase.rest("POST", "orders", body)[1]["success"]
    assert [len(client.venue.desk.orders) for client in (binance, kraken, coinbase)] == [2, 2, 1]


def test_a_late_reply_comes_after_its_reports(kraken: KrakenClient) -> None:
    arm(kraken.venue, fault="late_reply", for_s=2)
    assert kraken.place(cl_ord_id="late") is None
    assert len(kraken.told()) == 2
    run(kraken.venue, 1.9)
    replies = [one for one in kraken.tape.messages() if one.get("method") == "add_order"]
    assert replies == []
    run(kraken.venue, 0.2)
    (reply,) = [one for one in kraken.tape.messages() if one.get("method") == "add_order"]
    assert reply["result"]["cl_ord_id"] == "late"


def test_a_connection_that_is_cut_on_acceptance_leaves_the_order(binance: BinanceClient, coinbase: CoinbaseClient) -> None:
    arm(binance.venue, fault="disconnect_after_accept")
    assert binance.place(newClientOrderId="cut") is None
    assert binance.tape.close_code == ABNORMAL
    binance.join()
    assert [row["clientOrderId"] for row in binance.ask("openOrders.status")["result"]] == ["cut"]
    arm(coinbase.venue, fault="disconnect_after_accept")
    call = coinbase.venue.rest
    replies: list[Any] = []
    coinbase.venue.rest = lambda *args: replies.append(call(*args)) or replies[-1]  # type: ignore[method-assign,func-returns-value]
    coinbase.place("cut")
    assert replies[0].is_lost


def test_an_order_may_be_refused_for_nothing(binance: BinanceClient, kraken: KrakenClient, coinbase: CoinbaseClient) -> None:
    for client in (binance, kraken, coinbase):
        arm(client.venue, fault="reject_order")
    assert binance.place()["error"]["code"] == -2010
    assert kraken.place()["error"] == "EOrder:Trading agreement required"
    assert coinbase.place("no")["error_response"]["error"] == "COMMANDER_REJECTED_NEW_ORDER"
    assert [client.venue.desk.orders for client in (binance, kraken, coinbase)] == [[], [], []]
    assert binance.place()["status"] == 200


def test_an_order_is_half_filled_at_once_and_its_cancel_finds_it_filled(binance: BinanceClient) -> None:
    arm(binance.venue, fault="partial_fill")
    arm(binance.venue, fault="cancel_race")
    reply = binance.place(qty="0.00101")["result"]
    assert (reply["status"], reply["executedQty"]) == ("PARTIALLY_FILLED", "0.00050000")
    assert [report["X"] for report in binance.events()] == ["NEW", "PARTIALLY_FILLED"]
    reply = binance.ask("order.cancel", symbol="BTCUSDT", orderId=reply["orderId"])
    assert reply["error"]["code"] == -2011
    (report,) = binance.events()
    assert (report["X"], report["z"], report["m"]) == ("FILLED", "0.00101000", True)


@pytest.mark.parametrize("name", ["kraken", "coinbase"])
def test_a_cancel_that_lost_the_race_is_refused_everywhere(name: str, request: pytest.FixtureRequest) -> None:
    client = request.getfixturevalue(name)
    arm(client.venue, fault="cancel_race")
    if name == "kraken":
        order = client.place()["result"]["order_id"]
        assert client.ask("cancel_order", order_id=[order])[0]["error"] == "EOrder:Unknown order"
    else:
        order = client.place("x")["order_id"]
        (result,) = client.rest("POST", "orders/batch_cancel", {"order_ids": [order]})[1]["results"]
        assert (result["success"], result["failure_reason"]) == (False, "ORDER_IS_FULLY_FILLED")
    assert client.venue.desk.orders[0].status == "filled"


def test_an_order_may_show_only_at_the_second_look(
    binance: BinanceClient, kraken: KrakenClient, coinbase: CoinbaseClient
) -> None:
    for client in (binance, kraken, coinbase):
        arm(client.venue, fault="hidden_order")
    number = binance.place()["result"]["orderId"]
    looks = [binance.ask("order.status", symbol="BTCUSDT", orderId=number)["status"] for _ in range(2)]
    assert looks == [400, 200]
    kraken.place(cl_ord_id="k")
    found = [len(kraken.rest("OpenOrders", cl_ord_id="k")[1]["result"]["open"]) for _ in range(2)]
    assert found == [0, 1]
    name = coinbase.place("c")["order_id"]
    assert [coinbase.rest("GET", f"orders/historical/{name}")[0] for _ in range(2)] == [404, 200]


def test_the_list_of_open_orders_may_come_late(binance: BinanceClient, kraken: KrakenClient) -> None:
    arm(binance.venue, fault="delay_open_orders", for_s=3)
    number = binance.send("openOrders.status")
    run(binance.venue, 2.9)
    assert binance.reply(number) is None
    run(binance.venue, 0.2)
    assert binance.reply(number)["result"] == []
    arm(kraken.venue, fault="delay_open_orders", for_s=3)
    call, replies = kraken.venue.rest, []
    kraken.venue.rest = lambda *args: replies.append(call(*args)) or replies[-1]  # type: ignore[method-assign,func-returns-value]
    kraken.rest("OpenOrders")
    assert replies[0].delay_us == 3_000_000


def test_a_fill_may_be_told_after_the_cancel_that_came_later(binance: BinanceClient) -> None:
    arm(binance.venue, fault="late_fill", for_s=2)
    order = binance.place()["result"]["orderId"]
    binance.venue.desk.fill(binance.venue.desk.orders[0], 40)
    binance.venue.desk.tell_all()
    binance.ask("order.cancel", symbol="BTCUSDT", orderId=order)
    assert [(one["x"], one["z"]) for one in binance.events()] == [("NEW", "0.00000000"), ("CANCELED", "0.00040000")]
    run(binance.venue, 2.1)
    (late,) = binance.events()
    assert (late["x"], late["X"], late["z"], late["l"]) == ("TRADE", "PARTIALLY_FILLED", "0.00040000", "0.00040000")
    assert binance.ask("myTrades", symbol="BTCUSDT")["result"][0]["id"] == late["t"]


def test_reports_may_come_twice_out_of_turn_or_not_at_all(binance: BinanceClient) -> None:
    arm(binance.venue, fault="duplicate_report")
    binance.place()
    first, second = binance.events()
    assert first == second
    arm(binance.venue, fault="swap_reports")
    bid = binance.venue.books("BTCUSDT")["BTCUSDT"]["bids"][0][0]
    binance.place("SELL", None, "0.00100")
    assert [one["x"] for one in binance.events()][:2] == ["TRADE", "NEW"]
    assert bid
    arm(binance.venue, fault="lost_report")
    binance.place()
    assert binance.events() == []


def test_what_waits_for_its_turn_is_told_when_the_market_freezes(binance: BinanceClient) -> None:
    arm(binance.venue, fault="swap_reports")
    binance.place()
    assert binance.events() == []
    binance.venue.freeze()
    assert [one["x"] for one in binance.events()] == ["NEW"]


def test_kraken_numbers_what_comes_twice(kraken: KrakenClient) -> None:
    arm(kraken.venue, fault="duplicate_report")
    kraken.place()
    numbers = [one["sequence"] for one in kraken.tape.messages() if one.get("channel") == "executions"]
    assert numbers == [1, 2, 3, 4]
    assert [row["exec_type"] for row in kraken.told()] == ["pending_new", "new", "new"]


def test_every_fault_of_orders_has_a_plan_by_its_name_alone() -> None:
    of_orders = [name for name, kind in FAULTS.items() if kind.point in (Point.ORDER, Point.QUERY, Point.REPORT)]
    assert len(of_orders) == 14
    assert [rule.fault for rule in named_rules(of_orders)] == of_orders
