"""ccxt's WebSocket clients of all three venues, pointed by the constructor's argument."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt.pro

COMPLAINTS_MAX = 20
# Coinbase tells the maker's side, which ccxt hands on.
TAKERS = {"coinbase": {"buy": "sell", "sell": "buy"}}


def arguments(venue: str, ws: str, rest: str) -> dict[str, Any]:
    """The constructor's argument for one venue at these addresses."""
    if venue == "binance":
        return {
            "urls": {"api": {"public": f"{rest}/api/v3", "ws": {"spot": f"{ws}/ws"}}},
            "options": {"fetchMarkets": {"types": ["spot"]}},
        }
    if venue == "coinbase":
        # Currencies come by another API than markets do.
        return {"urls": {"api": {"rest": rest, "ws": ws}}, "has": {"fetchCurrencies": False}}
    return {"urls": {"api": {"public": rest, "ws": {"publicV2": ws}}}}


class Client:
    """Books and trades of some symbols of one venue."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._depth: int | None = config["depth"]
        self._symbols: dict[str, str] = config["symbols"]
        self._complaints: list[str] = []
        self._watches: list[asyncio.Task[None]] = []
        self._exchange = getattr(ccxt.pro, config["venue"])(arguments(config["venue"], config["ws"], config["rest"]))

    async def start(self) -> None:
        await self._exchange.load_markets()
        for symbol in self._symbols:
            for watch in (
                lambda symbol=symbol: self._exchange.watch_trades(symbol),
                lambda symbol=symbol: self._exchange.watch_order_book(symbol, self._depth),
            ):
                self._watches.append(asyncio.create_task(self._watch(watch)))

    async def _watch(self, watch: Callable[[], Awaitable[Any]]) -> None:
        while len(self._complaints) < COMPLAINTS_MAX:
            try:
                await watch()
            except Exception as error:
                self._complaints.append(f"{type(error).__name__}: {error}")

    def tell(self) -> dict[str, Any]:
        exchange = self._exchange
        takers = TAKERS.get(exchange.id, {"buy": "buy", "sell": "sell"})
        return {
            "books": {
                name: {side: [level[:2] for level in exchange.orderbooks[symbol][side]] for side in ("bids", "asks")}
                for symbol, name in self._symbols.items()
                if symbol in exchange.orderbooks
            },
            "trades": {
                name: [
                    {"id": trade["id"], "price": trade["price"], "qty": trade["amount"], "taker": takers[trade["side"]]}
                    for trade in exchange.trades.get(symbol, ())
                ]
                for symbol, name in self._symbols.items()
            },
            "complaints": self._complaints,
        }
