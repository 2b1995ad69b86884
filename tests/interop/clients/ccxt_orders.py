"""ccxt trades at a venue: the same few requests everywhere, pointed by the constructor's argument."""

from __future__ import annotations

from typing import Any

import ccxt.async_support as ccxt

SYMBOLS = {"binance": "BTC/USDT", "coinbase": "BTC/USD", "kraken": "BTC/USD"}


def arguments(config: dict[str, Any], secret: str) -> dict[str, Any]:
    """The constructor's argument for one venue, whose key has *secret*."""
    rest = config["rest"]
    urls: dict[str, Any] = {
        "binance": {"public": f"{rest}/api/v3", "private": f"{rest}/api/v3"}, "coinbase": {"rest": rest},
        "kraken": {"public": rest, "private": rest},
    }[config["venue"]]  # fmt: skip
    # Nothing but spot: neither futures nor margin.
    is_binance = config["venue"] == "binance"
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False} if is_binance else {}
    return {
        "apiKey": config["key"], "secret": secret, "urls": {"api": urls}, "options": options,
        "has": {"fetchCurrencies": False}, "cafile": config["ca_file"],
    }  # fmt: skip


class Client:
    """Orders of one account."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._symbol = SYMBOLS[config["venue"]]
        self._exchange = self._made(config["secret"])
        self._told: dict[str, Any] = {}

    def _made(self, secret: str) -> Any:
        return getattr(ccxt, self._config["venue"])(arguments(self._config, secret))

    async def start(self) -> None:
        exchange, symbol, told = self._exchange, self._symbol, self._told
        await exchange.load_markets()
        params = {"client_order_id" if exchange.id == "coinbase" else "clientOrderId": self._config["name"]}
        waiting = await exchange.create_order(symbol, "limit", "buy", 0.001, self._config["price"], params)
        told["placed"] = waiting["id"]
        # Binance and Coinbase want the symbol, Kraken takes it.
        told["fetched"] = self._seen(await exchange.fetch_order(waiting["id"], symbol))
        told["open"] = [order["id"] for order in await exchange.fetch_open_orders(symbol)]
        balance = await exchange.fetch_balance({"v3": True} if exchange.id == "coinbase" else {})
        told["balance"] = {asset: balance[asset] for asset in ("BTC", symbol.partition("/")[2])}
        await exchange.cancel_order(waiting["id"], symbol)
        told["cancelled"] = self._seen(await exchange.fetch_order(waiting["id"], symbol))
        told["open_after"] = [order["id"] for order in await exchange.fetch_open_orders(symbol)]
        taker = await exchange.create_order(symbol, "market", "sell", 0.05)
        told["taken"] = taker["id"]
        told["filled"] = self._seen(await exchange.fetch_order(taker["id"], symbol))
        trades = await exchange.fetch_my_trades(symbol)
        told["trades"] = [
            {"order": one["order"], "side": one["side"], "price": one["price"], "amount": one["amount"], "fee": one["fee"]["cost"]}
            for one in trades
        ]
        told["too_much"] = await self._refused(exchange, 50)
        told["wrong_secret"] = await self._refused(await self._loaded(self._config["wrong"]), 0.001)

    async def _loaded(self, secret: str) -> Any:
        exchange = self._made(secret)
        exchange.set_markets(self._exchange.markets)
        return exchange

    async def _refused(self, exchange: Any, amount: float) -> list[str]:
        try:
            await exchange.create_order(self._symbol, "limit", "buy", amount, self._config["price"])
        except ccxt.BaseError as error:
            return [type(error).__name__, str(error)]
        return ["placed", ""]

    @staticmethod
    def _seen(order: dict[str, Any]) -> dict[str, Any]:
        return {key: order[key] for key in ("id", "clientOrderId", "status", "side", "amount", "filled", "price")}

    def tell(self) -> dict[str, Any]:
        return self._told
