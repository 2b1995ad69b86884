"""MET-30, OBS-03, OBS-10: what is kept, for how long, and that its bytes come back equal."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import ConfigError, MisuseError
from engine.observability.dlq import DeadLetterQueue, DlqReason, priority_of
from engine.observability.lanes import Severity
from engine.observability.telemetry import TelemetryBus
from engine.schema.enums import EventType
from tests.unit.observability.clocks import START_NS, HandClock

TRACE = "00000000-0000-0000-0000-00000000000a"
REASONS = [
    "parse_error",
    "validation",
    "scale_overflow",
    "pool_exhausted",
    "mailbox_full",
    "rate_limited",
    "late",
    "unroutable",
    "callback_failed",
    "publish_failed",
    "foreign_order",
]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def queue(clock: HandClock) -> DeadLetterQueue:
    return DeadLetterQueue(clock)


def drop(queue: DeadLetterQueue, number: int, priority: Severity = Severity.WARN, **fields: Any) -> int:
    """A trade that found its consumer's mailbox full."""
    return queue.add(
        DlqReason.MAILBOX_FULL,
        code="unavailable",
        message="mailbox full",
        priority=priority,
        event_id=f"kraken:BTC-USD:Trade:{number}",
        **fields,
    )


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_reasons_are_the_documented_ones() -> None:
    assert [reason.text for reason in DlqReason] == REASONS


@pytest.mark.parametrize(
    ("event_type", "priority"),
    [
        (EventType.TICKER, "info"),
        (EventType.KLINE_SUMMARY, "info"),
        (EventType.BOOK_SNAPSHOT, "info"),
        (EventType.BOOK_UPDATE, "info"),
        (EventType.TRADE, "warn"),
        (EventType.INSTRUMENT_UPDATE, "warn"),
        (EventType.BALANCE_UPDATE, "warn"),
        (None, "warn"),
        (EventType.EXEC_REPORT, "error"),
        (EventType.CONTROL_ACK, "error"),
        (EventType.CONTROL_RESULT, "error"),
        (EventType.RISK_CONTROL, "error"),
    ],
)
def test_priorities(event_type: EventType | None, priority: str) -> None:
    assert priority_of(event_type).text == priority


def test_a_record_as_json(queue: DeadLetterQueue) -> None:
    dlq_id = queue.add(
        DlqReason.CALLBACK_FAILED,
        code="invalid_request",
        message="division by zero",
        priority=Severity.INFO,
        event=b'{"type":"Ticker"}',
        event_id="kraken:BTC-USD:Ticker:1.7",
        provider="kraken",
        symbol="BTC-USD",
        consumer_id="mm1",
        trace_id=TRACE,
    )
    (record,) = queue.records()
    assert json.loads(record.to_json()) == {
        "dlq_id": dlq_id,
        "ts": "2023-11-14T22:13:20.000000000Z",
        "reason": "callback_failed",
        "priority": "info",
        "event": {"type": "Ticker"},
        "raw_base64": None,
        "truncated": False,
        "event_id": "kraken:BTC-USD:Ticker:1.7",
        "provider": "kraken",
        "symbol": "BTC-USD",
        "consumer_id": "mm1",
        "trace_id": TRACE,
        "error": {"code": "invalid_request", "message": "division by zero"},
        "count": 1,
        "first": "2023-11-14T22:13:20.000000000Z",
        "last": "2023-11-14T22:13:20.000000000Z",
    }


@pytest.mark.parametrize("reason", DlqReason)
def test_the_bytes_come_back_equal(queue: DeadLetterQueue, reason: DlqReason) -> None:
    raw = bytes(range(256))
    queue.add(reason, code="exchange_error", message="bad", raw=raw, provider="kraken")
    (record,) = queue.drain()
    assert record.raw == raw
    assert base64.b64decode(json.loads(record.to_json())["raw_base64"]) == raw


