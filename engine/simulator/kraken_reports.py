"""The simulated Kraken's orders and fills as it writes them: JSON numbers by WebSocket, texts by REST."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.simulator import kraken_payloads as payloads
from engine.simulator.desk import Change, ChangeKind
from engine.simulator.orders import SCALE, Ended, SimAccount, SimFill, SimOrder, Status, amount_of, amount_text
from engine.simulator.texts import fixed_text, ratio_raw, rfc3339_us, trimmed_text

_STATUSES = {
    Status.NEW: "new", Status.PARTIAL: "partially_filled", Status.FILLED: "filled", Status.CANCELED: "canceled",
    Status.EXPIRED: "expired",
}  # fmt: skip
_REST_STATUSES = {
    Status.NEW: "open", Status.PARTIAL: "open", Status.FILLED: "closed", Status.CANCELED: "canceled",
    Status.EXPIRED: "expired",
}  # fmt: skip
_REASONS = {
    Ended.USER: "User requested", Ended.POST_ONLY: "Post only order", Ended.SELF_TRADE: "Self trade prevention",
    Ended.IOC: "Immediate or cancel", Ended.FOK: "Fill or kill", Ended.LIQUIDITY: "Insufficient liquidity",
    Ended.DEAD_MAN: "Cancel all orders after", Ended.VENUE: "Expired",
}  # fmt: skip
_AVERAGE_DECIMALS = 10


def order_id(order: SimOrder) -> str:
    """The venue's name of an order."""
    return _name("O", order.number)


def exec_id(fill: SimFill) -> str:
    """The venue's name of a fill."""
    return _name("T", fill.number)


def number_of(name: str) -> int:
    """What an order's name was made of; 0 where it is none."""
    digits = name[1:].replace("-", "")
    return int(digits) if digits.isdecimal() and _name("O", int(digits)) == name else 0


def _name(letter: str, number: int) -> str:
    digits = f"{number:016d}"
    return f"{letter}{digits[:5]}-{digits[5:10]}-{digits[10:]}"


def taken(order: SimOrder, at_us: int) -> dict[str, Any]:
    """The first entry of an order, which alone has everything."""
    told: dict[str, Any] = {
        "order_id": order_id(order), "symbol": order.symbol, "order_qty": _json(order.qty_text),
        "cum_cost": 0, "time_in_force": order.tif.value.upper(), "exec_type": "pending_new",
        "side": _side(order), "order_type": _kind(order), "order_userref": 0, "limit_price_type": "static",
        "order_status": "pending_new", "fee_usd_equiv": 0, "fee_ccy_pref": "fciq", "timestamp": rfc3339_us(at_us),
    }  # fmt: skip
    if order.price_raw is not None:
        told |= {"limit_price": _json(order.price_text), "post_only": order.post_only}
    return told | _client(order)


def snapshot(order: SimOrder) -> dict[str, Any]:
    """An open order as a subscription begins with it."""
    return taken(order, order.created_us) | {
        "exec_type": "new", "order_status": _STATUSES[order.status], "timestamp": rfc3339_us(order.updated_us),
        **_sums(order, order.settled_raw, order.cost_raw, order.fee_raw),
    }  # fmt: skip


def trade(fill: SimFill, status: str) -> dict[str, Any]:
    """A fill; *status* of its order."""
    order = fill.order
    return {
        "order_id": order_id(order), "exec_id": exec_id(fill), "exec_type": "trade", "trade_id": fill.trade_id,
        "symbol": order.symbol, "side": _side(order), "last_qty": _json(fill.qty_text),
        "last_price": _json(fill.price_text), "liquidity_ind": "m" if fill.is_maker else "t",
        "cost": _json(amount_text(fill.cost_raw)), "order_status": status, "order_type": _kind(order),
        "timestamp": rfc3339_us(fill.at_us), "fee_usd_equiv": _json(amount_text(fill.fee_raw)),
        "fees": [{"asset": fill.fee_asset, "qty": _json(amount_text(fill.fee_raw))}],
    }  # fmt: skip


def executions(change: Change) -> list[dict[str, Any]]:
    """The entries of one change; those after an order's first lack what has not changed."""
    order, at = change.order, rfc3339_us(change.at_us)
    if change.kind is ChangeKind.TAKEN:
        return [taken(order, change.at_us)]
    if change.kind is ChangeKind.NEW:
        return [{
            "timestamp": at, "order_status": "new", "exec_type": "new", "order_userref": 0,
            "order_id": order_id(order),
        }]  # fmt: skip
    sums = _sums(order, change.filled_raw, change.cost_raw, change.fee_raw)
    if change.fill is not None:
        entry = trade(change.fill, "partially_filled") | sums | _client(order)
        if change.status is not Status.FILLED:
            return [entry]
        # The last fill too says that the order is filled in part; the next entry says that it is filled.
        return [entry, {
            "timestamp": at, "order_status": "filled", "exec_type": "filled", "order_id": order_id(order), **sums,
        }]  # fmt: skip
    reason = _REASONS[order.ended or Ended.USER]
    what = _STATUSES[change.status]
    return [{
        "timestamp": at, "order_status": what, "exec_type": what, **sums, "order_userref": 0, "cancel_reason": reason,
        "reason": reason, "order_id": order_id(order), **_client(order),
    }]  # fmt: skip


