"""MET-02, MET-30, OBS-03: each kind of record of these components is provoked, and lost events are kept with their cause."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine.observability.telemetry import TelemetryEvent, TelemetryType
from engine.orchestrator.rules import MergeRule
from engine.runtime.loopwatch import LoopWatch
from engine.schema.enums import EventType
from tests.unit.runtime.engine_kit import UNLIMITED, TradeEngine
from tests.unit.runtime.market_kit import Market
from tests.unit.runtime.test_backpressure import ONE_AT_A_TIME, Throttled, burst

ELSEWHERE = {
    "book.resync", "checksum.failed", "provider.state", "connection.state", "frame.rejected", "instrument.skipped",
    "rate_limit.hit", "order.foreign", "shutdown.outstanding", "consumer.state", "trading.switch",
}  # fmt: skip
"""Of the providers, of a whole run, of commands: tests/adversity, tests/unit/{providers,runtime}, tests/system."""

NOT_BUILT = {
    "order.duplicate_detected", "order.anomaly", "order.unknown", "order.recovered",
    "risk.refused", "risk.state", "journal.failed",
}  # fmt: skip

Told = list[TelemetryEvent]


def spin(seconds: float) -> None:
    """Keep the loop busy."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        pass


class Takes:
    """Takes what comes and does with it what it was given."""

    def __init__(self, work: Callable[[Any], object] = lambda event: None) -> None:
        self.work = work

    def on_event(self, event: Any, ctx: Any) -> None:
        self.work(event)


@contextmanager
def line(*sets: str, work: Callable[[Any], object] = lambda event: None, **options: Any) -> Iterator[TradeEngine]:
    with TradeEngine(sets=(*UNLIMITED, *sets)) as found:
        found.add("taker", Takes(work), **options)
        yield found


def told_of(engine: Any, kind: str) -> Told:
    return [record for record in engine.telemetry.records() if record.type.text == kind]


def late() -> Any:
    with line() as found:
        for number in (5, 6, 3):
            found.trade(number)
    return found.engine


def gap() -> Any:
    with line() as found:
        for number in (5, 9):
            found.trade(number)
        found.clock.advance(200_000_000)
        found.engine.dispatcher.poll(found.clock.now())
    return found.engine


def suppressed() -> Any:
    with TradeEngine(sets=UNLIMITED) as found:
        rule = MergeRule(
            name="pair", symbol="BTC-USDT", event_type=EventType.TRADE, providers=("binance", "kraken"), window_duration_ms=10
        )
        found.engine.orchestrator.add_rule(rule)
        found.trade(1)
        found.clock.advance(20_000_000)
        found.engine.orchestrator.poll(found.clock.now())
    return found.engine


def pressed(*sets: str) -> Any:
    with Market(1, ("BTC", "ETH"), sets=(*ONE_AT_A_TIME, *sets)) as market:
        market.feed.on_pressure = lambda: True
        market.add("taker", Throttled(market, 40, burst), ("BookUpdate", "Trade"), capacity=16)
        burst(market, 3)
    return market.engine


def slow() -> Any:
    with line(work=lambda event: spin(0.003), budget_ms=1) as found:
        found.trade(1)
    return found.engine


def failing() -> Any:
    def fail(event: Any) -> None:
        raise ValueError("no opinion")

    with line(work=fail) as found:
        found.trade(1)
    return found.engine


def keeping() -> Any:
    kept: list[Any] = []
    with line(work=kept.append) as found:
        found.trade(1)
    return found.engine


def read_after() -> Any:
    kept: list[Any] = []

    def look(event: Any) -> None:
        kept.append(event)
        if len(kept) > 1:
            _ = kept[0].trade_id

    with line("debug.recycler=true", work=look) as found:
        found.trade(1)
        found.trade(2)
    return found.engine


def returned_twice() -> Any:
    with TradeEngine() as found:
        lease = found.engine.recycler.acquire_lease(EventType.TRADE)
        lease.publish()
        lease.release()
        lease.release()
    return found.engine


def overflowed() -> Any:
    with line() as found:
        held = [found.engine.recycler.acquire_lease(EventType.CONTROL_ACK) for _ in range(200)]
        for lease in held:
            lease.publish()
            lease.release()
    return found.engine


def stalled() -> Any:
    with TradeEngine() as found:

        async def main() -> None:
            told = asyncio.Event()
            found.engine.reporting.watchers.append(lambda kind, metadata: told.set())
            watch = LoopWatch(found.engine.reporting.tell)
            await asyncio.sleep(0)
            spin(0.3)
            await told.wait()
            watch.close()
            assert watch.stalls == 1
            assert watch.longest_s > 0.2

        asyncio.run(main())
    return found.engine


