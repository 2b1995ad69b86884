"""Orders as Coinbase tells them: its user channel has states and no fills. Source: docs.cdp.coinbase.com."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from engine.base.errors import ValidationError
from engine.base.instants import from_rfc3339
from engine.providers.orderreading import known, product, side_of, total
from engine.providers.userstream import amount
from engine.schema.enums import Side
from engine.schema.order import Fee, Liquidity, Reason, ReportKind, ReportSource, VenueFill, VenueReport

STATUS_KINDS: Mapping[str, ReportKind] = {
    "PENDING": ReportKind.ACK,
    "QUEUED": ReportKind.ACK,
    "OPEN": ReportKind.ACK,
    "CANCEL_QUEUED": ReportKind.ACK,
    "EDIT_QUEUED": ReportKind.ACK,
    "FILLED": ReportKind.FILLED,
    "CANCELLED": ReportKind.CANCELLED,
    "EXPIRED": ReportKind.EXPIRED,
    "FAILED": ReportKind.REJECTED,
}
"""An order's status; one that is live and has filled some is PARTIAL."""
LIQUIDITIES: Mapping[str, Liquidity] = {
    "MAKER": Liquidity.MAKER,
    "TAKER": Liquidity.TAKER,
    "UNKNOWN_LIQUIDITY_INDICATOR": Liquidity.UNKNOWN,
}
_NOTHING_SAID = ("", "REJECT_REASON_UNSPECIFIED")


def user_report(provider: str, row: dict[str, Any]) -> VenueReport:
    """An order of the user channel, its product as the venue spells it.

    Raises:
        ValidationError: it has a state or an amount that is none; other errors where a field is missing.
    """
    filled = amount(row["cumulative_quantity"])
    is_open = known(STATUS_KINDS, row["status"], "order status") is ReportKind.ACK
    return _report(
        provider,
        row,
        ReportSource.STREAM,
        filled=filled,
        average=amount(row["avg_price"] or "0"),
        side=row.get("order_side", ""),
        # When it has ended nothing is left of it, whatever was filled.
        qty=total((filled, amount(row["leaves_quantity"]))) if is_open else None,
        created=row.get("creation_time"),
        said=row.get("reject_reason") or row.get("cancel_reason") or "",
    )


def order_report(provider: str, row: dict[str, Any]) -> VenueReport:
    """An order as REST has it, its product as the venue spells it.

    Raises:
        ValidationError: as for user_report().
    """
    terms: dict[str, Any] = next(iter((row.get("order_configuration") or {}).values()), {})
    size = terms.get("base_size")
    said = next((row[name] for name in ("reject_message", "cancel_message", "reject_reason")
                 if row.get(name) and row[name] not in _NOTHING_SAID), "")  # fmt: skip
    return _report(
        provider,
        row,
        ReportSource.RECONCILE,
        filled=amount(row["filled_size"] or "0"),
        average=amount(row["average_filled_price"] or "0"),
        side=row["side"],
        qty=amount(size) if size else None,
        created=row.get("created_time"),
        said=said,
    )


def _report(
    provider: str,
    row: dict[str, Any],
    source: ReportSource,
    *,
    filled: Decimal,
    average: Decimal,
    side: str,
    qty: Decimal | None,
    created: str | None,
    said: str,
) -> VenueReport:
    kind = known(STATUS_KINDS, row["status"], "order status")
    if kind is ReportKind.ACK and filled:
        kind = ReportKind.PARTIAL
    product_id = row["product_id"]
    fees = amount(row["total_fees"] or "0")
    worth = row.get("filled_value")
    has_reason = kind is ReportKind.REJECTED or (said and kind in (ReportKind.CANCELLED, ReportKind.EXPIRED))
    return VenueReport(
        provider=provider,
        kind=kind,
        source=source,
        ts_recv_ns=0,
        wire_order_id=row["client_order_id"],
        venue_order_id=row["order_id"],
        symbol=product_id,
        side=side_of(side) if side else Side.NONE,
        qty=qty,
        filled_qty=filled,
        cum_notional=amount(worth) if worth else product(average, filled),
        fees=(Fee(quote_of(product_id), fees),) if filled else (),
        is_fees_total=bool(filled),
        reason=Reason(code="exchange_error", venue_code=said, text=said) if has_reason else None,
        order_created_ns=from_rfc3339(created) if created else None,
    )


def fill_of(row: dict[str, Any]) -> VenueFill | None:
    """A row of the list of fills; None where its size is in the quote asset, which no order of ours is.

    Its fee is left to the order, of which each report tells all fees so far: told by both they would count twice.

    Raises:
        ValidationError: as for user_report().
    """
    if row.get("size_in_quote"):
        return None
    return VenueFill(
        exec_id=row["trade_id"],
        venue_order_id=row["order_id"],
        symbol=row["product_id"],
        side=side_of(row["side"]),
        qty=amount(row["size"]),
        price=amount(row["price"]),
        ts_venue_ns=from_rfc3339(row["trade_time"]),
        liquidity=known(LIQUIDITIES, row["liquidity_indicator"], "liquidity"),
    )


def quote_of(product_id: str) -> str:
    """The asset in which the venue takes its fees.

    Raises:
        ValidationError: it is no product.
    """
    _, dash, quote = product_id.partition("-")
    if not dash:
        raise ValidationError(f"{product_id!r} is no product", op="order.read")
    return quote
