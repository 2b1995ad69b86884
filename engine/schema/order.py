"""Orders as values: what is asked for, what is answered, how an order stands, what a venue says (model.md section 5).

Money is raw integers at the instrument's scales where an order is ours, and exact decimals where a venue speaks: its
texts are of any precision, and the desk alone decides what they are in an order's own scales.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import IntEnum
from typing import TypeAlias

import msgspec

from engine.schema.enums import Side
from engine.schema.instrument import OrderType, TimeInForce


class ReportKind(IntEnum):
    """What a report says has happened (TRD-17)."""

    ACK = 1
    PARTIAL = 2
    FILLED = 3
    CANCELLED = 4
    REJECTED = 5
    EXPIRED = 6


class OrderState(IntEnum):
    """How an order stands; the last four are its ends (ORDM-20)."""

    SUBMITTED = 1
    UNKNOWN = 2
    ACKED = 3
    PARTIALLY_FILLED = 4
    FILLED = 5
    CANCELLED = 6
    REJECTED = 7
    EXPIRED = 8

    @property
    def is_terminal(self) -> bool:
        """Whether it has ended; a late fill may still raise what was filled."""
        return self >= OrderState.FILLED


class Anomaly(IntEnum):
    """What was odd about a report; it is delivered all the same, and reported by ``order.anomaly``."""

    NONE = 0
    FILL_BEFORE_ACK = 1
    TERMINAL_BEFORE_ACK = 2
    REJECT_AFTER_ACK = 3
    REJECT_AFTER_FILL = 4
    STALE = 5
    AFTER_TERMINAL = 6
    LATE_FILL = 7
    INCONSISTENT = 8
    QUANTITY_CHANGED = 9


class Liquidity(IntEnum):
    """Whether a fill made or took."""

    UNKNOWN = 0
    MAKER = 1
    TAKER = 2


class ReportSource(IntEnum):
    """How a report came to be known."""

    STREAM = 1
    REPLY = 2
    RECONCILE = 3
    ENGINE = 4


class SubmitStatus(IntEnum):
    """What became of a submit; what the venue says of the order comes as reports (TRD-09)."""

    SUBMITTED = 1
    SUPPRESSED = 2
    DUPLICATE = 3
    REJECTED = 4


class Breach(IntEnum):
    """Why an order was refused before anything was sent, in the order of the checks (ORDM-31)."""

    NONE = 0
    TRADING_OFF = 1
    RECONCILING = 2
    JOURNAL_UNAVAILABLE = 3
    PROVIDER_DOWN = 4
    KILL_SWITCH = 5
    CIRCUIT_BREAKER = 6
    ORDER_VALIDATION = 7
    ORDER_TYPE = 8
    PRICE_BAND = 9
    BOOK_UNAVAILABLE = 10
    CONCURRENCY = 11
    RATE_LIMIT = 12
    POSITION_LIMIT = 13
    NOTIONAL_LIMIT = 14
    ORDER_QTY = 15


class RiskControlKind(IntEnum):
    """What holds orders back."""

    KILL_SWITCH = 1
    CIRCUIT_BREAKER = 2
    RECONCILE_HOLD = 3


class RiskStatus(IntEnum):
    """Whether it holds them back now."""

    TRIGGERED = 1
    CLEARED = 2


class RiskScope(msgspec.Struct, frozen=True):
    """Whose orders something is about; None = all of them."""

    provider: str | None = None
    symbol: str | None = None
    consumer_id: str | None = None


AVERAGE_DECIMALS = 6
"""An average price has so many decimals more than the instrument's prices, 18 at most (INS-05)."""
WIDE_CONTEXT = Context(prec=80)
"""For products of two int64 and their quotients: none of their digits is rounded away unasked."""

OrderKey: TypeAlias = tuple[str, str]
"""(consumer_id, client_order_id): what makes an order one order (ORDM-05)."""


class Fee(msgspec.Struct, frozen=True, gc=False):
    """What a fill cost; a negative amount was paid to us."""

    asset: str
    amount: Decimal


