"""Telemetry: what operators are told, on a bus of its own that never blocks and never fails its caller.

The types are one table, each with exactly its metadata. Records wait in a ring; when it is full the least
severe and then the oldest leaves, counted. Consumers have no access to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Self
from uuid import uuid4

import msgspec

from engine.base.build import planted
from engine.base.instants import to_rfc3339
from engine.base.secrets import mask_text, mask_value
from engine.observability.lanes import Lanes, Severity

RING_RECORDS = 4096
FOLD_WINDOW_NS = 1_000_000_000

_INFO, _WARN, _ERROR = Severity


class TelemetryType(IntEnum):
    """Every type with its severity and metadata keys.

    ``key*`` tells records of a type apart: equal ones within the fold window become one. ``key+`` is the sum over
    those. ``key?`` may be absent. ``a|b`` means exactly one of the two.
    """

    text: str
    severity: Severity
    required: frozenset[str]
    optional: frozenset[str]
    either: frozenset[str]
    identity: tuple[str, ...]
    summed: tuple[str, ...]

    def __new__(cls, number: int, text: str, severity: Severity, keys: str) -> Self:
        """One row; the words of *keys* are read once, here."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.text = text
        member.severity = severity
        words = keys.split()
        names = [word.rstrip("*?+") for word in words]
        member.either = frozenset(part for name in names if "|" in name for part in name.split("|"))
        member.optional = frozenset(
            name for name, word in zip(names, words, strict=True) if word.endswith("?")
        )
        member.required = frozenset(name for name in names if "|" not in name) - member.optional
        member.summed = tuple(
            name for name, word in zip(names, words, strict=True) if word.endswith("+")
        )
        starred = [name for name, word in zip(names, words, strict=True) if word.endswith("*")]
        member.identity = tuple(part for name in starred for part in name.split("|"))
        return member

    # providers, books
    BOOK_RESYNC = 1, "book.resync", _WARN, "provider* symbol* reason* expected? actual? took_ms"
    CHECKSUM_FAILED = 2, "checksum.failed", _WARN, "provider* symbol* expected actual"
    PROVIDER_STATE = 3, "provider.state", _INFO, "provider* from* to* cause*"
    CONNECTION_STATE = 4, "connection.state", _INFO, "provider* conn* state* cause* attempts down_ms"
    FRAME_REJECTED = 5, "frame.rejected", _WARN, "provider* code* bytes"
    INSTRUMENT_SKIPPED = 6, "instrument.skipped", _INFO, "provider* venue_symbol* why*"
    RATE_LIMIT_HIT = 7, "rate_limit.hit", _WARN, "provider* scope* retry_after_ms"
    # orchestrator
    MERGE_SUPPRESSED_PARTIAL = 8, "merge.suppressed_partial", _WARN, "merge_key* rule* missing* present"
    # dispatcher, bus
    LATE_EVENT_DROPPED = (
        9, "late_event.dropped", _INFO, "provider* symbol* event_type* seq_provider lateness_ms merge_key?",
    )  # fmt: skip
    ORDERING_GAP = 10, "ordering.gap", _WARN, "stream_key* expected got waited_ms"
    COALESCING_APPLIED = 11, "coalescing.applied", _INFO, "stream_key* consumer_id* folded_count+"
    BACKPRESSURE_TRIGGERED = 12, "backpressure.triggered", _WARN, "stream_key|consumer_id* rung* depth"
    ROUTING_CHANGED = 13, "routing.changed", _INFO, "version* consumer_id* added removed"
    DLQ_PUBLISHED = 14, "dlq.published", _WARN, "reason* event_id dlq_id*"
    # consumers
    CONSUMER_SLOW = 15, "consumer.slow", _WARN, "consumer_id* callback_ms budget_ms"
    CONSUMER_ERROR = 16, "consumer.error", _ERROR, "consumer_id* error* worker stack"
    CONSUMER_STATE = 17, "consumer.state", _INFO, "consumer_id* from* to*"
    TRADING_SWITCH = 18, "trading.switch", _INFO, "consumer_id* enabled* by*"
    # orders, risk
    ORDER_DUPLICATE_DETECTED = (
        19, "order.duplicate_detected", _WARN, "consumer_id* client_order_id* state body_matches",
    )  # fmt: skip
    ORDER_ANOMALY = 20, "order.anomaly", _WARN, "consumer_id* client_order_id* anomaly* report state"
    ORDER_UNKNOWN = 21, "order.unknown", _WARN, "consumer_id* client_order_id* took_ms"
    ORDER_RECOVERED = 22, "order.recovered", _INFO, "consumer_id* client_order_id* took_ms"
    ORDER_FOREIGN = 23, "order.foreign", _WARN, "provider* venue_order_id*"
    RISK_REFUSED = 24, "risk.refused", _WARN, "consumer_id* breach* limit actual"
    RISK_STATE = 25, "risk.state", _WARN, "control* status* scope*"
    JOURNAL_FAILED = 26, "journal.failed", _ERROR, "operation* error*"
    # pools, process
    POOL_EXHAUSTED = 27, "pool.exhausted", _WARN, "pool* in_use capacity waited_ms"
    POOL_OVERFLOW = 28, "pool.overflow", _WARN, "pool* overflow"
    POOL_ESCAPE = 29, "pool.escape", _WARN, "pool* consumer_id* type*"
    RECYCLER_DOUBLE_RECYCLE = 30, "recycler.double_recycle", _ERROR, "pool* type* stacks"
    RECYCLER_USE_AFTER_RECYCLE = 31, "recycler.use_after_recycle", _ERROR, "pool* type* stacks"
    SHUTDOWN_OUTSTANDING = 32, "shutdown.outstanding", _ERROR, "pool* count holders"
    LOOP_STALLED = 33, "loop.stalled", _WARN, "loop* cycle_ms"

    def accepts(self, metadata: Mapping[str, object]) -> bool:
        """Whether *metadata* has exactly the keys of this type."""
        keys = metadata.keys()
        return (
            self.required <= keys
            and keys <= self.required | self.optional | self.either
            and len(self.either & keys) == (1 if self.either else 0)
        )


class TelemetryEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One record; folded ones are the first with a growing count.

    Attributes:
        event_id: ``engine::TYPE:N``, unique while the process runs.
        type: the row it belongs to.
        severity: that of the type, or what the caller said where the type's varies.
        ts_ns: UTC time of the first.
        trace_id, decision_id: of the event that caused it, in UUID form.
        metadata: the keys of the type.
        count: how many equal ones it stands for.
        first_ns, last_ns: times of the first and the last of them.
    """

    event_id: str
    type: TelemetryType
    severity: Severity
    ts_ns: int
    trace_id: str
    decision_id: str | None
    metadata: dict[str, object]
    count: int
    first_ns: int
    last_ns: int

    def to_json(self) -> bytes:
        """One JSON object: instants RFC 3339, secrets masked."""
        text = msgspec.json.encode(
            {
                "event_id": self.event_id,
                "type": self.type.text,
                "severity": self.severity.text,
                "ts": to_rfc3339(self.ts_ns),
                "trace_id": self.trace_id,
                "decision_id": self.decision_id,
                "metadata": mask_value(self.metadata),
                "count": self.count,
                "first": to_rfc3339(self.first_ns),
                "last": to_rfc3339(self.last_ns),
            },
            enc_hook=str,
        ).decode()
        return mask_text(text).encode()


class TelemetryStatistics(msgspec.Struct, frozen=True):
    """What has passed.

    Attributes:
        emitted: accepted calls by type text, folded ones included.
        dropped_count: records evicted from the full ring.
        malformed_count: calls refused for wrong metadata or values that cannot be kept.
        held_count: records in the ring now.
    """

    emitted: dict[str, int]
    dropped_count: int
    malformed_count: int
    held_count: int


@dataclass(slots=True)
class _Entry:
    """A record in the ring, and what makes a later one equal to it."""

    record: TelemetryEvent
    key: tuple[object, ...]


class TelemetryBus:
    """The ring. Owned by the runtime; called from the engine's thread; nothing here blocks or raises.

    Args:
        clock_ns: UTC nanoseconds now.
        capacity: records the ring holds.
        fold_window_ns: equal records no further apart than this become one.
    """

    def __init__(
        self, clock_ns: Callable[[], int], capacity: int = RING_RECORDS, fold_window_ns: int = FOLD_WINDOW_NS
    ) -> None:
        self._clock_ns = clock_ns
        self._capacity = capacity
        self._fold_window_ns = fold_window_ns
        self._ring: Lanes[_Entry] = Lanes()
        self._open: dict[tuple[object, ...], _Entry] = {}
        self._emitted = dict.fromkeys(TelemetryType, 0)
        self._number = 0
        self._dropped_count = 0
        self._malformed_count = 0

    def emit(
        self,
        type: TelemetryType,
        metadata: Mapping[str, object],
        *,
        trace_id: str | None = None,
        decision_id: str | None = None,
        severity: Severity | None = None,
    ) -> TelemetryEvent | None:
        """Tell operators something. Never raises: what cannot be kept is counted.

        Returns the record it made; None where it was folded into an earlier one, or could not be kept.

        Args:
            type: the row; it fixes the keys of *metadata* and, mostly, the severity.
            metadata: plain values; copied.
            trace_id: of the event that caused it; None where none did, then a new one is made.
            decision_id: of the decision that led to it.
            severity: only for the type whose severity varies (`order.anomaly`).
        """
        try:
            return self._keep(type, dict(metadata), trace_id, decision_id, severity or type.severity)
        except Exception:
            # Whatever the caller passed, telling operators must not hurt the data path.
            self._malformed_count += 1
            return None

    def _keep(
        self,
        type: TelemetryType,
        metadata: dict[str, object],
        trace_id: str | None,
        decision_id: str | None,
        severity: Severity,
    ) -> TelemetryEvent | None:
        if not type.accepts(metadata):
            self._malformed_count += 1
            return None
        if planted("telemetry.off"):
            return None
        key = (type, severity, *(str(metadata.get(name)) for name in type.identity))
        now_ns = self._clock_ns()
        self._emitted[type] += 1
        entry = self._open.get(key)
        if entry is not None and now_ns - entry.record.last_ns <= self._fold_window_ns:
            first = entry.record
            for name in type.summed:
                metadata[name] = first.metadata[name] + metadata[name]  # type: ignore[operator]
            entry.record = msgspec.structs.replace(
                first,
                count=first.count + 1,
                last_ns=max(first.last_ns, now_ns),
                metadata={**first.metadata, **{name: metadata[name] for name in type.summed}},
            )
            return None
        self._number += 1
        record = TelemetryEvent(
            event_id=f"engine::{type.text}:{self._number}",
            type=type,
            severity=severity,
            ts_ns=now_ns,
            trace_id=str(uuid4()) if trace_id is None or planted("telemetry.fresh_trace") else trace_id,
            decision_id=decision_id,
            metadata=metadata,
            count=1,
            first_ns=now_ns,
            last_ns=now_ns,
        )
        self._open[key] = entry = _Entry(record, key)
        self._ring.put(self._number, severity, entry)
        while len(self._ring) > self._capacity and not planted("telemetry.no_bound"):
            self._leave(self._ring.pop_least()[1])
            self._dropped_count += 1
        return record

    def _leave(self, entry: _Entry) -> TelemetryEvent:
        # A later record of the same key may have taken its place as the one to fold into.
        if self._open.get(entry.key) is entry:
            del self._open[entry.key]
        return entry.record

    def records(self, limit: int = RING_RECORDS) -> list[TelemetryEvent]:
        """Up to *limit* records, oldest first; they stay in the ring."""
        return [entry.record for entry in self._ring.oldest_first()[:limit]]

    def newer_than(self, number: int) -> list[tuple[int, TelemetryEvent]]:
        """Records made after the one of a number, with theirs, oldest first; they stay in the ring."""
        return [(at, entry.record) for at, entry in self._ring.newer_than(number)]

    @property
    def newest(self) -> int:
        """Number of the last record made, which ends its event_id; 0 = none yet."""
        return self._number

    def drain(self, limit: int = RING_RECORDS) -> list[TelemetryEvent]:
        """Take out up to *limit* records, oldest first; an equal one later begins a new record."""
        return [self._leave(self._ring.pop_oldest()) for _ in range(min(limit, len(self._ring)))]

    def statistics(self) -> TelemetryStatistics:
        """Counts so far."""
        emitted = {type.text: count for type, count in self._emitted.items() if count}
        return TelemetryStatistics(emitted, self._dropped_count, self._malformed_count, len(self._ring))
