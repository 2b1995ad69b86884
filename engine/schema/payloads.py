"""What each type of command is about: payloads as they have to be (CTL-30). Ranges are those of the configuration."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

PROVIDERS_MAX = 16


class SubscriptionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """subscribe, unsubscribe."""

    symbol: str
    event_types: Annotated[tuple[str, ...], Meta(min_length=1)]
    providers: Annotated[tuple[str, ...], Meta(max_length=PROVIDERS_MAX)] = ()
    never_drop_trades: bool = False


class MergeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``merge_config`` of a merged_subscribe command."""

    window_duration_ms: Annotated[int, Meta(ge=1, le=600_000)] = 10_000
    window_max_events: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    close_on_complete: bool = False
    partial_policy: Literal["suppress"] = "suppress"


class MergedRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """merged_subscribe, merged_unsubscribe."""

    symbol: str
    event_types: Annotated[tuple[str, ...], Meta(min_length=1)]
    providers: Annotated[tuple[str, ...], Meta(min_length=2, max_length=PROVIDERS_MAX)]
    merge_config: MergeConfig = MergeConfig()


class TradingModeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """set_trading_mode; an operator names the consumer, a consumer may name itself."""

    enabled: bool
    consumer_id: str | None = None


class SnapshotRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """request_snapshot."""

    provider: str
    symbol: str


class ProviderRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """provider_start, provider_stop."""

    provider: str


class SubmitRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """submit_order: an order as it is asked for (ORDM-01). Price and quantity are decimal texts.

    Attributes:
        consumer_id: whose order; an operator names it, a consumer may name itself.
        provider: None = the one that takes orders of this symbol.
        tif: None = gtc for a limit order, ioc for a market order.
    """

    client_order_id: str
    symbol: str
    side: Literal["buy", "sell"]
    order_type: Literal["limit", "market"]
    qty: str
    price: str | None = None
    provider: str | None = None
    tif: Literal["gtc", "ioc", "fok"] | None = None
    post_only: bool = False
    timeout_ms: Annotated[int, Meta(ge=100, le=60_000)] | None = None
    decision_id: str | None = None
    consumer_id: str | None = None


class OrderRequestId(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """cancel_order, query_order; an operator names the consumer."""

    client_order_id: str
    consumer_id: str | None = None


class CancelAllRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """cancel_all: of a consumer's own orders; an operator's without a consumer is of all."""

    provider: str | None = None
    symbol: str | None = None
    consumer_id: str | None = None


class RiskLimitsRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """set_risk_limits: by the names of `risk.limits`, null takes a limit away; without a scope for everyone."""

    limits: Annotated[dict[str, Any], Meta(min_length=1)]
    provider: str | None = None
    symbol: str | None = None
    consumer_id: str | None = None


class KillSwitchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """set_kill_switch."""

    on: bool
    text: Annotated[str, Meta(max_length=256)] = ""


class ClearBreakerRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """clear_breaker: a consumer's circuit breaker, or a provider's overdue reconciliation hold; one of the two."""

    consumer_id: str | None = None
    provider: str | None = None


class DebugRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """set_debug."""

    on: bool


class LogLevelRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """set_log_level."""

    level: Literal["debug", "info", "warning", "error"]


class DrainRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """drain_dlq: how many records at most."""

    limit: Annotated[int, Meta(ge=1, le=1_000_000)]
