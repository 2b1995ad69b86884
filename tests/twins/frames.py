"""Records of a few levels, made by hand, for each venue: symbols `AB`, `A-B`, `A/B`."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.twins.capture_io import Record
from tests.twins.checksum_twin import book_checksum
from tests.twins.json_lexemes import Number, dump

Rows = Iterable[Sequence[str]]
Sides = Mapping[str, Mapping[str, str]]


def frame(message: Any, **fields: Any) -> Record:
    """A received frame; *message* is its text, or a tree to spell."""
    raw = message if isinstance(message, str) else dump(message)
    record = {
        "ts_ns": 1,
        "venue": "binance",
        "channel": "ws",
        "conn": 0,
        "url": "wss://venue.test",
        "raw": raw,
    }
    return {**record, **fields}


# --- binance ------------------------------------------------------------------------------------------------


def binance_diff(
    first_id: int, final_id: int, bids: Rows = (), asks: Rows = (), symbol: str = "AB"
) -> Record:
    body = {"e": "depthUpdate", "E": 1, "s": symbol, "U": first_id, "u": final_id}
    return frame({**body, "b": _pairs(bids), "a": _pairs(asks)})


def binance_snapshot(
    book_id: int, bids: Rows = (("10", "1"),), asks: Rows = (("11", "1"),), symbol: str = "AB"
) -> Record:
    body = {"lastUpdateId": book_id, "bids": _pairs(bids), "asks": _pairs(asks)}
    return frame(body, channel="http", url=f"https://venue.test/api/v3/depth?symbol={symbol}&limit=1000")


def binance_ticker(
    book_id: int, bid: str = "10", bid_qty: str = "1", ask: str = "11", ask_qty: str = "1"
) -> Record:
    ticker = {"u": book_id, "s": "AB", "b": bid, "B": bid_qty, "a": ask, "A": ask_qty}
    return frame({"stream": "ab@bookTicker", "data": ticker})


# --- coinbase -----------------------------------------------------------------------------------------------


def coinbase_message(number: int, *events: Any, channel: str = "l2_data", conn: int = 0) -> Record:
    envelope = {"channel": channel, "timestamp": "2026-01-01T00:00:00Z", "sequence_num": number}
    message = {**envelope, "events": list(events)}
    return frame(message, conn=conn, venue="coinbase", url="wss://advanced-trade-ws.coinbase.com")


def coinbase_event(kind: str, product: str, *updates: tuple[str, str, str]) -> dict[str, Any]:
    """An `l2_data` event; each update is (`bid` or `offer`, price, quantity)."""
    time = "2026-01-01T00:00:00Z"
    rows = [
        {"side": side, "event_time": time, "price_level": price, "new_quantity": qty}
        for side, price, qty in updates
    ]
    return {"type": kind, "product_id": product, "updates": rows}


def coinbase_full(product: str) -> dict[str, Any]:
    """A snapshot event: bid 10 x 1, ask 11 x 1."""
    return coinbase_event("snapshot", product, ("bid", "10", "1"), ("offer", "11", "1"))


# --- kraken -------------------------------------------------------------------------------------------------


def kraken_frame(message: Any) -> Record:
    return frame(message, venue="kraken", url="wss://ws.kraken.com/v2")


def kraken_message(kind: str, sides: Sides, checksum: int | None = None) -> Record:
    """A book frame; *sides* is `{"bids": {price: qty}, "asks": {..}}`, a missing side is empty."""
    entry: dict[str, Any] = {"symbol": "A/B"}
    for side in ("bids", "asks"):
        rows = sides.get(side, {}).items()
        entry[side] = [{"price": Number(price), "qty": Number(qty)} for price, qty in rows]
    if checksum is not None:
        entry["checksum"] = checksum
    return kraken_frame({"channel": "book", "type": kind, "data": [entry]})


def kraken_checksum(sides: Sides, price_decimals: int = 1, qty_decimals: int = 8) -> int:
    """The checksum of a book whose sides are given best first."""
    bids, asks = (
        [(Decimal(price), Decimal(qty)) for price, qty in sides.get(side, {}).items()]
        for side in ("bids", "asks")
    )
    return book_checksum((bids, asks), price_decimals, qty_decimals)


def kraken_reply(method: str, depth_levels: int) -> Record:
    result = {"channel": "book", "depth": depth_levels, "symbol": "A/B"}
    return kraken_frame({"method": method, "result": result, "success": True})


def _pairs(rows: Rows) -> list[list[str]]:
    return [list(row) for row in rows]
