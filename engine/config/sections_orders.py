"""`orders`, `journal` and `risk`: the order lifecycle, its store and its limits."""

from typing import Annotated, Literal

from pydantic import Field

from engine.config.types import (
    ConsumerId,
    Distinct,
    FilePath,
    PositiveDecimal,
    PositiveFraction,
    ProviderName,
    Section,
    Several,
    Symbol,
    counted,
)

OrderType = Literal["limit", "market"]


class OrdersConfig(Section):
    """Deadlines of orders and how long their ids stay taken."""

    request_timeout_ms: int = Field(10000, ge=100, le=60000)
    dedupe_retention_s: int = Field(3600, ge=60, le=604800)
    reconcile_timeout_s: int = Field(30, ge=1, le=600)


class JournalConfig(Section):
    """The order journal, the pipeline's only store."""

    path: FilePath | None = Field(None, description="null = in engine.state_dir")
    durability: Literal["process", "power"] = Field(
        "process", description="power = a disk sync per commit: survives a power cut, slower orders"
    )
    commit_linger_us: int = Field(
        500, ge=0, le=10000,
        description="between commits, unless an order waits for one; larger = fewer commits, later reports",
    )
    queue_max: int = Field(4096, ge=16, le=1048576)
    retention_days: int = Field(30, ge=1, le=3650)


class RiskLimitsConfig(Section):
    """The limits of one scope; null = no limit of ours."""

    max_order_qty: PositiveDecimal | None = Field(None, description="base units")
    max_order_notional: PositiveDecimal | None = Field("50000", description="quote units")
    max_position: PositiveDecimal | None = Field("250", description="base units")
    orders_per_s: int = Field(5, ge=1, le=100000)
    orders_burst: int = Field(3, ge=1, le=100000)
    max_open_orders_per_symbol: int = Field(6, ge=1, le=10000)
    price_band: PositiveFraction | None = Field("0.01", description="fraction from the mid of our own book")
    order_types: Annotated[Distinct[OrderType], counted(1, 2)] = ("limit", "market")


class RiskOverrideConfig(Section):
    """Limits of a narrower scope; the tighter value wins."""

    consumer_id: ConsumerId | None = None
    provider: ProviderName | None = None
    symbol: Symbol | None = None
    max_order_qty: PositiveDecimal | None = None
    max_order_notional: PositiveDecimal | None = None
    max_position: PositiveDecimal | None = None
    orders_per_s: int | None = Field(None, ge=1, le=100000)
    orders_burst: int | None = Field(None, ge=1, le=100000)
    max_open_orders_per_symbol: int | None = Field(None, ge=1, le=10000)
    price_band: PositiveFraction | None = None
    order_types: Annotated[Distinct[OrderType], counted(1, 2)] | None = None


class CircuitBreakerConfig(Section):
    """When a consumer's orders are refused for a while."""

    breaches: int = Field(3, ge=1, le=10000)
    window_s: int = Field(90, ge=1, le=86400)
    open_s: int = Field(90, ge=1, le=86400)


class KillSwitchConfig(Section):
    """When all orders are refused until an operator clears it."""

    breaker_opens: int = Field(4, ge=1, le=10000)
    window_s: int = Field(3600, ge=1, le=86400)
    cancel_open: bool = False


class RiskConfig(Section):
    """Pre-trade risk."""

    enabled: bool = True
    limits: RiskLimitsConfig = Field(default_factory=RiskLimitsConfig)
    overrides: Several[RiskOverrideConfig] = ()
    circuit_breaker: CircuitBreakerConfig = Field(default_factory=CircuitBreakerConfig)
    kill_switch: KillSwitchConfig = Field(default_factory=KillSwitchConfig)
