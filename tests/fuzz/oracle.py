"""What a frame may do to a book, told by Python's own JSON and dicts: strict grammar, exact decimals."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

Side = dict[Decimal, Decimal]
Books = dict[str, tuple[Side, Side]]


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _number(text: str) -> Decimal:
    """Exactly; what no Decimal can hold is a number no book can have either."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("Infinity")


def strict_json(frame: bytes) -> Any:
    """The document, numbers exact; ValueError (or RecursionError) where it is not strict JSON in UTF-8."""
    return json.loads(
        frame.decode("utf-8"), parse_float=_number, parse_int=_number, parse_constant=_no_constant
    )


def _set(side: Side, price: Any, qty: Any) -> None:
    if Decimal(qty):
        side[Decimal(price)] = Decimal(qty)
    else:
        side.pop(Decimal(price), None)


def binance(document: Any, books: Books) -> None:
    """Apply one diff."""
    data = document["data"] if isinstance(document.get("data"), dict) else document
    bids, asks = books[data["s"].upper()]
    for price, qty, *_ in data["b"]:
        _set(bids, price, qty)
    for price, qty, *_ in data["a"]:
        _set(asks, price, qty)


def coinbase(document: Any, books: Books) -> None:
    """Apply every event of an l2_data message."""
    for event in document["events"]:
        sides = books[event["product_id"]]
        if event["type"] == "snapshot":
            sides[0].clear()
            sides[1].clear()
        for update in event["updates"]:
            _set(sides[0 if update["side"] == "bid" else 1], update["price_level"], update["new_quantity"])


def kraken(document: Any, books: Books, depth: int = 10) -> None:
    """Apply every entry of a book message, then cut to the depth."""
    for entry in document["data"]:
        bids, asks = books[entry["symbol"]]
        if document["type"] == "snapshot":
            bids.clear()
            asks.clear()
        for side, rows in ((bids, entry.get("bids", [])), (asks, entry.get("asks", []))):
            for row in rows:
                _set(side, row["price"], row["qty"])
        for price in sorted(bids)[:-depth]:
            del bids[price]
        for price in sorted(asks, reverse=True)[:-depth]:
            del asks[price]


def simulated(document: Any, books: Books) -> None:
    """Apply a book message of one symbol."""
    bids, asks = books[document["symbol"]]
    if document["type"] == "snapshot":
        bids.clear()
        asks.clear()
    for side, rows in ((bids, document["bids"]), (asks, document["asks"])):
        for price, qty, *_ in rows:
            _set(side, price, qty)


APPLY: dict[str, Callable[[Any, Books], None]] = {
    "binance": binance, "coinbase": coinbase, "kraken": kraken, "simulated": simulated,
}  # fmt: skip
