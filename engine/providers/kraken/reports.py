"""Orders as Kraken tells them: sparse entries of ``executions``, and REST. Source: docs.kraken.com, executions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from engine.base.instants import from_rfc3339
from engine.providers.orderreading import known, ns_of_seconds, side_of
from engine.providers.userstream import amount
from engine.schema.enums import Side
from engine.schema.instrument import Instrument
from engine.schema.order import Fee, Liquidity, Reason, ReportKind, ReportSource, VenueFill, VenueReport

_LIVE: Mapping[str, ReportKind] = {
    "new": ReportKind.ACK,
    "partially_filled": ReportKind.PARTIAL,
    "pending_new": ReportKind.ACK,
}
EVENT_KINDS: Mapping[tuple[str, str], ReportKind | None] = {
    # Accepted by the gateway and not live: whether the engine takes it is still to be told.
    ("pending_new", "pending_new"): None,
    ("new", "new"): ReportKind.ACK,
    ("new", "partially_filled"): ReportKind.PARTIAL,
    # The last fill, too, comes as partially_filled; that it is complete the next entry tells.
    ("trade", "partially_filled"): ReportKind.PARTIAL,
    ("trade", "new"): ReportKind.PARTIAL,
    ("trade", "filled"): ReportKind.FILLED,
    ("filled", "filled"): ReportKind.FILLED,
    ("canceled", "canceled"): ReportKind.CANCELLED,
    ("expired", "expired"): ReportKind.EXPIRED,
    **{(what, status): kind for what in ("amended", "restated", "status", "iceberg_refill")
       for status, kind in _LIVE.items()},
}  # fmt: skip
"""``exec_type`` and ``order_status`` -> what we call it; None = nothing yet."""
STATUS_KINDS: Mapping[str, ReportKind] = {
    "pending": ReportKind.ACK,
    "open": ReportKind.ACK,
    "closed": ReportKind.FILLED,
    "canceled": ReportKind.CANCELLED,
    "expired": ReportKind.EXPIRED,
}
"""An order's status by REST; one that is open and has filled some is PARTIAL."""
LIQUIDITIES: Mapping[str, Liquidity] = {"m": Liquidity.MAKER, "t": Liquidity.TAKER}
ORDERS_KEPT = 50_000
"""Of those that have ended, and of those that have not: who did so, or began, longest ago is forgotten first."""
_ENDS = frozenset({ReportKind.FILLED, ReportKind.CANCELLED, ReportKind.REJECTED, ReportKind.EXPIRED})

FindPair = Callable[[str], Instrument | None]


@dataclass(slots=True)
class _Known:
    wire_order_id: str = ""
    symbol: str = ""
    side: Side = Side.NONE
    qty: Decimal | None = None
    created_ns: int | None = None
    is_pending: bool = False
    """It was seen to be accepted, and not seen to be live."""