class Reason(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why an order was refused or ended.

    Attributes:
        code: of the error tree (``invalid_request``, ``exchange_error``, ..).
        venue_code: the venue's own, as it wrote it.
        text: the venue's words, or ours.
    """

    code: str
    venue_code: str = ""
    text: str = ""


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a consumer asks for, checked and with the venue found (ORDM-01).

    Attributes:
        price_raw: at price_scale; None exactly for a market order.
        qty_raw: at qty_scale, > 0.
        price_scale, qty_scale: of the instrument when it was asked for; the order keeps them for its life.
        created_ns: when it was asked for, ns since 1970 UTC.
    """

    client_order_id: str
    consumer_id: str
    provider: str
    symbol: str
    side: Side
    order_type: OrderType
    qty_raw: int
    price_scale: int
    qty_scale: int
    created_ns: int
    price_raw: int | None = None
    tif: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    timeout_ms: int = 10_000
    trace_id: str = ""
    decision_id: str = ""

    @property
    def key(self) -> OrderKey:
        """What makes it one order."""
        return self.consumer_id, self.client_order_id

    def is_same_body(self, other: OrderRequest) -> bool:
        """Whether *other* asks for the same; when and on whose trace it was asked does not matter."""
        names = ("provider", "symbol", "side", "order_type", "tif", "post_only")
        return all(getattr(self, name) == getattr(other, name) for name in names) and (
            self.price == other.price and self.qty == other.qty
        )

    @property
    def price(self) -> Decimal | None:
        """In quote units a base unit."""
        return None if self.price_raw is None else Decimal(self.price_raw).scaleb(-self.price_scale)

    @property
    def qty(self) -> Decimal:
        """In base units."""
        return Decimal(self.qty_raw).scaleb(-self.qty_scale)


class Order(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order as it stands (ORDM-03); a report makes a new value.

    Attributes:
        qty_raw: the whole of it; the request's, unless the venue changed it.
        filled_qty_raw: never falls.
        cum_notional: sum of price x quantity of its fills, exact.
        fees: by asset, of all fills.
        cancel_requested: its end was asked for.
        order_report_seq: number of its last report, 0 = none yet.
        last_reason: the newest a report gave.
    """

    request: OrderRequest
    wire_order_id: str
    qty_raw: int
    created_ns: int
    updated_ns: int
    state: OrderState = OrderState.SUBMITTED
    venue_order_id: str | None = None
    filled_qty_raw: int = 0
    cum_notional: Decimal = Decimal(0)
    fees: tuple[Fee, ...] = ()
    cancel_requested: bool = False
    order_report_seq: int = 0
    last_reason: Reason | None = None

    @property
    def key(self) -> OrderKey:
        """What makes it one order."""
        return self.request.key

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return not self.state.is_terminal

    @property
    def remaining_qty_raw(self) -> int:
        """What is not filled."""
        return self.qty_raw - self.filled_qty_raw

    @property
    def avg_fill_price(self) -> Decimal | None:
        """Average price of what is filled, half-even; None while nothing is."""
        if not self.filled_qty_raw:
            return None
        filled = Decimal(self.filled_qty_raw).scaleb(-self.request.qty_scale)
        unit = Decimal(1).scaleb(-min(18, self.request.price_scale + AVERAGE_DECIMALS))
        exact = WIDE_CONTEXT.divide(self.cum_notional, filled)
        return exact.quantize(unit, ROUND_HALF_EVEN, WIDE_CONTEXT)


class SubmitReason(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why nothing was sent."""

    code: str
    breach: Breach
    text: str


class SubmitReply(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The answer to a submit, always a value (ORDM-02). *order_state*: of the first order, for a duplicate."""

    client_order_id: str
    status: SubmitStatus
    ts_ns: int
    order_state: OrderState | None = None
    reason: SubmitReason | None = None
    body_matches: bool | None = None
    wire_order_id: str | None = None
    trace_id: str = ""


class OrderRef(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Which order at a venue: what cancels and queries need."""

    wire_order_id: str
    symbol: str
    venue_order_id: str | None = None
    created_ns: int = 0


class VenueReport(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a venue says of one order, before it is applied to it. Not an event: the desk makes those.

    Attributes:
        wire_order_id: as the venue wrote it, in its own spelling; empty where it gave none (an order of others).
        exec_id: of the fill; unique per provider and symbol. None: the report carries no single fill.
        filled_qty: cumulative, in base units; None where the venue tells only *last_qty*.
        last_qty, last_price: of the fill.
        cum_notional: sum of price x quantity of all fills, in quote units, where the venue tells it.
        qty: the order's whole quantity as the venue has it, where it tells it.
        fees: of this fill, or where is_fees_total of the whole order so far.
        order_created_ns: when the venue took the order, where it tells it.
    """

    provider: str
    kind: ReportKind
    source: ReportSource
    ts_recv_ns: int
    wire_order_id: str = ""
    venue_order_id: str | None = None
    symbol: str = ""
    exec_id: str | None = None
    side: Side = Side.NONE
    qty: Decimal | None = None
    filled_qty: Decimal | None = None
    last_qty: Decimal | None = None
    last_price: Decimal | None = None
    cum_notional: Decimal | None = None
    liquidity: Liquidity = Liquidity.UNKNOWN
    fees: tuple[Fee, ...] = ()
    is_fees_total: bool = False
    reason: Reason | None = None
    ts_venue_ns: int | None = None
    order_created_ns: int | None = None


class VenueFill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One fill as a venue's list of fills has it. *wire_order_id* is empty where the list does not name it."""

    exec_id: str
    venue_order_id: str
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    ts_venue_ns: int
    wire_order_id: str = ""
    liquidity: Liquidity = Liquidity.UNKNOWN
    fees: tuple[Fee, ...] = ()


class Sent(IntEnum):
    """What is known after an order was handed to a venue."""

    TAKEN = 1
    """The venue has it; reports say how it stands."""
    REFUSED = 2
    """The venue answered that it does not take it."""
    UNKNOWN = 3
    """Bytes may have left and no answer tells: look it up, never send it again."""
    NOT_SENT = 4
    """No byte left; nothing can be at the venue."""


class SendOutcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The end of one submit or cancel at a venue.

    Attributes:
        report: what the reply itself tells of the order (an ACK, its fills), to be applied like any other report.
        reason: of REFUSED, UNKNOWN and NOT_SENT.
        retry_after_s: when the venue may be asked again, where it said so.
    """

    sent: Sent
    report: VenueReport | None = None
    reason: Reason | None = None
    retry_after_s: float | None = None
