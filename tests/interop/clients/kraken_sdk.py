"""python-kraken-sdk: its order books and its trades, pointed by class attributes and constructor arguments."""

from __future__ import annotations

from typing import Any

from kraken.spot import Market, SpotOrderBookClient, SpotWSClient


class Client:
    """Books, which the library keeps and checks by itself, and trades of some symbols."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._symbols: list[str] = list(config["symbols"])
        self._depth: int = config["depth"]
        # The library adds the path.
        self._ws: str = config["ws"].removesuffix("/v2")
        self._rest: str = config["rest"]
        self._trades: dict[str, list[dict[str, Any]]] = {}
        self._complaints: list[str] = []

    async def start(self) -> None:
        # The books' client takes no addresses and makes a REST client of its own.
        Market.URL = self._rest
        books = type("Books", (SpotOrderBookClient,), {"WS_URL": self._ws, "URL": self._rest})
        self._books = books(depth=self._depth, callback=self._on_book)
        self._feed = SpotWSClient(callback=self._on_message, ws_url=self._ws, rest_url=self._rest)
        await self._books.start()
        await self._feed.start()
        await self._books.add_book(pairs=self._symbols)
        await self._feed.subscribe(params={"channel": "trade", "symbol": self._symbols})

    def _on_book(self, pair: str, message: dict[str, Any]) -> None:
        if "error" in message:
            self._complaints.append(message["error"])

    async def _on_message(self, message: dict[str, Any]) -> None:
        if message.get("channel") != "trade":
            return
        for trade in message["data"]:
            self._trades.setdefault(trade["symbol"], []).append(
                {"id": trade["trade_id"], "price": trade["price"], "qty": trade["qty"], "taker": trade["side"]}
            )

    def tell(self) -> dict[str, Any]:
        books = {symbol: book for symbol in self._symbols if (book := self._books.get(symbol)) is not None}
        return {
            "books": {
                symbol: {
                    told: [[price, qty] for price, (qty, _) in book[side].items()]
                    for told, side in (("bids", "bid"), ("asks", "ask"))
                }
                for symbol, book in books.items()
            },
            "trades": self._trades,
            "complaints": self._complaints,
        }
