"""OBS-01, OBS-06, OBS-07: what operators are told is bounded, names its cause, and measures what it says."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from engine.base.clock import SystemClock
from engine.consumers.context import Context
from engine.observability.telemetry import RING_RECORDS
from engine.schema.enums import EventType, OrderingMode
from tests.unit.runtime.engine_kit import START_NS, UNLIMITED, TradeEngine

LITERALS = [f"5f0c1d2e-3a4b-5968-7786-{number:012x}" for number in range(1, 4)]


class FailsAlways:
    def __init__(self) -> None:
        self.trades = 0

    def on_trade(self, event: Any, ctx: Any) -> None:
        self.trades += 1
        raise ValueError(f"trade {event.trade_id}")


class Counts:
    def __init__(self) -> None:
        self.trades = 0

    def on_trade(self, event: Any, ctx: Any) -> None:
        self.trades += 1


@pytest.mark.timeout(30)
def test_obs_01_a_reader_that_never_reads_costs_records_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """The ring overflows with failures nobody looks at; the data path delivers every event."""
    caplog.set_level(logging.CRITICAL, "engine.runtime")
    count = RING_RECORDS + 1000
    with TradeEngine(sets=UNLIMITED) as line:
        failing, counting = FailsAlways(), Counts()
        line.add("failing", failing, budget_ms=60_000)
        line.add("counting", counting, budget_ms=60_000)
        for number in range(1, count + 1):
            line.trade(number)
        statistics = line.engine.telemetry.statistics()
        assert (failing.trades, counting.trades) == (count, count)
        assert statistics.held_count == RING_RECORDS
        assert statistics.emitted["consumer.error"] == count
        assert statistics.dropped_count == sum(statistics.emitted.values()) - RING_RECORDS
        # Errors stay, what is only information had to go.
        assert {record.type.text for record in line.engine.telemetry.records()} == {"consumer.error"}
        assert line.engine.summary().imbalances == []


def test_obs_01_a_strategy_has_no_way_to_telemetry() -> None:
    public = {name for name in dir(Context) if not name.startswith("_")}
    assert public == {"batches", "cancel", "cancel_all", "consumer_id", "log", "now_ns", "params", "query", "set_trading_mode", "submit",
                      "subscribe", "unsubscribe"}  # fmt: skip


def offer(line: TradeEngine, number: int, trace_id: str, **fields: Any) -> None:
    """A trade with a trace id that the test knows beforehand."""
    engine = line.engine
    lease = engine.recycler.acquire_lease(EventType.TRADE)
    assert lease is not None
    (instrument,) = engine.catalogue
    values = {"instrument_id": instrument.instrument_id, "trace_id": trace_id, "trade_id": str(number), "epoch": 1,
              "seq_provider": number, "seq_first": number, "ts_recv_ns": START_NS, "ts_emit_ns": START_NS, **fields}  # fmt: skip
    for name, value in values.items():
        lease.fill(name, value)
    lease.publish(OrderingMode.CONTIGUOUS)
    lease.offer_to(engine.orchestrator)
    engine.orchestrator.deliver()


def test_obs_06_errors_and_telemetry_carry_the_trace_of_the_event_that_caused_them() -> None:
    """Compared with literals from before the dispatch, after the slots were used again a thousand times."""
    with TradeEngine(sets=UNLIMITED) as line:
        line.add("failing", FailsAlways())
        offer(line, 10, LITERALS[0])              # fails in the callback
        offer(line, 11, LITERALS[1])              # the same
        offer(line, 9, LITERALS[2])               # late: never delivered
        counting = Counts()
        line.add("counting", counting)
        for number in range(12, 1012):
            offer(line, number, f"00000000-0000-0000-0000-{number:012x}")
        told = {record.metadata.get("error"): record.trace_id for record in line.engine.telemetry.records()}
        assert told["ValueError: trade 10"] == LITERALS[0]
        assert told["ValueError: trade 11"] == LITERALS[1]
        late = [record for record in line.engine.telemetry.records() if record.type.text == "late_event.dropped"]
        assert [record.trace_id for record in late] == [LITERALS[2]]
        letters = {record.message: record.trace_id for record in line.engine.dlq.records()}
        assert letters["consumer failing: ValueError: trade 10"] == LITERALS[0]


class Spins:
    """Keeps the loop busy for a millisecond an event, and stamps its own entry."""

    def __init__(self, clock: SystemClock) -> None:
        self.clock = clock
        self.entered_ns: list[int] = []

    def on_event(self, event: Any, ctx: Any) -> None:
        self.entered_ns.append(self.clock.now())
        until_ns = time.monotonic_ns() + 1_000_000
        while time.monotonic_ns() < until_ns:
            pass


@pytest.mark.timeout(20)
def test_obs_07_delivery_is_from_arrival_to_callback_with_the_wait_in_the_queue() -> None:
    """Twenty trades a read, one event a batch: the last waits for nineteen callbacks. Stamped outside at both ends."""
    clock = SystemClock()
    with TradeEngine(clock, ("dispatcher.quantum_events=1",)) as line:
        spins = Spins(clock)
        runner = line.add("spins", spins)
        before_ns: list[int] = []
        for read in range(15):
            for place in range(20):
                before_ns.append(clock.now())
                line.trade(read * 20 + place + 1, is_last=place == 19)
        outside = sorted(end - begin for begin, end in zip(before_ns, spins.entered_ns, strict=True))
        told = runner.delivery
        assert told.count == len(outside) == 300
        for share in (0.5, 0.99):
            real_ns = outside[int(share * len(outside)) - 1]
            assert abs(told.percentile_ns(share) - real_ns) <= real_ns * 0.1 + real_ns / 16
        assert told.percentile_ns(0.99) > 15_000_000


def test_con_18_equal_failures_are_one_line_of_the_log_with_what_caused_them(caplog: pytest.LogCaptureFixture) -> None:
    class FailsAlike:
        def on_trade(self, event: Any, ctx: Any) -> None:
            raise ValueError("no opinion")

    with TradeEngine(sets=UNLIMITED) as line:
        line.add("failing", FailsAlike(), budget_ms=60_000)
        for number in range(1, 10_001):
            line.trade(number)
        lines = [record.getMessage() for record in caplog.records if "failing" in record.getMessage()]
        (record,) = [one for one in line.engine.telemetry.records() if one.type.text == "consumer.error"]
    assert record.count == 10_000
    assert lines == [
        f"consumer.error consumer_id=failing error=ValueError: no opinion worker=loop trace_id={record.trace_id}"
    ]
