"""BOOK-05: a connection is replaced before its end without a gap, a resync or a repeated event."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from engine.base.workers import TaskScope
from engine.config.load import default_config
from engine.config.sections_providers import ProviderConfig
from engine.consumers.subscriptions import Subscription
from engine.providers.handover import replace_at_s
from engine.providers.session import Session
from engine.runtime.assembly import Engine
from engine.runtime.live import DeadlineTimer
from tests.unit.pipeline_kit import Collector
from tests.unit.providers.socket_kit import Client, ScriptedVenue
from tests.unit.providers.virtual_time import in_virtual_time, now_s, pass_s, reached, virtual_clock

DAY_S = 24 * 3600.0
SYMBOL = "ABUSDT"

pytestmark = pytest.mark.timeout(60)  # hours of virtual time, on a machine that may be busy


class Market:
    """One symbol whose diffs and trades go to every connection, to each with a lag of its own."""

    def __init__(self, venue: ScriptedVenue, period_s: float = 60.0) -> None:
        self.venue = venue
        self.period_s = period_s
        self.number = 100

    async def run(self) -> None:
        async with TaskScope() as scope:
            while True:
                await pass_s(self.period_s)
                self.number += 1
                for place, client in enumerate(self.venue.clients):
                    scope.start(self._send(client, self.number, 0.05 * (place % 3)))

    async def _send(self, client: Client, number: int, lag_s: float) -> None:
        await pass_s(lag_s)
        if client.is_open:
            depth = {"e": "depthUpdate", "E": 1, "s": SYMBOL, "U": number, "u": number}
            price = f"{9 + number % 2}.5"
            client.send(
                {"stream": "abusdt@depth@100ms", "data": {**depth, "b": [[price, f"{number}.0"]], "a": []}},
                {"stream": "abusdt@trade", "data": {"e": "trade", "E": 1, "s": SYMBOL, "t": number, "p": "10.0",
                                                    "q": "1.0", "T": 1, "m": True, "M": True}},
                {"stream": "abusdt@bookTicker", "data": {"u": 1, "s": SYMBOL, "b": "9.0", "B": f"{number}.0",
                                                         "a": "11.0", "A": "1.0"}},
            )  # fmt: skip


def depth(book_id: int) -> bytes:
    return json.dumps({"lastUpdateId": book_id, "bids": [["9.0", "1.0"]], "asks": [["11.0", "2.0"]]}).encode()


@asynccontextmanager
async def living(period_s: float = 60.0, **own: Any) -> AsyncIterator[tuple[ScriptedVenue, Session, Engine, Collector]]:
    """A Binance session in virtual time, its book valid, with a consumer of everything."""
    async with ScriptedVenue() as venue:
        venue.answers.append(depth(100))
        settings = ProviderConfig(
            name="binance", venue="binance", symbols=("AB-USDT",), ws_endpoint=venue.ws_url,
            rest_endpoint=venue.rest_url, **own,
        )  # fmt: skip
        collector = Collector()
        with Engine(default_config(), virtual_clock()) as engine:
            feed = engine.open_provider("binance", "binance")
            engine.carry(feed, feed.guess_instrument(SYMBOL))
            engine.add_consumer("all", collector)
            engine.desk.subscribe(
                Subscription(consumer_id="all", symbol="AB-USDT", event_types=("BookUpdate", "Trade", "Ticker"))
            )
            engine.start()
            timer = DeadlineTimer(engine.dispatcher, engine.clock)
            session = Session(feed, settings, engine.clock, tell=engine.reporting.tell, random=Random(1))
            market = Market(venue, period_s)
            async with session, TaskScope() as scope:
                await session.connect()
                scope.start(market.run())
                await reached(lambda: bool(feed.stream.book_list()[0].is_valid))
                yield venue, session, engine, collector
                scope.cancel()
                await session.close()
            timer.close()


def numbers(collector: Collector, kind: str) -> list[int]:
    return [event["seq_provider"] for event in collector.events if event["event_id"].split(":")[2] == kind]


def test_replacement_is_due_before_the_end_and_not_all_at_once() -> None:
    assert replace_at_s(0.0, DAY_S, 0.0) == DAY_S - 600.0
    assert replace_at_s(50.0, DAY_S, 1.0) == DAY_S - 1150.0


def test_three_days_without_a_gap_a_resync_or_a_repeated_event_BOOK_05() -> None:
    async def main() -> None:
        async with living(300.0) as (venue, session, engine, collector):
            book = session.feed.stream.book_list()[0]
            await pass_s(3 * DAY_S)
            assert len(venue.clients) == 4
            assert [client.is_open for client in venue.clients] == [False, False, False, True]
            assert [connection.number for connection in session.connections] == [3]
            assert len(asyncio.all_tasks()) < 20
            assert book.is_valid
            assert book.counts_by_reason() == {}
            assert len(venue.asked) == 1
            updates = numbers(collector, "BookUpdate")
            assert updates == list(range(updates[0], updates[0] + len(updates)))
            trades = numbers(collector, "Trade")
            assert trades == list(range(trades[0], trades[0] + len(trades)))
            assert abs(len(trades) - 3 * DAY_S / 300) < 5
            tickers = [event["bid_qty_raw"] for event in collector.events if ":Ticker:" in event["event_id"]]
            assert tickers == sorted(set(tickers))
            assert engine.summary().faults == []

    in_virtual_time(main())


def test_a_shutdown_notice_under_load_moves_that_connection_at_once_BOOK_05() -> None:
    async def main() -> None:
        async with living(0.05) as (venue, session, _, collector):
            await pass_s(5.0)
            venue.clients[0].send({"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1}})
            announced_s = now_s()
            await reached(lambda: len(venue.clients) == 2 and not venue.clients[0].is_open)
            assert now_s() - announced_s < 3.0
            await pass_s(5.0)
            assert session.feed.stream.book_list()[0].counts_by_reason() == {}
            updates = numbers(collector, "BookUpdate")
            assert updates == list(range(updates[0], updates[0] + len(updates)))
            assert session.feed.stream.symbol_states()[0].continuity.stale_dropped > 0  # type: ignore[attr-defined]

    in_virtual_time(main())


def test_where_the_second_connection_fails_the_first_goes_on_and_it_is_tried_again() -> None:
    async def main() -> None:
        async with living(0.05) as (venue, session, _, _collector):
            await venue.stop_listening()
            venue.clients[0].send({"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1}})
            await pass_s(5.0)
            assert session.connections[0].number == 0
            assert session.connections[0].is_up
            await venue.listen()
            await reached(lambda: len(venue.clients) == 2 and not venue.clients[0].is_open, 60.0)
            assert session.feed.stream.book_list()[0].counts_by_reason() == {}

    in_virtual_time(main())


@pytest.mark.parametrize("venue", ["coinbase", "kraken"])
def test_other_venues_end_no_connection_by_age(venue: str) -> None:
    from engine.providers.registry import feed_class

    assert feed_class(venue).socket_limits.lifetime_s is None
