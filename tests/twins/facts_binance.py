"""Binance Spot books by the venue's own rules, and the facts they leave.

1. Diffs are kept until a snapshot comes; one with id < first kept U - 1 is too old and refused.
2. Of the kept ones, those with u <= snapshot id are stale; the rest are applied in the order received.
3. U > book id + 1 is a gap: the book is gone, and that diff is the first of those kept for the next snapshot.
4. A book that is crossed or locked after a whole message is gone too; the diff that did it is spent.
"""

from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.twins.capture_io import Record, exact_json
from tests.twins.facts_common import (
    TradeBoard,
    book_section,
    checkpoint_section,
    decimal_of,
    http_label,
    present,
    shape_label,
)
from tests.twins.ladder_twin import LadderTwin, Level

CHECKPOINT_EVERY = 5000
_TRADE_ID = {"trade": "t", "aggTrade": "a"}
_RARE = (
    "overlapping_applied",
    "snapshots_too_old",
    "snapshots_ignored_in_sync",
    "stream_breaks_U_ne_prev_u_plus_1",
    "crossed_after_apply",
)


def levels_of(rows: list[list[Any]]) -> list[Level]:
    return [(decimal_of(row[0]), decimal_of(row[1])) for row in rows]


class BinanceBook:
    """One symbol's book: the diffs waiting, the levels, and the tickers to hold against them."""

    def __init__(self) -> None:
        self.ladder = LadderTwin()
        self.book_id: int | None = None
        self.counters: Counter[str] = Counter()
        self.gap_at: list[list[int]] = []
        self._kept: list[dict[str, Any]] = []
        self._previous_u: int | None = None
        self._waiting_tickers: dict[int, dict[str, Any]] = {}
        self._checked_ids: set[int] = set()

    def on_diff(self, diff: dict[str, Any]) -> None:
        self.counters["diffs"] += 1
        if self._previous_u is not None and diff["U"] != self._previous_u + 1:
            self.counters["stream_breaks_U_ne_prev_u_plus_1"] += 1
        self._previous_u = diff["u"]
        if self.book_id is None:
            self._kept.append(diff)
        else:
            self._take(diff)

    def on_snapshot(self, body: dict[str, Any]) -> None:
        self.counters["snapshots"] += 1
        snapshot_id = body["lastUpdateId"]
        if self.book_id is not None:
            self.counters["snapshots_ignored_in_sync"] += 1
            return
        if self._kept and snapshot_id < self._kept[0]["U"] - 1:
            self.counters["snapshots_too_old"] += 1
            return
        self.ladder.replace(levels_of(body["bids"]), levels_of(body["asks"]))
        waiting, self._kept = self._kept, []
        self._reach(snapshot_id)
        for diff in waiting:
            if self.book_id is None:
                self._kept.append(diff)
            else:
                self._take(diff)

    def on_book_ticker(self, ticker: dict[str, Any]) -> None:
        self._waiting_tickers.setdefault(ticker["u"], ticker)
        if self.book_id == ticker["u"]:
            self._hold_against_ticker()

    def section(self) -> dict[str, Any]:
        counters = self.counters
        section: dict[str, Any] = {
            "in_sync": self.book_id is not None,
            "last_update_id": self.book_id,
            "applied": counters["applied"],
            "diffs": counters["diffs"],
            "snapshots": counters["snapshots"],
            "stale_dropped": counters["stale_dropped"],
            "gaps": len(self.gap_at),
            "book_ticker_checked": counters["book_ticker_checked"],
            "book_ticker_equal": counters["book_ticker_equal"],
            **present(counters, _RARE),
        }
        if self.gap_at:
            section["gap_at"] = self.gap_at
        return {**section, **book_section(self.ladder)}

    def _take(self, diff: dict[str, Any]) -> None:
        assert self.book_id is not None
        if diff["u"] <= self.book_id:
            self.counters["stale_dropped"] += 1
            return
        if diff["U"] > self.book_id + 1:
            self.gap_at.append([self.book_id, diff["U"]])
            self._lose_book()
            self._kept.append(diff)
            return
        self.counters["overlapping_applied"] += diff["U"] <= self.book_id
        self.counters["applied"] += 1
        self.ladder.apply(levels_of(diff["b"]), levels_of(diff["a"]))
        self._reach(diff["u"])

    def _reach(self, book_id: int) -> None:
        if self.ladder.is_crossed():
            self.counters["crossed_after_apply"] += 1
            self._lose_book()
            return
        self.book_id = book_id
        self._hold_against_ticker()

    def _lose_book(self) -> None:
        self.book_id = None
        self.ladder.clear()

    def _hold_against_ticker(self) -> None:
        """Compare the top of the book with the ticker of the same id, once an id."""
        if self.book_id not in self._waiting_tickers or self.book_id in self._checked_ids:
            return
        ticker = self._waiting_tickers[self.book_id]
        self._checked_ids.add(self.book_id)
        bid = (decimal_of(ticker["b"]), decimal_of(ticker["B"]))
        ask = (decimal_of(ticker["a"]), decimal_of(ticker["A"]))
        self.counters["book_ticker_checked"] += 1
        self.counters["book_ticker_equal"] += (self.ladder.best_bid(), self.ladder.best_ask()) == (bid, ask)


