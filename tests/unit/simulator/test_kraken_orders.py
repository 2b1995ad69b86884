"""Orders at the simulated Kraken, by WebSocket v2 and by REST. TRD, ERR; protocols/kraken.md 6 to 11."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from engine.simulator.keys import KEYS
from tests.unit.simulator.clients import START_US, make_venue, run
from tests.unit.simulator.orders_kit import KrakenClient, held


@pytest.fixture
def client() -> KrakenClient:
    return KrakenClient(held(make_venue("kraken")))


def kinds(rows: list[Any]) -> list[tuple[str, str]]:
    return [(row["exec_type"], row["order_status"]) for row in rows]


def test_an_order_that_waits_is_told_sparsely_and_cancelled(client: KrakenClient) -> None:
    reply = client.place(cl_ord_id="mine-1", time_in_force="gtc", post_only=True)
    assert (reply["success"], reply["result"]["cl_ord_id"]) == (True, "mine-1")
    name = reply["result"]["order_id"]
    first, second = client.told()
    assert kinds([first, second]) == [("pending_new", "pending_new"), ("new", "new")]
    assert (first["symbol"], first["side"], first["cl_ord_id"]) == ("BTC/USD", "buy", "mine-1")
    assert (first["limit_price"], first["order_qty"]) == (Decimal("61000.0"), Decimal("0.00100000"))
    assert "symbol" not in second
    assert "cl_ord_id" not in second
    assert second["order_id"] == name
    balances = client.rest("BalanceEx")[1]["result"]
    # What it costs, and the taker's fee.
    assert balances["ZUSD"] == {"balance": "100250.00000000", "hold_trade": f"{250 + 61 + Decimal('0.244'):.8f}"}
    (reply,) = client.ask("cancel_order", cl_ord_id=["mine-1"])
    assert (reply["success"], reply["result"]) == (True, {"cl_ord_id": "mine-1"})
    (entry,) = client.told()
    assert kinds([entry]) == [("canceled", "canceled")]
    assert (entry["reason"], entry["order_id"]) == ("User requested", name)
    (reply,) = client.ask("cancel_order", order_id=[name])
    assert (reply["success"], reply["error"]) == (False, "EOrder:Unknown order")
    assert client.rest("BalanceEx")[1]["result"]["ZUSD"]["hold_trade"] == "250.00000000"


def test_a_cancel_is_answered_for_each_order(client: KrakenClient) -> None:
    names = [client.place()["result"]["order_id"] for _ in range(2)]
    answers = client.ask("cancel_order", order_id=[names[0], "ONONE-00000-000001", names[1]])
    assert [answer["success"] for answer in answers] == [True, False, True]


def test_each_fill_is_an_entry_and_the_last_one_too_says_partially(client: KrakenClient) -> None:
    client.place("buy", None, "0.05000000", cl_ord_id="taker")
    rows = client.told()
    assert kinds(rows[:2]) == [("pending_new", "pending_new"), ("new", "new")]
    fills = rows[2:-1]
    assert set(kinds(fills)) == {("trade", "partially_filled")}
    assert len(fills) > 1
    assert kinds(rows[-1:]) == [("filled", "filled")]
    assert "exec_id" not in rows[-1]
    assert sum(row["last_qty"] for row in fills) == rows[-1]["cum_qty"] == Decimal("0.05")
    cost = sum(row["last_qty"] * row["last_price"] for row in fills)
    assert rows[-1]["cum_cost"] == cost == sum(row["cost"] for row in fills)
    for row in fills:
        assert row["liquidity_ind"] == "t"
        assert row["fees"] == [{"asset": "USD", "qty": (row["cost"] * 4 / 1000).quantize(Decimal("1e-8"), "ROUND_DOWN")}]
    assert len({row["exec_id"] for row in fills}) == len(fills)
    trades = client.rest("TradesHistory")[1]["result"]
    assert trades["count"] == len(fills)
    assert {name: Decimal(trade["vol"]) for name, trade in trades["trades"].items()} == {row["exec_id"]: row["last_qty"] for row in fills}


def test_the_ledger_has_each_side_of_a_fill_and_what_there_is_after_it(client: KrakenClient) -> None:
    client.place("sell", None, "0.00100000")
    base, quote = client.told("balances")
    assert (base["asset"], base["amount"], base["balance"]) == ("BTC", Decimal("-0.001"), Decimal("10.499"))
    assert (quote["asset"], quote["type"]) == ("USD", "trade")
    assert quote["balance"] == 100_250 + quote["amount"] - quote["fee"]


def test_a_post_only_order_that_would_take_is_accepted_and_ends_without_having_been_new(client: KrakenClient) -> None:
    reply = client.place(price="65000.0", post_only=True)
    assert reply["success"]
    rows = client.told()
    assert kinds(rows) == [("pending_new", "pending_new"), ("canceled", "canceled")]
    assert rows[-1]["reason"] == "Post only order"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"symbol": "NO/PE"}, "EQuery:Unknown asset pair"),
        ({"side": "hold"}, "EGeneral:Invalid arguments:type"),
        ({"order_type": "iceberg"}, "EGeneral:Invalid arguments:ordertype"),
        ({"time_in_force": "gtx"}, "EGeneral:Invalid arguments:timeinforce"),
        ({"limit_price": "#61000.05"}, "EOrder:Tick size check failed"),
        ({"limit_price": "#10.0"}, "EOrder:Invalid price"),
        ({"order_qty": "#0.000000001"}, "EGeneral:Invalid arguments:volume"),
        ({"order_qty": "#0.00000100"}, "EOrder:Order minimum not met"),
        ({"order_qty": "#2.0"}, "EOrder:Insufficient funds"),
        ({"cl_ord_id": "longer than eighteen"}, "EGeneral:Invalid arguments:cl_ord_id"),
        ({"userref": 1}, "Unsupported field: 'userref' for the given msg type: add order"),
        ({"post_only": True, "time_in_force": "ioc"}, "EGeneral:Invalid arguments:post_only"),
        ({"deadline": "2023-11-14T22:13:20.000Z"}, "EService:Deadline elapsed"),
        ({"token": "guess"}, "EAPI:Invalid token"),
    ],
)  # fmt: skip
def test_what_is_refused_is_refused_in_the_venues_words_and_leaves_nothing(client: KrakenClient, change: dict[str, Any], text: str) -> None:
    reply = client.place(**change)
    assert (reply["success"], reply["error"]) == (False, text)
    assert client.told() == []
    assert client.venue.desk.orders == []


def test_a_deadline_to_come_and_an_order_that_is_only_checked(client: KrakenClient) -> None:
    at = datetime.fromtimestamp(START_US / 1e6 + 5, UTC).isoformat()
    assert client.place(deadline=at)["success"]
    assert client.place(validate=True)["result"] == {}
    assert len(client.venue.desk.orders) == 1


@pytest.mark.parametrize("name", ["a" * 18, "0" * 32, "6d1b345e-2821-40e2-ad83-4ecb18a06876"])
def test_a_clients_id_is_unique_among_open_orders(client: KrakenClient, name: str) -> None:
    assert client.place(cl_ord_id=name)["success"]
    assert client.place(cl_ord_id=name)["error"] == "EGeneral:Invalid arguments:cl_ord_id"
    assert client.ask("cancel_all")[0]["result"] == {"count": 1}
    assert client.place(cl_ord_id=name)["success"]


def test_orders_without_an_id_are_not_each_others_doubles(client: KrakenClient) -> None:
    assert [client.place()["success"] for _ in range(3)] == [True] * 3


def test_the_switch_ends_all_orders_unless_it_is_asked_again(client: KrakenClient) -> None:
    client.place(cl_ord_id="a")
    (reply,) = client.ask("cancel_all_orders_after", timeout=60)
    assert reply["result"]["triggerTime"] > reply["result"]["currentTime"]
    run(client.venue, 40)
    client.ask("cancel_all_orders_after", timeout=60)
    run(client.venue, 40)
    assert client.rest("OpenOrders")[1]["result"]["open"]
    client.told()
    run(client.venue, 21)
    assert kinds(client.told()) == [("canceled", "canceled")]
    # Once it has struck it is off, and so it is after a zero.
    client.place(cl_ord_id="b")
    run(client.venue, 100)
    client.ask("cancel_all_orders_after", timeout=10)
    assert client.ask("cancel_all_orders_after", timeout=0)[0]["result"]["triggerTime"] == "0"
    run(client.venue, 20)
    assert len(client.rest("OpenOrders")[1]["result"]["open"]) == 1


def test_a_new_connection_begins_with_open_orders_and_the_newest_fills(client: KrakenClient) -> None:
    waiting = client.place(cl_ord_id="waits")["result"]["order_id"]
    client.place("sell", None, "0.00100000", cl_ord_id="takes")
    client.venue.desk.fill(client.venue.desk.orders[0], 40_000)
    client.venue.desk.tell_all()
    again = KrakenClient(client.venue, snap_orders=True, snap_trades=True)
    (snapshot,) = [one for one in again.tape.messages() if one.get("channel") == "executions"]
    order, *fills = snapshot["data"]
    assert (snapshot["type"], snapshot["sequence"]) == ("snapshot", 1)
    assert (order["order_id"], order["order_status"], order["cum_qty"]) == (waiting, "partially_filled", Decimal("0.0004"))
    assert [fill["cl_ord_id"] for fill in fills] == ["takes", "waits"]
    assert [fill["liquidity_ind"] for fill in fills] == ["t", "m"]


def test_by_rest_the_same_is_done_and_told(client: KrakenClient) -> None:
    asked = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "61000.0", "volume": "0.001"}
    _, reply = client.rest("AddOrder", **asked, cl_ord_id="r-1", oflags="post")
    (name,) = reply["result"]["txid"]
    assert reply["result"]["descr"]["order"] == "buy 0.00100000 XBTUSD @ limit 61000.0"
    assert kinds(client.told()) == [("pending_new", "pending_new"), ("new", "new")]
    found = client.rest("OpenOrders", cl_ord_id="r-1")[1]["result"]["open"]
    assert (found[name]["status"], found[name]["cl_ord_id"], found[name]["vol"]) == ("open", "r-1", "0.00100000")
    assert client.rest("OpenOrders", cl_ord_id="other")[1]["result"]["open"] == {}
    assert client.rest("CancelOrder", txid=name)[1]["result"] == {"count": 1}
    assert client.rest("CancelOrder", txid=name)[1] == {"error": ["EOrder:Unknown order"]}
    closed = client.rest("ClosedOrders", cl_ord_id="r-1")[1]["result"]
    assert (closed["count"], closed["closed"][name]["status"]) == (1, "canceled")
    assert client.rest("QueryOrders", txid=name)[1]["result"][name]["status"] == "canceled"
    assert client.rest("QueryOrders", txid="OAAAAA-BBBBB-CCCCCC")[1] == {"error": ["EOrder:Unknown order"]}
    assert client.rest("AddOrder", **asked | {"volume": "5"})[1] == {"error": ["EOrder:Insufficient funds"]}
    assert client.rest("Balance")[1]["result"]["XXBT"] == "10.50000000"


def test_a_signature_over_other_values_places_nothing(client: KrakenClient) -> None:
    (key,) = KEYS["kraken"]
    client.key = key._replace(secret=KEYS["binance"][0].secret)
    asked = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "61000.0", "volume": "0.001"}
    assert client.rest("AddOrder", **asked)[1] == {"error": ["EAPI:Invalid signature"]}
    assert client.venue.desk.orders == []


def test_calls_of_a_key_are_counted_and_orders_are_not(client: KrakenClient) -> None:
    client.venue.true_us = lambda: START_US + 60 * 10**6
    asked = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "61000.0", "volume": "0.001"}
    for _ in range(30):
        assert client.rest("AddOrder", **asked)[1]["error"] == []
    answers = [client.rest("TradesHistory")[1]["error"] for _ in range(11)]
    assert answers == [[]] * 10 + [["EAPI:Rate limit exceeded"]]
    assert client.venue.breaches == {"private_requests": 1}


def test_young_cancels_fill_the_counter_of_their_pair(client: KrakenClient) -> None:
    client.venue.true_us = lambda: START_US
    refused = None
    for count in range(1, 40):
        name = client.place()
        if not name["success"]:
            refused = (count, name["error"])
            break
        (answer,) = client.ask("cancel_order", order_id=[name["result"]["order_id"]])
        if not answer["success"]:
            refused = (count, answer["error"])
            break
    # 125 at most: thirteen pairs of 1 + 8 are 117, the fourteenth's cancel is too much.
    assert refused == (14, "EOrder:Rate limit exceeded")
    other = client.ask("add_order", symbol="ETH/USD", side="buy", order_type="limit", order_qty="#0.01", limit_price="#2600.00")
    assert other[0]["success"]
