"""What risk answers and tells: refusals, what holds orders back, positions. Values; nothing here raises (RSK-03)."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.orders.records import KillState, Position
from engine.schema.order import Breach, RiskControlKind, RiskScope, RiskStatus, SubmitReason

_CODES = {
    Breach.ORDER_VALIDATION: "invalid_request",
    Breach.ORDER_TYPE: "invalid_request",
    Breach.PRICE_BAND: "invalid_request",
    Breach.CONCURRENCY: "invalid_request",
    Breach.RATE_LIMIT: "rate_limited",
    Breach.POSITION_LIMIT: "invalid_request",
    Breach.NOTIONAL_LIMIT: "invalid_request",
    Breach.ORDER_QTY: "invalid_request",
}
"""The others are `unavailable` (ORDM-31)."""

_TEXTS = {
    Breach.TRADING_OFF: "trading is off for this consumer",
    Breach.RECONCILING: "orders of this provider are being reconciled",
    Breach.JOURNAL_UNAVAILABLE: "the order journal cannot take it",
    Breach.PROVIDER_DOWN: "the provider takes no orders now",
    Breach.KILL_SWITCH: "the kill switch is on",
    Breach.CIRCUIT_BREAKER: "the consumer's circuit breaker is open",
    Breach.ORDER_TYPE: "this order type is not allowed here",
    Breach.PRICE_BAND: "too far from the mid of our own book",
    Breach.BOOK_UNAVAILABLE: "our own book is not valid",
    Breach.CONCURRENCY: "too many open orders of this symbol",
    Breach.RATE_LIMIT: "too many orders a second",
    Breach.POSITION_LIMIT: "the position could grow beyond its limit",
    Breach.NOTIONAL_LIMIT: "it costs more than one order may",
    Breach.ORDER_QTY: "more than one order may have",
}
FAULTS = (
    "the order is not valid",
    "no such instrument",
    "the instrument is not traded now",
    "the instrument takes post-only orders alone now",
    "the instrument takes limit orders alone now",
    "price or quantity do not fit the instrument's scales",
    "the price must be above 0",
    "the quantity must be above 0",
    "the price is not a multiple of the tick",
    "the quantity is not a multiple of the lot",
    "the quantity is below the instrument's minimum",
    "the instrument does not know this time in force",
    "the instrument does not know post-only orders",
    "it costs less than the instrument's minimum",
    "it costs more than the instrument's maximum",
    "the order is neither to buy nor to sell",
)
"""Of ORDER_VALIDATION, by number of the fault in engine/orders/room.pxd."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An order that is not sent.

    Attributes:
        breach: which check it failed; the first in their order.
        scope: whose limit that is; of a control, whom it holds back.
        limit, actual: of the number that was broken: base units, quote units, orders, or a fraction; None = no number.
        text: in words.
    """

    breach: Breach
    scope: RiskScope
    text: str
    limit: Decimal | None = None
    actual: Decimal | None = None

    @property
    def code(self) -> str:
        """Canonical code of the error tree."""
        return _CODES.get(self.breach, "unavailable")

    @property
    def reason(self) -> SubmitReason:
        """As the answer to a submit has it."""
        return SubmitReason(code=self.code, breach=self.breach, text=self.text)


def refusal_of(
    breach: Breach, fault: int, scope: RiskScope, limit: Decimal | None, actual: Decimal | None
) -> Refusal:
    """The refusal of a breach, in words; *fault* is of ORDER_VALIDATION."""
    text = FAULTS[fault] if breach == Breach.ORDER_VALIDATION else _TEXTS[breach]
    return Refusal(breach=breach, scope=scope, limit=limit, actual=actual, text=text)


class RiskChange(msgspec.Struct, frozen=True, kw_only=True):
    """Something began to hold orders back, or ceased to; to be told as RiskControl (EVT-22, RSK-11).

    Attributes:
        breach: the refusal that brought it about, where one did.
        breach_count: refusals that opened a breaker, or breakers opened before the kill switch latched.
        until_ns: when it ends by itself.
        operator: who asked for it.
        cancel_open: open orders are to be cancelled now (`risk.kill_switch.cancel_open`).
    """

    status: RiskStatus
    control: RiskControlKind
    scope: RiskScope
    text: str
    breach: Breach | None = None
    breach_count: int = 0
    until_ns: int | None = None
    operator: str | None = None
    cancel_open: bool = False


def breaker_opened(consumer_id: str, breach: Breach, count: int, until_ns: int) -> RiskChange:
    """A consumer's breaker opened for its *count*-th refusal."""
    return RiskChange(
        status=RiskStatus.TRIGGERED,
        control=RiskControlKind.CIRCUIT_BREAKER,
        scope=RiskScope(consumer_id=consumer_id),
        breach=breach,
        breach_count=count,
        until_ns=until_ns,
        text=f"{count} orders were refused, the last one for {breach.name.lower()}",
    )


def breaker_closed(consumer_id: str, operator: str | None) -> RiskChange:
    """A consumer's breaker closed, by itself or by command."""
    return RiskChange(
        status=RiskStatus.CLEARED,
        control=RiskControlKind.CIRCUIT_BREAKER,
        scope=RiskScope(consumer_id=consumer_id),
        operator=operator,
        text="its time is over" if operator is None else "cleared by command",
    )


def hold_change(provider: str, is_held: bool, text: str, operator: str | None) -> RiskChange:
    """A provider's orders are not reconciled, or they are."""
    return RiskChange(
        status=RiskStatus.TRIGGERED if is_held else RiskStatus.CLEARED,
        control=RiskControlKind.RECONCILE_HOLD,
        scope=RiskScope(provider=provider),
        operator=operator,
        text=text,
    )


def kill_change(state: KillState, cancel_open: bool) -> RiskChange:
    """The kill switch as it stands now."""
    return RiskChange(
        status=RiskStatus.TRIGGERED if state.is_on else RiskStatus.CLEARED,
        control=RiskControlKind.KILL_SWITCH,
        scope=RiskScope(),
        breach=state.breach or None,
        breach_count=state.breaker_opens,
        operator=state.operator or None,
        text=state.text,
        cancel_open=state.is_on and cancel_open,
    )


class Exposure(Position, frozen=True, kw_only=True):
    """A position and what open orders may add to it, in base units (ORDM-33)."""

    open_buy: Decimal = Decimal(0)
    open_sell: Decimal = Decimal(0)
    open_orders: int = 0


class RiskStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since the start. *reserved*: reservations that are not freed yet."""

    approved: int
    refused: dict[Breach, int]
    reserved: int
    breaker_opens: int