class KrakenOrders:
    """What is known of each order of one account, whatever connection told it: an entry says only what has changed.

    Args:
        provider: for reports.
    """

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._live: dict[str, _Known] = {}
        self._ended: dict[str, _Known] = {}

    def placed(self, venue_order_id: str, wire_order_id: str) -> None:
        """The answer to a request named an order."""
        known_order = self._known(venue_order_id)
        known_order.wire_order_id = known_order.wire_order_id or wire_order_id

    def _known(self, venue_order_id: str) -> _Known:
        found = self._live.get(venue_order_id) or self._ended.get(venue_order_id)
        return self._keep(self._live, venue_order_id, _Known()) if found is None else found

    @staticmethod
    def _keep(among: dict[str, _Known], venue_order_id: str, order: _Known) -> _Known:
        among[venue_order_id] = order
        if len(among) > ORDERS_KEPT:
            del among[next(iter(among))]
        return order

    def _has(self, venue_order_id: str) -> bool:
        return venue_order_id in self._live or venue_order_id in self._ended

    def report(self, row: dict[str, Any], *, is_snapshot: bool = False) -> VenueReport | None:
        """One entry of ``executions``; None: it says nothing yet, or is history that a snapshot repeats.

        Raises:
            ValidationError: it has a state or an amount that is none; other errors where a field is missing.
        """
        what, status, venue_order_id = row["exec_type"], row["order_status"], row["order_id"]
        kind = known(EVENT_KINDS, (what, status), "order event")
        if is_snapshot and what == "trade" and not self._has(venue_order_id):
            return None  # of an order that has ended: what was missed of it the list of fills has
        order = self._known(venue_order_id)
        ts_venue_ns = from_rfc3339(row["timestamp"])
        self._learn(order, row, ts_venue_ns)
        filled = amount(row["cum_qty"]) if "cum_qty" in row else None
        if kind is None:
            order.is_pending = True
            return None
        if kind is ReportKind.CANCELLED and order.is_pending and not filled:
            kind = ReportKind.REJECTED
        order.is_pending = False
        if kind in _ENDS and self._live.pop(venue_order_id, None) is not None:
            self._keep(self._ended, venue_order_id, order)  # a late fill may still come
        if kind is ReportKind.ACK and filled:
            kind = ReportKind.PARTIAL
        is_trade = what == "trade"
        return VenueReport(
            provider=self._provider,
            kind=kind,
            source=ReportSource.STREAM,
            ts_recv_ns=0,
            wire_order_id=order.wire_order_id,
            venue_order_id=venue_order_id,
            symbol=order.symbol,
            exec_id=row["exec_id"] if is_trade else None,
            side=order.side,
            qty=order.qty,
            filled_qty=filled,
            last_qty=amount(row["last_qty"]) if is_trade else None,
            last_price=amount(row["last_price"]) if is_trade else None,
            cum_notional=amount(row["cum_cost"]) if "cum_cost" in row else None,
            liquidity=known(LIQUIDITIES, row["liquidity_ind"], "liquidity") if is_trade else Liquidity.UNKNOWN,
            fees=tuple(Fee(fee["asset"], amount(fee["qty"])) for fee in row.get("fees", ())) if is_trade else (),
            reason=_reason(kind, row.get("reason") or row.get("cancel_reason") or ""),
            ts_venue_ns=ts_venue_ns,
            order_created_ns=order.created_ns,
        )

    @staticmethod
    def _learn(order: _Known, row: dict[str, Any], ts_venue_ns: int) -> None:
        order.wire_order_id = row.get("cl_ord_id") or order.wire_order_id
        order.symbol = row.get("symbol") or order.symbol
        if "side" in row:
            order.side = side_of(row["side"])
        if "order_qty" in row:
            order.qty = amount(row["order_qty"])
        if row["exec_type"] in ("pending_new", "new") and order.created_ns is None:
            order.created_ns = ts_venue_ns


def _reason(kind: ReportKind, said: str) -> Reason | None:
    if kind not in (ReportKind.REJECTED, ReportKind.CANCELLED, ReportKind.EXPIRED):
        return None
    if not said and kind is not ReportKind.REJECTED:
        return None
    return Reason(code="exchange_error", venue_code=said, text=said or "refused by the venue's engine")


def order_report(provider: str, txid: str, row: dict[str, Any], find: FindPair) -> VenueReport:
    """An order as REST has it; *find* has the instrument of a pair of REST.

    Its fees are left to its fills: told by both they would count twice.

    Raises:
        ValidationError: as for KrakenOrders.report().
    """
    kind = known(STATUS_KINDS, row["status"], "order status")
    filled = amount(row["vol_exec"])
    if kind is ReportKind.ACK and filled:
        kind = ReportKind.PARTIAL
    instrument = find(row["descr"]["pair"])
    closed = row.get("closetm")
    return VenueReport(
        provider=provider,
        kind=kind,
        source=ReportSource.RECONCILE,
        ts_recv_ns=0,
        wire_order_id=row.get("cl_ord_id") or "",
        venue_order_id=txid,
        symbol="" if instrument is None else instrument.venue_symbol,
        side=side_of(row["descr"]["type"]),
        qty=amount(row["vol"]),
        filled_qty=filled,
        cum_notional=amount(row["cost"]),
        reason=_reason(kind, row.get("reason") or ""),
        ts_venue_ns=ns_of_seconds(amount(closed)) if closed else None,
        order_created_ns=ns_of_seconds(amount(row["opentm"])),
    )


def fill_of(trade_id: str, row: dict[str, Any], find: FindPair) -> VenueFill:
    """A row of TradesHistory, which does not name the order's own id; its fee is in the quote asset.

    Raises:
        ValidationError: as for KrakenOrders.report().
    """
    instrument = find(row["pair"])
    liquidity = Liquidity.UNKNOWN
    if row.get("maker") is not None:
        liquidity = Liquidity.MAKER if row["maker"] else Liquidity.TAKER
    return VenueFill(
        exec_id=trade_id,
        venue_order_id=row["ordertxid"],
        symbol="" if instrument is None else instrument.venue_symbol,
        side=side_of(row["type"]),
        qty=amount(row["vol"]),
        price=amount(row["price"]),
        ts_venue_ns=ns_of_seconds(amount(row["time"])),
        liquidity=liquidity,
        fees=() if instrument is None else (Fee(instrument.quote, amount(row["fee"])),),
    )
