"""The simulated Binance's orders and fills as it writes them: replies, lists, and events of the user data stream."""

from __future__ import annotations

from typing import Any

from engine.simulator.binance_payloads import eight
from engine.simulator.desk import Change, ChangeKind
from engine.simulator.orders import Ended, SelfTrade, SimAccount, SimFill, SimOrder, Status, eight_decimals

_STATUSES = {
    Status.NEW: "NEW", Status.PARTIAL: "PARTIALLY_FILLED", Status.FILLED: "FILLED", Status.CANCELED: "CANCELED",
    Status.EXPIRED: "EXPIRED",
}  # fmt: skip
_SELF_TRADES = {
    SelfTrade.TAKER: "EXPIRE_TAKER", SelfTrade.MAKER: "EXPIRE_MAKER", SelfTrade.BOTH: "EXPIRE_BOTH",
}  # fmt: skip
_EXPIRY_REASONS = {
    Ended.IOC: "UNFILLED_IOC_QUANTITY_EXPIRED", Ended.FOK: "UNFILLED_FOK_ORDER_EXPIRED",
    Ended.LIQUIDITY: "INSUFFICIENT_LIQUIDITY", Ended.VENUE: "EXCHANGE_CANCELED",
}  # fmt: skip
_NOTHING = "0.00000000"


def status_of(order: SimOrder) -> str:
    """How an order stands now."""
    return "EXPIRED_IN_MATCH" if order.ended is Ended.SELF_TRADE else _STATUSES[order.status]


def kind_of(order: SimOrder) -> str:
    """Its type."""
    return "MARKET" if order.is_market else "LIMIT_MAKER" if order.post_only else "LIMIT"


