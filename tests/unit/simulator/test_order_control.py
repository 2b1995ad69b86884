"""What the control port tells of orders and does to them."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from engine.simulator import order_control
from tests.unit.simulator.clients import make_venue
from tests.unit.simulator.orders_kit import BinanceClient, CoinbaseClient, KrakenClient, held
from tests.unit.simulator.test_control import post
from tests.unit.simulator.test_server import running


@pytest.fixture
def client() -> BinanceClient:
    return BinanceClient(held(make_venue("binance")))


def act(client: BinanceClient, **body: Any) -> dict[str, Any]:
    return order_control.act_on(client.venue, {"venue": "binance", **body})


def test_all_orders_and_fills_are_told_of_each_account(client: BinanceClient) -> None:
    client.place(newClientOrderId="waits")
    client.place("SELL", None, "0.00100", newClientOrderId="takes")
    orders = order_control.told_orders(client.venue, "")
    assert set(orders) == {"sim-binance-hmac", "sim-binance-ed25519"}
    assert orders["sim-binance-ed25519"] == []
    waits, takes = orders["sim-binance-hmac"]
    assert (waits["client_id"], waits["status"], waits["price"], waits["qty"]) == ("waits", "new", "61000.00", "0.00100")
    assert (takes["status"], takes["price"], takes["filled"], takes["foreign"]) == ("filled", None, "0.00100", False)
    fills = order_control.told_fills(client.venue, "sim-binance-hmac")["sim-binance-hmac"]
    assert [fill["id"] for fill in fills] == takes["fills"]
    assert {fill["client_id"] for fill in fills} == {"takes"}
    balances = order_control.told_balances(client.venue, "sim-binance-hmac")["sim-binance-hmac"]
    assert balances["BTC"] == ["9.999", "0.5"]


def test_names_are_the_venues_own() -> None:
    kraken = KrakenClient(held(make_venue("kraken")))
    name = kraken.place()["result"]["order_id"]
    assert order_control.told_orders(kraken.venue, "")["sim-kraken-hmac"][0]["id"] == name
    coinbase = CoinbaseClient(held(make_venue("coinbase")))
    coinbase.place("t", config="market_market_ioc", base_size="0.0001")
    ((fill, *_),) = order_control.told_fills(coinbase.venue, coinbase.key.api_key).values()
    listed = coinbase.rest("GET", "orders/historical/fills")[1]["fills"][-1]
    assert (fill["id"], fill["order_id"]) == (listed["trade_id"], listed["order_id"])


def test_somebody_elses_order_is_told_to_who_listens(client: BinanceClient) -> None:
    body = {"venue": "binance", "symbol": "BTC/USDT", "side": "buy", "price": "61000.00", "qty": "0.00200", "client_id": "web-1"}
    placed = order_control.place_foreign(client.venue, body)
    assert (placed["foreign"], placed["status"]) == (True, "new")
    assert [report["c"] for report in client.events()] == ["web-1"]
    assert client.ask("openOrders.status")["result"][0]["clientOrderId"] == "web-1"


def test_an_order_is_filled_cancelled_or_expired_while_nobody_looks(client: BinanceClient) -> None:
    for name in ("a", "b", "c"):
        client.place(newClientOrderId=name)
    client.events()
    assert act(client, order=1, do="fill", qty="0.00040")["filled"] == "0.00040"
    assert act(client, client_id="a", do="fill")["status"] == "filled"
    assert act(client, client_id="b", do="cancel")["status"] == "canceled"
    assert act(client, client_id="c", do="expire")["status"] == "expired"
    told = [(report["x"], report["X"]) for report in client.events()]
    assert told == [("TRADE", "PARTIALLY_FILLED"), ("TRADE", "FILLED"), ("CANCELED", "CANCELED"), ("EXPIRED", "EXPIRED")]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"order": 9, "do": "fill"}, "no such order"), ({"order": 1, "do": "burn"}, "do must be one of"),
        ({"order": 1, "do": "fill", "qty": "0"}, "qty must be above 0"), ({"order": 1, "what": 1}, "no such key: what"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said(client: BinanceClient, body: dict[str, Any], text: str) -> None:
    client.place()
    with pytest.raises(ValueError, match=text):
        act(client, **body)
    act(client, order=1, do="cancel")
    with pytest.raises(ValueError, match="the order is not open: canceled"):
        act(client, order=1, do="cancel")


def test_over_http_with_reasons() -> None:
    async def main() -> None:
        async with running(symbols=1, held=True, limited=False) as simulator, aiohttp.ClientSession() as http:
            control = simulator.endpoints["control"]["rest"]
            asked = {"venue": "kraken", "symbol": "BTC-USD", "side": "sell", "price": "70000.0", "qty": "0.5"}
            status, placed = await post(http, f"{control}/orders", asked)
            assert (status, placed["status"]) == (200, "new")
            filled = {"venue": "kraken", "order": placed["number"], "do": "fill", "qty": "0.2"}
            assert (await post(http, f"{control}/orders/act", filled))[1]["filled"] == "0.20000000"
            for path, wanted in (("orders", 1), ("fills", 1), ("balances", 2)):
                async with http.get(f"{control}/{path}?venue=kraken") as response:
                    told = await response.json()
                assert len(told["kraken"]["sim-kraken-hmac"]) == wanted
            assert (await post(http, f"{control}/orders", {"venue": "nope"}))[0] == 400
            assert await post(http, f"{control}/orders", b"[]") == (400, {"error": ["not a JSON object"]})

    asyncio.run(main())