@pytest.mark.parametrize(
    ("length", "kept", "cut"), [(4095, 4095, False), (4096, 4096, False), (4097, 4096, True)]
)
def test_raw_is_cut_at_4096_bytes_and_says_so(
    queue: DeadLetterQueue, length: int, kept: int, cut: bool
) -> None:
    queue.add(DlqReason.PARSE_ERROR, code="exchange_error", message="bad", raw=b"a" * length)
    (record,) = queue.records()
    assert record.raw == b"a" * kept
    assert record.truncated is (kept < length)


def test_obs_10_ten_thousand_equal_errors_are_one_record(queue: DeadLetterQueue, clock: HandClock) -> None:
    ids = set()
    for number in range(10_000):
        ids.add(
            queue.add(
                DlqReason.CALLBACK_FAILED,
                code="invalid_request",
                message="boom",
                consumer_id="mm1",
                event_id=f"kraken:BTC-USD:Trade:{number}",
            )
        )
        clock.advance_ms(1)
    (record,) = queue.records()
    assert ids == {record.dlq_id}
    assert record.count == 10_000
    assert (record.first_ns, record.last_ns) == (START_NS, START_NS + 9_999_000_000)
    assert queue.statistics().total == {"callback_failed": 10_000}


@pytest.mark.parametrize(
    "field", ["code", "message", "provider", "symbol", "consumer_id", "priority", "reason"]
)
def test_what_differs_is_a_record_of_its_own(queue: DeadLetterQueue, field: str) -> None:
    same: dict[str, Any] = {
        "reason": DlqReason.PARSE_ERROR, "code": "exchange_error", "message": "bad", "provider": "kraken",
        "symbol": "BTC-USD", "consumer_id": "mm1", "priority": Severity.INFO,
    }  # fmt: skip
    others = {"priority": Severity.ERROR, "reason": DlqReason.VALIDATION}
    queue.add(**same)
    queue.add(**same | {field: others.get(field, "other")})
    assert [record.count for record in queue.records()] == [1, 1]


def test_lost_events_are_records_of_their_own_a_repeated_one_is_not(queue: DeadLetterQueue) -> None:
    for number in (1, 2, 1):
        drop(queue, number)
    assert [(r.event_id, r.count) for r in queue.records()] == [
        ("kraken:BTC-USD:Trade:1", 2),
        ("kraken:BTC-USD:Trade:2", 1),
    ]


def test_a_full_queue_gives_up_info_before_warn_before_error_oldest_first(clock: HandClock) -> None:
    """Three times over its bound, in mixed order: what is left are the errors and the newest warnings."""
    queue = DeadLetterQueue(clock, max_records=30)
    order = [Severity.ERROR, Severity.INFO, Severity.WARN, Severity.INFO, Severity.WARN, Severity.INFO]
    for number in range(90):
        drop(queue, number, order[number % 6])
    numbers = [int((record.event_id or "").rpartition(":")[2]) for record in queue.records()]
    errors = list(range(0, 90, 6))
    warnings = sorted([*range(2, 90, 6), *range(4, 90, 6)])[-(30 - len(errors)) :]
    assert numbers == sorted(errors + warnings)
    assert queue.statistics().evicted == {"info": 45, "warn": 15}


def test_the_order_of_eviction(clock: HandClock) -> None:
    queue = DeadLetterQueue(clock, max_records=3)
    gone = []
    for number, priority in enumerate([3, 1, 2, 1, 1, 2, 3, 3, 3]):
        drop(queue, number, Severity(priority))
        held = {record.dlq_id for record in queue.records()}
        gone += [n for n in range(1, number + 2) if n not in held and n not in gone]
    assert gone == [2, 4, 5, 3, 6, 1]


@pytest.mark.parametrize(("extra", "held"), [(0, 3), (1, 2)])
def test_bytes_are_bounded_too(clock: HandClock, extra: int, held: int) -> None:
    probe = DeadLetterQueue(clock)
    drop(probe, 1, raw=b"x" * 3000, trace_id=TRACE)
    size = probe.statistics().bytes_count
    queue = DeadLetterQueue(clock, max_bytes=3 * size - extra)
    for number in (1, 2, 3):
        drop(queue, number, raw=b"x" * 3000, trace_id=TRACE)
    statistics = queue.statistics()
    assert (statistics.records_count, statistics.bytes_count) == (held, held * size)
    assert queue.records()[-1].event_id == "kraken:BTC-USD:Trade:3"


