"""A market, what an engine publishes of it, and a reader of the streams that shares no code with either."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.observability.metrics import Reading, Sample
from engine.runtime.metrics import add_streams
from engine.runtime.publishing import Publishing
from engine.schema.busschema import entry_schema
from tests.redis_kit import Server, server
from tests.unit.config.configs import assignment
from tests.unit.runtime.engine_kit import UNLIMITED
from tests.unit.runtime.market_kit import Market

SYMBOLS = ("BTC-USDT", "ETH-USDT")
KEY = "nt:binance"
PROVIDERS = assignment("providers", [{"name": "binance", "venue": "binance", "symbols": list(SYMBOLS)}])
SETS = (*UNLIMITED, "bus.backend=redis", "bus.shards=1", PROVIDERS)
VALIDATOR = Draft202012Validator(entry_schema())
MS = 1_000_000


class Bus:
    """A market, what it publishes, and a server; written to when a test says so, or by its own thread."""

    def __init__(self, market: Market, publishing: Publishing, at: Server) -> None:
        self.market = market
        self.publishing = publishing
        self.server = at

    def write(self) -> None:
        """Everything that has gathered, and the books that are due with it."""
        self.publishing.publisher.turn()
        self.publishing.publisher.turn()

    def read(self, symbol: str | None = None, key: str = KEY) -> list[dict[str, Any]]:
        found = []
        for text in self.server.entries(key):
            assert VALIDATOR.is_valid(json.loads(text)), text
            entry = json.loads(text, parse_float=Decimal)
            if symbol in (None, entry["symbol"]):
                found.append(entry)
        return found

    def eventually(self, holds: Callable[[], bool], within_s: float = 20) -> None:
        ends = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < ends, "not in time"


@contextmanager
def bus(folder: Path, monkeypatch: pytest.MonkeyPatch, *sets: str, at: Server | None = None, depth: int = 5) -> Iterator[Bus]:
    with server(folder) as own, Market(1, ("BTC", "ETH"), sets=(*SETS, *sets), depth=depth) as market:
        used = at or own
        monkeypatch.setenv("ENGINE_REDIS_URL", used.url)
        publishing = Publishing(market.engine, market.engine.config.providers)
        try:
            yield Bus(market, publishing, used)
        finally:
            publishing.stop()


class Reader:
    """Books as a reader rebuilds them; a snapshot of a book in sync must say what the reader has already (BUS-15)."""

    def __init__(self) -> None:
        self.last: dict[str, int] = defaultdict(int)
        self.books: dict[str, tuple[dict[Any, Any], dict[Any, Any]] | None] = {}
        self.breaks = 0
        self.snapshots = 0

    def take(self, entry: dict[str, Any]) -> None:
        symbol, payload = entry["symbol"], entry["payload"]
        assert entry["seq"] > self.last[symbol]
        if entry["prev_seq"] != self.last[symbol]:
            self.breaks += 1
            self.books[symbol] = None
        self.last[symbol] = entry["seq"]
        book = self.books.get(symbol)
        if entry["type"] == "order_book_depth":
            listed = tuple(dict(payload[side]) for side in ("bids", "asks"))
            if book is not None and entry["n"] == 0:
                assert listed == book
            self.books[symbol] = listed
            self.snapshots += 1
        elif entry["type"] == "order_book_deltas" and book is not None:
            for side, changes in zip(book, (payload["bids_upd"], payload["asks_upd"]), strict=True):
                for price, qty in changes:
                    if qty:
                        side[price] = qty
                    else:
                        side.pop(price, None)


def is_the_venues(market: Market, reader: Reader, symbol: str) -> bool:
    """As deep as it is published."""
    wanted = tuple({Decimal(price): Decimal(qty) for price, qty in side[:5]} for side in market.twins[symbol].texts())
    return reader.books[symbol] == wanted


def happen(market: Market, count: int) -> tuple[int, int]:
    """(books' updates, trades) of BTC-USDT, as many others of ETH-USDT."""
    updates = trades = 0
    for _ in range(count):
        market.clock.advance(market.rng.randrange(1, 5) * MS)
        symbol = market.rng.choice(SYMBOLS)
        if market.rng.random() < 0.6:
            market.diff(symbol)
            updates += symbol == SYMBOLS[0]
        else:
            market.trade(symbol)
            trades += symbol == SYMBOLS[0]
    return updates, trades


def values(one: Bus) -> dict[str, list[Sample]]:
    reading = Reading()
    add_streams(reading, one.publishing)
    return reading.samples()


def value(one: Bus, name: str) -> float:
    return sum(row["value"] for row in values(one).get(name, []))
