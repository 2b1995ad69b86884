"""D16 to D18, BUS-04, RPT-14: the reports of a running engine are those of its events, whatever the size of batches."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any

import pytest

from engine.base.clock import ManualClock
from engine.base.ids import instrument_id
from engine.base.workers import Answer
from engine.config.load import load_config
from engine.reports.settings import ReportSettings
from engine.reports.worker import ReportWorker
from engine.runtime.assembly import Engine
from engine.runtime.live import LiveEngine
from engine.runtime.metrics import metrics
from engine.runtime.reporter import Reporter
from engine.schema.enums import EventType
from tests.unit.config.configs import assignment
from tests.unit.runtime.engine_kit import START_NS, UNLIMITED
from tests.unit.runtime.market_kit import Market

MS = 1_000_000
SYMBOL = "BTC-USDT"
PROVIDERS = [{"name": "binance", "venue": "binance", "symbols": [SYMBOL, "ETH-USDT"]},
             {"name": "second", "venue": "binance", "symbols": ["ETH-USDT", "SOL-USDT"]}]  # fmt: skip
SETS = (*UNLIMITED, assignment("providers", PROVIDERS))
Written = dict[str, bytes]
"""Reports by T."""


class Events:
    """Keeps copies of what the reports were fed with."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def on_batch(self, events: list[Any], ctx: Any) -> None:
        self.kept += [event.detach() for event in events]


def note(written: Written, report: bytes | None) -> None:
    if report is not None:
        written[json.loads(report)["generated_at"]] = report