def test_bytes_are_freed_by_draining(queue: DeadLetterQueue) -> None:
    for number in range(5):
        drop(queue, number, raw=b"x" * 100)
    assert [record.dlq_id for record in queue.drain(2)] == [1, 2]
    assert [record.dlq_id for record in queue.drain()] == [3, 4, 5]
    statistics = queue.statistics()
    assert (statistics.records_count, statistics.bytes_count) == (0, 0)
    assert drop(queue, 0) == 6


def test_the_default_bounds_are_10_000_records_and_16_mib(clock: HandClock) -> None:
    queue = DeadLetterQueue(clock)
    for number in range(10_001):
        drop(queue, number, trace_id=TRACE)
    assert queue.statistics().records_count == 10_000
    large = DeadLetterQueue(clock)
    for number in range(3):
        drop(large, number, event=b'"' + b"x" * 7_000_000 + b'"')
    assert large.statistics().records_count == 2


def test_an_event_larger_than_the_queue_keeps_its_beginning(clock: HandClock) -> None:
    queue = DeadLetterQueue(clock, max_bytes=65536)
    event = b'"' + b"x" * 70_000 + b'"'
    drop(queue, 1, event=event)
    (record,) = queue.records()
    assert (record.event, record.raw, record.truncated) == (None, event[:4096], True)


def test_secrets_are_masked_in_bytes_and_text(queue: DeadLetterQueue) -> None:
    queue.add(
        DlqReason.PARSE_ERROR,
        code="auth",
        message="refused: GET /order?signature=abc123",
        raw=b'{"api_secret":"abc123","x":1}',
    )
    (record,) = queue.records()
    assert record.raw == b'{"api_secret":"***","x":1}'
    assert b"abc123" not in record.to_json()


def test_each_new_record_is_told_once_with_its_trace(clock: HandClock) -> None:
    bus = TelemetryBus(clock)
    queue = DeadLetterQueue(clock, telemetry=bus)
    drop(queue, 1, trace_id=TRACE)
    drop(queue, 1, trace_id=TRACE)
    (told,) = bus.records()
    assert told.type.text == "dlq.published"
    assert told.metadata == {"reason": "mailbox_full", "event_id": "kraken:BTC-USD:Trade:1", "dlq_id": 1}
    assert told.trace_id == TRACE


def test_the_file_has_a_line_at_once_and_a_final_one_if_folded(clock: HandClock, tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    with DeadLetterQueue(clock, path=path) as queue:
        drop(queue, 1)
        assert [line["count"] for line in lines_of(path)] == [1]
        drop(queue, 1)
        drop(queue, 2)
        assert [(line["dlq_id"], line["count"]) for line in lines_of(path)] == [(1, 1), (2, 1)]
    assert [(line["dlq_id"], line["count"]) for line in lines_of(path)] == [(1, 1), (2, 1), (1, 2)]


def test_the_file_is_appended_to(clock: HandClock, tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    for number in (1, 2):
        with DeadLetterQueue(clock, path=path) as queue:
            drop(queue, number)
    assert [line["event_id"][-1] for line in lines_of(path)] == ["1", "2"]


def test_a_disk_that_takes_nothing_is_counted_and_the_record_stays(clock: HandClock) -> None:
    queue = DeadLetterQueue(clock, path="/dev/full")
    drop(queue, 1)
    statistics = queue.statistics()
    assert (statistics.records_count, statistics.file_failures_count) == (1, 1)
    queue.close()


def test_a_file_that_cannot_be_opened_is_said_at_once(clock: HandClock, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dlq\.path .* cannot be opened: No such file or directory"):
        DeadLetterQueue(clock, path=tmp_path / "none" / "dead.jsonl")


def test_closing_twice_is_once_and_then_nothing_is_added(queue: DeadLetterQueue) -> None:
    drop(queue, 1)
    queue.close()
    queue.close()
    assert len(queue.records()) == 1
    with pytest.raises(MisuseError, match="closed"):
        drop(queue, 2)
