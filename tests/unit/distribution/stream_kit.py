"""A publisher of a test's own, and the configuration of workers that read what it writes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from engine.config.load import load_config
from engine.config.sections import EngineConfig
from tests.redis_kit import Server
from tests.unit.config.configs import assignment

MS = 1_000_000
VENUE = {"name": "binance", "venue": "binance", "symbols": ["BTC-USDT", "ETH-USDT"]}
KEY = "nt:binance"
GROUP = "engine-reports"
TICK = {"price_scale": 2, "qty_scale": 8, "tick_raw": 1}
START_NS = 1_700_000_000_000_000_000


def configured(*sets: str, providers: list[dict[str, Any]] | None = None) -> EngineConfig:
    own = ("bus.backend=redis", "bus.shards=1", assignment("providers", [VENUE] if providers is None else providers))
    return load_config(None, (*own, *sets), {"OTHER_URL": "redis://127.0.0.1:1"})


class Writer:
    """A publisher that is not the engine's: it writes what a test says; *dated*: at the time of its clock."""

    def __init__(self, at: Server, symbol: str = "BTC-USDT", key: str = KEY, *, dated: bool = False) -> None:
        self.server, self.symbol, self.key = at, symbol, key
        self.seq = 0
        self.dated = dated
        self.now_ns = START_NS
        at.client.hset("nt:instruments:binance", symbol, json.dumps(TICK))

    def entry(self, kind: str, payload: dict[str, Any], **members: Any) -> dict[str, Any]:
        self.now_ns += MS
        prev, self.seq = self.seq, self.seq + 1
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.now_ns // 10**9)) + f".{self.now_ns % 10**9:09d}Z"
        base = {"symbol": self.symbol, "venue": "binance", "type": kind, "ts_event": stamp, "ts_recv_ns": self.now_ns}
        return {**base, "seq": self.seq, "prev_seq": prev, "payload": payload, **members}

    def write(self, document: Any) -> bytes:
        text = document if isinstance(document, bytes) else json.dumps(document).encode()
        entry_id = f"{self.now_ns // MS}-*" if self.dated else "*"
        return self.server.client.xadd(self.key, {"data": text}, id=entry_id)

    def trade(self, price: float = 100, **members: Any) -> bytes:
        return self.write(self.entry("trade_tick", {"price": price, "qty": 1, "side": "buy", "trade_id": str(self.seq + 1)}, **members))

    def depth(self, bid: float = 99, ask: float = 101) -> bytes:
        return self.write(self.entry("order_book_depth", {"bids": [[bid, 1]], "asks": [[ask, 1]], "levels": 1}))

    def deltas(self, **members: Any) -> bytes:
        return self.write(self.entry("order_book_deltas", {"bids_upd": [[99, 2]], "asks_upd": []}, **members))


def eventually(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < ends, "not in time"
