"""Where stages report: telemetry for operators, dead letters for what cannot be delivered. Cold, never raises."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from engine.base.errors import UseAfterRecycleError
from engine.base.workers import new_lock
from engine.observability.dlq import DeadLetterQueue, DlqReason, priority_of
from engine.observability.lanes import Severity
from engine.observability.logs import with_fields
from engine.observability.telemetry import TelemetryBus, TelemetryType
from engine.schema.codec import to_json
from engine.schema.enums import EventType
from engine.schema.event import Event

_EVENT_TYPES = {event_type.class_name: event_type for event_type in EventType}
_TELL_EVERY_NS = 1_000_000_000
_TYPES = {row.text: row for row in TelemetryType}
_LOGGED_WHERE_IT_HAPPENS = frozenset({TelemetryType.SHUTDOWN_OUTSTANDING})
log = logging.getLogger("engine.runtime")


class Reporting:
    """The hooks the stages are given. Owned by the runtime; called from any thread."""

    def __init__(self, telemetry: TelemetryBus, dlq: DeadLetterQueue) -> None:
        self._telemetry = telemetry
        self._dlq = dlq
        self._lock = new_lock()
        self.rejected_frames: Counter[tuple[str, str]] = Counter()
        """(provider, code) -> frames."""
        self.foreign_orders: Counter[str] = Counter()
        """By provider: reports of orders that none of our consumers sent."""
        self._exhausted: dict[str, tuple[int, int | None]] = {}
        """By stream: (events without a slot not told yet, when the last ones were)."""
        self.names: dict[int, str] = {}
        """Consumers by the index that pools know them by."""
        self.watchers: list[Callable[[str, Mapping[str, Any]], None]] = []
        """Called with each telemetry kind and its metadata, beside the bus."""

    def tell(self, kind: str, *, trace_id: str | None = None, **metadata: Any) -> None:
        """Emit a telemetry record; a key that the row must have and the caller lacks is None.

        *trace_id* is that of the event that caused it, where there is one.
        """
        self._tell(kind, metadata, trace_id, None)

    def tell_as(self, severity: Severity, kind: str, *, trace_id: str | None = None, **metadata: Any) -> None:
        """The same of a row whose severity varies."""
        self._tell(kind, metadata, trace_id, severity)

    def _tell(
        self, kind: str, metadata: Mapping[str, Any], trace_id: str | None, severity: Severity | None
    ) -> None:
        row = _TYPES[kind]
        known = {key: metadata.get(key) for key in row.required}
        known.update({key: value for key, value in metadata.items() if value is not None})
        with self._lock:
            for watch in self.watchers:
                watch(kind, metadata)
            self._emit(row, known, trace_id, severity)

    def pool_problem(self, kind: str, **metadata: Any) -> None:
        """A pool tells something; it knows consumers by their index."""
        if "consumer_id" in metadata:
            metadata["consumer_id"] = self.names.get(metadata["consumer_id"], "nobody known")
        self.tell(kind, **metadata)

    def late(self, stream_key: str, event: Event) -> None:
        """An event behind what its stream has delivered, which is dropped: as it was."""
        self._lost(DlqReason.LATE, "conflict", f"{stream_key} is past it", stream_key, 1, event)

    def rejected(self, provider: str, code: str, field: str | None, raw: bytes, length: int) -> None:
        """A frame that cannot be used: its bytes are kept."""
        self.rejected_frames[provider, code] += 1
        reason = DlqReason.SCALE_OVERFLOW if code == "overflow" else DlqReason.PARSE_ERROR
        what = f"frame refused: {code.replace('_', ' ')}" + (f" at {field!r}" if field else "")
        with self._lock:
            self._dlq.add(reason, code="exchange_error", message=f"[{provider}] {what}", raw=raw, provider=provider)
        self.tell("frame.rejected", provider=provider, code=code, bytes=length)

    def foreign_order(self, provider: str, venue_order_id: str, raw: bytes) -> None:
        """A frame about an order that none of our consumers sent (ORDM-22): kept, told, touched by nobody."""
        what = f"[{provider}] order {venue_order_id} is none of ours"
        with self._lock:
            self._dlq.add(DlqReason.FOREIGN_ORDER, code="not_found", message=what, raw=raw, provider=provider)
        self.foreign_orders[provider] += 1
        self.tell("order.foreign", provider=provider, venue_order_id=venue_order_id)

    def callback_failed(
        self, consumer_id: str, error: BaseException, trace_id: str, event_id: str, worker: str
    ) -> None:
        """A consumer's callback raised: all of them are reported, each with its event and the thread it ran in."""
        text = f"{type(error).__name__}: {error}"
        row = TelemetryType.CONSUMER_ERROR
        metadata = {"consumer_id": consumer_id, "error": text, "worker": worker, "stack": _stack_of(error)}
        with self._lock:
            self._dlq.add(
                DlqReason.CALLBACK_FAILED,
                code="internal",
                message=f"consumer {consumer_id}: {text}",
                event_id=event_id,
                consumer_id=consumer_id,
                trace_id=trace_id,
            )
            self._emit(row, metadata, trace_id)
        if isinstance(error, UseAfterRecycleError):
            kind = str(error).partition(" read after")[0].rpartition(" ")[2]
            self.tell("recycler.use_after_recycle", trace_id=trace_id, pool=kind, type=kind, stacks=str(error))

    def _emit(
        self, row: TelemetryType, metadata: Mapping[str, Any], trace_id: str | None, severity: Severity | None = None
    ) -> None:
        """A warning or an error is a line of the log as well; what is folded into one record is one line (CON-18)."""
        record = self._telemetry.emit(row, metadata, trace_id=trace_id, severity=severity)
        if record is not None and record.severity is not Severity.INFO and row not in _LOGGED_WHERE_IT_HAPPENS:
            level = logging.ERROR if record.severity is Severity.ERROR else logging.WARNING
            told = {key: value for key, value in metadata.items() if key != "stack" and value is not None}
            shown = " ".join(f"{key}={value}" for key, value in told.items())
            stack = {"stack": metadata["stack"]} if metadata.get("stack") else {}
            log.log(level, "%s %s trace_id=%s", row.text, shown, record.trace_id, extra=with_fields(stack))

    def callback_slow(self, consumer_id: str, callback_ns: int, budget_ns: int) -> None:
        """A callback took longer than its budget."""
        self.tell(
            "consumer.slow",
            consumer_id=consumer_id,
            callback_ms=callback_ns // 1_000_000,
            budget_ms=budget_ns // 1_000_000,
        )

    def saturated(self, consumer_id: str, depth: int) -> None:
        """A mailbox is so full that it coalesces from here on."""
        self.tell("backpressure.triggered", consumer_id=consumer_id, rung="coalesce", depth=depth)

    def coalesced(self, consumer_id: str, stream_key: str, count: int) -> None:
        """Events of a stream that others stand for, since the last time."""
        self.tell("coalescing.applied", stream_key=stream_key, consumer_id=consumer_id, folded_count=count)

    def rate_limited(self, stream_key: str, count: int, event: Event | None, waiting: int) -> None:
        """*count* events of a stream found no token and no place to wait, *event* the last of them."""
        self._lost(
            DlqReason.RATE_LIMITED, "rate_limited", f"{stream_key} is over its rate", stream_key, count, event
        )
        self.tell("backpressure.triggered", stream_key=stream_key, rung="drop", depth=waiting)

    def pool_exhausted(self, stream_key: str, in_use: int, capacity: int, now_ns: int) -> None:
        """An event of a stream found no slot; told at most once a second a stream, with how many it were."""
        count, told_ns = self._exhausted.get(stream_key, (0, None))
        self._exhausted[stream_key] = count + 1, told_ns
        if told_ns is None or now_ns - told_ns >= _TELL_EVERY_NS:
            self._tell_exhausted(stream_key, now_ns)
            pool = stream_key.rpartition(":")[2]
            self.tell("pool.exhausted", pool=pool, in_use=in_use, capacity=capacity, waited_ms=0)
            self.tell("backpressure.triggered", stream_key=stream_key, rung="drop", depth=in_use)

    def _tell_exhausted(self, stream_key: str, now_ns: int | None) -> None:
        count, _ = self._exhausted[stream_key]
        self._exhausted[stream_key] = 0, now_ns
        pool = stream_key.rpartition(":")[2]
        self._lost(DlqReason.POOL_EXHAUSTED, "unavailable", f"pool {pool} is exhausted", stream_key, count, None)

    def tell_rest(self) -> None:
        """The engine stops: what was held back for being too often is told."""
        for stream_key, (count, now_ns) in list(self._exhausted.items()):
            if count:
                self._tell_exhausted(stream_key, now_ns)

    def mailbox_full(
        self, consumer_id: str, stream_key: str, count: int, event: Event | None, depth: int
    ) -> None:
        """*count* events of a stream found no place, *event* the last of them; None = the others were told before."""
        text = f"mailbox of {consumer_id} is full"
        self._lost(DlqReason.MAILBOX_FULL, "unavailable", text, stream_key, count, event, consumer_id)
        self.tell("backpressure.triggered", consumer_id=consumer_id, rung="drop", depth=depth)

    def _lost(
        self,
        reason: DlqReason,
        code: str,
        message: str,
        stream_key: str,
        count: int,
        event: Event | None,
        consumer_id: str | None = None,
    ) -> None:
        provider, symbol, type_name = stream_key.rsplit(":", 2)          # a merged stream's provider has a colon itself
        with self._lock:
            self._dlq.add(
                reason,
                code=code,
                message=message,
                priority=priority_of(_EVENT_TYPES[type_name]),
                event=None if event is None else to_json(event),
                event_id=None if event is None else event.event_id,
                provider=provider,
                symbol=symbol or None,
                consumer_id=consumer_id,
                trace_id=None if event is None else event.trace_id,
                count=count,
            )


def _stack_of(error: BaseException) -> str:
    frame = error.__traceback__
    lines: list[str] = []
    while frame is not None and len(lines) < 12:
        code = frame.tb_frame.f_code
        lines.append(f"{code.co_filename}:{frame.tb_lineno} {code.co_name}")
        frame = frame.tb_next
    return "\n".join(lines)
