"""Two venues' own kits place, query and cancel orders on the simulated venues with real signatures."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.simulator.keys import KEYS
from tests.interop.kit import installed, running, trading, until

pytestmark = [pytest.mark.system, pytest.mark.interop, pytest.mark.timeout(150)]

WRONG = {"coinbase": KEYS["binance"][1].secret, "kraken": KEYS["binance"][0].secret}


def test_coinbases_sdk_trades_and_hears_its_orders(tmp_path: Path) -> None:
    folders = installed("interop-coinbase", "coinbase")
    key = KEYS["coinbase"][0]
    with trading("coinbase") as market:
        price = round(float(market.books([market.symbol])[market.symbol]["bids"][0][0]) * 0.9)
        config = {"key": key.api_key, "secret": key.secret, "wrong": WRONG["coinbase"], "price": str(price), **market.addresses}
        with running("coinbase_sdk_orders", config, folders, tmp_path, **market.trust) as client:
            until(lambda: ["ours-2", "FILLED", "0.05"] in client.tell()["channel"], "the channel has not told of the fill")
            told = client.tell()
        waiting, taken = market.orders(key.api_key)
        fills = market.fills(key.api_key)
    assert told["placed"] == told["again"] == waiting["id"]
    assert told["fetched"] == ["ours-1", "OPEN", f"{price * 1.006 / 1000:.8f}".rstrip("0").rstrip(".")]
    assert told["open"] == [waiting["id"]]
    assert told["wallets"]["BTC"] == "0.5"
    assert told["cancelled"] == [[True, "UNKNOWN_CANCEL_FAILURE_REASON"], [False, "UNKNOWN_CANCEL_ORDER"]]
    assert (waiting["status"], taken["status"], taken["id"]) == ("canceled", "filled", told["taken"])
    assert [one[0] for one in reversed(told["fills"])] == [fill["id"] for fill in fills]
    assert sum(float(one[2]) for one in told["fills"]) == pytest.approx(0.05)
    assert [one[:2] for one in told["channel"] if one[0] == "ours-1"] == [
        ["ours-1", "PENDING"], ["ours-1", "OPEN"], ["ours-1", "CANCELLED"],
    ]  # fmt: skip
    assert told["too_much"] == [False, "INSUFFICIENT_FUND"]
    assert "401" in told["wrong_secret"]


def test_python_kraken_sdk_trades_by_both_ways_and_hears_its_orders(tmp_path: Path) -> None:
    folders = installed("interop", "kraken")
    (key,) = KEYS["kraken"]
    with trading("kraken") as market:
        price = round(float(market.books([market.symbol])[market.symbol]["bids"][0][0]) * 0.9)
        config = {"key": key.api_key, "secret": key.secret, "wrong": WRONG["kraken"], "price": price, **market.addresses}
        with running("kraken_sdk_orders", config, folders, tmp_path, **market.trust) as client:
            until(lambda: "wrong_secret" in client.tell(), "it has not come to its end")
            told = client.tell()
        by_socket, by_rest, taken = market.orders(key.api_key)
        fills = market.fills(key.api_key)
    assert told["added"] == {"order_id": by_socket["id"], "cl_ord_id": "ours-1", "order_userref": 0}
    assert told["cancelled"]
    assert [by_socket["client_id"], by_socket["status"]] == ["ours-1", "canceled"]
    assert [what for name, what in told["executions"] if name == by_socket["id"]] == ["pending_new", "new", "canceled"]
    assert told["placed"] == by_rest["id"]
    assert told["described"] == f"buy 0.00100000 XBTUSD @ limit {price}.0"
    assert (told["open"], told["status"]) == ([by_rest["id"]], "open")
    assert (told["count"], told["closed"]) == (1, "canceled")
    assert told["taken"] == taken["id"]
    assert told["trades"] == {fill["id"]: [fill["price"], fill["qty"], fill["fee"]] for fill in fills}
    assert told["too_much"] == "KrakenInsufficientFundsError"
    assert told["wrong_secret"] == "KrakenInvalidSignatureError"
