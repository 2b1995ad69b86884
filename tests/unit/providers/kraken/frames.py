"""Kraken frames of a few entries, as trees, and a stream that carries `A/B` and `C/D` at 1 and 8 decimals."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from engine.providers.kraken.stream import KrakenStream
from tests.twins.checksum_twin import book_checksum
from tests.unit.providers.stream_kit import Wired, wire

TIME = "2026-11-20T10:00:00.793075Z"
TIME_NS = 1_795_168_800_793_075_000
PRICE_DECIMALS, QTY_DECIMALS = 1, 8

Side = Mapping[str, str]
BIDS: Side = {"10": "1", "9.5": "2"}
ASKS: Side = {"11": "1.5", "12": "3"}


def wired(*, with_precision: bool = True, **options: Any) -> Wired:
    scales = {"price_scale": PRICE_DECIMALS, "qty_scale": QTY_DECIMALS} if with_precision else {"price_scale": 0}
    kit = wire(KrakenStream, "kraken", {"A/B": "A-B", "C/D": "C-D"}, **{"qty_scale": 0, **scales, **options})
    for index in range(2 if with_precision else 0):
        kit.stream.set_precision(index, PRICE_DECIMALS, QTY_DECIMALS)
    return kit


def checksum_of(bids: Side, asks: Side, decimals: tuple[int, int] = (PRICE_DECIMALS, QTY_DECIMALS)) -> int:
    """The checksum of a book whose sides are given best first."""
    window = [[(Decimal(price), Decimal(qty)) for price, qty in side.items()] for side in (bids, asks)]
    return book_checksum((window[0], window[1]), *decimals)


def entry(bids: Side, asks: Side, checksum: int, symbol: str = "A/B") -> dict[str, Any]:
    sides = {
        name: [{"price": float(price), "qty": float(qty)} for price, qty in side.items()]
        for name, side in (("bids", bids), ("asks", asks))
    }
    return {"symbol": symbol, **sides, "checksum": checksum, "timestamp": TIME}


def book(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"channel": "book", "type": kind, "data": list(entries)}


def snapshot(bids: Side = BIDS, asks: Side = ASKS, symbol: str = "A/B") -> dict[str, Any]:
    return book("snapshot", entry(bids, asks, checksum_of(bids, asks), symbol))


def update(
    after: tuple[Side, Side], bids: Side | None = None, asks: Side | None = None, symbol: str = "A/B"
) -> dict[str, Any]:
    """An update of these levels, with the checksum of the book that it leads to."""
    return book("update", entry(bids or {}, asks or {}, checksum_of(*after), symbol))


def trade(trade_id: Any, side: str = "buy", price: Any = 10.5, symbol: str = "A/B") -> dict[str, Any]:
    row = {"symbol": symbol, "side": side, "price": price, "qty": 0.5, "ord_type": "limit"}
    return {**row, "trade_id": trade_id, "timestamp": TIME}


def trades(*rows: dict[str, Any], kind: str = "update") -> dict[str, Any]:
    return {"channel": "trade", "type": kind, "data": list(rows)}


def ticker(symbol: str = "A/B", **fields: Any) -> dict[str, Any]:
    return {"channel": "ticker", "type": "update", "data": [{"symbol": symbol, **fields}]}


def candle(begin: str, interval: Any = 1, symbol: str = "A/B", **fields: Any) -> dict[str, Any]:
    values = {"open": 10, "high": 12, "low": 9, "close": 11, "volume": 3.5, "vwap": 10.5, "trades": 4, **fields}
    return {"symbol": symbol, **values, "interval_begin": begin, "interval": interval, "timestamp": TIME}


def candles(*rows: dict[str, Any], kind: str = "update") -> dict[str, Any]:
    return {"channel": "ohlc", "type": kind, "timestamp": TIME, "data": list(rows)}


def reply(method: str = "subscribe", success: bool = True, **fields: Any) -> dict[str, Any]:
    times = {"time_in": TIME, "time_out": TIME}
    return {"method": method, "success": success, **times, **fields}


def granted(depth: int, symbol: str = "A/B", req_id: int = 7) -> dict[str, Any]:
    result = {"channel": "book", "depth": depth, "snapshot": True, "symbol": symbol}
    return reply(result=result, req_id=req_id)
