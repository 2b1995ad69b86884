"""The shape of every answer of the surface (API-10): OpenAPI tells them, and ``ctl --json`` prints them as they come.

Money is decimal text, instants are RFC 3339, durations are integers that carry their unit. Those about orders and risk
are in ``orderanswers``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta

from engine.observability.dlq import DlqReason
from engine.observability.lanes import Severity
from engine.observability.telemetry import TelemetryType
from engine.schema.command import COMMANDS
from engine.schema.enums import EventType
from engine.schema.jsonschema import CONSUMER, INSTANT, PROVIDER, SYMBOL, Schema, instrument_schema, type_schema

Instant = Annotated[str, Meta(extra_json_schema=INSTANT)]
ProviderName = Annotated[str, Meta(extra_json_schema=PROVIDER)]
ConsumerName = Annotated[str, Meta(extra_json_schema=CONSUMER)]
SymbolName = Annotated[str, Meta(extra_json_schema=SYMBOL)]
CommandName = Annotated[str, Meta(extra_json_schema={"enum": sorted(COMMANDS)})]
Count = Annotated[int, Meta(ge=0)]
Cursor = Count | None
"""Where the next page begins; null = there is none."""
Faults = dict[str, str]
"""By name, what is wrong with it; empty is how it should be."""


class Refused(TypedDict):
    """Why a command was not obeyed."""

    code: str
    message: str


class Acknowledged(TypedDict):
    """A ControlAck, and what came of the command where that is known."""

    message_id: str
    consumer_id: str
    command_type: CommandName
    success: bool
    routing_version: Count
    error: Refused | None
    result: dict[str, Any] | None


class Health(TypedDict):
    """What is wrong, by part."""

    status: Literal["ok", "degraded"]
    venues: Faults
    books: Faults
    consumers: Faults
    pools: Faults
    orders: Faults


class Ready(TypedDict):
    """Whether every book is in force and orders are reconciled; also the body of a 503."""

    ready: bool
    reasons: list[str]


class SubscriptionRow(TypedDict):
    """One subscription as it is held (CTL-01)."""

    subscription_id: str
    consumer_id: ConsumerName
    symbol: SymbolName
    providers: list[ProviderName]
    event_types: list[str]
    merged: str | None
    never_drop_trades: bool
    active: bool
    created: Instant
    updated: Instant


class SubscriptionPage(TypedDict):
    """Subscriptions, a page of them."""

    subscriptions: list[SubscriptionRow]
    next_cursor: Cursor


class SwitchRow(TypedDict):
    """A trading switch as it stands (CTL-14)."""

    consumer_id: ConsumerName
    enabled: bool
    updated: Instant
    by: str


class ConsumerCounts(TypedDict):
    """EVT-08, second equation: offered = the sum of the others."""

    offered: int
    delivered: int
    coalesced: int
    skipped: int
    dropped: int
    queued: int


class ConsumerRow(ConsumerCounts):
    """Every count of a consumer (CTL-10); times in ns.

    ``queued`` and ``pinned`` are of the moment, ``lag_ns`` is of the last event served, ``skipped`` holds
    ``skipped_version``, ``skipped_dirty``, ``skipped_suspended`` and ``cancelled``, ``offered`` holds ``synthetic``.
    """

    synthetic: int
    skipped_version: int
    skipped_dirty: int
    skipped_suspended: int
    cancelled: int
    saturations: int
    invocations: int
    failures: int
    escapes: int
    slow_callbacks: int
    busy_ns: int
    lag_ns: int
    mailbox_peak: int
    spilled: int
    pinned: int


class ConsumerView(TypedDict):
    """One consumer (CTL-10)."""

    consumer_id: ConsumerName
    name: str
    mode: str
    state: str
    trading_switch: SwitchRow
    subscriptions: list[str]
    counts: ConsumerRow


class ConsumerPage(TypedDict):
    """Consumers, a page of them."""

    consumers: list[ConsumerView]
    next_cursor: Cursor


class RestLimits(TypedDict):
    """REST calls of the last *within_s* seconds, in the venue's weight; *banned_s*: how long none may be made."""

    weight: float
    within_s: float
    used: float
    banned_s: float


class ProviderRow(TypedDict):
    """How a provider stands."""

    name: ProviderName
    venue: str
    state: str
    cause: str
    symbols: list[SymbolName]
    missing_symbols: list[SymbolName]
    books_valid: Count
    connections_up: Count
    connections: Count
    refused: list[str]
    books_refused: Count
    account: str
    account_cause: str
    foreign_orders: Count
    read_pauses: Count
    read_paused_ms: Count
    rest_limits: RestLimits


