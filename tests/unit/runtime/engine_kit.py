"""A whole engine on one symbol of one venue, fed with frames by hand."""

from __future__ import annotations

from typing import Any, Self

from engine.base.clock import Clock, ManualClock
from engine.config.load import load_config
from engine.consumers.subscriptions import Subscription
from engine.runtime.assembly import Engine

START_NS = 1_700_000_000_000_000_000
UNLIMITED = ("dispatcher.backpressure.token_rate_per_stream=unlimited",)
"""For a test whose clock stands while thousands of events come."""


class TradeEngine:
    """An engine that carries BTC-USDT at binance; a context manager.

    Args:
        clock: None = one that stands until it is moved.
        sets: ``PATH=VALUE`` of the configuration.
    """

    def __init__(self, clock: Clock | None = None, sets: tuple[str, ...] = ()) -> None:
        self.clock = clock or ManualClock(START_NS)
        self.engine = Engine(load_config(None, sets, {}), self.clock)
        self.feed = self.engine.open_provider("binance", "binance")
        self.engine.carry(self.feed, self.feed.guess_instrument("BTCUSDT"))

    def add(self, consumer_id: str, handler: object, *, event_types: tuple[str, ...] = ("Trade",), **options: Any) -> Any:
        runner = self.engine.add_consumer(consumer_id, handler, **options)
        self.engine.desk.subscribe(Subscription(consumer_id=consumer_id, symbol="BTC-USDT", event_types=event_types))
        return runner

    def trade(self, number: int, *, is_last: bool = True) -> None:
        """The frame of a trade; the last one of a read has it delivered."""
        self.feed.stream.feed(trade_frame(number), self.clock.now(), 0)
        if is_last:
            self.feed.stream.read_end()

    def __enter__(self) -> Self:
        self.engine.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.engine.close()


def trade_frame(number: int) -> bytes:
    return (
        b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1700000000000,"s":"BTCUSDT","t":%d,"p":"61000.10",'
        b'"q":"0.00100","T":1700000000000,"m":true,"M":true}}' % number
    )
