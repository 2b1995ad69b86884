"""`consumers[]`: who receives events, how they are run and what they subscribe to."""

from typing import Annotated, Any, Literal

from pydantic import Field

from engine.config.types import (
    ConsumerId,
    Distinct,
    EnvName,
    HandlerPath,
    ProviderName,
    Section,
    Several,
    Symbol,
    counted,
)

Mode = Literal["inline", "thread", "process", "websocket"]
SubscribableType = Literal[
    "BookSnapshot", "BookUpdate", "Trade", "Ticker", "KlineSummary", "InstrumentUpdate", "BalanceUpdate"
]


class SubscriptionConfig(Section):
    """One subscription a consumer starts with."""

    symbol: Symbol
    providers: Distinct[ProviderName] = Field((), description="empty = all that carry the symbol")
    event_types: Annotated[Distinct[SubscribableType], counted(1, 7)]
    merged: str | None = Field(None, min_length=1, description="name of a merge rule")
    never_drop_trades: bool = False


class ConsumerConfig(Section):
    """One consumer."""

    consumer_id: ConsumerId
    name: str | None = Field(None, min_length=1, max_length=100, description="for people; null = the id")
    mode: Mode = "thread"
    handler: HandlerPath | None = Field(
        None, description="for inline and thread; null for process and websocket"
    )
    params: dict[str, Any] = Field(default_factory=dict, description="handed to the handler's constructor")
    token_env: EnvName | None = None
    trading_switch: Literal["enabled", "disabled"] = "disabled"
    weight: int = Field(1, ge=1, le=100)
    mailbox_capacity: int = Field(
        256, ge=16, le=1048576, description="larger = longer bursts without loss, at more memory and more lag"
    )
    version_filter: bool = True
    exec_reports: Literal["own", "all"] = "own"
    callback_budget_ms: int = Field(50, ge=1, le=60000, description="above = consumer.slow")
    subscriptions: Several[SubscriptionConfig] = ()