PROVOKED: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "late_event.dropped": (
        late, {"provider": "binance", "symbol": "BTC-USDT", "event_type": "Trade", "seq_provider": 3},
    ),
    "ordering.gap": (gap, {"stream_key": "binance:BTC-USDT:Trade", "expected": 6, "got": 9, "waited_ms": 200}),
    "merge.suppressed_partial": (
        suppressed, {"merge_key": "BTC-USDT:Trade", "rule": "pair", "missing": ("kraken",), "present": ("binance",)},
    ),
    "coalescing.applied": (pressed, {"consumer_id": "taker"}),
    "backpressure.triggered": (pressed, {"consumer_id": "taker", "rung": "coalesce"}),
    "routing.changed": (late, {"consumer_id": "taker", "added": 1, "removed": 0}),
    "dlq.published": (failing, {"reason": "callback_failed"}),
    "consumer.slow": (slow, {"consumer_id": "taker", "budget_ms": 1}),
    "consumer.error": (failing, {"consumer_id": "taker", "error": "ValueError: no opinion", "worker": "loop"}),
    "pool.exhausted": (lambda: pressed("pools.Trade.capacity=8"), {"pool": "Trade", "capacity": 8}),
    "pool.overflow": (overflowed, {"pool": "ControlAck"}),
    "pool.escape": (keeping, {"pool": "Trade", "type": "Trade", "consumer_id": "taker"}),
    "recycler.double_recycle": (returned_twice, {"pool": "Trade", "type": "Trade"}),
    "recycler.use_after_recycle": (read_after, {"pool": "Trade", "type": "Trade"}),
    "loop.stalled": (stalled, {"loop": "engine"}),
}  # fmt: skip


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", PROVOKED)
def test_met_02_each_kind_is_told_with_exactly_its_metadata(kind: str) -> None:
    provoke, expected = PROVOKED[kind]
    engine = provoke()
    records = told_of(engine, kind)
    assert records, engine.telemetry.statistics().emitted
    assert any(expected.items() <= record.metadata.items() for record in records), records[0].metadata
    assert all(record.type.accepts(record.metadata) for record in records)
    assert engine.telemetry.statistics().malformed_count == 0


def test_every_kind_is_provoked_here_or_elsewhere_or_not_built() -> None:
    assert {row.text for row in TelemetryType} == set(PROVOKED) | ELSEWHERE | NOT_BUILT


# --- dead letters -------------------------------------------------------------------------------------------


def letters(engine: Any, reason: str) -> list[Any]:
    return [record for record in engine.dlq.records() if record.reason.text == reason]


def test_a_late_event_is_kept_as_it_was() -> None:
    (letter,) = letters(late(), "late")
    event = json.loads(letter.event)
    assert (event["event_id"], event["trade_id"]) == ("binance:BTC-USDT:Trade:3", "3")
    assert (letter.provider, letter.symbol, letter.code) == ("binance", "BTC-USDT", "conflict")
    assert letter.event_id == event["event_id"]
    assert letter.trace_id == event["trace_id"]
    assert letter.first_ns == letter.last_ns > 0


def test_obs_03_what_a_full_mailbox_drops_is_counted_once_and_its_last_event_kept() -> None:
    engine = pressed()
    found = letters(engine, "mailbox_full")
    assert sum(letter.count for letter in found) == engine.summary().consumers["taker"]["dropped"] > 0
    for letter in found:
        assert (letter.consumer_id, letter.provider) == ("taker", "binance")
        assert letter.symbol in ("BTC-USDT", "ETH-USDT")
        if letter.event is not None:
            event = json.loads(letter.event)
            assert (event["event_id"], event["symbol"]) == (letter.event_id, letter.symbol)


def test_what_is_lost_of_a_merged_stream_is_kept_under_its_rule() -> None:
    with TradeEngine() as found:
        found.engine.reporting.mailbox_full("taker", "merged:pair:BTC-USDT:Trade", 3, None, 16)
        (letter,) = letters(found.engine, "mailbox_full")
    assert (letter.provider, letter.symbol, letter.count) == ("merged:pair", "BTC-USDT", 3)


def test_mem_23_dead_letters_pin_no_slot() -> None:
    engine = pressed("pools.Trade.capacity=8")
    assert engine.dlq.statistics().records_count > 0
    assert engine.recycler.statistics().balanced
