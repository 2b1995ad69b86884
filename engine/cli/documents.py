"""The shapes of what ``--json`` prints (CLI-01); their JSON Schemas are published under ``docs/schemas``."""

from __future__ import annotations

from typing import Any, TypedDict

import msgspec

from engine.cli.check import CheckResult
from engine.config.load import json_schema
from engine.reports.schema import report_schema
from engine.runtime.demo import BookCheck
from engine.runtime.providerreport import ProviderReport
from engine.runtime.record import RecordResult
from engine.runtime.service import ReadyReport
from engine.runtime.summary import Latency
from engine.runtime.surface import answers as a
from engine.runtime.surface import orderanswers as o
from engine.runtime.surface.answers import ConsumerCounts, ConsumerRow, PoolRow
from engine.runtime.surface.openapi import closed
from engine.schema.busschema import entry_schema
from engine.schema.jsonschema import DIALECT, event_schema, instrument_schema
from engine.schema.trace import StageTrace


class WindowCounts(TypedDict):
    """Of a merge rule: opened = emitted + suppressed + discarded + open; late fragments are counted apart (MRG-19)."""

    opened: int
    emitted: int
    suppressed: int
    discarded: int
    open: int
    fragments: int
    late_fragments: int


class Pipeline(ConsumerCounts):
    """EVT-08, first equation: received = the sum up to held; then all consumers together, and each."""

    received: int
    routed: int
    unrouted: int
    merged: int
    duplicates: int
    late_dropped: int
    coalesced_at_entry: int
    dropped_at_entry: int
    held: int
    gap_holds: int
    windows: dict[str, WindowCounts]
    rejected_frames: dict[str, int]
    dead_letters: int
    telemetry: dict[str, int]
    consumers: dict[str, ConsumerCounts]
    pools: dict[str, int]
    pools_out: dict[str, int]
    balanced: bool


class ConsumerSetup(TypedDict):
    """One consumer as it ran."""

    name: str
    mode: str
    handler: str
    mailbox_capacity: int
    critical_reserve: int
    trading_enabled: bool


class RunSetup(TypedDict):
    """What a run was made of (QA-14)."""

    profile: str
    build: str
    versions: dict[str, str]
    parser: str
    loop: str
    ordering: dict[str, int]
    dedupe: dict[str, int]
    quantum_events: int
    consumers: dict[str, ConsumerSetup]
    pools: dict[str, int]
    debug_recycler: bool
    dlq: dict[str, int]


class FaultRow(TypedDict):
    """What does not agree, at a 0-based record; -1 = of the whole file."""

    record: int
    what: str
    file: str


class ReplayDocument(TypedDict):
    """One file of ``replay --json``."""

    file: str
    records: int
    played: int
    stopped: bool
    wall_ns: int
    pipeline: Pipeline
    findings: dict[str, list[str]]
    run: RunSetup
    warnings: list[str]
    verified: bool
    faults: list[FaultRow]
    healed: list[str]
    proven: list[str]


class DemoDocument(TypedDict):
    """``demo --json``."""

    seconds: float
    first_event_ms: int | None
    frames: dict[str, int]
    pipeline: Pipeline
    stages: dict[str, Latency]
    traces: list[StageTrace]
    delivery: dict[str, Latency]
    books: list[BookCheck]
    slow_books: list[BookCheck]
    maker_difference: str
    books_equal: bool
    balanced: bool
    findings: dict[str, list[str]]
    struck: dict[str, dict[str, int]]
    resyncs: dict[str, dict[str, int]]
    run: RunSetup
    reports: dict[str, dict[str, Any]]


class ReadyDocument(TypedDict):
    """The line that ``run --json`` prints when every venue is complete or away."""

    ready: ReadyReport


class MetricValue(TypedDict, total=False):
    """One value of a metric (docs/metrics.md): ``value``, or of a histogram ``count``, ``sum`` and ``buckets``.

    ``buckets`` are (upper edge, count of all up to it).
    """

    labels: dict[str, str]
    value: float
    count: int
    sum: float
    buckets: list[tuple[float, int]]


class RunDocument(TypedDict):
    """``run --json`` when it has ended."""

    seconds: float
    providers: list[ProviderReport]
    frames: dict[str, int]
    run: RunSetup
    pipeline: Pipeline
    resyncs: dict[str, dict[str, int]]
    stages: dict[str, Latency]
    traces: list[StageTrace]
    delivery: dict[str, Latency]
    callback: dict[str, Latency]
    gap_hold: Latency
    dwell: dict[str, Latency]
    consumers: dict[str, ConsumerRow]
    pools: dict[str, PoolRow]
    metrics: dict[str, list[MetricValue]]
    balanced: bool


