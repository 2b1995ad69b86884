"""Kraken v2 books by the venue's own rules, and the facts they leave.

1. A snapshot replaces both sides, an update sets absolute quantities in the order given.
2. After the whole message each side is cut to the subscribed depth.
3. Then the CRC32 over the ten best of each side must equal the message's.
4. After a failure, or when the book is crossed or locked, nothing is applied or compared until a snapshot.
"""

from collections import Counter
from typing import Any

from tests.twins.capture_io import Record, exact_json
from tests.twins.checksum_twin import CHECKED_LEVELS, book_checksum
from tests.twins.facts_common import (
    TradeBoard,
    book_section,
    checkpoint_section,
    decimal_of,
    http_label,
    present,
    shape_label,
)
from tests.twins.kraken_precision import Decimals, decimals_in, decimals_in_recording, decimals_verifying
from tests.twins.ladder_twin import LadderTwin, Level

CHECKPOINT_EVERY = 500


def levels_of(rows: list[dict[str, Any]]) -> list[Level]:
    return [(decimal_of(row["price"]), decimal_of(row["qty"])) for row in rows]


class KrakenBook:
    """One pair's book at its subscribed depth."""

    def __init__(self, decimals: Decimals | None) -> None:
        self.ladder = LadderTwin()
        self.is_valid = False
        self.depth_levels: int | None = None
        self.decimals = decimals
        self.counters: Counter[str] = Counter()
        self.failed_records: list[int] = []

    def on_message(self, index: int, kind: str, entry: dict[str, Any]) -> None:
        bids, asks = levels_of(entry.get("bids", [])), levels_of(entry.get("asks", []))
        self.counters[kind] += 1
        self.counters["empty_updates"] += kind == "update" and not bids and not asks
        if kind == "snapshot":
            self.is_valid = True
            self.ladder.clear()
            if self.depth_levels is None:
                self.depth_levels = max(len(bids), len(asks))
        if not self.is_valid:
            return
        self.ladder.apply(bids, asks)
        if self.depth_levels is not None:
            self.ladder.truncate(self.depth_levels)
        verified = "checksum" not in entry or self._compare(index, entry["checksum"])
        crossed = self.ladder.is_crossed()
        self.counters["crossed_after_message"] += crossed
        if crossed or not verified:
            self.is_valid = False
            self.ladder.clear()

    def section(self) -> dict[str, Any]:
        section: dict[str, Any] = {
            "depth": self.depth_levels,
            "checksum_ok": self.counters["checksum_ok"],
            "checksums": self.counters["checksums"],
            "snapshot": self.counters["snapshot"],
            "update": self.counters["update"],
            **present(self.counters, ("empty_updates", "crossed_after_message")),
        }
        if self.failed_records:
            section["checksum_failed_at_record"] = self.failed_records
        return {**section, **book_section(self.ladder)}

    def _compare(self, index: int, checksum: int) -> bool:
        window = self.ladder.top(CHECKED_LEVELS)
        decimals = self.decimals or decimals_verifying(window, checksum)
        self.counters["checksums"] += 1
        if decimals is None or book_checksum(window, *decimals) != checksum:
            self.failed_records.append(index)
            return False
        self.counters["checksum_ok"] += 1
        if window != ([], []):
            self.decimals = decimals
        return True


class KrakenFacts:
    """All pairs of one recording; *instruments* is a metadata body for a recording that has none."""

    checkpoint_every = CHECKPOINT_EVERY

    def __init__(self, records: list[Record], instruments: str | bytes | None = None) -> None:
        self.books: dict[str, KrakenBook] = {}
        self._decimals = decimals_in(exact_json(instruments)) if instruments is not None else {}
        self._decimals.update(decimals_in_recording(records))
        self._trades = TradeBoard("buy")

    def feed(self, index: int, record: Record) -> str:
        """Take one received record; returns its message type."""
        if record["channel"] == "http":
            return http_label(record)
        message = exact_json(record["raw"])
        if not isinstance(message, dict):
            return shape_label(message)
        if "method" in message:
            self._take_reply(message)
        elif message.get("channel") == "book":
            for entry in message["data"]:
                self._book(entry["symbol"]).on_message(index, message["type"], entry)
        elif message.get("channel") == "trade":
            for trade in message["data"]:
                price, qty = decimal_of(trade["price"]), decimal_of(trade["qty"])
                key = f"{trade['symbol']} {message['type']}"
                self._trades.add(key, trade["trade_id"], price, qty, trade["side"] == "buy")
        return message_label(message)

    def checkpoints(self, before_record: int) -> list[dict[str, Any]]:
        return [
            checkpoint_section(before_record, symbol, book.ladder)
            for symbol, book in sorted(self.books.items())
            if book.is_valid
        ]

    def sections(self) -> dict[str, Any]:
        # A pair that was only subscribed to has no book.
        books = {symbol: book for symbol, book in sorted(self.books.items()) if book.counters}
        return {
            "books": {symbol: book.section() for symbol, book in books.items()},
            "trades": self._trades.section(),
        }

    def _book(self, symbol: str) -> KrakenBook:
        return self.books.setdefault(symbol, KrakenBook(self._decimals.get(symbol)))

    def _take_reply(self, message: dict[str, Any]) -> None:
        result = message.get("result") or {}
        granted = message["method"] == "subscribe" and message.get("success")
        if granted and result.get("channel") == "book":
            self._book(result["symbol"]).depth_levels = result["depth"]


def message_label(message: Any) -> str:
    """`method` first, then `channel` with its type, else the shape."""
    if not isinstance(message, dict):
        return shape_label(message)
    if "method" in message:
        return str(message["method"])
    if "channel" in message:
        return " ".join(str(message[key]) for key in ("channel", "type") if key in message)
    return shape_label(message)


def fixture_label(message: Any) -> str:
    """As `message_label`, without the type."""
    return message_label(message).split(" ")[0]