class BinanceFacts:
    """All symbols of one recording."""

    checkpoint_every = CHECKPOINT_EVERY

    def __init__(self, records: list[Record]) -> None:
        self.books: dict[str, BinanceBook] = {}
        self._trades = TradeBoard("buyer_maker")
        self._klines: Counter[str] = Counter()

    def feed(self, index: int, record: Record) -> str:
        """Take one received record; returns its message type."""
        if record["channel"] == "http":
            self._feed_http(record)
            return http_label(record)
        message = exact_json(record["raw"])
        label = message_label(message)
        payload = payload_of(message)
        if label == "depthUpdate":
            self._book(payload["s"]).on_diff(payload)
        elif label == "bookTicker":
            self._book(payload["s"]).on_book_ticker(payload)
        elif label in _TRADE_ID:
            price, qty = decimal_of(payload["p"]), decimal_of(payload["q"])
            self._trades.add(f"{payload['s']} {label}", payload[_TRADE_ID[label]], price, qty, payload["m"])
        elif label == "kline":
            self._klines[f"{payload['s']} {payload['k']['i']}"] += 1
        return label

    def checkpoints(self, before_record: int) -> list[dict[str, Any]]:
        return [
            {**checkpoint_section(before_record, symbol, book.ladder), "update_id": book.book_id}
            for symbol, book in sorted(self.books.items())
            if book.book_id is not None
        ]

    def sections(self) -> dict[str, Any]:
        # A symbol known by its tickers alone has no book.
        books = {symbol: book for symbol, book in sorted(self.books.items()) if book.counters}
        sections: dict[str, Any] = {
            "books": {symbol: book.section() for symbol, book in books.items()},
            "trades": self._trades.section(),
        }
        if self._klines:
            sections["klines"] = dict(self._klines)
        return sections

    def _feed_http(self, record: Record) -> None:
        url = record["url"] or ""
        if "/depth?" in url:
            symbol = parse_qs(urlsplit(url).query)["symbol"][0]
            self._book(symbol).on_snapshot(exact_json(record["raw"]))

    def _book(self, symbol: str) -> BinanceBook:
        return self.books.setdefault(symbol, BinanceBook())


def payload_of(message: Any) -> Any:
    """The payload of a frame, with or without the envelope of a combined stream."""
    combined = isinstance(message, dict) and "stream" in message and "data" in message
    return message["data"] if combined else message


def message_label(message: Any) -> str:
    """The event's own name, else that of its stream, else its shape."""
    payload = payload_of(message)
    if not isinstance(payload, dict):
        return shape_label(payload)
    if "e" in payload:
        return str(payload["e"])
    if payload is not message and "@" in message["stream"]:
        return str(message["stream"].split("@")[1])
    return "bookTicker" if {"u", "s", "b", "B", "a", "A"} <= payload.keys() else shape_label(payload)


def fixture_label(message: Any) -> str:
    """As `message_label`, looking through the envelope of a user-data subscription."""
    enveloped = isinstance(message, dict) and "event" in message
    return message_label(message["event"] if enveloped else message)
