"""Dead letters: what could not be delivered, with its bytes and its cause, bounded in records and in bytes.

When the queue is full the lowest priority and then the oldest leaves, counted. Equal errors are one record
with a count. Records are copies: they keep no event alive.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from io import FileIO
from pathlib import Path
from typing import Self
from uuid import uuid4

import msgspec

from engine.base.build import planted
from engine.base.errors import ConfigError, MisuseError
from engine.base.instants import to_rfc3339
from engine.base.secrets import mask_bytes, mask_text
from engine.observability.lanes import Lanes, Severity
from engine.observability.telemetry import TelemetryBus, TelemetryType
from engine.schema.enums import CRITICAL_KINDS, KIND_OF_TYPE, EventType

MAX_RECORDS = 10_000
MAX_BYTES = 16 * 1024 * 1024
RAW_LIMIT_BYTES = 4096


class DlqReason(IntEnum):
    """Why something became a dead letter."""

    PARSE_ERROR = 1
    VALIDATION = 2
    SCALE_OVERFLOW = 3
    POOL_EXHAUSTED = 4
    MAILBOX_FULL = 5
    RATE_LIMITED = 6
    LATE = 7
    UNROUTABLE = 8
    CALLBACK_FAILED = 9
    PUBLISH_FAILED = 10
    FOREIGN_ORDER = 11

    @property
    def text(self) -> str:
        """Spelling on every wire: ``parse_error``."""
        return self.name.lower()


# Here the event itself is what was lost, so two events are two records. Elsewhere the error is what matters,
# and ten thousand equal ones are one record.
_ONE_EACH = frozenset({
    DlqReason.POOL_EXHAUSTED,
    DlqReason.MAILBOX_FULL,
    DlqReason.RATE_LIMITED,
    DlqReason.LATE,
    DlqReason.UNROUTABLE,
    DlqReason.FOREIGN_ORDER,
})  # fmt: skip

RAW_FRAME_PRIORITY = Severity.WARN
_WARN_TYPES = frozenset({EventType.TRADE, EventType.INSTRUMENT_UPDATE, EventType.BALANCE_UPDATE})


def priority_of(event_type: EventType | None) -> Severity:
    """How long a dead letter of this type is kept when room is short; None = a raw frame."""
    if event_type is None:
        return RAW_FRAME_PRIORITY
    if KIND_OF_TYPE[event_type] in CRITICAL_KINDS:
        return Severity.ERROR
    return Severity.WARN if event_type in _WARN_TYPES else Severity.INFO


class DlqRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter; one of several equal errors is the first, with a growing count.

    Attributes:
        dlq_id: grows by one; never used twice while the process runs.
        ts_ns: UTC time it came here.
        reason, priority: why, and how long it is kept.
        event: the event's JSON, as the codec writes it.
        raw: the bytes of a frame, at most 4096 of them.
        truncated: whether raw was longer.
        event_id, provider, symbol, consumer_id, trace_id: whose.
        code, message: canonical code and text of the error.
        count, first_ns, last_ns: how many equal ones, from when to when.
    """

    dlq_id: int
    ts_ns: int
    reason: DlqReason
    priority: Severity
    event: bytes | None
    raw: bytes | None
    truncated: bool
    event_id: str | None
    provider: str | None
    symbol: str | None
    consumer_id: str | None
    trace_id: str
    code: str
    message: str
    count: int
    first_ns: int
    last_ns: int

    def to_json(self) -> bytes:
        """One JSON object: instants RFC 3339, raw as base64; absent values are null."""
        return msgspec.json.encode({
            "dlq_id": self.dlq_id,
            "ts": to_rfc3339(self.ts_ns),
            "reason": self.reason.text,
            "priority": self.priority.text,
            "event": None if self.event is None else msgspec.Raw(self.event),
            "raw_base64": None if self.raw is None else b64encode(self.raw).decode(),
            "truncated": self.truncated,
            "event_id": self.event_id,
            "provider": self.provider,
            "symbol": self.symbol,
            "consumer_id": self.consumer_id,
            "trace_id": self.trace_id,
            "error": {"code": self.code, "message": self.message},
            "count": self.count,
            "first": to_rfc3339(self.first_ns),
            "last": to_rfc3339(self.last_ns),
        })  # fmt: skip


class DlqStatistics(msgspec.Struct, frozen=True):
    """What has passed.

    Attributes:
        total: dead letters by reason text, folded ones included.
        evicted: records that had to make room, by priority text.
        records_count, bytes_count: held now.
        file_failures_count: lines the file did not take.
    """

    total: dict[str, int]
    evicted: dict[str, int]
    records_count: int
    bytes_count: int
    file_failures_count: int


@dataclass(slots=True)
class _Entry:
    """A record in the queue, its encoded size, and what makes a later one equal to it."""

    record: DlqRecord
    size_bytes: int
    key: tuple[object, ...]


