"""Frames of the plain feed, as trees, and a stream that carries `A-B` and `C-D` at 1 and 3 decimals."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from engine.providers.simulated.stream import SimulatedStream
from tests.twins.checksum_twin import book_checksum
from tests.unit.providers.stream_kit import Wired, wire

TIME_NS = 1_795_168_800_793_075_000
PRICE_DECIMALS, QTY_DECIMALS = 1, 3

Side = Mapping[str, str]
BIDS: Side = {"10.0": "1.000", "9.5": "2.000"}
ASKS: Side = {"11.0": "1.500", "12.0": "3.000"}


def wired(*, with_precision: bool = True, **options: Any) -> Wired:
    scales = {"price_scale": PRICE_DECIMALS, "qty_scale": QTY_DECIMALS} if with_precision else {"price_scale": 0}
    kit = wire(SimulatedStream, "simulated", {"A-B": "A-B", "C-D": "C-D"}, **{"qty_scale": 0, **scales, **options})
    for index in range(2 if with_precision else 0):
        kit.stream.set_precision(index, PRICE_DECIMALS, QTY_DECIMALS)
    return kit


def checksum_of(bids: Side, asks: Side, decimals: tuple[int, int] = (PRICE_DECIMALS, QTY_DECIMALS)) -> int:
    """The checksum of a book whose sides are given best first."""
    window = [[(Decimal(price), Decimal(qty)) for price, qty in side.items()] for side in (bids, asks)]
    return book_checksum((window[0], window[1]), *decimals)


def book(kind: str, seq: Any, bids: Side, asks: Side, checksum: Any, symbol: str = "A-B") -> dict[str, Any]:
    sides = {"bids": [list(row) for row in bids.items()], "asks": [list(row) for row in asks.items()]}
    head = {"channel": "book", "type": kind, "symbol": symbol, "seq": seq, "time_ns": TIME_NS}
    return {**head, **sides, "checksum": checksum}


def snapshot(bids: Side = BIDS, asks: Side = ASKS, symbol: str = "A-B") -> dict[str, Any]:
    return book("snapshot", 1, bids, asks, checksum_of(bids, asks), symbol)


def update(
    seq: int, after: tuple[Side, Side], bids: Side | None = None, asks: Side | None = None, symbol: str = "A-B"
) -> dict[str, Any]:
    """An update of these levels, with the checksum of the book that it leads to."""
    return book("update", seq, bids or {}, asks or {}, checksum_of(*after), symbol)


def trade(trade_id: Any, side: str = "buy", price: Any = "10.5", symbol: str = "A-B") -> dict[str, Any]:
    return {"symbol": symbol, "id": trade_id, "price": price, "qty": "0.500", "side": side, "time_ns": TIME_NS}


def rows(channel: str, *listed: dict[str, Any]) -> dict[str, Any]:
    return {"channel": channel, "data": list(listed)}


def trades(*listed: dict[str, Any]) -> dict[str, Any]:
    return rows("trade", *listed)


def ticker(symbol: str = "A-B", **fields: Any) -> dict[str, Any]:
    return rows("ticker", {"symbol": symbol, **fields})


def candle(start_ns: Any, interval: Any = "1m", symbol: str = "A-B", **fields: Any) -> dict[str, Any]:
    values = {"open": "10", "high": "12", "low": "9", "close": "11", "volume": "3.5", "trades": 4, **fields}
    return {"symbol": symbol, "interval": interval, "start_ns": start_ns, **values, "time_ns": TIME_NS}


def candles(*listed: dict[str, Any]) -> dict[str, Any]:
    return rows("kline", *listed)
