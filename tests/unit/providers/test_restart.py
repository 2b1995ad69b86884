"""A connection made anew resets its trades, tickers and candles (STR-11, INS-13): no hold, nothing lost or merged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.base.clock import ManualClock
from engine.config.load import default_config
from engine.consumers.subscriptions import Subscription
from engine.providers.feed import ConnectionPlan
from engine.runtime.assembly import Engine
from tests.unit.providers.binance import frames as binance
from tests.unit.providers.coinbase import frames as coinbase
from tests.unit.providers.kraken import frames as kraken
from tests.unit.providers.simulated import frames as simulated

START_NS = 1_800_000_000_000_000_000
SPELLINGS = {"binance": "ABUSDT", "coinbase": "A-USD", "kraken": "A/B", "simulated": "A-B"}
Frame = Callable[[int], Any]
TRADES: dict[str, Frame] = {
    "binance": lambda number: binance.trade(number),
    "coinbase": lambda number: coinbase.trades(number, coinbase.trade(number)),
    "kraken": lambda number: kraken.trades(kraken.trade(number)),
    "simulated": lambda number: simulated.trades(simulated.trade(number)),
}
TICKERS: dict[str, Frame] = {
    "binance": lambda number: binance.day_ticker(),
    "coinbase": lambda number: coinbase.ticker(number, price="10"),
    "kraken": lambda number: kraken.ticker(last=10),
    "simulated": lambda number: simulated.ticker(last="10"),
}
CANDLES: dict[str, Frame] = {
    "binance": lambda number: binance.kline(),
    "coinbase": lambda number: coinbase.message(
        number, {"type": "update", "candles": [coinbase.candle(300)]}, channel="candles"
    ),
    "kraken": lambda number: kraken.candles(kraken.candle("2026-11-20T09:59:00Z")),
    "simulated": lambda number: simulated.candles(simulated.candle(1_795_168_740_000_000_000)),
}


class Venue:
    """One venue's feed in an engine whose clock stands until it is moved, and all that a consumer was handed."""

    def __init__(self, venue: str) -> None:
        self.clock = ManualClock(START_NS)
        self.engine = Engine(default_config(), self.clock)
        self.events: list[Any] = []
        self.number = 0
        self.engine.add_consumer("watch", self)
        self.feed = self.engine.open_provider(venue, venue)
        instrument = self.feed.guess_instrument(SPELLINGS[venue])
        self.engine.carry(self.feed, instrument)
        self.engine.desk.subscribe(
            Subscription(
                consumer_id="watch", symbol=instrument.symbol, event_types=("Trade", "Ticker", "KlineSummary")
            )
        )
        self.engine.start()
        self.plan = ConnectionPlan("ws://venue", (), (SPELLINGS[venue],))

    def on_event(self, event: Any, ctx: object) -> None:
        self.events.append(event.detach())

    def send(self, *frames: Any) -> list[Any]:
        """Each frame in a read of its own; returns what was delivered by then."""
        before = len(self.events)
        for frame in frames:
            if "sequence_num" in frame:
                frame["sequence_num"] = self.number
                self.number += 1
            self.feed.stream.feed(json.dumps(frame).encode(), self.clock.now(), 0)
            self.feed.stream.read_end()
        return self.events[before:]

    def reconnect(self) -> None:
        self.number = 0
        self.feed.connection_lost(self.plan, 0)

    def trade_counts(self) -> Any:
        return next(
            counts for key, counts in self.engine.dispatcher.statistics().items() if key.endswith(":Trade")
        )


@pytest.fixture(params=sorted(SPELLINGS))
def venue(request: pytest.FixtureRequest) -> Iterator[Venue]:
    made = Venue(request.param)
    yield made
    made.engine.close()
    assert made.engine.recycler.statistics().balanced


def name_of(venue: Venue) -> str:
    return venue.feed.venue


def trades(venue: Venue, *numbers: int) -> list[str]:
    return [event.trade_id for event in venue.send(*(TRADES[name_of(venue)](number) for number in numbers))]


def test_a_jump_over_a_reconnect_is_not_held_STR_11(venue: Venue) -> None:
    assert trades(venue, 5, 6) == ["5", "6"]
    venue.reconnect()
    assert trades(venue, 100, 101) == ["100", "101"]
    counts = venue.trade_counts()
    assert (counts.held_total, counts.gaps, counts.late_dropped, counts.duplicates) == (0, 0, 0, 0)
    assert venue.engine.dispatcher.next_deadline_ns is None
    assert [event.epoch for event in venue.events] == [1, 1, 2, 2]
    assert all("GAP_BEFORE" not in str(event.flags) for event in venue.events)


def test_without_a_reconnect_a_jump_waits_for_what_is_missing(venue: Venue) -> None:
    assert trades(venue, 5, 6) == ["5", "6"]
    assert trades(venue, 100) == []
    venue.clock.set(START_NS + 150_000_000)
    venue.engine.dispatcher.deliver()
    assert [event.trade_id for event in venue.events] == ["5", "6", "100"]


def test_numbers_that_begin_again_lose_and_merge_nothing_INS_13(venue: Venue) -> None:
    assert trades(venue, 5, 6, 7) == ["5", "6", "7"]
    venue.reconnect()
    assert trades(venue, 1, 2, 3, 4, 5, 6) == ["1", "2", "3", "4", "5", "6"]
    counts = venue.trade_counts()
    assert (counts.received, counts.routed, counts.duplicates, counts.late_dropped) == (9, 9, 0, 0)


def test_what_waits_at_the_reconnect_goes_first_and_in_order_STR_11(venue: Venue) -> None:
    assert trades(venue, 5) == ["5"]
    assert trades(venue, 8, 7) == []
    venue.reconnect()
    assert trades(venue, 100) == ["7", "8", "100"]
    counts = venue.trade_counts()
    assert (counts.received, counts.routed) == (4, 4)


def test_a_repetition_within_a_connection_is_still_one(venue: Venue) -> None:
    venue.reconnect()
    first = trades(venue, 5)
    assert (first, trades(venue, 5)) == (["5"], [])
    assert venue.trade_counts().duplicates == 1


@pytest.mark.parametrize("frames", [TICKERS, CANDLES], ids=["tickers", "candles"])
def test_tickers_and_candles_keep_names_of_their_own_over_a_reconnect_INS_13(
    venue: Venue, frames: dict[str, Frame]
) -> None:
    frame = frames[name_of(venue)]
    venue.send(frame(1), frame(2))
    venue.reconnect()
    venue.send(frame(1), frame(2))
    assert [(event.epoch, event.seq_provider) for event in venue.events] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert len({event.event_id for event in venue.events}) == 4


def test_other_symbols_of_the_provider_go_on() -> None:
    kit = binance.wired()
    kit.feed(binance.trade(5))
    kit.feed(binance.trade(5, s="CDBTC"))
    kit.stream.restart_streams(0)
    kit.feed(binance.trade(6))
    kit.feed(binance.trade(6, s="CDBTC"))
    assert [(event.symbol, event.epoch) for event in kit.events] == [
        ("AB-USDT", 1),
        ("CD-BTC", 1),
        ("AB-USDT", 2),
        ("CD-BTC", 1),
    ]
    with pytest.raises(IndexError):
        kit.stream.restart_streams(2)