class DeadLetterQueue:
    """The queue. Owned by the runtime; called from the engine's thread; a context manager.

    With *path* each record is appended to that file as a JSON line when it comes, and again with its final
    count when it leaves if more equal ones came: the last line of a ``dlq_id`` holds.

    Args:
        clock_ns: UTC nanoseconds now.
        max_records, max_bytes: the bounds; bytes are those of the encoded records.
        path: the file; None = memory only.
        telemetry: told of each new record.

    Raises:
        ConfigError: the file cannot be opened.
    """

    def __init__(
        self,
        clock_ns: Callable[[], int],
        max_records: int = MAX_RECORDS,
        max_bytes: int = MAX_BYTES,
        path: str | os.PathLike[str] | None = None,
        telemetry: TelemetryBus | None = None,
    ) -> None:
        self._clock_ns = clock_ns
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._telemetry = telemetry
        self._lanes: Lanes[_Entry] = Lanes()
        self._known: dict[tuple[object, ...], _Entry] = {}
        self._bytes_count = 0
        self._next_id = 1
        self._total = dict.fromkeys(DlqReason, 0)
        self._evicted = dict.fromkeys(Severity, 0)
        self._file_failures_count = 0
        self._closed = False
        self._file = None if path is None else _opened(Path(path))

    def add(
        self,
        reason: DlqReason,
        *,
        code: str,
        message: str,
        priority: Severity = RAW_FRAME_PRIORITY,
        event: bytes | None = None,
        raw: bytes | None = None,
        event_id: str | None = None,
        provider: str | None = None,
        symbol: str | None = None,
        consumer_id: str | None = None,
        trace_id: str | None = None,
        count: int = 1,
    ) -> int:
        """Keep one dead letter; returns the id of the record it is in.

        Args:
            reason: why it cannot be delivered.
            code: canonical code of the error (``exchange_error``).
            message: the error's text; equal errors have equal texts.
            priority: see :func:`priority_of`.
            event: the event's JSON; copied by the caller, since the event goes back to its pool.
            raw: bytes of the frame; what is beyond 4096 is cut.
            event_id: of the event, where there is one.
            provider: whose frame or event.
            symbol: of the event.
            consumer_id: for whom it was meant.
            trace_id: of the event; None = there was none, a new one is made.
            count: how many equal ones this one stands for, where they come too fast to keep each.

        Raises:
            MisuseError: the queue is closed.
        """
        if self._closed:
            raise MisuseError("the dead-letter queue is closed", op="dlq.add")
        self._total[reason] += count
        now_ns = self._clock_ns()
        key: tuple[object, ...] = (reason, priority, provider, symbol, consumer_id, code, message)
        if planted("dlq.off"):
            return 0
        if reason in _ONE_EACH:
            key = (*key, event_id, raw)
        known = self._known.get(key)
        if known is not None:
            first = known.record
            known.record = msgspec.structs.replace(first, count=first.count + count, last_ns=now_ns)
            return first.dlq_id
        masked = None if raw is None else mask_bytes(raw)
        record = DlqRecord(
            dlq_id=self._next_id,
            ts_ns=now_ns,
            reason=reason,
            priority=priority,
            event=event,
            raw=None if masked is None else masked[:RAW_LIMIT_BYTES],
            truncated=masked is not None and len(masked) > RAW_LIMIT_BYTES,
            event_id=event_id,
            provider=provider,
            symbol=symbol,
            consumer_id=consumer_id,
            trace_id=trace_id or str(uuid4()),
            code=code,
            message=mask_text(message),
            count=count,
            first_ns=now_ns,
            last_ns=now_ns,
        )
        self._next_id += 1
        self._keep(record, key)
        return record.dlq_id

    def _keep(self, record: DlqRecord, key: tuple[object, ...]) -> None:
        line = record.to_json()
        if len(line) > self._max_bytes and record.event is not None:
            # One event larger than the whole queue: its beginning is better than nothing.
            beginning = record.event[:RAW_LIMIT_BYTES]
            record = msgspec.structs.replace(record, event=None, raw=beginning, truncated=True)
            line = record.to_json()
        self._write(line)
        self._known[key] = entry = _Entry(record, len(line), key)
        self._lanes.put(record.dlq_id, record.priority, entry)
        self._bytes_count += len(line)
        while len(self._lanes) > self._max_records or self._bytes_count > self._max_bytes:
            severity, least = self._lanes.pop_least()
            self._evicted[severity] += 1
            self._leave(least)
        if self._telemetry is not None:
            self._telemetry.emit(
                TelemetryType.DLQ_PUBLISHED,
                {"reason": record.reason.text, "event_id": record.event_id, "dlq_id": record.dlq_id},
                trace_id=record.trace_id,
            )

    def _leave(self, entry: _Entry) -> DlqRecord:
        del self._known[entry.key]
        self._bytes_count -= entry.size_bytes
        self._write_final(entry)
        return entry.record

    def _write_final(self, entry: _Entry) -> None:
        if entry.record.count > 1:
            self._write(entry.record.to_json())

    def _write(self, line: bytes) -> None:
        if self._file is None:
            return
        try:
            self._file.write(line + b"\n")
        except OSError:
            # A full disk must not stop the engine; the record is still in memory.
            self._file_failures_count += 1

    def records(self, limit: int = MAX_RECORDS) -> list[DlqRecord]:
        """Up to *limit* records, oldest first; they stay in the queue."""
        return [entry.record for entry in self._lanes.oldest_first()[:limit]]

    def drain(self, limit: int = MAX_RECORDS) -> list[DlqRecord]:
        """Take out up to *limit* records, oldest first; an equal error later begins a new record."""
        return [self._leave(self._lanes.pop_oldest()) for _ in range(min(limit, len(self._lanes)))]

    def statistics(self) -> DlqStatistics:
        """Counts so far and what is held."""
        return DlqStatistics(
            total={reason.text: count for reason, count in self._total.items() if count},
            evicted={severity.text: count for severity, count in self._evicted.items() if count},
            records_count=len(self._lanes),
            bytes_count=self._bytes_count,
            file_failures_count=self._file_failures_count,
        )

    def close(self) -> None:
        """Write the final counts to the file and close it; what is in memory can still be read."""
        if self._closed:
            return
        self._closed = True
        for entry in self._lanes.oldest_first():
            self._write_final(entry)
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _opened(path: Path) -> FileIO:
    try:
        # Unbuffered: a line is on its way to the disk when add() returns.
        return path.open("ab", buffering=0)
    except OSError as error:
        raise ConfigError(f"dlq.path {path} cannot be opened: {error.strerror}", op="dlq.open") from error
