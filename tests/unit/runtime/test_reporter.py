"""D16 to D18, BUS-04, RPT-14: the reports of a running engine are those of its events, whatever the size of batches."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from engine.base.ids import instrument_id
from engine.base.workers import Answer
from engine.config.load import load_config
from engine.reports.settings import ReportSettings
from engine.reports.worker import ReportWorker
from engine.runtime.assembly import Engine
from engine.runtime.reporter import Reporter
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
        for step in range(steps):
            market.clock.advance(market.rng.randrange(1, 400) * MS)
            (market.trade if step % 3 else market.diff)(SYMBOL if step % 2 else "ETH-USDT")
            note(written, reporter.cache.get("binance", SYMBOL))
            if step % 5 == 0:
                reporter.tick(market.clock.now() // MS)
                note(written, reporter.cache.get("binance", SYMBOL))
        assert reporter.errors == {}
    return events.kept, written, reporter


def replayed(events: list[Any], size: int) -> Written:
    """The reports that batches of so many events give."""
    told: Written = {}

    def keep(venue: str, symbol: str, report: bytes) -> None:
        if symbol == SYMBOL:
            note(told, report)

    def learn(event: Any) -> None:
        place = instrument_id(event.provider, event.symbol)
        worker.carry(place, "binance", event.symbol, event.price_scale, event.qty_scale, 0)

    worker = ReportWorker(ReportSettings(), START_NS, on_report=keep, on_unknown=learn)
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


def test_a_reader_gets_what_was_written_with_its_age() -> None:
    _, written, reporter = lived(5, 40)
    found = json.loads(reporter.reader.get("BTCUSDT").body)
    assert (found["venue"], found["symbol"], found["resolved"]["rule"]) == ("binance", SYMBOL, "joined")
    assert found["generated_at"] == max(written)
    assert reporter.worker.statistics()["binance", SYMBOL]["books"] > 5


def test_bus_04_the_first_provider_of_a_venue_feeds_its_symbol() -> None:
    """Both carry ETH-USDT; the report is of the first, and there is one."""
    with Engine(load_config(None, SETS, {})) as engine:
        for name, symbols in (("binance", ("BTCUSDT", "ETHUSDT")), ("second", ("ETHUSDT", "SOLUSDT"))):
            feed = engine.open_provider("binance", name)
            for symbol in symbols:
                engine.carry(feed, feed.guess_instrument(symbol))
        reporter = Reporter(engine)
        asked = {(row.content.providers, row.content.symbol) for row in engine.desk.subscriptions("reports")}
        assert asked == {(("binance",), SYMBOL), (("binance",), "ETH-USDT"), (("second",), "SOL-USDT")}
        assert sorted(reporter.reader.known()) == [("binance", SYMBOL), ("binance", "ETH-USDT"), ("binance", "SOL-USDT")]


def test_ticks_are_taken_by_the_clock_until_it_is_stopped() -> None:
    """D18: a symbol that is carried has its report, without an entry since."""
    with Market(1, ("BTC",), sets=(*SETS, "reports.fast_period_ms=100")) as market:
        reporter = Reporter(market.engine)
        market.engine.start()
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
        assert report["generated_at"].endswith(".300Z")  # that of 400 has not settled
        assert reporter.worker.skipped == 2
