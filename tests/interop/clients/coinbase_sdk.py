"""Coinbase's own SDK, pointed by its constructors' ``base_url``, its REST client by a CA bundle as well.

It hands messages on and keeps no book: the book here is what its messages say.
"""

from __future__ import annotations

import json
from typing import Any

from coinbase.rest import RESTClient
from coinbase.websocket import WSClient

TAKERS = {"BUY": "sell", "SELL": "buy"}
SIDES = {"bid": "bids", "offer": "asks"}


class Client:
    """Books and trades of some products; ``rest`` has what REST told of them in the beginning."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._products: list[str] = config["symbols"]
        self._client = WSClient(base_url=config["ws"], on_message=self._on_message, retry=False)
        self._rest = RESTClient(base_url=config["rest"].removeprefix("https://"))
        self._books: dict[str, dict[str, dict[str, str]]] = {}
        self._trades: dict[str, list[dict[str, Any]]] = {}
        self._told_by_rest: dict[str, Any] = {}
        self._next_sequence = 0
        self._complaints: list[str] = []

    async def start(self) -> None:
        for product in self._products:
            book = self._rest.get_public_product_book(product).pricebook
            self._told_by_rest[product] = {
                side: [[level["price"], level["size"]] for level in book[side]] for side in ("bids", "asks")
            }
        await self._client.open_async()
        await self._client.subscribe_async(self._products, ["heartbeats", "level2", "market_trades"])

    def _on_message(self, text: str) -> None:
        message = json.loads(text)
        if message["sequence_num"] != self._next_sequence:
            self._complaints.append("a gap in sequence_num")
        self._next_sequence = message["sequence_num"] + 1
        for event in message["events"]:
            if message["channel"] == "l2_data":
                self._on_book(event)
            elif message["channel"] == "market_trades":
                self._on_trades(event)

    def _on_book(self, event: dict[str, Any]) -> None:
        if event["type"] == "snapshot":
            self._books[event["product_id"]] = {"bids": {}, "asks": {}}
        for update in event["updates"]:
            side = self._books[event["product_id"]][SIDES[update["side"]]]
            if update["new_quantity"] == "0":
                side.pop(update["price_level"], None)
            else:
                side[update["price_level"]] = update["new_quantity"]

    def _on_trades(self, event: dict[str, Any]) -> None:
        # Newest first, with the maker's side.
        for trade in reversed(event["trades"]):
            self._trades.setdefault(trade["product_id"], []).append({
                "id": trade["trade_id"], "price": trade["price"], "qty": trade["size"],
                "taker": TAKERS[trade["side"]],
            })

    def tell(self) -> dict[str, Any]:
        self._client.raise_background_exception()
        return {
            "books": {
                product: {
                    side: sorted(levels.items(), key=lambda level: float(level[0]), reverse=side == "bids")
                    for side, levels in book.items()
                }
                for product, book in self._books.items()
            },
            "trades": self._trades,
            "complaints": self._complaints,
            "rest": self._told_by_rest,
        }
