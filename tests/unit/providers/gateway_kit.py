"""What venues answer about orders, and a gateway in virtual time: for the tests of each venue's gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.providers.order_kit import WIRE_IDS, Trading, trading
from tests.unit.providers.virtual_time import in_virtual_time

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
