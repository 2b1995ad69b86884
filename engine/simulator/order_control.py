"""What the control port tells of orders, and what it does to them: the truth that tests hold others against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Protocol

from engine.simulator.desk import OrderDesk, Refused
from engine.simulator.filters import number, raw_of
from engine.simulator.market import SymbolMarket
from engine.simulator.orders import Ended, SimAccount, SimFill, SimOrder, Terms, Tif, amount_text

_ACTS = ("fill", "cancel", "expire")
_PLACE_KEYS = ("venue", "account", "symbol", "side", "qty", "price", "tif", "post_only", "client_id")
_ACT_KEYS = ("venue", "account", "order", "client_id", "do", "qty")


class Kept(Protocol):
    """What is told and done here of a venue."""

    accounts: dict[str, SimAccount]
    markets: dict[str, SymbolMarket]
    desk: OrderDesk

    def order_name(self, order: SimOrder) -> str:
        """The venue's own name of an order."""

    def fill_name(self, fill: SimFill) -> str:
        """The venue's own name of a fill."""

    def symbol_of(self, text: str) -> str:
        """The venue's spelling of a symbol in any spelling."""


def told_orders(venue: Kept, account: str) -> dict[str, list[dict[str, Any]]]:
    """Every order ever taken, by account; *account*: only this one, all where it is empty."""
    return {
        name: [told_order(venue, order) for order in held.orders.values()] for name, held in _accounts(venue, account)
    }


def told_fills(venue: Kept, account: str) -> dict[str, list[dict[str, Any]]]:
    """Every fill, by account."""
    return {name: [_told_fill(venue, fill) for fill in held.fills] for name, held in _accounts(venue, account)}


def told_balances(venue: Kept, account: str) -> dict[str, dict[str, list[str]]]:
    """By account and asset what is free and what is held."""
    return {
        name: {
            asset: [amount_text(holding.free_raw), amount_text(holding.locked_raw)]
            for asset, holding in held.holdings.items()
        }
        for name, held in _accounts(venue, account)
    }


def told_order(venue: Kept, order: SimOrder) -> dict[str, Any]:
    """One order as it stands."""
    return {
        "number": order.number, "id": venue.order_name(order), "client_id": order.client_id, "symbol": order.symbol,
        "side": "buy" if order.is_buy else "sell", "price": None if order.is_market else order.price_text,
        "qty": order.qty_text, "filled": order.filled_text, "cost": amount_text(order.cost_raw),
        "fee": amount_text(order.fee_raw), "tif": order.tif.value, "post_only": order.post_only,
        "status": order.status.value, "ended": "" if order.ended is None else order.ended.value,
        "foreign": order.is_foreign, "created_us": order.created_us,
        "received_us": order.received_us, "updated_us": order.updated_us,
        "fills": [venue.fill_name(fill) for fill in order.fills],
    }  # fmt: skip


def place_foreign(venue: Kept, body: Mapping[str, Any]) -> dict[str, Any]:
    """Place an order on an account that is not of the client under test.

    Raises:
        ValueError: the body is wrong, or the venue refuses the order.
    """
    _check_keys(body, _PLACE_KEYS)
    market = venue.markets[venue.symbol_of(str(body.get("symbol", "")))]
    if body.get("side") not in ("buy", "sell"):
        raise ValueError("side must be buy or sell")
    instrument = market.instrument
    price = None if body.get("price") is None else raw_of(_number(body, "price"), instrument.price_scale)
    qty = raw_of(_number(body, "qty"), instrument.qty_scale)
    if not qty or price == 0 or (price is None and body.get("price") is not None):
        raise ValueError("price and qty must be above 0, with the instrument's decimals")
    account = _account(venue, body)
    terms = Terms(
        str(body.get("client_id", f"web_{len(venue.desk.orders) + 1}")), body["side"] == "buy", price, qty,
        Tif(body.get("tif", "gtc")), body.get("post_only") is True,
    )  # fmt: skip
    order = venue.desk.place(account, market, terms, is_foreign=True)
    venue.desk.tell_all()
    if isinstance(order, Refused):
        raise ValueError(f"the venue refuses it: {order.value}")
    return told_order(venue, order)


def act_on(venue: Kept, body: Mapping[str, Any]) -> dict[str, Any]:
    """Fill an order, or a part of it, cancel it, or let it expire, as the venue would by itself.

    Raises:
        ValueError: the body is wrong, or the order is not open.
    """
    _check_keys(body, _ACT_KEYS)
    if body.get("do") not in _ACTS:
        raise ValueError(f"do must be one of {', '.join(_ACTS)}")
    order = _order(venue, body)
    qty = order.leaves_raw if body.get("qty") is None else raw_of(_number(body, "qty"), order.qty_scale)
    if not qty and order.is_open:
        raise ValueError("qty must be above 0, with the instrument's decimals")
    if body["do"] == "fill":
        is_done = venue.desk.fill(order, qty or 0)
    else:
        is_done = venue.desk.cancel(order, Ended.USER if body["do"] == "cancel" else Ended.VENUE)
    venue.desk.tell_all()
    if not is_done:
        raise ValueError(f"the order is not open: {order.status.value}")
    return told_order(venue, order)


def _told_fill(venue: Kept, fill: SimFill) -> dict[str, Any]:
    order = fill.order
    return {
        "number": fill.number, "id": venue.fill_name(fill), "trade_id": fill.trade_id, "order": order.number,
        "order_id": venue.order_name(order), "client_id": order.client_id, "symbol": order.symbol,
        "side": "buy" if order.is_buy else "sell", "price": fill.price_text, "qty": fill.qty_text,
        "cost": amount_text(fill.cost_raw), "fee": amount_text(fill.fee_raw), "fee_asset": fill.fee_asset,
        "maker": fill.is_maker, "foreign": order.is_foreign, "at_us": fill.at_us,
    }  # fmt: skip


def _accounts(venue: Kept, name: str) -> Iterator[tuple[str, SimAccount]]:
    return ((key, account) for key, account in venue.accounts.items() if name in ("", key))


def _account(venue: Kept, body: Mapping[str, Any]) -> SimAccount:
    """The account that a body names, the venue's first where it names none."""
    if not venue.accounts:
        raise ValueError("the venue has no accounts")
    name = str(body.get("account", next(iter(venue.accounts))))
    if name not in venue.accounts:
        raise ValueError(f"no account {name!r}; there are {', '.join(venue.accounts)}")
    return venue.accounts[name]


def _order(venue: Kept, body: Mapping[str, Any]) -> SimOrder:
    order = None
    if isinstance(body.get("order"), int):
        order = venue.desk.find(body["order"])
    elif "client_id" in body:
        named = (account.named(str(body["client_id"])) for _, account in _accounts(venue, str(body.get("account", ""))))
        order = next((found for found in named if found is not None), None)
    if order is None:
        raise ValueError("no such order: order is its number, client_id the client's name of it")
    return order


def _number(body: Mapping[str, Any], key: str) -> Decimal:
    found = number(body.get(key))
    if found is None:
        raise ValueError(f"{key} must be a decimal text")
    return found


def _check_keys(body: Mapping[str, Any], known: tuple[str, ...]) -> None:
    wrong = [str(key) for key in body if key not in known]
    if wrong:
        raise ValueError(f"no such key: {', '.join(wrong)}; there are {', '.join(known)}")
