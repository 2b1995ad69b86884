"""The simulated Coinbase's orders, fills and accounts as it writes them. Numbers are texts without trailing zeros."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.simulator.desk import Change, ChangeKind, OrderRules
from engine.simulator.messages import json_text
from engine.simulator.orders import Ended, SimAccount, SimFill, SimOrder, Status, Tif, amount_of, amount_text
from engine.simulator.texts import ratio_raw, rfc3339_us, trimmed_text

_STATUSES = {
    Status.NEW: "OPEN", Status.PARTIAL: "OPEN", Status.FILLED: "FILLED", Status.CANCELED: "CANCELLED",
    Status.EXPIRED: "EXPIRED",
}  # fmt: skip
_TIFS = {
    Tif.GTC: "GOOD_UNTIL_CANCELLED", Tif.IOC: "IMMEDIATE_OR_CANCEL", Tif.FOK: "FILL_OR_KILL",
}  # fmt: skip
_REASONS = {
    Ended.USER: "User requested cancel", Ended.IOC: "Immediate or cancel", Ended.FOK: "Fill or kill",
    Ended.LIQUIDITY: "Insufficient liquidity", Ended.SELF_TRADE: "Self trade prevention", Ended.VENUE: "Expired",
}  # fmt: skip
_AVERAGE_DECIMALS = 16
_ORDER_ID = "51000000-0000-4000-8000-{:012d}"
_FILL_ID = "f1000000-0000-4000-8000-{:012d}"


def order_id(order: SimOrder) -> str:
    """The venue's name of an order."""
    return _ORDER_ID.format(order.number)


def trade_id(fill: SimFill) -> str:
    """The venue's name of a fill."""
    return f"{fill.order.symbol}-{fill.trade_id}-{fill.number}"


def number_of(name: str) -> int:
    """What an order's name was made of; 0 where it is none."""
    digits = name[-12:]
    return int(digits) if digits.isdecimal() and _ORDER_ID.format(int(digits)) == name else 0


def status_of(order: SimOrder) -> str:
    """How an order stands now."""
    return _STATUSES[order.status]


def user_order(change: Change) -> dict[str, Any]:
    """An order as the ``user`` channel has it after one change: sums alone, no fills."""
    order = change.order
    status = "PENDING" if change.kind is ChangeKind.TAKEN else _STATUSES[change.status]
    return _told(order, status, change.filled_raw, change.cost_raw, change.fee_raw, is_ended=_is_ended(change.status))


def user_snapshot(order: SimOrder) -> dict[str, Any]:
    """An open order as the channel begins with it."""
    return _told(order, _STATUSES[order.status], order.settled_raw, order.cost_raw, order.fee_raw, is_ended=False)


def rest_order(order: SimOrder) -> dict[str, Any]:
    """An order as REST has it."""
    total_raw = order.cost_raw + (order.fee_raw if order.is_buy else -order.fee_raw)
    share = ratio_raw(order.settled_raw * 100, order.qty_raw, 2)
    return {
        "order_id": order_id(order), "product_id": order.symbol, "user_id": "sim",
        "order_configuration": configuration(order), "side": _side(order), "client_order_id": order.client_id,
        "status": _STATUSES[order.status], "time_in_force": _TIFS[order.tif],
        "created_time": rfc3339_us(order.created_us), "completion_percentage": trimmed_text(share, 2),
        "filled_size": trimmed_text(order.settled_raw, order.qty_scale),
        "average_filled_price": _average(order, order.settled_raw, order.cost_raw), "fee": "",
        "number_of_fills": str(len(order.fills)), "filled_value": amount_text(order.cost_raw),
        "pending_cancel": False, "size_in_quote": bool(order.terms.spend_raw),
        "total_fees": amount_text(order.fee_raw), "size_inclusive_of_fees": False,
        "total_value_after_fees": amount_text(total_raw), "trigger_status": "INVALID_ORDER_TYPE",
        "order_type": _kind(order).upper(), "reject_reason": "REJECT_REASON_UNSPECIFIED",
        "settled": order.status is Status.FILLED, "product_type": "SPOT", "reject_message": "",
        "cancel_message": "" if order.ended is None else _REASONS[order.ended],
        "order_placement_source": "RETAIL_ADVANCED", "outstanding_hold_amount": amount_text(order.locked_raw),
        "is_liquidation": False, "last_fill_time": rfc3339_us(order.fills[-1].at_us) if order.fills else None,
        "leverage": "", "margin_type": "UNKNOWN_MARGIN_TYPE", "retail_portfolio_id": "sim",
        "originating_order_id": "", "attached_order_id": "",
    }  # fmt: skip


