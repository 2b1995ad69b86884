"""cryptofeed on Binance, pointed by the class attributes of its exchange class."""

from __future__ import annotations

import logging
from typing import Any

from cryptofeed import FeedHandler
from cryptofeed.connection import RestEndpoint, WebsocketEndpoint
from cryptofeed.defines import L2_BOOK, TRADES
from cryptofeed.exchanges import Binance


def pointed_at(ws: str, rest: str) -> Any:
    """Binance at these addresses; the routes are the library's own."""

    return type("Simulated", (Binance,), {
        "websocket_endpoints": [WebsocketEndpoint(ws)],
        "rest_endpoints": [RestEndpoint(rest, routes=Binance.rest_endpoints[0].routes)],
    })


class Complaints(logging.Handler):
    """Keeps what the library warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


class Client:
    """Books and trades of some symbols."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._symbols: dict[str, str] = config["symbols"]
        self._books: dict[str, Any] = {}
        self._trades: dict[str, list[dict[str, Any]]] = {}
        self._complaints = Complaints()
        logging.getLogger("feedhandler").addHandler(self._complaints)
        self._handler = FeedHandler(config={"uvloop": False, "log": {"disabled": True}})
        self._handler.add_feed(pointed_at(config["ws"], config["rest"])(
            symbols=list(self._symbols), channels=[L2_BOOK, TRADES],
            callbacks={L2_BOOK: self._on_book, TRADES: self._on_trade},
        ))

    async def start(self) -> None:
        self._handler.run(start_loop=False, install_signal_handlers=False)

    async def _on_book(self, book: Any, received_s: float) -> None:
        self._books[self._symbols[book.symbol]] = book.book

    async def _on_trade(self, trade: Any, received_s: float) -> None:
        # An aggregate: one aggressor's fills of one price, from the first id to the last.
        self._trades.setdefault(self._symbols[trade.symbol], []).append({
            "id": trade.raw["f"], "last_id": trade.raw["l"], "price": str(trade.price), "qty": str(trade.amount),
            "taker": trade.side,
        })

    def tell(self) -> dict[str, Any]:
        return {
            "books": {
                name: {
                    told: [[str(price), str(qty)] for price, qty in side.to_list()]
                    for told, side in (("bids", book.bids), ("asks", book.asks))
                }
                for name, book in self._books.items()
            },
            "trades": self._trades,
            "complaints": self._complaints.texts,
        }
