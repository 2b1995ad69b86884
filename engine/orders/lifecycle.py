"""What a venue's report makes of an order (ORDM-20, ORDM-21): the table, and the arithmetic of fills.

Pure: no clock, no log, no send. What was odd is a value, and everything a report says more than was known is kept:
the filled quantity never falls, an end stays an end.

1. What is filled is the greatest of what was known, what the report says in all, and the sum of all fills that have
   an id of their own. So a fill counts once, whether told by its id, within a total, or both.
2. An ACK that carries fills acts as PARTIAL. Whatever leaves nothing remaining acts as FILLED.
3. A fill of a known id that adds nothing is a duplicate, in every state. So is one that a look-up lists, and totals
   have counted before; and the answer to a submit that says what an ACK of the stream has said: they race.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from enum import IntEnum

import msgspec

from engine.base.decimals import exact_raw
from engine.schema.order import (
    WIDE_CONTEXT,
    Anomaly,
    Fee,
    Order,
    OrderState,
    ReportKind,
    ReportSource,
    VenueReport,
)

# --- the table ----------------------------------------------------------------------------------------------


class Stage(IntEnum):
    """Rows of the table."""

    NEW = 1
    """Submitted, or unknown."""
    ACKED = 2
    PARTIAL = 3
    ENDED = 4


class Growth(IntEnum):
    """What a report's total says beside what is filled."""

    LESS = -1
    SAME = 0
    GREW = 1


@dataclass(frozen=True, slots=True)
class Cell:
    """What becomes of an order. *state* None = none; *is_duplicate*: counted, not delivered."""

    state: OrderState | None = None
    anomaly: Anomaly = Anomaly.NONE
    is_duplicate: bool = False


_DUPLICATE = Cell(is_duplicate=True)
_ODD = Cell(anomaly=Anomaly.INCONSISTENT)
_AFTER = Cell(anomaly=Anomaly.AFTER_TERMINAL)
_STALE = Cell(anomaly=Anomaly.STALE)
_S, _A, _K = OrderState, Anomaly, ReportKind

TABLE: Mapping[tuple[Stage, ReportKind], Cell | Mapping[Growth, Cell]] = {
    (Stage.NEW, _K.ACK): Cell(_S.ACKED),
    (Stage.NEW, _K.PARTIAL): {
        Growth.GREW: Cell(_S.PARTIALLY_FILLED, _A.FILL_BEFORE_ACK), Growth.SAME: _ODD, Growth.LESS: _ODD,
    },
    (Stage.NEW, _K.FILLED): Cell(_S.FILLED, _A.FILL_BEFORE_ACK),
    (Stage.NEW, _K.CANCELLED): Cell(_S.CANCELLED, _A.TERMINAL_BEFORE_ACK),
    (Stage.NEW, _K.REJECTED): Cell(_S.REJECTED),
    (Stage.NEW, _K.EXPIRED): Cell(_S.EXPIRED, _A.TERMINAL_BEFORE_ACK),
    (Stage.ACKED, _K.ACK): _DUPLICATE,
    (Stage.ACKED, _K.PARTIAL): {Growth.GREW: Cell(_S.PARTIALLY_FILLED), Growth.SAME: _ODD, Growth.LESS: _ODD},
    (Stage.ACKED, _K.FILLED): Cell(_S.FILLED),
    (Stage.ACKED, _K.CANCELLED): Cell(_S.CANCELLED),
    (Stage.ACKED, _K.REJECTED): Cell(_S.REJECTED, _A.REJECT_AFTER_ACK),
    (Stage.ACKED, _K.EXPIRED): Cell(_S.EXPIRED),
    (Stage.PARTIAL, _K.ACK): _STALE,
    (Stage.PARTIAL, _K.PARTIAL): {
        Growth.GREW: Cell(_S.PARTIALLY_FILLED), Growth.SAME: _DUPLICATE, Growth.LESS: _STALE,
    },
    (Stage.PARTIAL, _K.FILLED): Cell(_S.FILLED),
    (Stage.PARTIAL, _K.CANCELLED): Cell(_S.CANCELLED),
    (Stage.PARTIAL, _K.REJECTED): Cell(_S.REJECTED, _A.REJECT_AFTER_FILL),
    (Stage.PARTIAL, _K.EXPIRED): Cell(_S.EXPIRED),
    (Stage.ENDED, _K.ACK): _AFTER,
    (Stage.ENDED, _K.PARTIAL): {
        Growth.GREW: Cell(anomaly=_A.LATE_FILL), Growth.SAME: _AFTER, Growth.LESS: _AFTER,
    },
    (Stage.ENDED, _K.FILLED): {
        Growth.GREW: Cell(_S.FILLED, _A.LATE_FILL), Growth.SAME: _DUPLICATE, Growth.LESS: _DUPLICATE,
    },
    (Stage.ENDED, _K.CANCELLED): _AFTER,
    (Stage.ENDED, _K.REJECTED): _AFTER,
    (Stage.ENDED, _K.EXPIRED): _AFTER,
}  # fmt: skip
"""ORDM-20, cell by cell."""

