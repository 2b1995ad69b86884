"""Orders at the simulated Binance, by its WebSocket API and by REST. TRD, ERR; protocols/binance.md 7 to 12."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.simulator.keys import KEYS
from engine.simulator.limits import DAY_US
from tests.unit.simulator.clients import START_US, make_venue, run, say
from tests.unit.simulator.orders_kit import ED_KEY, HMAC_KEY, BinanceClient, held

TOO_MANY = {"code": -1015, "msg": "Too many new orders; current limit is 100 orders per 10 SECOND."}


@pytest.fixture
def client() -> BinanceClient:
    return BinanceClient(held(make_venue("binance")))


def error(reply: Any) -> tuple[int, int, str]:
    return reply["status"], reply["error"]["code"], reply["error"]["msg"]


def test_an_order_that_waits_is_told_held_queried_and_cancelled(client: BinanceClient) -> None:
    reply = client.place(newClientOrderId="mine-1", newOrderRespType="RESULT")
    result = reply["result"]
    assert (reply["status"], result["status"], result["clientOrderId"]) == (200, "NEW", "mine-1")
    assert (result["price"], result["origQty"], result["executedQty"]) == ("61000.00000000", "0.00100000", "0.00000000")
    assert "fills" not in result
    assert [limit["count"] for limit in reply["rateLimits"]][1] == 1
    (report,) = client.events()
    assert (report["x"], report["X"], report["c"], report["C"]) == ("NEW", "NEW", "mine-1", "")
    assert (report["i"], report["t"], report["w"]) == (result["orderId"], -1, True)
    assert client.balance("USDT") == ("99939.00000000", "311.00000000")
    for name in ({"orderId": result["orderId"]}, {"origClientOrderId": "mine-1"}):
        assert client.ask("order.status", symbol="BTCUSDT", **name)["result"]["status"] == "NEW"
    assert [row["orderId"] for row in client.ask("openOrders.status")["result"]] == [result["orderId"]]
    reply = client.ask("order.cancel", symbol="BTCUSDT", origClientOrderId="mine-1", newClientOrderId="cancel-1")
    assert (reply["result"]["clientOrderId"], reply["result"]["origClientOrderId"]) == ("cancel-1", "mine-1")
    (report,) = client.events()
    assert (report["x"], report["X"], report["c"], report["C"]) == ("CANCELED", "CANCELED", "cancel-1", "mine-1")
    assert client.balance("USDT") == ("100000.00000000", "250.00000000")
    reply = client.ask("order.cancel", symbol="BTCUSDT", origClientOrderId="mine-1")
    assert error(reply) == (400, -2011, "Unknown order sent.")
    assert error(client.ask("order.status", symbol="BTCUSDT", orderId=99)) == (400, -2013, "Order does not exist.")


def test_an_order_that_takes_tells_each_fill_in_reply_report_and_list(client: BinanceClient) -> None:
    reply = client.place("SELL", None, "0.30000")["result"]
    assert (reply["status"], reply["type"]) == ("FILLED", "MARKET")
    reports = client.events()
    assert [report["x"] for report in reports] == ["NEW", *["TRADE"] * (len(reports) - 1)]
    assert [report["X"] for report in reports][-2:] == ["PARTIALLY_FILLED", "FILLED"]
    fills = [
        {"price": one["L"], "qty": one["l"], "commission": one["n"], "commissionAsset": one["N"], "tradeId": one["t"]}
        for one in reports[1:]
    ]
    assert reply["fills"] == fills
    assert len({fill["tradeId"] for fill in fills}) == len(fills) > 1
    cost = sum(Decimal(fill["price"]) * Decimal(fill["qty"]) for fill in fills)
    assert Decimal(reply["cummulativeQuoteQty"]) == Decimal(reports[-1]["Z"]) == cost
    fees = sum(Decimal(fill["commission"]) for fill in fills)
    assert all(Decimal(one["commission"]) == (Decimal(one["price"]) * Decimal(one["qty"]) / 1000).quantize(Decimal("1e-8"), "ROUND_DOWN") for one in fills)
    assert client.balance("BTC") == ("9.70000000", "0.50000000")
    assert Decimal(client.balance("USDT")[0]) == 100_000 + cost - fees
    rows = client.ask("myTrades", symbol="BTCUSDT")["result"]
    assert [row["id"] for row in rows] == [fill["tradeId"] for fill in fills]
    later = client.ask("myTrades", symbol="BTCUSDT", fromId=rows[1]["id"], limit=2)["result"]
    assert later == rows[1:3]
    public = client.venue.trades("BTCUSDT")["BTCUSDT"][-len(fills) :]
    assert [trade["id"] for trade in public] == [fill["tradeId"] for fill in fills]


def test_what_is_not_filled_of_an_order_that_does_not_wait_expires(client: BinanceClient) -> None:
    bid = client.venue.books("BTCUSDT")["BTCUSDT"]["bids"][0]
    qty = f"{Decimal(bid[1]) + Decimal('0.00100')}"
    reply = client.place("SELL", f"{Decimal(bid[0]):.2f}", qty, timeInForce="IOC")["result"]
    assert (reply["status"], reply["expiryReason"]) == ("EXPIRED", "UNFILLED_IOC_QUANTITY_EXPIRED")
    assert Decimal(reply["executedQty"]) == Decimal(bid[1])
    last = client.events()[-1]
    assert (last["x"], last["X"], last["eR"]) == ("EXPIRED", "EXPIRED", "UNFILLED_IOC_QUANTITY_EXPIRED")
    assert Decimal(last["z"]) == Decimal(bid[1])
    reply = client.place("BUY", "61000.00", timeInForce="FOK")["result"]
    assert (reply["status"], reply["expiryReason"]) == ("EXPIRED", "UNFILLED_FOK_ORDER_EXPIRED")


LIMIT = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "61000.00", "quantity": "0.001"}


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"symbol": "NOPE"}, -1121, "Invalid symbol."),
        ({"side": "HOLD"}, -1117, "Invalid side."),
        ({"type": "ICE"}, -1116, "Invalid orderType."),
        ({"timeInForce": "GTD"}, -1115, "Invalid timeInForce."),
        ({"price": None}, -1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
        ({"type": "MARKET", "timeInForce": None}, -1106, "Parameter 'price' sent when not required."),
        ({"price": "61000.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "0"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "1.00"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"price": "999999.00"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "0.000001"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0.00001"}, -1013, "Filter failure: NOTIONAL"),
        ({"price": "61000.000000001"}, -1111, "Parameter 'price' has too much precision."),
        ({"price": "6e4"}, -1100, r"Illegal characters found in parameter 'price'; legal range is '^([0-9]{1,20})(\.[0-9]{1,20})?$'."),
        ({"newClientOrderId": "a b"}, -1100, r"Illegal characters found in parameter 'newClientOrderId'; legal range is '^[\.A-Z\:/a-z0-9_-]{1,36}$'."),
        ({"quantity": "2"}, -2010, "Account has insufficient balance for requested action."),
        ({"type": "LIMIT_MAKER", "timeInForce": None, "price": "62000.00"}, -2010, "Order would immediately match and take."),
        ({"selfTradePreventionMode": "NONE"}, -1130, "Data sent for parameter 'selfTradePreventionMode' is not valid."),
    ],
)  # fmt: skip
def test_what_is_refused_is_refused_in_the_venues_words_and_leaves_nothing(
    client: BinanceClient, change: dict[str, Any], code: int, text: str
) -> None:
    params = {name: value for name, value in (LIMIT | change).items() if value is not None}
    assert error(client.ask("order.place", **params)) == (400, code, text)
    assert client.rest("POST", "order", **params) == (400, {"code": code, "msg": text})
    assert client.events() == []
    assert client.balance("USDT") == ("100000.00000000", "250.00000000")
    assert client.ask("allOrders", symbol="BTCUSDT")["result"] == []


def test_a_tick_that_has_changed_holds_for_new_orders_and_old_ones_keep_their_price(client: BinanceClient) -> None:
    client.place(price="61000.05", newClientOrderId="old")
    client.venue.change_tick(client.venue.markets["BTCUSDT"], "0.10")
    assert error(client.place(price="61000.05"))[2] == "Filter failure: PRICE_FILTER"
    assert client.place(price="61000.10")["status"] == 200
    client.venue.change_tick(client.venue.markets["BTCUSDT"], "0.001")
    assert client.place(price="61000.001")["status"] == 200
    found = client.ask("order.status", symbol="BTCUSDT", origClientOrderId="old")["result"]
    assert found["price"] == "61000.05000000"
    client.venue.desk.fill(client.venue.desk.orders[0], 50)
    client.venue.desk.tell_all()
    report = client.events()[-1]
    assert (report["L"], report["Z"]) == ("61000.05000000", "30.50002500")
    assert client.ask("openOrders.cancelAll", symbol="BTCUSDT")["status"] == 200
    assert client.balance("USDT") == ("99969.49997500", "250.00000000")


def test_an_id_is_unique_among_open_orders_alone(client: BinanceClient) -> None:
    assert client.place(newClientOrderId="same")["status"] == 200
    assert error(client.place(newClientOrderId="same")) == (400, -2010, "Duplicate order sent.")
    assert client.ask("openOrders.cancelAll", symbol="BTCUSDT")["result"][0]["origClientOrderId"] == "same"
    assert error(client.ask("openOrders.cancelAll", symbol="BTCUSDT"))[1] == -2011
    assert client.place(newClientOrderId="same")["result"]["orderId"] == 2
    found = client.ask("order.status", symbol="BTCUSDT", origClientOrderId="same")["result"]
    assert (found["orderId"], found["status"]) == (2, "NEW")
    assert error(client.ask("order.status", symbol="BTCUSDT", orderId=1, origClientOrderId="same"))[1] == -2013


def test_a_market_that_is_halted_takes_no_order(client: BinanceClient) -> None:
    order = client.place()["result"]["orderId"]
    client.venue.markets["BTCUSDT"].set_status("halted")
    assert error(client.place()) == (400, -2010, "Market is closed.")
    assert client.ask("order.cancel", symbol="BTCUSDT", orderId=order)["status"] == 200


@pytest.mark.parametrize("key", KEYS["binance"])
@pytest.mark.parametrize("in_body", [True, False])
def test_by_rest_the_same_is_done_and_the_stream_tells_of_it(key: Any, in_body: bool) -> None:
    client = BinanceClient(held(make_venue("binance")), key)
    status, placed = client.rest("POST", "order", in_body=in_body, **LIMIT, newClientOrderId="r-1")
    assert (status, placed["status"]) == (200, "NEW")
    assert client.events()[0]["c"] == "r-1"
    assert client.rest("GET", "openOrders")[1][0]["clientOrderId"] == "r-1"
    assert client.rest("GET", "order", symbol="BTCUSDT", orderId=placed["orderId"])[1]["status"] == "NEW"
    assert client.rest("DELETE", "order", symbol="BTCUSDT", origClientOrderId="r-1")[1]["status"] == "CANCELED"
    assert client.rest("GET", "order", symbol="BTCUSDT", orderId=7) == (400, {"code": -2013, "msg": "Order does not exist."})
    assert client.rest("GET", "allOrders", symbol="BTCUSDT")[1][0]["status"] == "CANCELED"
    assert client.rest("POST", "order/test", **LIMIT) == (200, {})
    assert client.rest("GET", "account")[1]["makerCommission"] == 10


def test_a_signature_over_other_values_is_refused_and_places_nothing(client: BinanceClient) -> None:
    client.key = HMAC_KEY._replace(secret=ED_KEY.secret)
    assert error(client.place()) == (400, -1022, "Signature for this request is not valid.")
    assert client.rest("POST", "order", **LIMIT)[1]["code"] == -1022
    client.key = HMAC_KEY._replace(api_key="nobody")
    assert error(client.place())[1] == -2015
    assert client.venue.desk.orders == []


def test_who_is_logged_on_needs_no_signature() -> None:
    client = BinanceClient(held(make_venue("binance")), ED_KEY)
    assert client.ask("session.logon")["status"] == 200
    say(client.venue, client.session, id="u", method="order.place", params=LIMIT | {"timestamp": START_US // 1000})
    assert client.reply("u")["result"]["status"] == "NEW"
    say(client.venue, client.session, id="late", method="order.place", params=LIMIT | {"timestamp": START_US // 1000 - 5001})
    assert client.reply("late")["error"]["code"] == -1021


def test_orders_are_limited_until_they_trade(client: BinanceClient) -> None:
    client.venue.true_us = lambda: START_US
    waiting = [client.place(qty="0.00010")["status"] for _ in range(100)]
    assert waiting == [200] * 100
    reply = client.place(qty="0.00010")
    # Until the next ten seconds of the clock.
    now_ms = START_US // 1000
    retry = {"serverTime": now_ms, "retryAfter": now_ms + 10_000 - now_ms % 10_000}
    assert (reply["status"], reply["error"]) == (429, TOO_MANY | {"data": retry})
    client.venue.desk.fill(client.venue.desk.orders[0], 3)
    client.venue.desk.tell_all()
    assert client.place(qty="0.00010")["status"] == 200
    client.venue.true_us = lambda: START_US + 10**7
    assert client.place(qty="0.00010")["status"] == 200
    client.venue.true_us = lambda: START_US + DAY_US
    assert [limit["count"] for limit in client.place(qty="0.00010")["rateLimits"]] == [1, 1]


def test_what_is_placed_costs_no_weight_and_what_is_refused_does(client: BinanceClient) -> None:
    client.venue.true_us = lambda: START_US
    used = lambda: int(client.venue.rest("/api/v3/ping", {}).headers["X-MBX-USED-WEIGHT-1M"])  # noqa: E731
    before = used()
    client.place()
    assert used() == before + 1
    client.place(qty="9")
    assert used() == before + 3
    client.rest("GET", "openOrders")
    assert used() == before + 84


def test_who_asks_too_much_is_told_until_when(client: BinanceClient) -> None:
    client.venue.true_us = lambda: START_US
    reply = next(reply for reply in (client.ask("openOrders.status") for _ in range(100)) if reply["status"] != 200)
    assert (reply["status"], reply["error"]["code"]) == (429, -1003)
    assert reply["error"]["data"]["retryAfter"] - reply["error"]["data"]["serverTime"] in range(1000, 60_001, 1000)
    assert client.venue.breaches["weight"] == 1


def test_two_who_listen_hear_the_same_and_a_stranger_nothing() -> None:
    venue = held(make_venue("binance"))
    one, again, stranger = BinanceClient(venue), BinanceClient(venue), BinanceClient(venue, ED_KEY)
    one.place(newClientOrderId="x")
    assert [report["c"] for report in one.events()] == ["x"]
    assert [report["c"] for report in again.events()] == ["x"]
    assert stranger.events() == []
    assert stranger.ask("openOrders.status")["result"] == []


def test_an_order_that_waits_is_filled_by_the_market_in_time() -> None:
    client = BinanceClient(make_venue("binance", rate=50_000))
    price = client.venue.books("BTCUSDT")["BTCUSDT"]["bids"][0][0]
    order = client.place("BUY", f"{Decimal(price):.2f}", "0.01000")["result"]["orderId"]
    for _ in range(400):
        run(client.venue, 0.01)
        if client.venue.desk.orders[order - 1].status == "filled":
            break
    reports = client.events()
    assert reports[-1]["X"] == "FILLED"
    assert all(report["m"] for report in reports[1:])
    assert sum(Decimal(report["l"]) for report in reports) == Decimal("0.01")
    assert reports[1]["n"] == f"{Decimal(reports[1]['l']) / 1000:.8f}"
