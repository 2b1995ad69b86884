"""Books of the plain feed by its own rules, and the facts they leave.

1. The messages of a subscription are numbered from 1 by 1; the snapshot is the first and replaces both sides.
2. An update sets absolute quantities in the order given; one whose number is not above the last is a repetition, and
   one that another connection brings is none of the book's.
3. After a message the CRC32 over the ten best of each side must equal the message's.
4. After a number that was stepped over, a failure, or when the book is crossed or locked, nothing is applied or
   compared until a snapshot.
"""

from collections import Counter
from decimal import Decimal
from typing import Any

from tests.twins.capture_io import Record, exact_json
from tests.twins.checksum_twin import CHECKED_LEVELS, book_checksum
from tests.twins.facts_common import (
    TradeBoard,
    book_section,
    checkpoint_section,
    decimal_of,
    http_label,
    shape_label,
)
from tests.twins.ladder_twin import LadderTwin, Level

CHECKPOINT_EVERY = 500
_COUNTERS = (
    "snapshot", "update", "empty_updates", "repeats", "gaps", "messages_missing", "checksums", "checksum_ok",
    "crossed_after_message",
)  # fmt: skip

Decimals = tuple[int, int]


def decimals_of(levels: list[Level]) -> Decimals:
    """The decimals that prices and quantities are written with."""
    return max(map(_written, (p for p, _ in levels)), default=0), max(map(_written, (q for _, q in levels)), default=0)


def _written(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)


class SimulatedBook:
    """One symbol's book."""

    def __init__(self, decimals: Decimals | None) -> None:
        self.ladder = LadderTwin()
        self.is_valid = False
        self.conn: int | None = None
        self.last = 0
        self.decimals = decimals
        self.counters: Counter[str] = Counter()
        self.gap_records: list[int] = []
        self.failed_records: list[int] = []

    def on_message(self, index: int, conn: int, message: dict[str, Any]) -> None:
        bids, asks = (
            [(decimal_of(price), decimal_of(qty)) for price, qty, *_ in message[side]] for side in ("bids", "asks")
        )
        kind, number = message["type"], int(message["seq"])
        self.counters[kind] += 1
        if kind == "snapshot":
            self.is_valid, self.conn = True, conn
            self.ladder.clear()
            if self.decimals is None:
                self.decimals = decimals_of([*bids, *asks])
        else:
            self.counters["empty_updates"] += not bids and not asks
            if not self.is_valid or conn != self.conn:
                return
            if number <= self.last:
                self.counters["repeats"] += 1
                return
            if number != self.last + 1:
                self.counters["gaps"] += 1
                self.counters["messages_missing"] += number - self.last - 1
                self.gap_records.append(index)
                self._lose()
                return
        self.last = number
        self.ladder.apply(bids, asks)
        verified = self._compare(index, int(message["checksum"]))
        crossed = self.ladder.is_crossed()
        self.counters["crossed_after_message"] += crossed
        if crossed or not verified:
            self._lose()

    def section(self) -> dict[str, Any]:
        section: dict[str, Any] = {"in_sync": self.is_valid, "last_seq": self.last}
        section |= {name: self.counters[name] for name in _COUNTERS}
        for name, at in (("gap_at_record", self.gap_records), ("checksum_failed_at_record", self.failed_records)):
            if at:
                section[name] = at
        return section | book_section(self.ladder)

    def _lose(self) -> None:
        self.is_valid = False
        self.ladder.clear()

    def _compare(self, index: int, checksum: int) -> bool:
        assert self.decimals is not None
        self.counters["checksums"] += 1
        if book_checksum(self.ladder.top(CHECKED_LEVELS), *self.decimals) != checksum:
            self.failed_records.append(index)
            return False
        self.counters["checksum_ok"] += 1
        return True


class SimulatedFacts:
    """All symbols of one recording; *instruments* is a metadata body for a recording that has none."""

    checkpoint_every = CHECKPOINT_EVERY

    def __init__(self, records: list[Record], instruments: str | bytes | None = None) -> None:
        self.books: dict[str, SimulatedBook] = {}
        self._decimals: dict[str, Decimals] = {}
        for raw in ([] if instruments is None else [instruments]) + [record["raw"] for record in records]:
            if isinstance(raw, bytes) or '"instruments"' in raw:
                self._decimals |= listed_decimals(exact_json(raw))
        self._trades = TradeBoard("buy")

    def feed(self, index: int, record: Record) -> str:
        """Take one received record; returns its message type."""
        if record["channel"] == "http":
            return http_label(record)
        message = exact_json(record["raw"])
        if not isinstance(message, dict):
            return shape_label(message)
        if message["channel"] == "book":
            symbol = message["symbol"]
            book = self.books.setdefault(symbol, SimulatedBook(self._decimals.get(symbol)))
            book.on_message(index, record["conn"], message)
        elif message["channel"] == "trade":
            for trade in message["data"]:
                price, qty = decimal_of(trade["price"]), decimal_of(trade["qty"])
                self._trades.add(trade["symbol"], int(trade["id"]), price, qty, trade["side"] == "buy")
        return message_label(message)

    def checkpoints(self, before_record: int) -> list[dict[str, Any]]:
        return [
            checkpoint_section(before_record, symbol, book.ladder)
            for symbol, book in sorted(self.books.items())
            if book.is_valid
        ]

    def sections(self) -> dict[str, Any]:
        return {
            "books": {symbol: book.section() for symbol, book in sorted(self.books.items())},
            "trades": self._trades.section(),
        }


def listed_decimals(message: Any) -> dict[str, Decimals]:
    """Price and quantity decimals by symbol, of a body or a frame that lists instruments."""
    listed = message.get("instruments", []) if isinstance(message, dict) else []
    return {one["symbol"]: (int(one["price_decimals"]), int(one["qty_decimals"])) for one in listed}


def message_label(message: Any) -> str:
    """The channel, with the type of a book's message and the op of a reply."""
    if not isinstance(message, dict):
        return shape_label(message)
    named = [message.get("channel", shape_label(message)), message.get("type", message.get("op"))]
    return " ".join(str(name) for name in named if name is not None)


fixture_label = message_label
