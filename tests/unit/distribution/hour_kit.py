"""An hour of a venue's traffic, made from a seed: two symbols, books that change each second, trades, giants that come and go."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

SECONDS = 3600
START_NS = 1_700_000_000 * 10**9
LEVELS = 30
SYMBOLS = ("NKNUSDT", "RUNEEUR")
_SCALE = 10**8


def _text(value: int) -> str:
    return f"{value // _SCALE}.{value % _SCALE:08d}"


class _Market:
    """A book around a price that stays, so that no side ever crosses the other."""

    def __init__(self, rng: random.Random, symbol: str, tick: int) -> None:
        self.rng, self.symbol, self.tick = rng, symbol, tick
        self.mid = 4000 * tick
        self.update_id = rng.randrange(10**6, 10**7)
        self.trade_id = rng.randrange(10**6, 10**7)
        self.sides = [{price: self._quantity() for price in self._prices(side)} for side in (-1, 1)]

    def _prices(self, side: int) -> list[int]:
        return [self.mid + side * (number + 1) * self.tick for number in range(LEVELS)]

    def _quantity(self) -> int:
        giant = 50 if self.rng.random() < 0.02 else 1
        return giant * self.rng.randrange(1, 1000) * _SCALE // 10

    def snapshot(self) -> str:
        levels = [[[_text(price), _text(qty)] for price, qty in side.items() if qty] for side in self.sides]
        return json.dumps({"lastUpdateId": self.update_id, "bids": levels[0], "asks": levels[1]})

    def diff(self, ms: int) -> dict[str, Any]:
        changed: list[list[list[str]]] = [[], []]
        for side, number in {(self.rng.randrange(2), self.rng.randrange(LEVELS)) for _ in range(self.rng.randrange(1, 5))}:
            price = list(self.sides[side])[number]
            self.sides[side][price] = 0 if number and self.rng.random() < 0.15 else self._quantity()
            changed[side].append([_text(price), _text(self.sides[side][price])])
        first = self.update_id + 1
        self.update_id += self.rng.randrange(1, 4)
        told = {"e": "depthUpdate", "E": ms, "s": self.symbol, "U": first, "u": self.update_id, "b": changed[0], "a": changed[1]}
        return {"stream": f"{self.symbol.lower()}@depth@100ms", "data": told}

    def trade(self, ms: int) -> dict[str, Any]:
        self.trade_id += 1
        sells = self.rng.random() < 0.5
        price = next(iter(self.sides[0 if sells else 1]))
        told = {
            "e": "aggTrade", "E": ms, "s": self.symbol, "a": self.trade_id, "p": _text(price), "q": _text(self._quantity()),
            "f": self.trade_id, "l": self.trade_id, "T": ms, "m": sells, "M": True,
        }  # fmt: skip
        return {"stream": f"{self.symbol.lower()}@aggTrade", "data": told}


def write_hour(like: Path, path: Path, seed: int = 1) -> None:
    """Make the recording; *like* is one whose instruments and addresses it uses."""
    with gzip.open(like) as lines:
        recorded = [json.loads(line) for line in lines]
    info = recorded[0]
    listed = {one["symbol"]: one for one in json.loads(info["raw"])["symbols"]}
    rng = random.Random(seed)

    def tick_of(symbol: str) -> int:
        text = next(one["tickSize"] for one in listed[symbol]["filters"] if one["filterType"] == "PRICE_FILTER")
        whole, _, part = text.partition(".")
        return int(whole) * _SCALE + int(part.ljust(8, "0"))

    url = next(one["url"] for one in recorded if one["channel"] == "ws")
    depth_url = "https://api.binance.com/api/v3/depth?symbol={}&limit=1000"
    markets = [_Market(rng, symbol, tick_of(symbol)) for symbol in SYMBOLS]
    with gzip.open(path, "wt", compresslevel=1) as out:

        def put(ns: int, channel: str, conn: int, where: str, raw: str) -> None:
            out.write(json.dumps({"ts_ns": ns, "venue": "binance", "channel": channel, "conn": conn, "url": where, "raw": raw}) + "\n")

        put(START_NS, "http", 0, info["url"], info["raw"])
        for second in range(SECONDS):
            for at, market in enumerate(markets):
                ns = START_NS + second * 10**9 + (1 + rng.randrange(400) + 500 * at) * 10**6
                put(ns, "ws", 1, url, json.dumps(market.diff(ns // 10**6 - 3)))
                if second == 0:
                    put(ns + 10**6, "http", 2, depth_url.format(market.symbol), market.snapshot())
                elif rng.random() < 0.6:
                    put(ns + 2 * 10**6, "ws", 1, url, json.dumps(market.trade(ns // 10**6 - 1)))
