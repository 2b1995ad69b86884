"""What requests of the surface may hold: queries and bodies, as they are checked and as OpenAPI tells them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from engine.schema.command import MESSAGE_ID_MAX
from engine.schema.payloads import (
    CancelAllRequest,
    ClearBreakerRequest,
    DebugRequest,
    KillSwitchRequest,
    LogLevelRequest,
    MergedRequest,
    RiskLimitsRequest,
    SubmitRequest,
    SubscriptionRequest,
    TradingModeRequest,
)

LIMIT, LIMIT_MAX = 100, 500
DEPTH, DEPTH_MAX = 20, 1000
MessageId = Annotated[str, Meta(min_length=1, max_length=MESSAGE_ID_MAX)]
Content = TypeVar("Content", bound=msgspec.Struct)


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No key at all."""


class PageQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A list, page by page: *cursor* is the ``next_cursor`` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = LIMIT
    cursor: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0


class ConsumerQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one consumer, or of all."""

    consumer_id: str | None = None


class OrdersQuery(ConsumerQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which orders."""

    state: str | None = None
    symbol: str | None = None


class InstrumentsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which instruments."""

    provider: str | None = None
    symbol: str | None = None


class BookQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Levels of a side."""

    depth: Annotated[int, Meta(ge=1, le=DEPTH_MAX)] = DEPTH


class TelemetryQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Records after *since_id*, of a type or of a severity."""

    since_id: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    type: str | None = None
    severity: Literal["info", "warn", "error"] | None = None
    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = LIMIT


class DrainQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many leave at most."""

    limit: Annotated[int, Meta(ge=1, le=1_000_000)] = LIMIT


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request that may be repeated: the same *message_id* within five minutes gets the first answer again."""

    message_id: MessageId | None = None


class SubscribeBody(SubscriptionRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A subscription of a consumer."""

    consumer_id: str
    message_id: MessageId | None = None


class MergedBody(MergedRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A merged subscription of a consumer."""

    consumer_id: str
    message_id: MessageId | None = None


class TradingBody(TradingModeRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A consumer's trading switch."""

    consumer_id: str
    message_id: MessageId | None = None


class LogLevelBody(LogLevelRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From which level on lines are logged."""

    message_id: MessageId | None = None


class DebugBody(DebugRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether recycled events are poisoned."""

    message_id: MessageId | None = None


class OrderBody(SubmitRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order of a consumer (ORDM-01)."""

    consumer_id: str
    message_id: MessageId | None = None


class CancelAllBody(CancelAllRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose open orders are to end; nothing named = everybody's."""

    message_id: MessageId | None = None


class KillBody(KillSwitchRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The kill switch, and why."""

    message_id: MessageId | None = None


class ClearBody(ClearBreakerRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose circuit breaker is to close, or which provider's overdue reconciliation hold; one of the two."""

    message_id: MessageId | None = None


class LimitsBody(RiskLimitsRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits to be put in force: those named change, null takes one away, the others stay (ORDM-30)."""

    message_id: MessageId | None = None


def payload_of(body: Any) -> dict[str, Any]:
    """A body as the payload of its command: without whom it is of, its id, and what it leaves open."""
    fields: dict[str, Any] = msgspec.to_builtins(body)
    return {name: value for name, value in fields.items()
            if name not in ("message_id", "consumer_id") and value is not None}  # fmt: skip
