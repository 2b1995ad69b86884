"""What a provider does while it is up, over hours of time that jumps: clock, instruments, books, age (BOOK-18..22)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
from aiohttp import web

from engine.base.workers import TaskScope
from engine.config.load import default_config
from engine.config.sections_providers import ProviderConfig
from engine.providers.rest import RestClient
from engine.providers.session import Session
from engine.runtime.assembly import Engine
from engine.schema.enums import EventType
from tests.unit.providers.socket_kit import Client, ScriptedVenue
from tests.unit.providers.virtual_time import START_NS, in_virtual_time, now_s, pass_s, reached, virtual_clock

OFFSET_NS = 2_000_000_000

pytestmark = pytest.mark.timeout(20)  # hours of virtual time, on a machine that may be busy


class BinanceVenue(ScriptedVenue):
    """Two symbols, the first of which moves each second; what it tells by REST can be bent."""

    def __init__(self) -> None:
        super().__init__()
        self.book_id = 100
        self.bids = {"9.0": "1.0", "8.0": "5.0"}
        self.tick = "0.10"
        self.rest_only: dict[str, str] = {}
        self.status = 200
        self.calls: list[tuple[float, str]] = []

    def count(self, path: str) -> int:
        return sum(path in asked for _, asked in self.calls)

    async def _answer(self, request: web.Request) -> web.Response:
        self.calls.append((now_s(), request.path_qs))
        if self.status != 200:
            return web.Response(status=self.status, headers=self.headers)
        if request.path.endswith("/time"):
            venue_ms = (START_NS + int(now_s() * 1e9) + OFFSET_NS) // 1_000_000
            return web.json_response({"serverTime": venue_ms})
        if request.path.endswith("/exchangeInfo"):
            return web.json_response({"symbols": [self._symbol(base) for base in ("AB", "CD", "EF")]})
        bids = {**self.bids, **self.rest_only}
        return web.json_response(
            {"lastUpdateId": self.book_id, "bids": sorted(bids.items(), reverse=True), "asks": [["11.0", "2.0"]]}
        )

    def _symbol(self, base: str) -> dict[str, Any]:
        return {
            "symbol": f"{base}USDT", "status": "TRADING", "baseAsset": base, "quoteAsset": "USDT",
            "filters": [{"filterType": "PRICE_FILTER", "minPrice": "0", "maxPrice": "0", "tickSize": self.tick}],
        }  # fmt: skip

    async def move(self, symbol: str = "ABUSDT", period_s: float = 1.0) -> None:
        while True:
            await pass_s(period_s)
            self.book_id += 1
            self.bids["9.0"] = f"{self.book_id}.0"
            self.tell(symbol, [["9.0", self.bids["9.0"]]])

    def tell(self, symbol: str, bids: list[list[str]]) -> None:
        data = {"e": "depthUpdate", "E": 1, "s": symbol, "U": self.book_id, "u": self.book_id, "b": bids, "a": []}
        for client in self.clients:
            if client.is_open:
                client.send({"stream": f"{symbol.lower()}@depth@100ms", "data": data})


class Running:
    """A started session and what was told of it."""

    def __init__(self, venue: Any, session: Session, engine: Engine) -> None:
        self.venue = venue
        self.session = session
        self.engine = engine
        self.told: list[tuple[str, dict[str, Any]]] = []
        engine.reporting.watchers.append(lambda kind, metadata: self.told.append((kind, dict(metadata))))

    def books(self) -> list[Any]:
        return self.session.feed.stream.book_list()

    def reasons(self, place: int = 0) -> dict[str, int]:
        counts: dict[str, int] = self.books()[place].counts_by_reason()
        return counts

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.told]


@asynccontextmanager
async def running(venue: ScriptedVenue, name: Any = "binance", **own: Any) -> AsyncIterator[Running]:
    settings = ProviderConfig(
        name=name, venue=name, streams=("book",), ws_endpoint=venue.ws_url, rest_endpoint=venue.rest_url,
        **({"symbols": ("AB-USDT",)} | own),
    )  # fmt: skip
    with Engine(default_config(), virtual_clock()) as engine:
        engine.start()
        feed = engine.open_provider(name, name)
        session = Session(feed, settings, engine.clock, tell=engine.reporting.tell, random=Random(1))
        async with session:
            it = Running(venue, session, engine)
            session.start(lambda instrument: engine.carry(feed, instrument))
            await reached(lambda: bool(session.connections) and session.connections[0].is_up)
            yield it
            await session.close()


def test_the_venues_clock_is_read_every_5_minutes_and_upon_doubt_BOOK_30() -> None:
    async def main() -> None:
        async with BinanceVenue() as venue, running(venue) as it:
            await pass_s(3600.0)
            assert venue.count("/time") == 3 * 13
            assert abs(it.session.gate.clock.offset_ns - OFFSET_NS) < 2_000_000
            it.session.upkeep.doubt_clock()
            await pass_s(1.0)
            assert venue.count("/time") == 3 * 14

    in_virtual_time(main())


def test_instruments_are_read_every_30_minutes_and_only_a_change_is_told_INS_22() -> None:
    async def main() -> None:
        async with BinanceVenue() as venue, running(venue) as it:
            stream = f"binance:AB-USDT:{EventType.INSTRUMENT_UPDATE.class_name}"

            def told() -> int:
                return it.engine.dispatcher.statistics()[stream].received

            assert told() == 1
            await pass_s(3 * 1800.0 + 60.0)
            assert venue.count("/exchangeInfo") == 4
            assert told() == 1
            venue.tick = "0.25"
            await pass_s(1800.0)
            assert told() == 2
            (record,) = [one for one in it.engine.catalogue if one.symbol == "AB-USDT"]
            assert (record.tick_size_raw, record.price_scale, record.version) == (25, 2, 2)
            it.session.upkeep.doubt_instruments()
            await reached(lambda: venue.count("/exchangeInfo") == 6)
            await pass_s(1.0)
            assert (venue.count("/exchangeInfo"), told()) == (6, 2)

    in_virtual_time(main())


def test_books_are_compared_each_interval_without_interrupting_them_BOOK_21() -> None:
    async def main() -> None:
        async with BinanceVenue() as venue, TaskScope() as scope:
            scope.start(venue.move())
            async with running(venue, symbols=("AB-USDT",)) as it:
                await reached(lambda: bool(it.books()[0].is_valid))
                snapshots = it.books()[0].snapshots_published
                await pass_s(3600.0)
                assert it.session.refreshes.compared == 20
                assert it.session.refreshes.diverged == 0
                assert it.reasons() == {}
                assert it.books()[0].snapshots_published == snapshots
            scope.cancel()

    in_virtual_time(main())


def test_a_level_that_differs_is_found_within_one_interval_and_healed_BOOK_21() -> None:
    async def main() -> None:
        async with BinanceVenue() as venue, TaskScope() as scope:
            scope.start(venue.move())
            async with running(venue) as it:
                await reached(lambda: bool(it.books()[0].is_valid))
                venue.bids["8.0"] = "6.0"  # and no diff says so
                planted_s = now_s()
                await reached(lambda: it.reasons() == {"divergence": 1})
                assert now_s() - planted_s <= 181.0
                lost_s = now_s()
                await reached(lambda: bool(it.books()[0].is_valid))
                assert now_s() - lost_s < 5.0
                assert ("book.resync", "divergence") in [(kind, row.get("reason")) for kind, row in it.told]
                await pass_s(400.0)
                assert it.reasons() == {"divergence": 1}
            scope.cancel()

    in_virtual_time(main())


def test_a_book_without_a_diff_for_300_s_is_stale_however_often_it_is_compared_BOOK_18() -> None:
    async def main() -> None:
        async with BinanceVenue() as venue, running(venue, book_refresh_interval_s=120) as it:
            venue.tell("ABUSDT", [])
            await reached(lambda: bool(it.books()[0].is_valid))
            valid_s = now_s()
            await pass_s(298.0)
            assert it.reasons() == {}
            assert venue.count("/depth") >= 3
            await reached(lambda: it.reasons() == {"staleness": 1})
            assert 300.0 <= now_s() - valid_s <= 302.0
            await reached(lambda: bool(it.books()[0].is_valid))

    in_virtual_time(main())


def test_a_429_stops_calls_until_its_time_and_is_told_BOOK_07() -> None:
    async def main() -> None:
        async with BinanceVenue() as venue, running(venue) as it:
            venue.status, venue.headers = 429, {"Retry-After": "30"}
            venue.tell("ABUSDT", [])
            await reached(lambda: "rate_limit.hit" in it.kinds())
            refused_s = now_s()
            venue.status = 200
            await reached(lambda: bool(it.books()[0].is_valid))
            depth_s = [at_s for at_s, path in venue.calls if "/depth" in path]
            assert len(depth_s) == 2
            assert depth_s[1] - refused_s >= 29.98

    in_virtual_time(main())


def test_symbols_come_and_go_while_running() -> None:
    async def main() -> None:
        async with BinanceVenue() as venue, running(venue) as it:
            client = venue.clients[0]
            it.session.subscribe(["CD-USDT", "AB-USDT"])
            await reached(lambda: len(client.said) == 1)
            assert client.said[0]["method"] == "SUBSCRIBE"
            assert client.said[0]["params"] == ["cdusdt@depth@100ms"]
            venue.tell("ABUSDT", [])
            venue.tell("CDUSDT", [])
            await reached(lambda: all(book.is_valid for book in it.books()) and len(it.books()) == 2)
            it.session.unsubscribe(["AB-USDT"])
            await reached(lambda: len(client.said) == 2)
            assert client.said[1]["params"] == ["abusdt@depth@100ms"]
            assert [book.is_valid for book in it.books()] == [False, True]
            assert it.reasons() == {"requested": 1}
            venue.tell("ABUSDT", [])
            await pass_s(20.0)
            assert not it.books()[0].is_valid
            client.transport.disconnect()
            await reached(lambda: len(venue.clients) == 2)
            assert venue.clients[1].path == "/stream?streams=cdusdt@depth@100ms"
            it.session.subscribe(["AB-USDT"])
            await reached(lambda: len(venue.clients[1].said) == 1)
            venue.tell("ABUSDT", [])
            await reached(lambda: bool(it.books()[0].is_valid))

    in_virtual_time(main())


def test_a_symbol_beyond_the_room_of_a_connection_gets_another() -> None:
    async def main() -> None:
        async with BinanceVenue() as venue, running(venue, connection={"symbols_per_conn": 2}) as it:
            it.session.subscribe(["CD-USDT", "EF-USDT"])
            await reached(lambda: len(venue.clients) == 2)
            assert venue.clients[1].path == "/stream?streams=efusdt@depth@100ms"
            assert [one.plan.venue_symbols for one in it.session.connections] == [("ABUSDT", "CDUSDT"), ("EFUSDT",)]
            it.session.unsubscribe(["EF-USDT"])
            await reached(lambda: not venue.clients[1].is_open)
            await pass_s(60.0)
            assert (len(venue.clients), len(it.session.connections)) == (2, 1)

    in_virtual_time(main())


class CoinbaseVenue(ScriptedVenue):
    """One product; each connection numbers on its own, and gets a snapshot upon its subscription."""

    def __init__(self) -> None:
        super().__init__()
        self.levels = {"10": "1", "9": "5"}
        self.numbers: dict[int, int] = {}

    async def _answer(self, request: web.Request) -> web.Response:
        if request.path.endswith("/time"):
            return web.json_response({"epochMillis": "1"})
        product = {"product_id": "A-USD", "base_currency_id": "A", "quote_currency_id": "USD", "status": "online",
                   "base_increment": "0.01", "quote_increment": "0.01", "price_increment": "0.01",
                   "product_type": "SPOT", "base_min_size": "0.01"}  # fmt: skip
        return web.json_response({"products": [product], "num_products": 1})

    async def serve(self, beat_s: float = 1.0) -> None:
        heard: dict[int, int] = {}
        number = 0
        while True:
            await pass_s(beat_s / 4)
            number += 1
            for place, client in enumerate(self.clients):
                if not client.is_open:
                    continue
                for said in client.said[heard.get(place, 0) :]:
                    if said["type"] == "subscribe" and said["channel"] == "level2":
                        self.tell(client, place, "l2_data", self.event("snapshot", self.levels))
                heard[place] = len(client.said)
                self.tell(client, place, "heartbeats", {"current_time": "x", "heartbeat_counter": number})
            self.levels["10"] = str(number)
            for place, client in enumerate(self.clients):
                if client.is_open and place in heard:
                    self.tell(client, place, "l2_data", self.event("update", {"10": str(number)}))

    def event(self, kind: str, bids: dict[str, str]) -> dict[str, Any]:
        rows = [{"side": "bid", "event_time": "2026-11-20T10:00:00Z", "price_level": price, "new_quantity": qty}
                for price, qty in bids.items()]  # fmt: skip
        if kind == "snapshot":
            rows.append({**rows[0], "side": "offer", "price_level": "11", "new_quantity": "2"})
        return {"type": kind, "product_id": "A-USD", "updates": rows}

    def tell(self, client: Client, place: int, channel: str, event: dict[str, Any]) -> None:
        number = self.numbers[place] = self.numbers.get(place, -1) + 1
        row = {"channel": channel, "timestamp": "2026-11-20T10:00:00Z", "sequence_num": number, "events": [event]}
        client.send(json.dumps(row).encode())


@pytest.mark.parametrize("has_divergence", [False, True])
def test_where_snapshots_come_by_subscription_a_second_connection_compares_BOOK_21(has_divergence: bool) -> None:
    async def main() -> None:
        async with CoinbaseVenue() as venue, TaskScope() as scope:
            scope.start(venue.serve())
            async with running(venue, "coinbase", symbols=("A-USD",)) as it:
                await reached(lambda: bool(it.books()[0].is_valid))
                if has_divergence:
                    venue.levels["9"] = "6"
                await pass_s(200.0)
                assert it.session.refreshes.compared == 1
                assert it.session.refreshes.diverged == has_divergence
                assert it.reasons() == ({"divergence": 1} if has_divergence else {})
                assert it.books()[0].is_valid
                assert len(venue.clients) == 2
                assert [client.is_open for client in venue.clients] == [True, False]
                subscribed = [one["type"] for one in venue.clients[0].said if one["channel"] == "level2"]
                assert subscribed == ["subscribe", *(["unsubscribe", "subscribe"] if has_divergence else [])]
            scope.cancel()

    in_virtual_time(main())


def test_everything_stops_with_the_session_ARC_09() -> None:
    async def main() -> None:
        async with BinanceVenue() as venue, running(venue) as it:
            await pass_s(100.0)
            before_s = now_s()
            await it.session.close()
            assert now_s() - before_s < 0.1
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert left == []

    in_virtual_time(main())


class SlowVenue(ScriptedVenue):
    """Takes half a second for an answer."""

    at_once = 0
    most_at_once = 0

    async def _answer(self, request: web.Request) -> web.Response:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await pass_s(0.5)
        self.at_once -= 1
        return web.Response(text="{}")


def test_at_most_so_many_calls_are_under_way_BOOK_08() -> None:
    async def main() -> None:
        async with SlowVenue() as venue:
            rest = RestClient("binance", max_connections=2)
            async with TaskScope() as scope:
                await asyncio.wait([scope.start(rest.get(f"{venue.rest_url}/x")) for _ in range(6)])
            await rest.close()
            assert venue.most_at_once == 2

    in_virtual_time(main())
