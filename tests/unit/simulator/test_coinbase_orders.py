"""Orders at the simulated Coinbase, by REST and its user channel. TRD, ERR; protocols/coinbase.md 6 to 10."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.simulator.keys import KEYS
from engine.simulator.orders import SCALE
from tests.unit.simulator.clients import START_US, make_venue, run
from tests.unit.simulator.orders_kit import CoinbaseClient, held


@pytest.fixture
def client() -> CoinbaseClient:
    return CoinbaseClient(held(make_venue("coinbase")))


def test_an_order_that_waits_is_told_listed_and_cancelled(client: CoinbaseClient) -> None:
    reply = client.place("mine-1", base_size="0.001", limit_price="61000.00", post_only=True)
    assert (reply["success"], reply["success_response"]["client_order_id"]) == (True, "mine-1")
    assert reply["order_configuration"] == {"limit_limit_gtc": {"base_size": "0.001", "limit_price": "61000.00", "post_only": True}}
    name = reply["success_response"]["order_id"]
    told = client.told()
    assert [order["status"] for order in told] == ["PENDING", "OPEN"]
    assert (told[-1]["cumulative_quantity"], told[-1]["leaves_quantity"]) == ("0", "0.001")
    order = client.rest("GET", f"orders/historical/{name}")[1]["order"]
    assert (order["status"], order["outstanding_hold_amount"]) == ("OPEN", "61.366")
    listed = client.rest("GET", "orders/historical/batch", order_status="OPEN")[1]["orders"]
    assert [order["order_id"] for order in listed] == [name]
    assert client.rest("GET", "orders/historical/batch", order_status=["OPEN", "FILLED"])[0] == 400
    results = client.rest("POST", "orders/batch_cancel", {"order_ids": [name, "nobody"]})[1]["results"]
    assert [(one["success"], one["failure_reason"]) for one in results] == [
        (True, "UNKNOWN_CANCEL_FAILURE_REASON"), (False, "UNKNOWN_CANCEL_ORDER"),
    ]  # fmt: skip
    (told,) = client.told()
    assert (told["status"], told["leaves_quantity"], told["cancel_reason"]) == ("CANCELLED", "0", "User requested cancel")
    assert client.rest("GET", "orders/historical/nobody")[0] == 404
    again = client.rest("POST", "orders/batch_cancel", {"order_ids": [name]})[1]["results"][0]
    assert again["failure_reason"] == "DUPLICATE_CANCEL_REQUEST"


def test_a_repeated_id_creates_nothing_and_is_answered_with_the_order_that_has_it(client: CoinbaseClient) -> None:
    first = client.place("same")
    assert client.place("same") == first
    assert client.place("same", "SELL", base_size="0.5", limit_price="70000.00") == first
    client.rest("POST", "orders/batch_cancel", {"order_ids": [first["order_id"]]})
    assert client.place("same") == first
    assert len(client.venue.desk.orders) == 1


def test_the_channel_tells_sums_and_the_list_tells_fills(client: CoinbaseClient) -> None:
    client.place("taker", config="market_market_ioc", base_size="0.05")
    told = client.told()
    assert told[-1]["status"] == "FILLED"
    sums = [Decimal(order["cumulative_quantity"]) for order in told]
    assert sums == sorted(sums)
    assert sums[-1] == Decimal("0.05")
    fills = client.rest("GET", "orders/historical/fills", order_ids=told[-1]["order_id"])[1]["fills"]
    assert sum(Decimal(fill["size"]) for fill in fills) == Decimal("0.05")
    assert {fill["liquidity_indicator"] for fill in fills} == {"TAKER"}
    fees = sum(Decimal(fill["commission"]) for fill in fills)
    assert Decimal(told[-1]["total_fees"]) == fees
    cost = sum(Decimal(fill["size"]) * Decimal(fill["price"]) for fill in fills)
    # An average is cut off behind sixteen decimals.
    assert abs(Decimal(told[-1]["avg_price"]) * Decimal("0.05") - cost) < Decimal("1e-15")
    assert Decimal(told[-1]["total_value_after_fees"]) == cost + fees
    since = fills[0]["sequence_timestamp"]
    assert client.rest("GET", "orders/historical/fills", start_sequence_timestamp=since)[1]["fills"] == fills


def test_lists_begin_when_they_are_asked_to_however_it_is_written(client: CoinbaseClient) -> None:
    client.place("early")
    run(client.venue, 10)
    client.place("late")
    for start, names in (
        ("2023-11-14T22:13:20Z", ["late", "early"]), ("2023-11-14T22:13:20.25Z", ["late", "early"]),
        ("2023-11-14T22:13:20.250000001Z", ["late", "early"]), ("2023-11-14T22:13:20.250001+00:00", ["late"]),
    ):  # fmt: skip
        listed = client.rest("GET", "orders/historical/batch", start_date=start)[1]["orders"]
        assert [order["client_order_id"] for order in listed] == names, start
    assert client.rest("GET", "orders/historical/batch", start_date="yesterday")[0] == 400
    assert client.rest("GET", "orders/historical/fills", start_sequence_timestamp="now")[0] == 400


def test_lists_come_in_pages(client: CoinbaseClient) -> None:
    for number in range(5):
        client.place(f"n{number}")
    seen, cursor = [], ""
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = client.rest("GET", "orders/historical/batch", **query)[1]
        seen += [order["client_order_id"] for order in page["orders"]]
        cursor = page["cursor"]
        if not page["has_next"]:
            break
    assert seen == ["n4", "n3", "n2", "n1", "n0"]


@pytest.mark.parametrize(
    ("config", "values", "reason"),
    [
        ("limit_limit_gtc", {"base_size": "0.001", "limit_price": "61000.001"}, "INVALID_PRICE_PRECISION"),
        ("limit_limit_gtc", {"base_size": "0.0000000001", "limit_price": "61000.00"}, "INVALID_SIZE_PRECISION"),
        ("limit_limit_gtc", {"base_size": "5", "limit_price": "61000.00"}, "INSUFFICIENT_FUND"),
        ("limit_limit_gtc", {"base_size": "0.001", "limit_price": "65000.00", "post_only": True}, "INVALID_LIMIT_PRICE_POST_ONLY"),
        ("limit_limit_gtc", {"base_size": "0.001", "limit_price": "2.00"}, "LIMIT_PRICE_TOO_FAR_FROM_MARKET"),
        ("limit_limit_fok", {"base_size": "0.001", "limit_price": "61000.00", "post_only": True}, "POST_ONLY_NOT_ALLOWED_WITH_FOK"),
        ("market_market_fok", {"base_size": "0.001"}, "UNSUPPORTED_ORDER_CONFIGURATION"),
        ("limit_limit_gtc", {"base_size": "x", "limit_price": "61000.00"}, "INVALID_REQUEST"),
    ],
)  # fmt: skip
def test_a_refused_order_is_status_200_and_leaves_nothing(client: CoinbaseClient, config: str, values: dict[str, Any], reason: str) -> None:
    reply = client.place("no", config=config, **values)
    assert (reply["success"], reply["error_response"]["error"]) == (False, reason)
    assert reply["error_response"]["preview_failure_reason"] == f"PREVIEW_{reason}"
    assert client.told() == []
    assert client.venue.desk.orders == []


@pytest.mark.parametrize(("config", "status"), [("sor_limit_ioc", "CANCELLED"), ("limit_limit_fok", "CANCELLED")])
def test_what_does_not_wait_ends_cancelled(client: CoinbaseClient, config: str, status: str) -> None:
    client.place("gone", config=config, base_size="0.001", limit_price="61000.00")
    assert client.told()[-1]["status"] == status


def test_an_order_with_an_end_expires_then(client: CoinbaseClient) -> None:
    end = "2023-11-14T22:14:20Z"
    assert client.place("gtd", config="limit_limit_gtd", base_size="0.001", limit_price="61000.00", end_time=end)["success"]
    run(client.venue, (1_700_000_060_000_000 - START_US) / 1e6 - 1)
    assert client.told()[-1]["status"] == "OPEN"
    run(client.venue, 2)
    assert client.told()[-1]["status"] == "EXPIRED"


def test_a_purchase_may_say_what_it_spends(client: CoinbaseClient) -> None:
    assert client.place("spend", config="market_market_ioc", quote_size="500")["success"]
    order = client.venue.desk.orders[0]
    assert 499 * 10**SCALE < order.cost_raw <= 500 * 10**SCALE
    assert client.told()[-1]["status"] == "FILLED"


@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (3, [3]), (50, [50, 0]), (53, [50, 3])])
def test_the_channel_begins_with_the_open_orders_the_last_message_with_fewer_than_fifty(client: CoinbaseClient, count: int, sizes: list[int]) -> None:
    for number in range(count):
        client.place(f"n{number}", base_size="0.0001", limit_price="61000.00")
    client.join()
    snapshots = [message["events"][0] for message in client.tape.messages() if message["channel"] == "user"]
    assert [len(event["orders"]) for event in snapshots] == sizes
    names = [order["client_order_id"] for event in snapshots for order in event["orders"]]
    assert names == [f"n{number}" for number in reversed(range(count))]


def test_a_token_of_another_key_or_another_call_places_nothing(client: CoinbaseClient) -> None:
    right = client.key
    client.key = right._replace(secret=KEYS["binance"][1].secret)
    assert client.rest("POST", "orders", {})[0] == 401
    client.key = right
    client.root = "/api/v3/brokerage/market/../"
    assert client.venue.desk.orders == []


def test_calls_of_a_key_have_a_limit_of_their_own(client: CoinbaseClient) -> None:
    client.venue.true_us = lambda: START_US
    assert [client.rest("GET", "accounts")[0] for _ in range(30)] == [200] * 30
    assert client.rest("GET", "accounts")[0] == 429
    assert client.venue.rest("/api/v3/brokerage/time", {}).status == 200
    client.venue.limited = False
    assert client.rest("GET", "accounts")[0] == 200


def test_wallets_tell_what_orders_hold(client: CoinbaseClient) -> None:
    client.place("holds", "SELL", base_size="0.25", limit_price="70000.00")
    wallet = client.rest("GET", "accounts")[1]["accounts"][0]
    assert (wallet["currency"], wallet["available_balance"]["value"], wallet["hold"]["value"]) == ("BTC", "9.75", "0.75")
    assert client.rest("GET", f"accounts/{wallet['uuid']}")[1]["account"] == wallet