def placed(order: SimOrder, shape: str) -> dict[str, Any]:
    """The answer to a new order; *shape*: ACK, RESULT or FULL."""
    told: dict[str, Any] = {
        "symbol": order.symbol, "orderId": order.number, "orderListId": -1, "clientOrderId": order.client_id,
        "transactTime": order.created_us // 1000,
    }  # fmt: skip
    if shape == "ACK":
        return told
    told |= _terms(order) | {"workingTime": order.created_us // 1000, "selfTradePreventionMode": _prevention(order)}
    if order.ended in _EXPIRY_REASONS:
        told["expiryReason"] = _EXPIRY_REASONS[order.ended]
    if shape == "FULL":
        told["fills"] = [
            {
                "price": eight(fill.price_raw, fill.price_scale), "qty": eight(fill.qty_raw, order.qty_scale),
                "commission": eight_decimals(fill.fee_raw), "commissionAsset": fill.fee_asset,
                "tradeId": fill.trade_id,
            }
            for fill in order.fills
        ]  # fmt: skip
    return told


def canceled(order: SimOrder, request: str) -> dict[str, Any]:
    """The answer to a cancel, which has a client's id of its own."""
    return {
        "symbol": order.symbol, "origClientOrderId": order.client_id, "orderId": order.number, "orderListId": -1,
        "clientOrderId": request, "transactTime": order.updated_us // 1000, **_terms(order),
        "selfTradePreventionMode": _prevention(order),
    }  # fmt: skip


def queried(order: SimOrder) -> dict[str, Any]:
    """An order as queries and lists have it."""
    return {
        "symbol": order.symbol, "orderId": order.number, "orderListId": -1, "clientOrderId": order.client_id,
        **_terms(order), "stopPrice": _NOTHING, "icebergQty": _NOTHING, "time": order.created_us // 1000,
        "updateTime": order.updated_us // 1000, "isWorking": True, "workingTime": order.created_us // 1000,
        "selfTradePreventionMode": _prevention(order),
    }  # fmt: skip


def my_trade(fill: SimFill) -> dict[str, Any]:
    """A fill as the list of an account's trades has it."""
    order = fill.order
    return {
        "symbol": order.symbol, "id": fill.trade_id, "orderId": order.number, "orderListId": -1,
        "price": eight(fill.price_raw, fill.price_scale), "qty": eight(fill.qty_raw, order.qty_scale),
        "quoteQty": eight_decimals(fill.cost_raw), "commission": eight_decimals(fill.fee_raw),
        "commissionAsset": fill.fee_asset, "time": fill.at_us // 1000, "isBuyer": order.is_buy,
        "isMaker": fill.is_maker, "isBestMatch": True,
    }  # fmt: skip


def execution_report(change: Change, now_ms: int) -> dict[str, Any]:
    """The event of one change, as the order stood then."""
    order, fill = change.order, change.fill
    by_request = change.kind is ChangeKind.ENDED and order.ended is Ended.USER
    what, status = _told_kind(change), _STATUSES[change.status]
    if what == "TRADE_PREVENTION":
        status = "EXPIRED_IN_MATCH"
    told: dict[str, Any] = {
        "e": "executionReport", "E": now_ms, "s": order.symbol, "c": change.request if by_request else order.client_id,
        "S": "BUY" if order.is_buy else "SELL", "o": kind_of(order), "f": order.tif.value.upper(),
        "q": eight(order.qty_raw, order.qty_scale), "p": eight(order.price_raw or 0, order.price_scale),
        "P": _NOTHING, "F": _NOTHING, "g": -1, "C": order.client_id if by_request else "", "x": what, "X": status,
        "r": "NONE", "i": order.number, "l": _NOTHING, "z": eight(change.filled_raw, order.qty_scale), "L": _NOTHING,
        "n": "0", "N": None, "T": change.at_us // 1000, "t": -1, "I": change.number,
        "w": change.status in (Status.NEW, Status.PARTIAL) and not order.is_market, "m": False,
        "O": order.created_us // 1000, "Z": eight_decimals(change.cost_raw), "Y": _NOTHING,
        "Q": eight_decimals(order.terms.spend_raw), "W": order.created_us // 1000, "V": _prevention(order),
    }  # fmt: skip
    if fill is not None:
        told |= {
            "l": eight(fill.qty_raw, order.qty_scale), "L": eight(fill.price_raw, fill.price_scale),
            "Y": eight_decimals(fill.cost_raw), "n": eight_decimals(fill.fee_raw), "N": fill.fee_asset,
            "t": fill.trade_id, "m": fill.is_maker,
        }  # fmt: skip
    elif change.kind is ChangeKind.ENDED and order.ended in _EXPIRY_REASONS:
        told["eR"] = _EXPIRY_REASONS[order.ended]
    return told


def account_position(account: SimAccount, assets: tuple[str, ...], now_ms: int) -> dict[str, Any]:
    """What there is of assets that may have changed."""
    return {
        "e": "outboundAccountPosition", "E": now_ms, "u": now_ms,
        "B": [
            {"a": asset, "f": eight_decimals(held.free_raw), "l": eight_decimals(held.locked_raw)}
            for asset, held in ((asset, account.holdings[asset]) for asset in assets)
        ],
    }  # fmt: skip


def order_limits(in_ten_seconds: int, of_the_day: int) -> list[dict[str, Any]]:
    """How many orders count, and how many may."""
    return [
        {
            "rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100, "count": in_ten_seconds,
        },
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200_000, "count": of_the_day},
    ]  # fmt: skip


def _terms(order: SimOrder) -> dict[str, Any]:
    """What all answers have of an order."""
    return {
        "price": eight(order.price_raw or 0, order.price_scale), "origQty": eight(order.qty_raw, order.qty_scale),
        "executedQty": eight(order.filled_raw, order.qty_scale),
        "origQuoteOrderQty": eight_decimals(order.terms.spend_raw),
        "cummulativeQuoteQty": eight_decimals(order.cost_raw), "status": status_of(order),
        "timeInForce": order.tif.value.upper(), "type": kind_of(order), "side": "BUY" if order.is_buy else "SELL",
    }  # fmt: skip


def _prevention(order: SimOrder) -> str:
    return _SELF_TRADES[order.terms.self_trade]


def _told_kind(change: Change) -> str:
    if change.kind is not ChangeKind.ENDED:
        return change.kind.value.upper()
    if change.order.ended is Ended.SELF_TRADE:
        return "TRADE_PREVENTION"
    return _STATUSES[change.status]
