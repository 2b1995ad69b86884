"""Coinbase Advanced Trade books by the venue's own rules, and the facts they leave.

1. One sequence a connection, over all its messages; the first one seen sets it.
2. A number at or below the last is out of order: nothing of the message is taken, the last stays.
3. A number above last + 1 means messages were lost: every book of that connection is gone until its next
   snapshot.
4. All updates of one message are applied before the book is looked at; crossed or locked, it is gone.
"""

from collections import Counter
from typing import Any
from urllib.parse import urlsplit

from tests.twins.capture_io import Record, exact_json, is_frame
from tests.twins.facts_common import (
    TradeBoard,
    book_section,
    checkpoint_section,
    decimal_of,
    http_label,
    present,
    shape_label,
)
from tests.twins.ladder_twin import ASK, BID, LadderTwin

CHECKPOINT_EVERY = 1000
_SIDES = {"bid": BID, "offer": ASK}
_EXCHANGE_FEED_TYPES = frozenset({"l2update", "snapshot", "match", "last_match", "open", "done"})


class CoinbaseBook:
    """One product's book and the connection its last snapshot came by (None: no valid book)."""

    def __init__(self) -> None:
        self.ladder = LadderTwin()
        self.conn: int | None = None
        self.counters: Counter[str] = Counter()

    def lose(self) -> None:
        self.conn = None
        self.ladder.clear()

    def section(self) -> dict[str, Any]:
        names = ("empty_updates", "crossed_after_message")
        kinds = {"snapshot": self.counters["snapshot"], "update": self.counters["update"]}
        return {**present(self.counters, names), **kinds, **book_section(self.ladder)}


class CoinbaseFacts:
    """All connections and products of one recording."""

    checkpoint_every = CHECKPOINT_EVERY

    def __init__(self, records: list[Record]) -> None:
        self.books: dict[str, CoinbaseBook] = {}
        self.last_sequence: dict[int, int] = {}
        self._trades = TradeBoard("buy")
        self._missing_count = 0
        self._gap_records: list[int] = []

    def feed(self, index: int, record: Record) -> str:
        """Take one received record; returns its message type."""
        if record["channel"] == "http":
            return http_label(record)
        message = exact_json(record["raw"])
        events = message.get("events", []) if isinstance(message, dict) else []
        label = message_label(message)
        if label == "l2_data":
            self._count_as_received(events)
        if not isinstance(message, dict) or not self._in_order(index, record["conn"], message):
            return label
        if label == "l2_data":
            self._take_books(record["conn"], events)
        elif label == "market_trades":
            self._take_trades(events)
        return label

    def checkpoints(self, before_record: int) -> list[dict[str, Any]]:
        return [
            checkpoint_section(before_record, symbol, book.ladder)
            for symbol, book in sorted(self.books.items())
            if book.conn is not None
        ]

    def sections(self) -> dict[str, Any]:
        gaps = {"sequence_gap_at_record": self._gap_records} if self._gap_records else {}
        return {
            "sequence_gaps": len(self._gap_records),
            "messages_missing": self._missing_count,
            "last_sequence": {str(conn): last for conn, last in sorted(self.last_sequence.items())},
            **gaps,
            "books": {symbol: book.section() for symbol, book in sorted(self.books.items())},
            "trades": self._trades.section(),
        }

    def _book(self, product_id: str) -> CoinbaseBook:
        return self.books.setdefault(product_id, CoinbaseBook())

    def _count_as_received(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            counters = self._book(event["product_id"]).counters
            counters[event["type"]] += 1
            counters["empty_updates"] += event["type"] == "update" and not event["updates"]

    def _in_order(self, index: int, conn: int, message: dict[str, Any]) -> bool:
        """Keep the sequence of *conn*; False for a message that must be ignored."""
        number = message.get("sequence_num")
        if number is None:
            return True
        last = self.last_sequence.setdefault(conn, number - 1)
        if number != last + 1:
            self._gap_records.append(index)
        if number <= last:
            return False
        self.last_sequence[conn] = number
        if number > last + 1:
            self._missing_count += number - last - 1
            for book in self.books.values():
                if book.conn == conn:
                    book.lose()
        return True

    def _take_books(self, conn: int, events: list[dict[str, Any]]) -> None:
        for event in events:
            book = self._book(event["product_id"])
            if event["type"] == "snapshot":
                book.ladder.clear()
                book.conn = conn
            if book.conn == conn:
                for update in event["updates"]:
                    price, qty = decimal_of(update["price_level"]), decimal_of(update["new_quantity"])
                    book.ladder.set(_SIDES[update["side"]], price, qty)
        for product_id in {event["product_id"] for event in events}:
            book = self.books[product_id]
            if book.ladder.is_crossed():
                book.counters["crossed_after_message"] += 1
                book.lose()

    def _take_trades(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            # The venue lists the newest trade first.
            for trade in reversed(event["trades"]):
                price, size = decimal_of(trade["price"]), decimal_of(trade["size"])
                bought = trade["side"] == "BUY"
                self._trades.add(f"{trade['product_id']} trade", int(trade["trade_id"]), price, size, bought)


def message_label(message: Any) -> str:
    if not isinstance(message, dict):
        return shape_label(message)
    return str(message.get("channel") or message.get("type") or shape_label(message))


def fixture_label(message: Any) -> str:
    return message_label(message)


def is_exchange_feed(records: list[Record]) -> bool:
    """True for a recording of the older Exchange API, whose books carry no sequence."""
    for record in records:
        if not is_frame(record):
            continue
        if (urlsplit(record["url"] or "").hostname or "").startswith("ws-feed."):
            return True
        message = exact_json(record["raw"])
        if not isinstance(message, dict) or "channel" in message:
            continue
        if message.get("type") in _EXCHANGE_FEED_TYPES:
            return True
    return False
