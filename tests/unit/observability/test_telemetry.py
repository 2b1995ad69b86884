"""MET-01, MET-02, OBS-01, OBS-02, OBS-10: the table of types, and a ring that never hurts its caller."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.base.secrets import forget_secrets, register_secret
from engine.observability.lanes import Severity
from engine.observability.telemetry import TelemetryBus, TelemetryEvent, TelemetryType
from tests.unit.observability.clocks import START_NS, HandClock

# Type, severity, metadata; `?` may be absent, `a|b` is exactly one of the two.
TABLE = """
book.resync                   warn  provider symbol reason expected? actual? took_ms
checksum.failed               warn  provider symbol expected actual
provider.state                info  provider from to cause
connection.state              info  provider conn state cause attempts down_ms
frame.rejected                warn  provider code bytes
instrument.skipped            info  provider venue_symbol why
rate_limit.hit                warn  provider scope retry_after_ms
merge.suppressed_partial      warn  merge_key rule missing present
late_event.dropped            info  provider symbol event_type seq_provider lateness_ms merge_key?
ordering.gap                  warn  stream_key expected got waited_ms
coalescing.applied            info  stream_key consumer_id folded_count
backpressure.triggered        warn  stream_key|consumer_id rung depth
routing.changed               info  version consumer_id added removed
dlq.published                 warn  reason event_id dlq_id
consumer.slow                 warn  consumer_id callback_ms budget_ms
consumer.error                error consumer_id error worker stack
consumer.state                info  consumer_id from to
trading.switch                info  consumer_id enabled by
order.duplicate_detected      warn  consumer_id client_order_id state body_matches
order.anomaly                 warn  consumer_id client_order_id anomaly report state
order.unknown                 warn  consumer_id client_order_id took_ms
order.recovered               info  consumer_id client_order_id took_ms
order.foreign                 warn  provider venue_order_id
risk.refused                  warn  consumer_id breach limit actual
risk.state                    warn  control status scope
journal.failed                error operation error
pool.exhausted                warn  pool in_use capacity waited_ms
pool.overflow                 warn  pool overflow
pool.escape                   warn  pool consumer_id type
recycler.double_recycle       error pool type stacks
recycler.use_after_recycle    error pool type stacks
shutdown.outstanding          error pool count holders
loop.stalled                  warn  loop cycle_ms
"""
ROWS = {line.split()[0]: (line.split()[1], line.split()[2:]) for line in TABLE.strip().splitlines()}
BY_TEXT = {kind.text: kind for kind in TelemetryType}


def right_metadata(text: str) -> dict[str, Any]:
    keys = [key.partition("|")[0] for key in ROWS[text][1] if not key.endswith("?")]
    return {key: f"{key} 1" for key in keys}


def gap(number: int = 1) -> dict[str, Any]:
    return {"stream_key": f"s{number}", "expected": 1, "got": 3, "waited_ms": 150}


def label(record: TelemetryEvent) -> str:
    """Severity and what tells the record apart in these tests."""
    return f"{record.severity.text}{record.metadata.get('stream_key', record.metadata.get('to', ''))}"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def bus(clock: HandClock) -> TelemetryBus:
    return TelemetryBus(clock)


def test_the_enum_is_the_table() -> None:
    assert set(BY_TEXT) == set(ROWS)
    assert len({kind.value for kind in TelemetryType}) == len(TelemetryType)


@pytest.mark.parametrize("text", ROWS)
def test_severity_and_keys_of_each_type(text: str) -> None:
    severity, keys = ROWS[text]
    kind = BY_TEXT[text]
    assert kind.severity.text == severity
    assert kind.optional == {key[:-1] for key in keys if key.endswith("?")}
    assert kind.either == {part for key in keys if "|" in key for part in key.split("|")}
    assert kind.required == {key for key in keys if not key.endswith("?") and "|" not in key}
    assert set(kind.identity) <= kind.required | kind.optional | kind.either


@pytest.mark.parametrize("text", ROWS)
def test_exactly_its_metadata_is_accepted(text: str, bus: TelemetryBus) -> None:
    kind, right = BY_TEXT[text], right_metadata(text)
    bus.emit(kind, right)
    assert bus.statistics().emitted == {text: 1}
    bus.emit(kind, right | {"surprise": 1})
    for missing in right:
        bus.emit(kind, {key: value for key, value in right.items() if key != missing})
    for optional in kind.optional:
        bus.emit(kind, right | {optional: 1})
    statistics = bus.statistics()
    assert statistics.malformed_count == 1 + len(right)
    assert statistics.emitted == {text: 1 + len(kind.optional)}


def test_one_of_two_and_not_both(bus: TelemetryBus) -> None:
    kind = TelemetryType.BACKPRESSURE_TRIGGERED
    bus.emit(kind, {"consumer_id": "mm1", "rung": "drop", "depth": 9})
    bus.emit(kind, {"stream_key": "s", "rung": "drop", "depth": 9})
    bus.emit(kind, {"consumer_id": "mm1", "stream_key": "s", "rung": "drop", "depth": 9})
    assert (bus.statistics().held_count, bus.statistics().malformed_count) == (2, 1)


def test_a_record_carries_what_it_was_told(bus: TelemetryBus) -> None:
    trace, decision = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
    bus.emit(TelemetryType.ORDERING_GAP, gap(), trace_id=trace, decision_id=decision)
    (record,) = bus.records()
    assert (record.type, record.severity) == (TelemetryType.ORDERING_GAP, Severity.WARN)
    assert (record.trace_id, record.decision_id) == (trace, decision)
    assert (record.ts_ns, record.first_ns, record.last_ns, record.count) == (START_NS, START_NS, START_NS, 1)
    assert json.loads(record.to_json()) == {
        "event_id": "engine::ordering.gap:1",
        "type": "ordering.gap",
        "severity": "warn",
        "ts": "2023-11-14T22:13:20.000000000Z",
        "trace_id": trace,
        "decision_id": decision,
        "metadata": gap(),
        "count": 1,
        "first": "2023-11-14T22:13:20.000000000Z",
        "last": "2023-11-14T22:13:20.000000000Z",
    }


def test_without_a_cause_a_record_gets_a_trace_of_its_own(bus: TelemetryBus) -> None:
    bus.emit(TelemetryType.ORDERING_GAP, gap(1))
    bus.emit(TelemetryType.ORDERING_GAP, gap(2))
    first, second = (record.trace_id for record in bus.records())
    assert first != second
    assert "0" * 32 not in (first.replace("-", ""), second.replace("-", ""))


def test_the_metadata_is_a_copy(bus: TelemetryBus) -> None:
    metadata = gap()
    bus.emit(TelemetryType.ORDERING_GAP, metadata)
    metadata["got"] = 99
    assert bus.records()[0].metadata["got"] == 3


@pytest.mark.parametrize(("apart_ms", "records"), [(0, 1), (999, 1), (1000, 1), (1000.000001, 2)])
def test_equal_type_and_key_within_the_window_are_one(
    bus: TelemetryBus, clock: HandClock, apart_ms: float, records: int
) -> None:
    bus.emit(TelemetryType.ORDERING_GAP, gap(), trace_id="a")
    clock.advance_ms(apart_ms)
    bus.emit(TelemetryType.ORDERING_GAP, gap() | {"got": 7}, trace_id="b")
    held = bus.records()
    assert len(held) == records
    if records == 1:
        assert (held[0].count, held[0].trace_id, held[0].metadata["got"]) == (2, "a", 3)
        assert (held[0].first_ns, held[0].last_ns) == (START_NS, clock.now_ns)


def test_another_key_or_another_severity_is_another_record(bus: TelemetryBus) -> None:
    anomaly = {
        "consumer_id": "m",
        "client_order_id": "1",
        "anomaly": "stale",
        "report": "ack",
        "state": "acked",
    }
    bus.emit(TelemetryType.ORDER_ANOMALY, anomaly)
    bus.emit(TelemetryType.ORDER_ANOMALY, anomaly, severity=Severity.INFO)
    bus.emit(TelemetryType.ORDER_ANOMALY, anomaly | {"client_order_id": "2"})
    assert [record.severity.text for record in bus.records()] == ["warn", "info", "warn"]


def test_obs_10_ten_thousand_equal_ones_are_one_with_the_right_times(
    bus: TelemetryBus, clock: HandClock
) -> None:
    for _ in range(10_000):
        bus.emit(TelemetryType.ORDERING_GAP, gap())
        clock.advance_ms(0.5)
    (record,) = bus.records()
    assert record.count == 10_000
    assert (record.first_ns, record.last_ns) == (START_NS, START_NS + 9_999 * 500_000)
    assert bus.statistics().emitted == {"ordering.gap": 10_000}


def test_a_full_ring_gives_up_the_least_severe_then_the_oldest(clock: HandClock) -> None:
    bus = TelemetryBus(clock, capacity=4)
    state = {"consumer_id": "c", "from": "starting"}
    error = {"error": "boom", "worker": "loop", "stack": ""}
    bus.emit(TelemetryType.CONSUMER_STATE, state | {"to": "running"})
    bus.emit(TelemetryType.CONSUMER_ERROR, error | {"consumer_id": "c1"})
    bus.emit(TelemetryType.ORDERING_GAP, gap(1))
    bus.emit(TelemetryType.CONSUMER_STATE, state | {"to": "stopped"})
    seen = []
    for number in range(2, 6):
        bus.emit(TelemetryType.ORDERING_GAP, gap(number))
        seen.append(
            [
                f"{r.severity.text}{r.metadata.get('stream_key', r.metadata.get('to', ''))}"
                for r in bus.records()
            ]
        )
    assert seen == [
        ["error", "warns1", "infostopped", "warns2"],
        ["error", "warns1", "warns2", "warns3"],
        ["error", "warns2", "warns3", "warns4"],
        ["error", "warns3", "warns4", "warns5"],
    ]
    bus.emit(TelemetryType.CONSUMER_STATE, state | {"to": "running"})
    assert [record.severity.text for record in bus.records()] == ["error", "warn", "warn", "warn"]
    assert bus.statistics().dropped_count == 5


def test_what_is_newer_than_a_number_is_found_among_all_severities(bus: TelemetryBus) -> None:
    for number in range(20):
        if number % 3:
            bus.emit(TelemetryType.ORDERING_GAP, gap(number))
        else:
            bus.emit(TelemetryType.CONSUMER_STATE, {"consumer_id": f"c{number}", "from": "a", "to": "b"})
    held = bus.records()
    for since in (0, 1, 7, 19, 20, 30):
        numbers = range(since + 1, bus.newest + 1)
        assert bus.newer_than(since) == list(zip(numbers, held[since:], strict=True))


def test_the_ring_holds_4096_by_default(bus: TelemetryBus) -> None:
    for number in range(4097):
        bus.emit(TelemetryType.ORDERING_GAP, gap(number))
    assert len(bus.records(limit=5000)) == 4096
    assert bus.records(limit=1)[0].metadata["stream_key"] == "s1"


def test_draining_takes_the_oldest_out_and_a_later_equal_one_begins_anew(bus: TelemetryBus) -> None:
    for number in (1, 2, 3):
        bus.emit(TelemetryType.ORDERING_GAP, gap(number))
    assert [record.metadata["stream_key"] for record in bus.drain(2)] == ["s1", "s2"]
    bus.emit(TelemetryType.ORDERING_GAP, gap(1))
    assert [(r.metadata["stream_key"], r.count) for r in bus.drain()] == [("s3", 1), ("s1", 1)]
    assert bus.drain() == []


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "metadata", [None, 5, {"stream_key": Hostile(), "expected": 1, "got": 1, "waited_ms": 1}]
)
def test_nothing_the_caller_passes_makes_it_raise(bus: TelemetryBus, metadata: Any) -> None:
    bus.emit(TelemetryType.ORDERING_GAP, metadata)
    bus.emit("ordering.gap", gap())  # type: ignore[arg-type]
    assert (bus.statistics().held_count, bus.statistics().malformed_count) == (0, 2)


def test_a_failing_clock_does_not_make_it_raise() -> None:
    def broken() -> int:
        raise OSError

    bus = TelemetryBus(broken)
    bus.emit(TelemetryType.ORDERING_GAP, gap())
    assert bus.statistics().malformed_count == 1


def test_secrets_do_not_reach_the_reader(bus: TelemetryBus) -> None:
    register_secret('quo"ted-secret')
    try:
        error = 'GET /o?signature=abc123 quo"ted-secret'
        bus.emit(TelemetryType.JOURNAL_FAILED, {"operation": "x", "error": error})
        text = bus.records()[0].to_json()
    finally:
        forget_secrets()
    assert b"abc123" not in text
    assert b"ted-secret" not in text
