"""BUS-16 to BUS-20, CHK-31, CHK-47: the reports never make the engine wait; what does not fit is folded, then lost, and counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from engine.observability.metrics import Sample
from engine.runtime.metrics import metrics
from engine.runtime.reporter import Reporter
from tests.unit.config.configs import assignment
from tests.unit.runtime.engine_kit import START_NS, UNLIMITED
from tests.unit.runtime.market_kit import Market

MS = 1_000_000
CAPACITY = 1024
SYMBOLS = ("BTC-USDT", "ETH-USDT")
SETS = (*UNLIMITED, f"bus.ring_capacity_entries={CAPACITY}",
        assignment("providers", [{"name": "binance", "venue": "binance", "symbols": list(SYMBOLS)}]))  # fmt: skip


@contextmanager
def watched(seed: int = 1, *sets: str) -> Iterator[tuple[Market, Reporter]]:
    """A market and its reports, which tick when they are told to."""
    with Market(seed, ("BTC", "ETH"), sets=(*SETS, *sets)) as market:
        reporter = Reporter(market.engine)
        tick(market, reporter)
        yield market, reporter


def tick(market: Market, reporter: Reporter, by_ms: int = 250) -> None:
    market.clock.advance(by_ms * MS)
    reporter.tick(market.clock.now() // MS)


def report(reporter: Reporter, symbol: str = SYMBOLS[0]) -> dict[str, Any]:
    return json.loads(reporter.cache.get("binance", symbol) or b"{}", parse_float=Decimal, parse_int=Decimal)


def shows_the_book(market: Market, reporter: Reporter, symbol: str = SYMBOLS[0]) -> bool:
    """Whether the depth of the report is the venue's, as deep as it is published."""
    bids, asks = market.twins[symbol].texts()
    depth = report(reporter, symbol)["depth"]
    wanted = [[(Decimal(p), Decimal(q)) for p, q in side[:5]] for side in (bids, asks)]
    return [[(level["price"], level["qty"]) for level in depth[f"top20_{side}"]][:5] for side in ("bid", "ask")] == wanted


def balances(reporter: Reporter) -> bool:
    tap = reporter.lanes[0].tap
    return tap.offered + tap.tallies == tap.ignored + tap.delivered + tap.coalesced + tap.dropped + tap.queued


def value(found: dict[str, list[Sample]], name: str, **labels: str) -> float:
    return sum(one["value"] for one in found.get(name, []) if one["labels"].items() >= labels.items())


@pytest.mark.property
@pytest.mark.parametrize("seed", range(3))
def test_chk_47_books_are_folded_and_every_trade_is_there(seed: int) -> None:
    with watched(seed) as (market, reporter):
        before = reporter.lanes[0].worker.statistics()["binance", SYMBOLS[0]]
        updates = trades = 0
        while reporter.lanes[0].tap.queued < CAPACITY - 10:
            if market.rng.random() < 0.6:
                market.diff(SYMBOLS[0])
                updates += 1
            else:
                market.trade(SYMBOLS[0])
                trades += 1
        assert reporter.lanes[0].tap.coalesced > 100
        assert reporter.lanes[0].tap.dropped == 0
        tick(market, reporter)
        after = reporter.lanes[0].worker.statistics()["binance", SYMBOLS[0]]
        assert after["trades"] - before["trades"] == trades
        assert after["gaps"] == before["gaps"]
        # What was folded is in the sum of n all the same (BUS-13).
        assert report(reporter)["flow"]["book_updates_per_sec"] * 10 == updates
        assert shows_the_book(market, reporter)
        assert balances(reporter)


@pytest.mark.parametrize("span_ms", [0, 100, 400, 1000])
def test_bus_13_updates_that_are_folded_count_where_they_were_within_a_span(span_ms: int) -> None:
    with watched(1, f"bus.coalesce_span_ms={span_ms}") as (market, reporter):
        while not reporter.lanes[0].tap.coalesced:
            market.trade(SYMBOLS[0])
            if reporter.lanes[0].tap.queued >= CAPACITY * 3 // 4:
                market.diff(SYMBOLS[1])
        spans: list[list[int]] = []                 # when the first of it was, when the last, how many
        for _ in range(20):
            market.clock.advance(400 * MS)
            market.diff(SYMBOLS[0])
            now_ms = market.clock.now() // MS
            if spans and now_ms - spans[-1][0] <= span_ms:
                spans[-1][1:] = [now_ms, spans[-1][2] + 1]
            else:
                spans.append([now_ms, now_ms, 1])
        counts = []
        for _ in range(60):
            tick(market, reporter)
            ticked_ms = market.clock.now() // MS // 250 * 250
            wanted = sum(count for _, last_ms, count in spans if last_ms > ticked_ms - 10_000)
            assert report(reporter)["flow"]["book_updates_per_sec"] * 10 == wanted
            counts.append(wanted)
        assert (counts[0], counts[-1], len(set(counts))) == (20, 0, len(spans) + 1)
        assert shows_the_book(market, reporter)
        assert balances(reporter)
        assert reporter.lanes[0].tap.tallies == len(spans) - 1


