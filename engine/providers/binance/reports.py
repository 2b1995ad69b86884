"""Orders as Binance tells them: events, answers, lists. Source: user-data-stream.md, web-socket-api.md, enums.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.providers.orderreading import NS_PER_MS, fees_total, known, side_of, total
from engine.providers.userstream import amount
from engine.schema.enums import Side
from engine.schema.order import Fee, Liquidity, Reason, ReportKind, ReportSource, VenueFill, VenueReport

EVENT_KINDS: Mapping[tuple[str, str], ReportKind] = {
    ("NEW", "NEW"): ReportKind.ACK,
    ("NEW", "PENDING_NEW"): ReportKind.ACK,
    ("TRADE", "PARTIALLY_FILLED"): ReportKind.PARTIAL,
    ("TRADE", "FILLED"): ReportKind.FILLED,
    ("CANCELED", "CANCELED"): ReportKind.CANCELLED,
    ("REPLACED", "NEW"): ReportKind.ACK,
    ("REPLACED", "PARTIALLY_FILLED"): ReportKind.PARTIAL,
    ("REJECTED", "REJECTED"): ReportKind.REJECTED,
    ("EXPIRED", "EXPIRED"): ReportKind.EXPIRED,
    ("TRADE_PREVENTION", "EXPIRED_IN_MATCH"): ReportKind.EXPIRED,
    ("TRADE_PREVENTION", "PARTIALLY_FILLED"): ReportKind.PARTIAL,
    ("TRADE_PREVENTION", "NEW"): ReportKind.ACK,
}
"""What happened and the order's status after it (``x``, ``X``) -> what we call it."""
STATUS_KINDS: Mapping[str, ReportKind] = {
    "NEW": ReportKind.ACK,
    "PENDING_NEW": ReportKind.ACK,
    "PARTIALLY_FILLED": ReportKind.PARTIAL,
    "FILLED": ReportKind.FILLED,
    "CANCELED": ReportKind.CANCELLED,
    "REJECTED": ReportKind.REJECTED,
    "EXPIRED": ReportKind.EXPIRED,
    "EXPIRED_IN_MATCH": ReportKind.EXPIRED,
}
"""An order's status, where it was asked for."""
_ENDED_BY_VENUE = (ReportKind.REJECTED, ReportKind.EXPIRED, ReportKind.CANCELLED)
_NO_REASON = "NONE"
_SELF_TRADE = "TRADE_PREVENTION"


def event_report(provider: str, event: dict[str, Any]) -> VenueReport:
    """An ``executionReport``, its symbol as the venue spells it.

    Raises:
        ValidationError: it has a state or an amount that is none; other errors where a field is missing.
    """
    what = event["x"]
    kind = known(EVENT_KINDS, (what, event["X"]), "order event")
    is_trade = what == "TRADE"
    qty = amount(event["q"])
    if event.get("A") is not None:
        qty = total((qty, -amount(event["A"])))  # what self-trade prevention took away is not to be filled any more
    return VenueReport(
        provider=provider,
        kind=kind,
        source=ReportSource.STREAM,
        ts_recv_ns=0,
        # On a cancel or a replacement c is the id of that, and C the order's own.
        wire_order_id=event.get("C") or event["c"],
        venue_order_id=str(event["i"]),
        symbol=event["s"],
        exec_id=str(event["t"]) if is_trade else None,
        side=side_of(event["S"]),
        qty=qty,
        filled_qty=amount(event["z"]),
        last_qty=amount(event["l"]) if is_trade else None,
        last_price=amount(event["L"]) if is_trade else None,
        cum_notional=amount(event["Z"]),
        liquidity=(Liquidity.MAKER if event["m"] else Liquidity.TAKER) if is_trade else Liquidity.UNKNOWN,
        fees=(Fee(event["N"], amount(event["n"])),) if is_trade and event.get("N") else (),
        reason=_event_reason(kind, event),
        ts_venue_ns=event["T"] * NS_PER_MS,
        order_created_ns=event["O"] * NS_PER_MS,
    )


def _event_reason(kind: ReportKind, event: dict[str, Any]) -> Reason | None:
    why = event.get("eR") or event["r"]
    if why == _NO_REASON:
        why = _SELF_TRADE if event["x"] == _SELF_TRADE and kind is ReportKind.EXPIRED else ""
    if kind not in _ENDED_BY_VENUE or (not why and kind is not ReportKind.REJECTED):
        return None
    return _reason(why)


def _reason(why: str) -> Reason:
    return Reason(code="exchange_error", venue_code=why, text=why.replace("_", " ").lower())


def order_report(provider: str, row: dict[str, Any], source: ReportSource) -> VenueReport:
    """An order as answers to requests have it, of any response type, its symbol as the venue spells it.

    Raises:
        ValidationError: as for event_report().
    """
    changed_ms = row.get("updateTime", row.get("transactTime"))
    created_ms = row.get("time", row.get("workingTime"))
    if "status" not in row:
        # newOrderRespType ACK: it is taken, and the stream tells the rest.
        return VenueReport(
            provider=provider, kind=ReportKind.ACK, source=source, ts_recv_ns=0, wire_order_id=row["clientOrderId"],
            venue_order_id=str(row["orderId"]), symbol=row["symbol"], ts_venue_ns=_ns(changed_ms),
        )  # fmt: skip
    kind = known(STATUS_KINDS, row["status"], "order status")
    notional = amount(row["cummulativeQuoteQty"])
    why = row.get("expiryReason") or ""
    return VenueReport(
        provider=provider,
        kind=kind,
        source=source,
        ts_recv_ns=0,
        wire_order_id=row.get("origClientOrderId") or row["clientOrderId"],
        venue_order_id=str(row["orderId"]),
        symbol=row["symbol"],
        side=side_of(row["side"]),
        qty=amount(row["origQty"]),
        filled_qty=amount(row["executedQty"]),
        # Below zero: the venue does not know it of this order.
        cum_notional=notional if notional >= 0 else None,
        fees=fees_total(Fee(fill["commissionAsset"], amount(fill["commission"])) for fill in row.get("fills", ())),
        is_fees_total=bool(row.get("fills")),
        reason=_reason(why) if why else None,
        ts_venue_ns=_ns(changed_ms),
        order_created_ns=_ns(created_ms),
    )


def fill_of(row: dict[str, Any]) -> VenueFill:
    """A row of ``myTrades``, which does not name the order's own id.

    Raises:
        ValidationError: as for event_report().
    """
    return VenueFill(
        exec_id=str(row["id"]),
        venue_order_id=str(row["orderId"]),
        symbol=row["symbol"],
        side=Side.BUY if row["isBuyer"] else Side.SELL,
        qty=amount(row["qty"]),
        price=amount(row["price"]),
        ts_venue_ns=row["time"] * NS_PER_MS,
        liquidity=Liquidity.MAKER if row["isMaker"] else Liquidity.TAKER,
        fees=(Fee(row["commissionAsset"], amount(row["commission"])),),
    )


def _ns(time_ms: int | None) -> int | None:
    return None if time_ms is None else time_ms * NS_PER_MS
