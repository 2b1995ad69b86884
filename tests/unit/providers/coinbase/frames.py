"""Coinbase frames of a few events, as trees, and a stream that carries `A-USD` and `B-USD`."""

from __future__ import annotations

from typing import Any

from engine.providers.coinbase.stream import CoinbaseStream
from tests.unit.providers.stream_kit import Wired, wire

TIME = "2026-11-20T10:00:00.793075885Z"
TIME_NS = 1_795_168_800_793_075_885


def wired(**options: Any) -> Wired:
    return wire(CoinbaseStream, "coinbase", {"A-USD": "A-USD", "B-USD": "B-USD"}, **options)


def message(number: int, *events: Any, channel: str = "l2_data") -> dict[str, Any]:
    return {"channel": channel, "timestamp": TIME, "sequence_num": number, "events": list(events)}


def event(kind: str, product: str, *updates: tuple[str, Any, Any]) -> dict[str, Any]:
    rows = [
        {"side": side, "event_time": TIME, "price_level": price, "new_quantity": qty}
        for side, price, qty in updates
    ]
    return {"type": kind, "product_id": product, "updates": rows}


def snapshot(product: str = "A-USD", bid: str = "10", ask: str = "11") -> dict[str, Any]:
    return event("snapshot", product, ("bid", bid, "1"), ("offer", ask, "2"))


def update(*updates: tuple[str, Any, Any], product: str = "A-USD") -> dict[str, Any]:
    return event("update", product, *updates)


def trade(trade_id: Any, side: str = "BUY", price: Any = "10", product: str = "A-USD") -> dict[str, Any]:
    return {
        "trade_id": str(trade_id),
        "product_id": product,
        "price": price,
        "size": "0.5",
        "side": side,
        "time": TIME,
    }


def trades(number: int, *rows: dict[str, Any], kind: str = "update") -> dict[str, Any]:
    return message(number, {"type": kind, "trades": list(rows)}, channel="market_trades")


def ticker(number: int, channel: str = "ticker", **fields: Any) -> dict[str, Any]:
    row = {"type": "ticker", "product_id": "A-USD", **fields}
    return message(number, {"type": "update", "tickers": [row]}, channel=channel)


def candle(start_s: int, product: str = "A-USD", **fields: Any) -> dict[str, Any]:
    values = {"open": "10", "high": "12", "low": "9", "close": "11", "volume": "3.5", **fields}
    return {"start": str(start_s), "product_id": product, **values}


def candles(number: int, *rows: dict[str, Any]) -> dict[str, Any]:
    return message(number, {"type": "update", "candles": list(rows)}, channel="candles")
