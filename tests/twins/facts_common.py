"""What the facts of every venue share: spelling, hashes, trade tallies."""

import hashlib
from collections import Counter
from decimal import Context, Decimal
from typing import Any
from urllib.parse import urlsplit

from tests.twins.capture_io import Record
from tests.twins.ladder_twin import LadderTwin, Level

EXACT = Context(prec=200)
TOP_LEVELS = 20


def plain(value: Decimal) -> str:
    """Decimal text without exponent and without trailing zeros."""
    return format(value.normalize(EXACT), "f")


def decimal_of(value: Any) -> Decimal:
    """A wire number, spelled as a JSON string or as a JSON number, exactly."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError(f"not a number: {value!r}")
    return Decimal(value)


def pair(level: Level | None) -> list[str] | None:
    return None if level is None else [plain(level[0]), plain(level[1])]


def ladder_sha256(ladder: LadderTwin, count: int = 0) -> str:
    """SHA-256 over `b price qty` lines, best first, then the `a` lines; *count* 0 is the whole book."""
    bids, asks = ladder.top(count)
    digest = hashlib.sha256()
    for letter, levels in (("b", bids), ("a", asks)):
        for price, qty in levels:
            digest.update(f"{letter} {plain(price)} {plain(qty)}\n".encode())
    return digest.hexdigest()


def book_section(ladder: LadderTwin) -> dict[str, Any]:
    """The part of a book's facts that shows its levels."""
    bids, asks = ladder.top(TOP_LEVELS)
    return {
        "bid_levels": len(ladder.bids),
        "ask_levels": len(ladder.asks),
        "top_bids": [pair(level) for level in bids],
        "top_asks": [pair(level) for level in asks],
        "book_sha256": ladder_sha256(ladder),
    }


def checkpoint_section(before_record: int, symbol: str, ladder: LadderTwin) -> dict[str, Any]:
    return {
        "before_record": before_record,
        "symbol": symbol,
        "best_bid": pair(ladder.best_bid()),
        "best_ask": pair(ladder.best_ask()),
        "top20_sha256": ladder_sha256(ladder, TOP_LEVELS),
    }


class TradeTally:
    """Trades of one stream as they came, whatever their order; *flag_key* names the wire's own side flag."""

    def __init__(self, flag_key: str) -> None:
        self._flag_key = flag_key
        self._count = self._flagged = self._id_breaks = 0
        self._first_id = self._last_id = 0
        self._volume = self._last_price = Decimal(0)

    def add(self, trade_id: int, price: Decimal, qty: Decimal, flagged: bool) -> None:
        if self._count == 0:
            self._first_id = trade_id
        elif trade_id != self._last_id + 1:
            self._id_breaks += 1
        self._count += 1
        self._flagged += flagged
        self._last_id = trade_id
        self._volume = EXACT.add(self._volume, qty)
        self._last_price = price

    def section(self) -> dict[str, Any]:
        return {
            "count": self._count,
            "first_id": self._first_id,
            "last_id": self._last_id,
            "volume": plain(self._volume),
            self._flag_key: self._flagged,
            "id_breaks": self._id_breaks,
            "last_price": plain(self._last_price),
        }


class TradeBoard:
    """Tallies by `<venue symbol> <stream>`."""

    def __init__(self, flag_key: str) -> None:
        self._flag_key = flag_key
        self._tallies: dict[str, TradeTally] = {}

    def add(self, key: str, trade_id: int, price: Decimal, qty: Decimal, flagged: bool) -> None:
        self._tallies.setdefault(key, TradeTally(self._flag_key)).add(trade_id, price, qty, flagged)

    def section(self) -> dict[str, Any]:
        return {key: tally.section() for key, tally in self._tallies.items()}


def http_label(record: Record) -> str:
    """`http depth`, `http AssetPairs`: the last part of the request's path."""
    return "http " + urlsplit(record["url"] or "").path.rsplit("/", 1)[-1]


def shape_label(message: Any) -> str:
    return "list" if isinstance(message, list) else "object"


def present(counters: "Counter[str]", names: tuple[str, ...]) -> dict[str, int]:
    """The counters of *names* that moved."""
    return {name: counters[name] for name in names if counters[name]}
