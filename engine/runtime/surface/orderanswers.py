"""The shape of answers about orders, positions and risk (ORDM-02, ORDM-03, ORDM-30, ORDM-33)."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

from engine.runtime.surface.answers import ConsumerName, Count, Cursor, Instant, ProviderName, SymbolName
from engine.schema.enums import Side
from engine.schema.instrument import OrderType, TimeInForce
from engine.schema.jsonschema import DECIMAL, one_of
from engine.schema.order import Breach, OrderState, SubmitStatus

_BREACHES = [breach for breach in Breach if breach is not Breach.NONE]
Money = Annotated[str, Meta(extra_json_schema=DECIMAL)]
SideName = Annotated[str, Meta(extra_json_schema=one_of((Side.BUY, Side.SELL)))]
OrderTypeName = Annotated[str, Meta(extra_json_schema=one_of(OrderType))]
TifName = Annotated[str, Meta(extra_json_schema=one_of(TimeInForce))]
StateName = Annotated[str, Meta(extra_json_schema=one_of(OrderState))]
StatusName = Annotated[str, Meta(extra_json_schema=one_of(SubmitStatus))]
BreachName = Annotated[str, Meta(extra_json_schema=one_of(_BREACHES))]


class FeeRow(TypedDict):
    """A fee, in its own asset."""

    asset: str
    amount: Money


class PositionRow(TypedDict):
    """What a consumer's fills of one symbol at one provider come to, and what is open, in base units (ORDM-33)."""

    consumer_id: ConsumerName
    provider: ProviderName
    symbol: SymbolName
    net_qty: Money
    open_buy: Money
    open_sell: Money
    open_orders: Count
    fees: list[FeeRow]


class PositionPage(TypedDict):
    """Positions, a page of them."""

    positions: list[PositionRow]
    next_cursor: Cursor


class SubmitReasonRow(TypedDict):
    """Why nothing was sent."""

    code: str
    breach: BreachName
    text: str


class SubmitAnswer(TypedDict):
    """What a submit came to (ORDM-02)."""

    client_order_id: str
    status: StatusName
    order_state: StateName | None
    reason: SubmitReasonRow | None
    body_matches: bool | None
    wire_order_id: str | None
    trace_id: str
    ts: Instant


class VenueReasonRow(TypedDict):
    """What a venue last said of an order."""

    code: str
    venue_code: str | None
    text: str


class OrderRow(TypedDict):
    """An order as it stands (ORDM-03)."""

    client_order_id: str
    consumer_id: ConsumerName
    provider: ProviderName
    symbol: SymbolName
    wire_order_id: str
    venue_order_id: str | None
    side: SideName
    order_type: OrderTypeName
    tif: TifName
    post_only: bool
    price: Money | None
    qty: Money
    state: StateName
    filled_qty: Money
    remaining_qty: Money
    cum_notional: Money
    avg_fill_price: Money | None
    fees: list[FeeRow]
    is_open: bool
    cancel_requested: bool
    order_report_seq: Count
    last_reason: VenueReasonRow | None
    created: Instant
    updated: Instant
    trace_id: str
    decision_id: str | None


class OrderPage(TypedDict):
    """Orders, a page of them."""

    orders: list[OrderRow]
    next_cursor: Cursor


class CancelsAsked(TypedDict):
    """How many orders were asked to end."""

    requested: Count


class LimitsRow(TypedDict):
    """The limits of everyone; null = none of ours (ORDM-30)."""

    max_order_qty: Money | None
    max_order_notional: Money | None
    max_position: Money | None
    orders_per_s: int
    orders_burst: int
    max_open_orders_per_symbol: int
    price_band: Money | None
    order_types: list[OrderTypeName]


class OverrideRow(TypedDict):
    """The limits of a narrower scope; what is absent is no limit of it."""

    consumer_id: NotRequired[ConsumerName]
    provider: NotRequired[ProviderName]
    symbol: NotRequired[SymbolName]
    max_order_qty: NotRequired[Money]
    max_order_notional: NotRequired[Money]
    max_position: NotRequired[Money]
    orders_per_s: NotRequired[int]
    orders_burst: NotRequired[int]
    max_open_orders_per_symbol: NotRequired[int]
    price_band: NotRequired[Money]
    order_types: NotRequired[list[OrderTypeName]]


class LimitsInForce(TypedDict):
    """Every limit."""

    limits: LimitsRow
    overrides: list[OverrideRow]


class KillRow(TypedDict):
    """The kill switch as it stands. *since*: null = never thrown; *breach*: what latched it, where nobody did."""

    is_on: bool
    since: Instant | None
    breach: BreachName | None
    breaker_opens: Count
    operator: str | None
    text: str


class HeldRow(TypedDict):
    """A provider whose orders are not reconciled; once that is overdue it may be released."""

    provider: ProviderName
    is_overdue: bool


class RiskView(LimitsInForce):
    """Every limit, and what holds orders back. *open_breakers*: by consumer, until when."""

    kill_switch: KillRow
    open_breakers: dict[str, Instant]
    held: list[HeldRow]


class KillSet(TypedDict):
    """How the kill switch stands now."""

    on: bool


class Cleared(TypedDict):
    """Whether there was anything to clear."""

    cleared: bool