class BenchRow(TypedDict):
    """One figure of ``bench --json``, its floor or baseline beside it, in ``unit``."""

    goal: str
    case: str
    subject: str
    figure: float
    unit: str
    relation: str
    limit: float | None
    stretch: float | None
    baseline: str
    baseline_figure: float | None
    figure_min: float | None
    figure_max: float | None
    regime: str
    note: str
    voided: bool
    cores: int
    ratio: float | None
    met: bool | None


class BenchDocument(TypedDict):
    """``bench --json``; a file of ``bench --out`` is the same without ``compared``."""

    name: str
    at: str
    command: str
    machine: dict[str, Any]
    python: str
    libraries: dict[str, str]
    compiler: str
    flags: str
    commit: str
    tree_changed: bool
    rows: list[BenchRow]
    details: dict[str, Any]
    compared: list[str]


class ErrorBody(TypedDict):
    """Why a verb failed, and what to do about it."""

    code: str
    message: str
    hint: str
    trace_id: str | None


class ErrorDocument(TypedDict):
    """What any verb prints with ``--json`` when it fails, beside its line on stderr."""

    error: ErrorBody


class OrdersStatus(TypedDict):
    """Positions, and what holds orders back."""

    positions: list[o.PositionRow]
    risk: o.RiskView


class StatusDocument(TypedDict):
    """``status --json``. *orders*: null = no provider of this engine takes any."""

    ready: a.Ready
    health: a.Health
    providers: list[a.ProviderRow]
    consumers: list[a.ConsumerView]
    pools: dict[str, PoolRow]
    dlq: a.LetterCounts
    orders: OrdersStatus | None


_CTL: dict[str, Any] = {
    "subscribe": a.Acknowledged,
    "unsubscribe": a.Acknowledged,
    "trading-on": a.Acknowledged,
    "trading-off": a.Acknowledged,
    "orders-list": o.OrderPage,
    "orders-show": o.OrderRow,
    "orders-submit": o.SubmitAnswer,
    "orders-cancel": o.OrderRow,
    "orders-cancel-all": o.CancelsAsked,
    "risk-show": o.RiskView,
    "risk-set": o.LimitsInForce,
    "risk-kill": o.KillSet,
    "risk-clear": o.Cleared,
    "providers-list": a.ProviderPage,
    "providers-start": a.Acknowledged,
    "providers-stop": a.Acknowledged,
    "dlq-list": a.LetterPage,
    "dlq-drain": a.Drained,
    "pools-show": a.PoolsView,
    "pools-outstanding": a.Outstanding,
    "pools-debug": a.DebugSet,
    "telemetry-tail": a.TelemetryRow,
    "log-level": a.LevelSet,
    "shutdown": a.Stopping,
}
"""By the words of ``ctl``; ``telemetry tail`` prints one a line."""
_DOCUMENTS: dict[str, Any] = {
    "bench": BenchDocument,
    "check": CheckResult,
    "demo": DemoDocument,
    "error": ErrorDocument,
    "record": RecordResult,
    "replay": list[ReplayDocument],
    "run": RunDocument,
    "run-ready": ReadyDocument,
    "status": StatusDocument,
}


def schemas() -> dict[str, dict[str, Any]]:
    """Each published schema by its name: what is configured, events, entries of the bus, what each verb prints."""
    found = {name: {"$schema": DIALECT} | _closed(msgspec.json.schema(kind)) for name, kind in _DOCUMENTS.items()}
    return found | {
        "config": json_schema(),
        "ctl": _ctl(),
        "event": event_schema(),
        "event.schema": entry_schema(),
        "instruments": _instruments(),
        "report": report_schema(),
    }


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    closed(schema.get("$defs", {}))
    return schema


def _ctl() -> dict[str, Any]:
    """One document for all words: each word's own is ``#/$defs/WORD-WORD``."""
    told, shapes = msgspec.json.schema_components(_CTL.values(), ref_template="#/$defs/{name}")
    return {
        "$schema": DIALECT,
        "title": "ctl --json",
        "anyOf": [{"$ref": f"#/$defs/{word}"} for word in _CTL],
        "$defs": closed(shapes) | dict(zip(_CTL, told, strict=True)),
    }


def _instruments() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "$schema": DIALECT,
        "title": "instruments --json",
        "type": "object",
        "properties": {
            "instruments": {"type": "array", "items": {"$ref": "#/$defs/Instrument"}},
            "guessed": {"type": "array", "items": _rows("provider", "symbol", "venue_symbol", of=text)},
            "skipped": {"type": "array", "items": _rows("venue_symbol", "why", of=text)},
        },
        "required": ["instruments", "guessed", "skipped"],
        "additionalProperties": False,
        "$defs": {"Instrument": instrument_schema()},
    }


def _rows(*names: str, of: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict.fromkeys(names, of),
        "required": list(names),
        "additionalProperties": False,
    }