_STAGES = {
    OrderState.SUBMITTED: Stage.NEW,
    OrderState.UNKNOWN: Stage.NEW,
    OrderState.ACKED: Stage.ACKED,
    OrderState.PARTIALLY_FILLED: Stage.PARTIAL,
}


def cell_of(state: OrderState, kind: ReportKind, growth: Growth) -> Cell:
    """The cell that a report falls into."""
    found = TABLE[_STAGES.get(state, Stage.ENDED), kind]
    return found if isinstance(found, Cell) else found[growth]


# --- applying a report --------------------------------------------------------------------------------------


class Track(msgspec.Struct, gc=False):
    """An order, and what tells a fill told twice.

    Attributes:
        order: as it stands.
        fills_raw: quantity by exec id, of the fills that are in it. As all that is kept of an order, nothing for the
            cycle collector to walk.
        identified_raw: sum of those fills.
        is_acked: an ACK was told.
        last_report: the last report as its owner got it, encoded, while the order is open.
    """

    order: Order
    fills_raw: dict[str, int] = {}
    identified_raw: int = 0
    is_acked: bool = False
    last_report: bytes | None = None


class Transition(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a report made of an order.

    Attributes:
        order: as it stands now.
        report: what is told: the venue's kind, or what it comes to.
        is_duplicate: nothing new; counted, told to nobody.
        has_ended: it was open before.
        must_query: what the venue says does not fit together.
        last_qty_raw: how much more is filled.
        last_price: what that was traded at, where the venue says.
        last_notional: what it cost.
        fees: how much more was paid.
    """

    order: Order
    report: ReportKind
    anomaly: Anomaly = Anomaly.NONE
    is_duplicate: bool = False
    has_ended: bool = False
    must_query: bool = False
    last_qty_raw: int = 0
    last_price: Decimal | None = None
    last_notional: Decimal = Decimal(0)
    fees: tuple[Fee, ...] = ()


def apply(track: Track, report: VenueReport, now_ns: int) -> Transition:
    """Take a report into an order.

    Args:
        track: the order; holds the new one afterwards.
        report: of this very order.
        now_ns: stamps the order.
    """
    order, scale = track.order, track.order.request.qty_scale
    is_known = report.exec_id is not None and report.exec_id in track.fills_raw
    identified_raw = track.identified_raw
    last_raw = 0 if report.last_qty is None else raw_of(report.last_qty, scale)
    if report.exec_id is not None and not is_known:
        identified_raw += last_raw
        track.fills_raw[report.exec_id] = last_raw
    filled_raw = max(order.filled_qty_raw, identified_raw)
    told_raw = None if report.filled_qty is None else raw_of(report.filled_qty, scale)
    if told_raw is not None:
        filled_raw = max(filled_raw, told_raw)
    elif report.exec_id is None:
        filled_raw = max(filled_raw, order.filled_qty_raw + last_raw)
    track.identified_raw = identified_raw
    qty_raw, kind, anomaly = order.qty_raw, report.kind, Anomaly.NONE
    if kind is ReportKind.FILLED and told_raw is None and report.last_qty is None:
        filled_raw = max(filled_raw, qty_raw)
    if report.qty is not None and (asked_raw := raw_of(report.qty, scale)) != qty_raw and asked_raw >= filled_raw:
        qty_raw, anomaly = asked_raw, Anomaly.QUANTITY_CHANGED
    if filled_raw > qty_raw:
        qty_raw, anomaly = filled_raw, Anomaly.INCONSISTENT
    growth = _growth(order.filled_qty_raw, filled_raw, told_raw)
    is_listed = report.exec_id is not None and report.source is ReportSource.RECONCILE
    is_fill = kind in (ReportKind.PARTIAL, ReportKind.FILLED)
    if (is_known or is_listed) and growth is not Growth.GREW and is_fill:
        return Transition(order=order, report=kind, is_duplicate=True)
    if kind is ReportKind.ACK and report.source is ReportSource.REPLY and track.is_acked and growth is not Growth.GREW:
        return Transition(order=order, report=kind, is_duplicate=True)
    track.is_acked |= kind is ReportKind.ACK
    is_whole = filled_raw == qty_raw
    kind, anomaly = _acting_as(order, kind, growth, is_whole, anomaly)
    cell = cell_of(order.state, kind, growth)
    if cell.is_duplicate and anomaly is Anomaly.NONE:
        return Transition(order=order, report=kind, is_duplicate=True)
    state = order.state if cell.state is None else cell.state
    if anomaly is Anomaly.NONE:
        anomaly = cell.anomaly
    if order.state.is_terminal and growth is Growth.GREW:
        anomaly = Anomaly.LATE_FILL
    grown_raw = filled_raw - order.filled_qty_raw
    notional = _notional(order, report, grown_raw, told_raw == filled_raw)
    paid = _paid(order, report)
    track.order = msgspec.structs.replace(
        order,
        state=state,
        qty_raw=qty_raw,
        filled_qty_raw=filled_raw,
        cum_notional=_at_scale(WIDE_CONTEXT.add(order.cum_notional, notional), order),
        fees=added(order.fees, paid),
        venue_order_id=report.venue_order_id or order.venue_order_id,
        order_report_seq=order.order_report_seq + 1,
        updated_ns=now_ns,
        last_reason=report.reason or order.last_reason,
    )
    return Transition(
        order=track.order,
        report=kind,
        anomaly=anomaly,
        has_ended=state.is_terminal and not order.state.is_terminal,
        must_query=anomaly in (Anomaly.INCONSISTENT, Anomaly.QUANTITY_CHANGED) and not state.is_terminal,
        last_qty_raw=grown_raw,
        last_price=report.last_price if grown_raw else None,
        last_notional=notional,
        fees=paid,
    )


def _growth(was_raw: int, now_raw: int, told_raw: int | None) -> Growth:
    if now_raw > was_raw:
        return Growth.GREW
    return Growth.LESS if told_raw is not None and told_raw < was_raw else Growth.SAME


def _acting_as(
    order: Order, kind: ReportKind, growth: Growth, is_whole: bool, anomaly: Anomaly
) -> tuple[ReportKind, Anomaly]:
    """The kind a report acts as, and what is odd about the one it has."""
    if kind is ReportKind.ACK and growth is Growth.GREW:
        kind = ReportKind.PARTIAL
    if kind is ReportKind.PARTIAL and is_whole and growth is Growth.GREW:
        kind = ReportKind.FILLED
    elif kind is ReportKind.FILLED and not is_whole and not (order.state.is_terminal and growth is not Growth.GREW):
        # It says that it is done, and less than all is filled: so far it is what it carries.
        return (ReportKind.PARTIAL if growth is Growth.GREW else ReportKind.ACK), Anomaly.INCONSISTENT
    elif kind in (ReportKind.CANCELLED, ReportKind.REJECTED, ReportKind.EXPIRED) and is_whole and growth is Growth.GREW:
        return ReportKind.FILLED, Anomaly.INCONSISTENT
    return kind, anomaly


def _notional(order: Order, report: VenueReport, grown_raw: int, is_total: bool) -> Decimal:
    """What the growth cost: by the venue's own total where it is of the same fills, else by the fill's price."""
    if not grown_raw:
        return Decimal(0)
    if report.cum_notional is not None and is_total and report.cum_notional >= order.cum_notional:
        return WIDE_CONTEXT.subtract(report.cum_notional, order.cum_notional)
    price = report.last_price if report.last_price is not None else order.request.price
    grown = Decimal(grown_raw).scaleb(-order.request.qty_scale)
    return Decimal(0) if price is None else WIDE_CONTEXT.multiply(price, grown)


def _at_scale(value: Decimal, order: Order) -> Decimal:
    """With as many decimals as a price times a quantity has, unless it has more."""
    unit = Decimal(1).scaleb(-order.request.price_scale - order.request.qty_scale)
    fixed = value.quantize(unit, ROUND_DOWN, WIDE_CONTEXT)
    return fixed if fixed == value else value


def _paid(order: Order, report: VenueReport) -> tuple[Fee, ...]:
    """What this report adds to the fees, each asset once."""
    if not report.is_fees_total:
        return added((), report.fees)
    before = {fee.asset: fee.amount for fee in order.fees}
    grown = ((fee.asset, fee.amount - before.get(fee.asset, Decimal(0))) for fee in report.fees)
    return tuple(Fee(asset, amount) for asset, amount in grown if amount)


def added(fees: tuple[Fee, ...], more: tuple[Fee, ...]) -> tuple[Fee, ...]:
    """Fees by asset, both together."""
    if not more:
        return fees
    sums = {fee.asset: fee.amount for fee in fees}
    for fee in more:
        sums[fee.asset] = WIDE_CONTEXT.add(sums.get(fee.asset, Decimal(0)), fee.amount)
    return tuple(Fee(asset, amount) for asset, amount in sums.items())


def raw_of(value: Decimal, scale: int, rounding: str = ROUND_DOWN) -> int:
    """A venue's decimal at an order's own scale; digits beyond it are cut off."""
    raw = exact_raw(value, scale)
    return int(WIDE_CONTEXT.scaleb(value, scale).to_integral_value(rounding)) if raw is None else raw


def price_raw_of(value: Decimal | None, scale: int) -> int | None:
    """The same for a price, which may be an average: half-even."""
    return None if value is None else raw_of(value, scale, ROUND_HALF_EVEN)
