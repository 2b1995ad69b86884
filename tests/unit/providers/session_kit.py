"""A session against a scripted venue, in an engine that keeps what it was told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from engine.base.clock import SystemClock
from engine.config.load import default_config
from engine.config.sections_providers import ConnectionConfig, ProviderConfig
from engine.providers.feed import Feed
from engine.providers.session import Session
from engine.runtime.assembly import Engine
from tests.unit.providers.socket_kit import ScriptedVenue

EXCHANGE_INFO = json.dumps(
    {
        "symbols": [
            {"symbol": f"{base}USDT", "status": "TRADING", "baseAsset": base, "quoteAsset": "USDT"}
            for base in ("AB", "CD", "E€")
        ]
    }
).encode()
QUICK = {"backoff_min_ms": 10, "backoff_max_ms": 10}
SYMBOLS = {"binance": ("ABUSDT", "CDUSDT"), "coinbase": ("A-USD", "B-USD"), "kraken": ("A/B", "C/D"),
           "simulated": ("A-B", "C-D")}  # fmt: skip


class Live:
    """A session whose engine keeps what it was told."""

    def __init__(self, session: Session, feed: Feed) -> None:
        self.session = session
        self.feed = feed
        self.told: list[tuple[str, dict[str, Any]]] = []

    def states(self) -> list[str]:
        return [metadata["state"] for kind, metadata in self.told if kind == "connection.state"]

    def is_valid(self, place: int = 0) -> bool:
        return bool(self.feed.stream.book_list()[place].is_valid)

    def resyncs(self, place: int = 0) -> dict[str, int]:
        counts: dict[str, int] = self.feed.stream.book_list()[place].counts_by_reason()
        return counts


@asynccontextmanager
async def live(
    venue: ScriptedVenue, name: Any = "binance", *, connect: bool = True, **connection: int
) -> AsyncIterator[Live]:
    settings = ProviderConfig(
        name=name,
        venue=name,
        symbols=("AB-USDT",),
        streams=("book",),
        ws_endpoint=venue.ws_url,
        rest_endpoint=venue.rest_url,
        connection=ConnectionConfig(**(QUICK | connection)),
    )
    with Engine(default_config(), SystemClock()) as engine:
        engine.start()
        feed = engine.open_provider(name, name)
        for symbol in SYMBOLS[name]:
            engine.carry(feed, feed.guess_instrument(symbol))
        session = Session(feed, settings, engine.clock, tell=engine.reporting.tell, random=Random(1))
        found = Live(session, feed)
        engine.reporting.watchers.append(lambda kind, metadata: found.told.append((kind, dict(metadata))))
        async with session:
            if connect:
                await session.connect()
            yield found


def depth(book_id: int) -> bytes:
    return b'{"lastUpdateId":%d,"bids":[["10.0","1.0"]],"asks":[["11.0","2.0"]]}' % book_id


def diff(first_id: int, final_id: int, symbol: str = "ABUSDT") -> dict[str, Any]:
    row = {"e": "depthUpdate", "E": 1, "s": symbol, "U": first_id, "u": final_id}
    return {"stream": f"{symbol.lower()}@depth@100ms", "data": {**row, "b": [["9.5", "1.5"]], "a": []}}
