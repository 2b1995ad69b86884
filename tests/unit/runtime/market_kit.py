"""A small market at one venue, seeded, and a whole engine that carries it: diffs, trades, gaps; a book beside it."""

from __future__ import annotations

import json
from decimal import Decimal
from random import Random
from typing import Any, Self

from engine.base.clock import ManualClock
from engine.config.load import load_config
from engine.consumers.subscriptions import Subscription
from engine.providers.feed import BookRules
from engine.runtime.assembly import Engine
from tests.twins.book_twin import PlainBook, Side
from tests.unit.runtime.engine_kit import START_NS, UNLIMITED

TICK = Decimal("0.01")


class Market:
    """An engine on *symbols* (BASE of BASE-USDT) at binance; a context manager.

    Args:
        seed: of everything that happens.
        depth: levels published a side.
        sets: ``PATH=VALUE`` of the configuration.
    """

    def __init__(self, seed: int, symbols: tuple[str, ...] = ("BTC",), depth: int = 5, sets: tuple[str, ...] = UNLIMITED) -> None:
        self.rng = Random(seed)
        self.clock = ManualClock(START_NS)
        self.engine = Engine(load_config(None, sets, {}), self.clock)
        self.feed = self.engine.open_provider("binance", "binance", BookRules(depth_levels=depth))
        self.twins = {f"{base}-USDT": PlainBook(depth) for base in symbols}
        self.last_id = dict.fromkeys(self.twins, 1000)
        self.trades = dict.fromkeys(self.twins, 0)
        for base in symbols:
            self.engine.carry(self.feed, self.feed.guess_instrument(f"{base}USDT"))

    def __enter__(self) -> Self:
        self.engine.start()
        for symbol in self.twins:
            self.diff(symbol, 12)
            self.snapshot(symbol)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.engine.close()

    def add(self, consumer_id: str, handler: object, event_types: tuple[str, ...] = ("BookUpdate",), **options: Any) -> Any:
        runner = self.engine.add_consumer(consumer_id, handler, **options)
        for symbol in self.twins:
            self.subscribe(consumer_id, symbol, event_types)
        return runner

    def subscribe(self, consumer_id: str, symbol: str, event_types: tuple[str, ...]) -> None:
        self.engine.desk.subscribe(Subscription(consumer_id=consumer_id, symbol=symbol, event_types=event_types))

    def unsubscribe(self, consumer_id: str, symbol: str, event_types: tuple[str, ...]) -> None:
        self.engine.desk.unsubscribe(Subscription(consumer_id=consumer_id, symbol=symbol, event_types=event_types))

    # -- what happens ---------------------------------------------------------------------------------------------

    def diff(self, symbol: str, levels: int = 3, *, is_sent: bool = True) -> None:
        """A change of some levels near 100.00; one that is not sent leaves a gap behind."""
        number = self.last_id[symbol] = self.last_id[symbol] + 1
        bids, asks = (
            [[str(Decimal(100) + sign * TICK * self.rng.randint(1, 12)), self._qty()] for _ in range(levels)]
            for sign in (-1, 1)
        )
        self._change(symbol, number, bids, asks, is_sent=is_sent)

    def deepen(self, symbol: str, levels: int) -> None:
        """So many bids, far below all others."""
        number = self.last_id[symbol] = self.last_id[symbol] + 1
        self._change(symbol, number, [[str(Decimal(90) - step * TICK), "1.50"] for step in range(levels)], [])

    def _change(self, symbol: str, number: int, bids: list[list[str]], asks: list[list[str]], *, is_sent: bool = True) -> None:
        self.twins[symbol].change(number, bids, asks)
        if is_sent:
            venue = symbol.replace("-", "")
            data = {"e": "depthUpdate", "E": self.clock.now() // 10**6, "s": venue, "U": number, "u": number, "b": bids, "a": asks}
            self._frame(f"{venue.lower()}@depth@100ms", data)

    def trade(self, symbol: str) -> None:
        self.trades[symbol] += 1
        venue = symbol.replace("-", "")
        data = {"e": "trade", "E": 1, "s": venue, "t": self.trades[symbol], "p": "100.00", "q": "1.00", "T": 1, "m": True, "M": True}
        self._frame(f"{venue.lower()}@trade", data)

    def snapshot(self, symbol: str) -> None:
        """The venue's whole book, by REST."""
        bids, asks = self.twins[symbol].texts()
        body = {"lastUpdateId": self.last_id[symbol], "bids": bids, "asks": asks}
        url = f"https://venue/api/v3/depth?symbol={symbol.replace('-', '')}&limit=1000"
        self.feed.take_http(url, json.dumps(body).encode(), self.clock.now())
        self.feed.stream.read_end()

    def resync(self, symbol: str) -> None:
        """A diff is lost; the book is void until a snapshot comes, a few diffs later."""
        self.diff(symbol, is_sent=False)
        for _ in range(self.rng.randint(1, 3)):
            self.diff(symbol)
        self.snapshot(symbol)

    def _qty(self) -> str:
        return "0.00" if self.rng.random() < 0.4 else f"{self.rng.randint(1, 99)}.00"

    def _frame(self, stream: str, data: dict[str, Any]) -> None:
        self.feed.stream.feed(json.dumps({"stream": stream, "data": data}).encode(), self.clock.now(), 0)
        self.feed.stream.read_end()


def levels_of(book: Any, event: Any) -> tuple[Side, Side]:
    """A consumer's book in Decimals."""
    return (
        [(Decimal(p).scaleb(-event.price_scale), Decimal(q).scaleb(-event.qty_scale)) for p, q in book.bids()],
        [(Decimal(p).scaleb(-event.price_scale), Decimal(q).scaleb(-event.qty_scale)) for p, q in book.asks()],
    )