def rest_fill(fill: SimFill) -> dict[str, Any]:
    """A fill as REST has it."""
    order = fill.order
    return {
        "entry_id": _FILL_ID.format(fill.number), "trade_id": trade_id(fill),
        "order_id": order_id(order), "trade_time": rfc3339_us(fill.at_us), "trade_type": "FILL",
        "price": trimmed_text(fill.price_raw, fill.price_scale), "size": trimmed_text(fill.qty_raw, order.qty_scale),
        "commission": amount_text(fill.fee_raw), "product_id": order.symbol,
        "sequence_timestamp": rfc3339_us(fill.at_us),
        "liquidity_indicator": "MAKER" if fill.is_maker else "TAKER", "size_in_quote": False, "user_id": "sim",
        "side": _side(order), "retail_portfolio_id": "sim",
    }  # fmt: skip


def account_rows(account: SimAccount) -> list[dict[str, Any]]:
    """A wallet of each asset."""
    return [
        {
            "uuid": f"sim-{asset.lower()}", "name": f"{asset} Wallet", "currency": asset, "active": True,
            "default": True, "ready": True, "type": "ACCOUNT_TYPE_CRYPTO",
            "available_balance": {"value": amount_text(holding.free_raw), "currency": asset},
            "hold": {"value": amount_text(holding.locked_raw), "currency": asset}, "retail_portfolio_id": "sim",
        }
        for asset, holding in account.holdings.items()
    ]  # fmt: skip


def fee_summary(rules: OrderRules) -> dict[str, Any]:
    """What trading costs."""
    return {
        "total_volume": 0, "total_fees": 0, "margin_rate": None, "goods_and_services_tax": None,
        "fee_tier": {
            "pricing_tier": "Sim", "usd_from": "0", "usd_to": "",
            "taker_fee_rate": trimmed_text(rules.taker_ppm, 6), "maker_fee_rate": trimmed_text(rules.maker_ppm, 6),
        },
    }  # fmt: skip


def configuration(order: SimOrder) -> msgspec.Raw:
    """As the client wrote it; of an order that came another way, as a client would have."""
    if order.terms.note:
        return msgspec.Raw(order.terms.note.encode())
    size = trimmed_text(order.qty_raw, order.qty_scale)
    if order.price_raw is None:
        return msgspec.Raw(json_text({"market_market_ioc": {"base_size": size}}).encode())
    name = {Tif.GTC: "limit_limit_gtc", Tif.IOC: "sor_limit_ioc", Tif.FOK: "limit_limit_fok"}[order.tif]
    limit = {"base_size": size, "limit_price": trimmed_text(order.price_raw, order.price_scale)}
    return msgspec.Raw(json_text({name: limit}).encode())


def _told(
    order: SimOrder, status: str, filled_raw: int, cost_raw: int, fee_raw: int, *, is_ended: bool
) -> dict[str, Any]:
    total_raw = cost_raw + (fee_raw if order.is_buy else -fee_raw)
    leaves_raw = 0 if is_ended else order.qty_raw - filled_raw
    return {
        "order_id": order_id(order), "client_order_id": order.client_id,
        "cumulative_quantity": trimmed_text(filled_raw, order.qty_scale),
        "leaves_quantity": trimmed_text(leaves_raw, order.qty_scale),
        "avg_price": _average(order, filled_raw, cost_raw), "total_fees": amount_text(fee_raw), "status": status,
        "product_id": order.symbol, "creation_time": rfc3339_us(order.created_us), "order_side": _side(order),
        "order_type": _kind(order), "cancel_reason": _REASONS[order.ended] if is_ended and order.ended else "",
        "reject_reason": "", "total_value_after_fees": amount_text(total_raw),
        "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE", "product_type": "SPOT",
        "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE", "time_in_force": _TIFS[order.tif],
        "trigger_status": "INVALID_ORDER_TYPE",
        "limit_price": "" if order.price_raw is None else trimmed_text(order.price_raw, order.price_scale),
    }  # fmt: skip


def _is_ended(status: Status) -> bool:
    return status not in (Status.NEW, Status.PARTIAL)


def _average(order: SimOrder, filled_raw: int, cost_raw: int) -> str:
    average_raw = ratio_raw(cost_raw, amount_of(filled_raw, order.qty_scale), _AVERAGE_DECIMALS)
    return trimmed_text(average_raw, _AVERAGE_DECIMALS)


def _side(order: SimOrder) -> str:
    return "BUY" if order.is_buy else "SELL"


def _kind(order: SimOrder) -> str:
    return "Market" if order.is_market else "Limit"
