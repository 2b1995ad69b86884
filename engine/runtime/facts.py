"""The facts of a capture (model.md CLI-40): figures from the engine's own decoders, books and counters."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

from engine.providers.facts import top_part
from engine.providers.feed import Feed
from engine.providers.registry import facts_of
from engine.runtime.capture import CaptureRecord
from engine.runtime.prescan import base_venue
from engine.runtime.summary import EngineSummary


class FactsCollector:
    """Counts what the text of the file tells, and reads the feeds at checkpoints and at the end.

    Args:
        name: the file's name.
        feeds: the providers by venue.
    """

    def __init__(self, name: str, feeds: dict[str, Feed]) -> None:
        self._name = name
        self._feeds = feeds
        self._counts = Counter[str]()
        self._types = Counter[str]()
        self._raw_hash = hashlib.sha256()
        self._raw_bytes = 0
        self._first_ts_ns: int | None = None
        self._last_ts_ns: int | None = None
        self._regressions = 0
        self._venue = ""
        self._is_fixture = False
        self._checkpoints: list[dict[str, Any]] = []

    def before(self, number: int, record: CaptureRecord) -> None:
        """Note a record that is about to be played; a checkpoint stands before each multiple of the venue's step."""
        venue = base_venue(record.venue)
        self._venue = self._venue or venue
        self._is_fixture = self._is_fixture or record.kind == "fixture"
        if number and number % facts_of(self._venue).CHECKPOINT_RECORDS == 0 and not self._is_fixture:
            self._checkpoint(number)
        if self._first_ts_ns is None:
            self._first_ts_ns = record.ts_ns
        if self._last_ts_ns is not None and record.ts_ns < self._last_ts_ns:
            self._regressions += 1
        self._last_ts_ns = record.ts_ns
        raw = record.raw.encode()
        self._raw_bytes += len(raw)
        self._raw_hash.update(raw + b"\n")
        if record.is_out:
            self._counts["ws_out"] += 1
            return
        self._counts["http" if record.channel == "http" else "ws_in"] += 1
        self._types[facts_of(venue).message_type(raw, record.channel, record.url, self._is_fixture)] += 1

    def _checkpoint(self, number: int) -> None:
        for venue, feed in self._feeds.items():
            module = facts_of(venue)
            for symbol in sorted(module.books_seen(feed)):
                part = module.checkpoint_part(feed, symbol)
                if part is not None:
                    self._checkpoints.append(
                        {"before_record": number, "symbol": symbol, **part, **top_part(feed.book_of(symbol))}
                    )

    def entry(self, summary: EngineSummary) -> dict[str, Any]:
        """The finished entry; a fixture file has counts and message types only."""
        entry: dict[str, Any] = {
            "file": self._name,
            "venue": self._venue,
            "records": sum(self._counts.values()),
            "ws_in": self._counts["ws_in"],
            "ws_out": self._counts["ws_out"],
            "http": self._counts["http"],
            "ts_regressions": self._regressions,
            "first_ts_ns": self._first_ts_ns,
            "last_ts_ns": self._last_ts_ns,
            "raw_bytes": self._raw_bytes,
            "raw_sha256": self._raw_hash.hexdigest(),
            "message_types": dict(sorted(self._types.items())),
        }
        if self._is_fixture:
            return entry
        books: dict[str, Any] = {}
        trades: dict[str, Any] = {}
        for venue, feed in self._feeds.items():
            module = facts_of(venue)
            entry.update(module.entry_part(feed))
            books.update(module.books(feed))
            trades.update(module.trades(feed))
        return entry | {
            "books": books,
            "trades": trades,
            "checkpoints": self._checkpoints,
            "pipeline": summary.pipeline(),
        }
