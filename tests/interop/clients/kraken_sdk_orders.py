"""python-kraken-sdk trades: its REST clients, and its WebSocket client on the private address."""

from __future__ import annotations

import asyncio
from typing import Any

from kraken.spot import SpotWSClient, Trade, User

SYMBOL, PAIR = "BTC/USD", "XBTUSD"
WITHIN_S = 20.0


class Client:
    """Orders of one account, and what the private channels tell of them."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._told: dict[str, Any] = {}
        self._messages: list[dict[str, Any]] = []
        self._changed = asyncio.Event()

    async def start(self) -> None:
        config, told = self._config, self._told
        login = {"key": config["key"], "secret": config["secret"], "url": config["rest"]}
        trade, user = Trade(**login), User(**login)
        # The real venue has a host for what is private; here it is a path.
        private = type("Private", (SpotWSClient,), {"API_V": "/v2/private"})
        self._feed = private(
            key=config["key"], secret=config["secret"], callback=self._on_message, no_public=True,
            rest_url=config["rest"], auth_ws_url=config["ws"].removesuffix("/v2"),
        )  # fmt: skip
        await self._feed.start()
        for channel in ("executions", "balances"):
            await self._feed.subscribe(params={"channel": channel})
        # By WebSocket.
        limit = {"order_type": "limit", "side": "buy", "symbol": SYMBOL, "order_qty": 0.001, "limit_price": config["price"]}
        await self._feed.send_message({"method": "add_order", "params": {**limit, "cl_ord_id": "ours-1"}, "req_id": 1})
        told["added"] = (await self._answer("add_order"))["result"]
        await self._feed.send_message({"method": "cancel_order", "params": {"cl_ord_id": ["ours-1"]}, "req_id": 2})
        told["cancelled"] = (await self._answer("cancel_order"))["success"]
        # By REST.
        placed = trade.create_order("limit", "buy", PAIR, "0.001", price=str(config["price"]), cl_ord_id="ours-2", oflags="post")
        (told["placed"],) = placed["txid"]
        told["described"] = placed["descr"]["order"]
        told["open"] = list(user.get_open_orders(cl_ord_id="ours-2")["open"])
        told["status"] = user.get_orders_info(told["placed"])[told["placed"]]["status"]
        told["count"] = trade.cancel_order(told["placed"])["count"]
        told["closed"] = user.get_closed_orders(cl_ord_id="ours-2")["closed"][told["placed"]]["status"]
        taken = trade.create_order("market", "sell", PAIR, "0.05")
        (told["taken"],) = taken["txid"]
        told["trades"] = {
            name: [one["price"], one["vol"], one["fee"]] for name, one in user.get_trades_history()["trades"].items()
        }
        told["too_much"] = self._refused(trade, "50")
        told["wrong_secret"] = self._refused(Trade(**login | {"secret": config["wrong"]}), "0.001")

    def _refused(self, trade: Trade, volume: str) -> str:
        try:
            trade.create_order("limit", "buy", PAIR, volume, price=str(self._config["price"]))
        except Exception as error:
            return type(error).__name__
        return "placed"

    async def _answer(self, method: str) -> dict[str, Any]:
        async with asyncio.timeout(WITHIN_S):
            while True:
                for message in self._messages:
                    if message.get("method") == method:
                        return message
                self._changed.clear()
                await self._changed.wait()

    async def _on_message(self, message: dict[str, Any]) -> None:
        self._messages.append(message)
        self._changed.set()

    def tell(self) -> dict[str, Any]:
        rows = [row for one in self._messages if one.get("channel") == "executions" for row in one["data"]]
        return self._told | {"executions": [[row["order_id"], row["exec_type"]] for row in rows]}
