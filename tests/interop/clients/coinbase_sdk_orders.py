"""Coinbase's own SDK trades: its REST client, and the ``user`` channel of its WebSocket client."""

from __future__ import annotations

import json
from typing import Any

from coinbase.rest import RESTClient
from coinbase.websocket import WSClient
from requests.exceptions import HTTPError

PRODUCT = "BTC-USD"


class Client:
    """Orders of one account, and what the channel tells of them."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._told: dict[str, Any] = {}
        self._channel: list[list[str]] = []

    def _rest(self, secret: str) -> RESTClient:
        return RESTClient(self._config["key"], secret, base_url=self._config["rest"].removeprefix("https://"))

    async def start(self) -> None:
        config, told, rest = self._config, self._told, self._rest(self._config["secret"])
        self._feed = WSClient(config["key"], config["secret"], base_url=config["ws"], on_message=self._on_message, retry=False)
        await self._feed.open_async()
        await self._feed.subscribe_async([PRODUCT], ["heartbeats", "user"])
        placed = rest.limit_order_gtc_buy("ours-1", PRODUCT, "0.001", config["price"], post_only=True)
        told["placed"] = placed.success_response["order_id"]
        again = rest.limit_order_gtc_buy("ours-1", PRODUCT, "0.001", config["price"], post_only=True)
        told["again"] = again.success_response["order_id"]
        order = rest.get_order(told["placed"]).order
        told["fetched"] = [order.client_order_id, order.status, order.outstanding_hold_amount]
        told["open"] = [one.order_id for one in rest.list_orders(order_status=["OPEN"]).orders]
        told["wallets"] = {one.currency: one.hold["value"] for one in rest.get_accounts().accounts}
        results = rest.cancel_orders([told["placed"], "nobody's"]).results
        told["cancelled"] = [[one.success, one.failure_reason] for one in results]
        taken = rest.market_order_sell("ours-2", PRODUCT, "0.05")
        told["taken"] = taken.success_response["order_id"]
        fills = rest.get_fills(order_ids=[told["taken"]]).fills
        told["fills"] = [[one.trade_id, one.price, one.size, one.commission] for one in fills]
        refused = rest.limit_order_gtc_buy("ours-3", PRODUCT, "50", config["price"])
        told["too_much"] = [refused.success, refused.error_response["error"]]
        try:
            self._rest(config["wrong"]).limit_order_gtc_buy("ours-4", PRODUCT, "0.001", config["price"])
        except HTTPError as error:
            told["wrong_secret"] = str(error)

    def _on_message(self, text: str) -> None:
        message = json.loads(text)
        if message.get("channel") == "user":
            self._channel += [
                [order["client_order_id"], order["status"], order["cumulative_quantity"]]
                for event in message["events"]
                for order in event["orders"]
            ]

    def tell(self) -> dict[str, Any]:
        return self._told | {"channel": self._channel}