class ProviderPage(TypedDict):
    """Providers, a page of them."""

    providers: list[ProviderRow]
    next_cursor: Cursor


class Balances(TypedDict):
    """BalanceUpdates of an account, the last of each asset."""

    balances: list[Annotated[dict[str, Any], Meta(extra_json_schema=type_schema(EventType.BALANCE_UPDATE))]]


class InstrumentPage(TypedDict):
    """Instruments, a page of them."""

    instruments: list[Annotated[dict[str, Any], Meta(extra_json_schema=instrument_schema())]]
    next_cursor: Cursor


class TelemetryRow(TypedDict):
    """One record for operators (MET-01)."""

    event_id: str
    type: Annotated[str, Meta(extra_json_schema={"enum": [one.text for one in TelemetryType]})]
    severity: Annotated[str, Meta(extra_json_schema={"enum": [one.text for one in Severity]})]
    ts: Instant
    trace_id: str
    decision_id: str | None
    metadata: dict[str, Any]
    count: Annotated[int, Meta(ge=1)]
    first: Instant
    last: Instant


class TelemetryPage(TypedDict):
    """Records after a number; *missed* had left before they were read."""

    records: list[TelemetryRow]
    next_id: Count
    missed: Count


class LetterRow(TypedDict):
    """One dead letter (MET-30)."""

    dlq_id: Count
    ts: Instant
    reason: Annotated[str, Meta(extra_json_schema={"enum": [one.text for one in DlqReason]})]
    priority: Annotated[str, Meta(extra_json_schema={"enum": [one.text for one in Severity]})]
    event: dict[str, Any] | None
    raw_base64: str | None
    truncated: bool
    event_id: str | None
    provider: str | None
    symbol: str | None
    consumer_id: str | None
    trace_id: str
    error: Refused
    count: Annotated[int, Meta(ge=1)]
    first: Instant
    last: Instant


class LetterCounts(TypedDict):
    """Dead letters since the start, by reason, those evicted, by priority, and what is held now."""

    total: dict[str, Count]
    evicted: dict[str, Count]
    records_count: Count
    bytes_count: Count
    file_failures_count: Count


class LetterPage(TypedDict):
    """Dead letters, a page of them."""

    records: list[LetterRow]
    next_cursor: Cursor
    counts: LetterCounts


class Drained(TypedDict):
    """How many dead letters were taken out, and how many stay."""

    drained: Count
    left: Count


class PoolRow(TypedDict):
    """Every count of a pool: at rest acquired = recycled + escaped."""

    capacity: int
    reserve: int
    in_use: int
    in_use_peak: int
    acquired: int
    recycled: int
    escaped: int
    overflowed: int
    refused: int
    exhausted: int


class OutstandingRow(TypedDict):
    """An object that is out. *slot*: null = of the heap; *age_ns*, *acquired_at*: in debug alone."""

    type: str
    slot: Count | None
    references: int
    holder: str
    ts_recv: Instant
    age_ns: int | None
    acquired_at: str | None


class Outstanding(TypedDict):
    """What is out of the pools, the longest first."""

    outstanding: list[OutstandingRow]


class PoolsView(Outstanding):
    """Every pool, and what is out of them."""

    debug: bool
    pools: dict[str, PoolRow]


class DebugSet(TypedDict):
    """Whether recycled events are poisoned now, and sums over all pools."""

    on: bool
    in_use: Count
    escaped: Count
    refused: Count


class LevelSet(TypedDict):
    """From which level on lines are logged now."""

    level: Literal["debug", "info", "warning", "error"]


class Stopping(TypedDict):
    """The run ends."""

    stopping: Literal[True]


class RoutingView(TypedDict):
    """The routing version in force, and what reaches whom, as ``provider:SYMBOL:EventType``."""

    version: Count
    table: dict[str, list[str]]


ValueRow = TypedDict("ValueRow", {"value": str, "from": str})
"""One value in force, and where it came from."""


class ConfigView(TypedDict):
    """Every value in force by its path, secrets masked."""

    values: dict[str, ValueRow]


def _book() -> Schema:
    """A BookSnapshot, with what a reader besides wants to know."""
    told = type_schema(EventType.BOOK_SNAPSHOT)
    more = {"state": {"const": "valid"}, "age_ns": {"type": "integer", "minimum": 0}}
    return {**told, "properties": told["properties"] | more, "required": [*told["required"], *more]}


BookView = Annotated[dict[str, Any], Meta(extra_json_schema=_book())]
"""A book as it is now."""