def lived(seed: int, steps: int) -> tuple[list[Any], Written, Reporter]:
    """The events of a market, and the reports of one symbol that were written while it went on."""
    written: Written = {}
    with Market(seed, ("BTC", "ETH"), sets=SETS) as market:
        reporter = Reporter(market.engine)
        events = Events()
        market.add("events", events, ("BookUpdate", "Trade"))
        market.engine.start()
        reporter.tick(START_NS // MS)
        for step in range(steps):
            market.clock.advance(market.rng.randrange(1, 400) * MS)
            (market.trade if step % 3 else market.diff)(SYMBOL if step % 2 else "ETH-USDT")
            if market.rng.random() < 0.8:
                reporter.tick(market.clock.now() // MS)
                note(written, reporter.cache.get("binance", SYMBOL))
        reporter.tick(market.clock.now() // MS)
        note(written, reporter.cache.get("binance", SYMBOL))
        assert reporter.lanes[0].errors == {}
    return events.kept, written, reporter


def replayed(events: list[Any], size: int) -> Written:
    """The reports that batches of so many events give."""
    told: Written = {}

    def keep(venue: str, symbol: str, report: bytes) -> None:
        if symbol == SYMBOL:
            note(told, report)

    worker = ReportWorker(ReportSettings(), START_NS, on_report=keep)
    for symbol in (SYMBOL, "ETH-USDT"):
        first = next(event for event in events if event.symbol == symbol)
        worker.carry(instrument_id("binance", symbol), "binance", symbol, first.price_scale, first.qty_scale, 0)
    for at in range(0, len(events), size):
        worker.take(events[at : at + size])
    return told


@pytest.mark.property
@pytest.mark.parametrize("seed", range(3))
def test_d17_batches_of_one_and_of_a_thousand_give_what_was_written_live(seed: int) -> None:
    """CHK-08, CHK-30 of the path within the process: byte for byte."""
    events, written, _ = lived(seed, 150)
    assert len(written) > 50
    for size in (1, 7, 1000):
        told = replayed(events, size)
        shared = written.keys() & told.keys()
        assert len(shared) > 30
        assert [now for now in sorted(shared) if written[now] != told[now]] == []


def shared_out(seed: int, workers: int) -> tuple[list[dict[str, bytes]], Reporter, dict[str, list[Any]]]:
    """All reports after each tick of a market of three symbols, what made them, and the metrics at the end."""
    bases = ("BTC", "ETH", "SOL")
    provider = {"name": "binance", "venue": "binance", "symbols": [f"{base}-USDT" for base in bases]}
    sets = (*UNLIMITED, assignment("providers", [provider]), f"reports.workers={workers}")
    found = []
    with Market(seed, bases, sets=sets) as market:
        reporter = Reporter(market.engine)
        for step in range(120):
            market.clock.advance(market.rng.randrange(1, 400) * MS)
            (market.trade if step % 3 else market.diff)(f"{bases[step % 7 % 3]}-USDT")
            reporter.tick(market.clock.now() // MS)
            found.append(reporter.read_all())
        return found, reporter, metrics(market.engine, None, reporter)


@pytest.mark.parametrize("workers", [2, 3, 64])
def test_d17_the_same_reports_however_many_share_the_symbols(workers: int) -> None:
    """``reports.workers``: each symbol is one lane's alone, and nothing but who computes it changes."""
    alone, one, told_alone = shared_out(7, 1)
    shared, reporter, told = shared_out(7, workers)
    assert shared == alone
    assert len(alone[-1]) == 3
    (own,) = one.lanes
    assert len(reporter.lanes) == min(workers, 3)
    assert sum(len(lane.venues) for lane in reporter.lanes) == len(own.venues) == 3
    assert {place for lane in reporter.lanes for place in lane.venues} == set(own.venues)
    assert all(lane.tap.delivered > 20 for lane in reporter.lanes)
    for name in ("engine_events_processed_total", "engine_report_publish_total", "engine_cache_writes_total"):
        assert told[name] == told_alone[name]
    (lag,), (lag_alone,) = told["engine_stream_lag_ms"], told_alone["engine_stream_lag_ms"]
    assert (lag["count"], lag["buckets"]) == (lag_alone["count"], lag_alone["buckets"])


def test_a_reader_gets_what_was_written_with_its_age() -> None:
    _, written, reporter = lived(5, 40)
    found = json.loads(reporter.reader.get("BTCUSDT").body)
    assert (found["venue"], found["symbol"], found["resolved"]["rule"]) == ("binance", SYMBOL, "joined")
    assert found["generated_at"] == max(written)
    assert reporter.lanes[0].worker.statistics()["binance", SYMBOL]["books"] > 5


def test_bus_04_the_first_provider_of_a_venue_feeds_its_symbol() -> None:
    """Both carry ETH-USDT; the report is of the first, and there is one."""
    with Engine(load_config(None, SETS, {}), ManualClock(START_NS)) as engine:
        for name, symbols in (("binance", ("BTCUSDT", "ETHUSDT")), ("second", ("ETHUSDT", "SOLUSDT"))):
            feed = engine.open_provider("binance", name)
            for symbol in symbols:
                engine.carry(feed, feed.guess_instrument(symbol))
        reporter = Reporter(engine)
        routed = {
            (record.provider, record.symbol)
            for record in engine.catalogue
            if engine.board.current().consumers_of(record.instrument_id, int(EventType.TRADE))
        }
        assert routed == {("binance", SYMBOL), ("binance", "ETH-USDT"), ("second", "SOL-USDT")}
        assert sorted(reporter.reader.known()) == [("binance", SYMBOL), ("binance", "ETH-USDT"), ("binance", "SOL-USDT")]
        reporter.stop()
        assert not engine.board.current().consumers_of(instrument_id("binance", SYMBOL), int(EventType.TRADE))


def test_only_symbols_that_are_chosen_have_a_report() -> None:
    """``reports.symbols``."""
    with Market(1, ("BTC", "ETH"), sets=(*SETS, assignment("reports.symbols", ["binance:ETH-USDT"]))) as market:
        reporter = Reporter(market.engine)
        reporter.tick(START_NS // MS + 250)
        assert reporter.lanes[0].worker.known() == [("binance", "ETH-USDT")]
        assert json.loads(reporter.reader.get(SYMBOL).body)["error"] == "symbol_not_indexed"


@pytest.mark.parametrize(("priority", "meant"), [([], "kraken"), (["coinbase"], "coinbase")])
def test_of_two_venues_the_first_is_meant_unless_it_is_set(priority: list[str], meant: str) -> None:
    """``mcp.venue_priority``; MCP-06."""
    providers = [{"name": venue, "venue": venue, "symbols": ["BTC-USD"]} for venue in ("kraken", "coinbase")]
    sets = (assignment("providers", providers), assignment("mcp.venue_priority", priority))
    with Engine(load_config(None, sets, {}), ManualClock(START_NS)) as engine:
        served = Reporter(engine).reader.get("BTC-USD")
        assert f"the report of {meant}:BTC-USD has expired" in served.body.decode()


def test_rpt_02_a_symbol_has_its_report_before_its_first_entry() -> None:
    """D18: from when its venue has told what it is, and its ticks count from there."""
    clock = ManualClock(START_NS)
    with Engine(load_config(None, SETS, {}), clock) as engine:
        reporter = Reporter(engine)
        reporter.tick(START_NS // MS + 250)
        assert reporter.cache.index() == []
        clock.advance(7_200_000 * MS)
        feed = engine.open_provider("binance", "binance")
        engine.carry(feed, feed.guess_instrument("BTCUSDT"))
        reporter.tick(clock.now() // MS + 250)
        report = json.loads(reporter.cache.get("binance", SYMBOL) or b"{}")
        assert (report["book_state"], report["data_age_ms"], report["slow_as_of"]) == ("resyncing", None, None)
        assert reporter.lanes[0].worker.statistics()["binance", SYMBOL]["reports"] == 1


def test_a_report_lives_as_long_as_is_set() -> None:
    """``cache.ttl_s``; RPT-16."""
    with Market(1, ("BTC",), sets=(*SETS, "cache.ttl_s=120")) as market:
        reporter = Reporter(market.engine)
        reporter.tick(START_NS // MS + 250)
        market.clock.advance(119_999 * MS)
        assert reporter.reader.get(SYMBOL).error is None
        market.clock.advance(2 * MS)
        gone = reporter.reader.get(SYMBOL)
        assert (gone.error, gone.reason) == ("symbol_not_indexed", "expired")


@pytest.mark.parametrize(("settle", "newest"), [("auto", ".300Z"), ("150", ".200Z")])
def test_ticks_are_taken_by_the_clock_until_it_is_stopped(settle: str, newest: str) -> None:
    """``reports.settle_ms``; D1: that of 400 has not settled."""
    with Market(1, ("BTC",), sets=(*SETS, "reports.fast_period_ms=100", f"reports.settle_ms={settle}")) as market:
        reporter = Reporter(market.engine)
        reporter.tick(START_NS // MS)
        market.diff(SYMBOL)
        market.clock.advance(400 * MS)
        reporter.start()
        pause: Answer[bool] = Answer()
        deadline_s = time.monotonic() + 4
        while reporter.cache.get("binance", SYMBOL) is None and time.monotonic() < deadline_s:
            pause.get(0.01)
        reporter.stop()
        reporter.stop()
        report = json.loads(reporter.cache.get("binance", SYMBOL) or b"{}")
        assert (report["symbol"], report["book_state"]) == (SYMBOL, "normal")
        assert report["generated_at"].endswith(newest)


class Stumbling:
    """Stands for the analytics: the first two cycles fail."""

    def __init__(self, inner: ReportWorker) -> None:
        self.inner = inner
        self.cycles = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def advance(self, now_ms: int) -> None:
        self.cycles += 1
        if self.cycles <= 2:
            raise RuntimeError("no cycle")
        self.inner.advance(now_ms)


def test_rpt_17_a_cycle_that_fails_is_counted_and_the_next_one_comes() -> None:
    with Market(1, ("BTC",), sets=(*SETS, "reports.fast_period_ms=100")) as market:
        reporter = Reporter(market.engine)
        stumbling: Any = Stumbling(reporter.lanes[0].worker)
        reporter.lanes[0].worker = stumbling
        reporter.start()
        deadline_s = time.monotonic() + 10
        while reporter.cache.get("binance", SYMBOL) is None and time.monotonic() < deadline_s:
            market.clock.advance(50 * MS)
            Answer[bool]().get(0.01)
        reporter.stop()
        assert reporter.lanes[0].errors == {("all", "cycle"): 2}
        assert reporter.cache.get("binance", SYMBOL) is not None


@pytest.mark.parametrize("enabled", [True, False])
def test_a_live_engine_has_reports_while_it_runs_unless_they_are_off(enabled: bool) -> None:
    """``reports.enabled``."""
    seen: list[bool] = []

    async def lives() -> None:
        async with LiveEngine(engine) as live:
            seen.append(live.reporter is not None)
            seen.append(is_watched())
        seen.append(is_watched())

    def is_watched() -> bool:
        return bool(engine.board.current().consumers_of(instrument_id("binance", SYMBOL), int(EventType.TRADE)))

    with Engine(load_config(None, (*SETS, assignment("reports.enabled", enabled)), {})) as engine:
        engine.start()
        asyncio.run(lives())
    assert seen == [enabled, enabled, False]


def test_slo_33_a_change_of_status_or_book_is_a_line_of_debug_and_of_nothing_above(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "engine.reports")
    told, status, books, state = [], "down", [], "resyncing"
    with Market(1, ("BTC",), sets=SETS) as market:
        reporter = Reporter(market.engine)
        reporter.tick(START_NS // MS)
        for by_ms in (250, 250, 1500, 5000, 250):
            market.clock.advance(by_ms * MS)
            if by_ms == 250:
                market.diff(SYMBOL)
            reporter.tick(market.clock.now() // MS)
            report = json.loads(reporter.cache.get("binance", SYMBOL) or b"{}")
            if report["ingestion"]["status"] != status:
                told.append((status, report["ingestion"]["status"], report["data_age_ms"]))
                status = report["ingestion"]["status"]
            if report["book_state"] != state:
                books.append((state, report["book_state"], report["data_age_ms"]))
                state = report["book_state"]
    lines = [record.engine_fields for record in caplog.records]  # type: ignore[attr-defined]
    mine = {
        kind: [(line["from"], line["to"], line["data_age_ms"]) for line in lines
               if line["symbol"] == f"binance:{SYMBOL}" and line["event_type"] == kind]
        for kind in {line["event_type"] for line in lines}
    }  # fmt: skip
    assert mine == {"ingestion_status_transition": told, "book_state_transition": books}
    assert [after for _, after, _ in told] == ["ok", "degraded", "down", "ok"]
    assert [after for _, after, _ in books] == ["normal"]
    assert {record.levelno for record in caplog.records} == {logging.DEBUG}