def test_bus_18_a_full_tap_loses_trades_and_the_book_comes_back() -> None:
    with watched() as (market, reporter):
        for _ in range(CAPACITY + 300):
            market.trade(SYMBOLS[0])
        market.diff(SYMBOLS[0])
        assert (reporter.lanes[0].tap.queued, reporter.lanes[0].tap.dropped, reporter.lanes[0].tap.coalesced) == (CAPACITY, 300, 1)
        assert reporter.lanes[0].tap.peak <= CAPACITY
        tick(market, reporter)
        counts = reporter.lanes[0].worker.statistics()["binance", SYMBOLS[0]]
        assert (counts["trades"], counts["gaps"]) == (CAPACITY, 1)
        assert shows_the_book(market, reporter)
        market.diff(SYMBOLS[1])
        tick(market, reporter)
        assert shows_the_book(market, reporter, SYMBOLS[1])
        assert balances(reporter)
        found = metrics(market.engine, None, reporter)
        assert value(found, "engine_publish_dropped_total", venue="binance", kind="trade") == 300
        assert value(found, "engine_publish_coalesced_total", venue="binance", kind="book") == 1


def test_bus_16_nothing_of_the_engine_is_held() -> None:
    """However much waits, every slot is back in its pool."""
    with watched() as (market, reporter):
        for _ in range(3 * CAPACITY):
            market.diff(SYMBOLS[0])
            market.trade(SYMBOLS[1])
        assert reporter.lanes[0].tap.queued > CAPACITY // 2
        assert market.engine.recycler.statistics().out() == {}
        assert reporter.lanes[0].tap.wakeup.wait_for(0)  # its thread was told before it was full


@pytest.mark.parametrize("levels", [0, 1, 2, 3, 12])
def test_an_update_of_any_size_is_in_the_book_and_in_the_rates(levels: int) -> None:
    """None, as many as are copied without a look at their number, and more."""
    with watched() as (market, reporter):
        tap = reporter.lanes[0].tap
        before = tap.queued
        for _ in range(40):
            market.diff(SYMBOLS[0], 5)
            market.diff(SYMBOLS[0], levels)
        assert (tap.queued - before, tap.coalesced) == (80, 0)
        tick(market, reporter)
        assert report(reporter)["flow"]["book_updates_per_sec"] * 10 == 80
        assert shows_the_book(market, reporter)
        assert balances(reporter)


def test_a_book_that_is_void_while_it_is_folded_is_told_as_missing_until_its_snapshot() -> None:
    with watched() as (market, reporter):
        while not reporter.lanes[0].tap.coalesced:
            market.diff(SYMBOLS[0])
        market.diff(SYMBOLS[0], is_sent=False)
        market.diff(SYMBOLS[0])                     # shows the gap: the book is void
        tick(market, reporter)
        market.trade(SYMBOLS[0])
        tick(market, reporter)
        assert report(reporter)["book_state"] == "resyncing"
        market.snapshot(SYMBOLS[0])
        tick(market, reporter)
        assert shows_the_book(market, reporter)
        assert balances(reporter)


def test_bus_24_a_chain_that_is_broken_has_the_book_asked_for() -> None:
    with watched() as (market, reporter):
        market.resync(SYMBOLS[0])
        tick(market, reporter)
        tick(market, reporter)
        assert shows_the_book(market, reporter)
        assert reporter.lanes[0].worker.statistics()["binance", SYMBOLS[0]]["gaps"] == 1


def test_slo_31_metrics_of_the_reports_are_what_happened() -> None:
    with watched() as (market, reporter):
        for _ in range(7):
            market.trade(SYMBOLS[0])
        for _ in range(3):
            market.diff(SYMBOLS[1])
        tick(market, reporter)
        tick(market, reporter, 1000)
        found = metrics(market.engine, None, reporter)
    assert value(found, "engine_events_processed_total", venue="binance", type="trade") == 7
    assert value(found, "engine_events_processed_total", venue="binance", type="book") == 5
    assert value(found, "engine_report_publish_total", venue="binance") == 4
    assert value(found, "engine_ticks_skipped_total", venue="binance") == 6
    assert value(found, "engine_cache_writes_total", status="ok") == 4
    assert value(found, "engine_publish_queue_depth") == 0
    assert value(found, "engine_report_age_ms", symbol="binance:BTC-USDT") == START_NS // MS % 250
    (lag,) = found["engine_stream_lag_ms"]
    assert (lag["count"], dict(lag["buckets"])[100.0], dict(lag["buckets"])[500.0]) == (12, 0, 12)
    (fast,) = [row for row in found["engine_calc_latency_ms"] if row["labels"]["cycle"] == "fast"]
    assert fast["count"] == 4
