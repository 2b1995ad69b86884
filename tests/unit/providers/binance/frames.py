"""Binance frames as trees, and a stream that carries `ABUSDT` and `CDBTC`."""

from __future__ import annotations

from typing import Any

from engine.providers.binance.stream import BinanceStream
from tests.unit.providers.stream_kit import Wired, wire

EVENT_MS = 1_795_168_800_123
EVENT_NS = EVENT_MS * 10**6
Rows = list[list[Any]]


def wired(**options: Any) -> Wired:
    return wire(BinanceStream, "binance", {"ABUSDT": "AB-USDT", "CDBTC": "CD-BTC"}, **options)


def synced(book_id: int = 10, **options: Any) -> Wired:
    """With a book for AB-USDT: 10 x 1 and 11 x 2."""
    kit = wired(**options)
    kit.stream.take_snapshot(0, depth_body(book_id), 1)
    kit.stream.read_end()
    return kit


def depth_body(book_id: int) -> bytes:
    return b'{"lastUpdateId":%d,"bids":[["10.00","1.00"]],"asks":[["11.00","2.00"]]}' % book_id


def diff(first_id: int, final_id: int, bids: Rows | None = None, asks: Rows | None = None) -> dict[str, Any]:
    return {
        "e": "depthUpdate",
        "E": EVENT_MS,
        "s": "ABUSDT",
        "U": first_id,
        "u": final_id,
        "b": bids or [],
        "a": asks or [],
    }


def trade(trade_id: int = 7, **fields: Any) -> dict[str, Any]:
    known = {"e": "trade", "E": EVENT_MS, "s": "ABUSDT", "t": trade_id, "p": "10.50", "q": "0.25"}
    return {**known, "T": EVENT_MS, "m": True, "M": True, **fields}


def aggregate(**fields: Any) -> dict[str, Any]:
    known = {"e": "aggTrade", "E": EVENT_MS, "s": "ABUSDT", "a": 3, "p": "10.50", "q": "0.25", "f": 5, "l": 7}
    return {**known, "T": EVENT_MS, "m": False, "M": True, **fields}


def book_ticker(book_id: int = 10, **fields: Any) -> dict[str, Any]:
    known = {"u": book_id, "s": "ABUSDT", "b": "10.00", "B": "1.00", "a": "11.00", "A": "2.00"}
    return {**known, **fields}


def day_ticker(**fields: Any) -> dict[str, Any]:
    known = {
        "e": "24hrTicker",
        "E": EVENT_MS,
        "s": "ABUSDT",
        "p": "1",
        "P": "2",
        "w": "3",
        "x": "4",
        "Q": "5",
    }
    prices = {
        "c": "10.5",
        "b": "10",
        "B": "1",
        "a": "11",
        "A": "2",
        "o": "9.5",
        "h": "12",
        "l": "9",
        "v": "1234.5",
    }
    return {**known, **prices, "q": "1", "O": 1, "C": 2, "F": 1, "L": 2, "n": 2, **fields}


def kline(**fields: Any) -> dict[str, Any]:
    candle = {"t": 1_795_168_800_000, "T": 1_795_168_859_999, "s": "ABUSDT", "i": "1m", "f": 1, "L": 9}
    prices = {"o": "10", "c": "11", "h": "12", "l": "9", "v": "3.5", "n": 9, "x": False}
    unused = {"q": "1", "V": "1", "Q": "1", "B": "0"}
    return {"e": "kline", "E": EVENT_MS, "s": "ABUSDT", "k": {**candle, **prices, **unused, **fields}}


def combined(stream: str, data: Any) -> dict[str, Any]:
    return {"stream": stream, "data": data}