def ledger_entries(fill: SimFill, account: SimAccount) -> list[dict[str, Any]]:
    """What a fill changed of either asset, and what there is after it."""
    order = fill.order
    instrument = order.instrument
    sign = 1 if order.is_buy else -1
    got_raw = amount_of(fill.qty_raw, order.qty_scale)
    return [
        {
            "asset": asset, "asset_class": "currency", "amount": _json(amount_text(amount_raw)),
            "balance": _json(amount_text(account.holdings[asset].total_raw)), "fee": _json(amount_text(fee_raw)),
            "ledger_id": _name("L", 2 * fill.number + index), "ref_id": exec_id(fill), "type": "trade", "subtype": "",
            "category": "trade", "wallet_type": "spot", "wallet_id": "main", "timestamp": rfc3339_us(fill.at_us),
        }
        for index, (asset, amount_raw, fee_raw) in enumerate((
            (instrument.base, sign * got_raw, 0), (instrument.quote, -sign * fill.cost_raw, fill.fee_raw),
        ))
    ]  # fmt: skip


def balances(account: SimAccount) -> list[dict[str, Any]]:
    """Every asset, whole."""
    rows = []
    for asset, held in account.holdings.items():
        total = _json(amount_text(held.total_raw))
        wallets = [{"type": "spot", "id": "main", "balance": total}]
        rows.append({"asset": asset, "asset_class": "currency", "balance": total, "wallets": wallets})
    return rows


def rest_balances(account: SimAccount, extended: bool) -> dict[str, Any]:
    """Every asset in the venue's older spelling, with what orders hold where *extended*."""
    return {
        payloads.rest_asset(asset): {"balance": _long(held.total_raw), "hold_trade": _long(held.locked_raw)}
        if extended
        else _long(held.total_raw)
        for asset, held in account.holdings.items()
    }


def described(order: SimOrder) -> dict[str, Any]:
    """An order in words."""
    pair = str(payloads.asset_pair(order.instrument)["altname"])
    words = f"{_side(order)} {order.qty_text} {pair} @ {_kind(order)}"
    return {
        "pair": pair, "type": _side(order), "ordertype": _kind(order), "price": _price(order), "price2": "0",
        "leverage": "none", "order": words if order.is_market else f"{words} {order.price_text}", "close": "",
    }  # fmt: skip


def rest_order(order: SimOrder, with_trades: bool) -> dict[str, Any]:
    """An order as lists by REST have it."""
    told: dict[str, Any] = {
        "refid": None, "userref": 0, "cl_ord_id": order.client_id or None, "status": _REST_STATUSES[order.status],
        "reason": None if order.ended is None else _REASONS[order.ended],
        "opentm": _seconds(order.created_us), "starttm": 0, "expiretm": 0, "descr": described(order),
        "vol": order.qty_text, "vol_exec": order.filled_text, "cost": amount_text(order.cost_raw),
        "fee": amount_text(order.fee_raw), "price": _average(order.settled_raw, order.qty_scale, order.cost_raw),
        "stopprice": "0", "limitprice": "0", "misc": "", "oflags": "fciq,post" if order.post_only else "fciq",
        "timeinforce": order.tif.value.upper(),
    }  # fmt: skip
    if not order.is_open:
        told["closetm"] = _seconds(order.updated_us)
    if with_trades:
        told["trades"] = [exec_id(fill) for fill in order.fills]
    return told


def rest_trade(fill: SimFill) -> dict[str, Any]:
    """A fill as the history by REST has it."""
    order = fill.order
    return {
        "ordertxid": order_id(order), "postxid": "", "pair": payloads.rest_name(order.instrument),
        "time": _seconds(fill.at_us), "type": _side(order), "ordertype": _kind(order), "price": fill.price_text,
        "cost": amount_text(fill.cost_raw), "fee": amount_text(fill.fee_raw), "vol": fill.qty_text, "margin": "0",
        "misc": "", "trade_id": fill.trade_id, "maker": fill.is_maker, "cl_ord_id": order.client_id or None,
    }  # fmt: skip


def _sums(order: SimOrder, filled_raw: int, cost_raw: int, fee_raw: int) -> dict[str, Any]:
    return {
        "cum_qty": _json(fixed_text(filled_raw, order.qty_scale)), "cum_cost": _json(amount_text(cost_raw)),
        "avg_price": _json(_average(filled_raw, order.qty_scale, cost_raw)),
        "fee_usd_equiv": _json(amount_text(fee_raw)),
    }  # fmt: skip


def _average(filled_raw: int, qty_scale: int, cost_raw: int) -> str:
    average_raw = ratio_raw(cost_raw, amount_of(filled_raw, qty_scale), _AVERAGE_DECIMALS)
    return trimmed_text(average_raw, _AVERAGE_DECIMALS)


def _client(order: SimOrder) -> dict[str, Any]:
    return {"cl_ord_id": order.client_id} if order.client_id else {}


def _price(order: SimOrder) -> str:
    return "0" if order.is_market else order.price_text


def _side(order: SimOrder) -> str:
    return "buy" if order.is_buy else "sell"


def _kind(order: SimOrder) -> str:
    return "market" if order.is_market else "limit"


def _seconds(at_us: int) -> msgspec.Raw:
    return _json(fixed_text(at_us, 6))


def _json(text: str) -> msgspec.Raw:
    """A decimal as a JSON number, digit by digit."""
    return msgspec.Raw(text.encode())


def _long(amount_raw: int) -> str:
    """An amount, exact, with eight decimals at least."""
    whole, _, decimals = fixed_text(amount_raw, SCALE).partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(8, '0')}"
