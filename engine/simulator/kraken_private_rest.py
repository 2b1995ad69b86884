"""The simulated Kraken's private calls by REST, once their signature has been found right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.simulator import kraken_payloads as payloads
from engine.simulator import kraken_reports as reports
from engine.simulator.fault_rules import FaultRule
from engine.simulator.kraken_orders import UNKNOWN_OUTCOME, KrakenOrders, RefusedError, Traded, asked_by_rest
from engine.simulator.messages import RestReply
from engine.simulator.orders import SimAccount, SimOrder
from engine.simulator.texts import rfc3339_us

_PAGE = 50
ORDER_CALLS = ("AddOrder", "CancelOrder", "CancelAll", "CancelAllOrdersAfter")
"""What is not counted among the calls, but by the orders."""
HISTORY_CALLS = ("ClosedOrders", "TradesHistory", "QueryTrades")
"""What counts twice."""

Params = Mapping[str, Any]


class KrakenPrivateRest:
    """``/0/private`` of one venue.

    Args:
        venue: whose.
        orders: of its accounts.
    """

    def __init__(self, venue: Traded, orders: KrakenOrders) -> None:
        self._venue = venue
        self._orders = orders
        self._rule: FaultRule | None = None
        self._delay_us = 0
        self._calls: dict[str, Callable[[SimAccount, Params], object]] = {
            "AddOrder": self._add, "CancelOrder": self._cancel, "CancelAll": self._cancel_all,
            "CancelAllOrdersAfter": self._cancel_after, "OpenOrders": self._open, "ClosedOrders": self._closed,
            "QueryOrders": self._query, "TradesHistory": self._trades, "QueryTrades": self._query_trades,
            "Balance": lambda account, _: reports.rest_balances(account, extended=False),
            "BalanceEx": lambda account, _: reports.rest_balances(account, extended=True),
        }  # fmt: skip

    def knows(self, name: str) -> bool:
        """Whether there is such a call."""
        return name in self._calls

    def answer(self, name: str, account: SimAccount, params: Params) -> RestReply:
        """Do what a call asks for, and tell of the orders that it changed."""
        self._rule, self._delay_us = None, 0
        try:
            reply = RestReply(200, payloads.envelope(self._calls[name](account, params)), {}, self._delay_us)
        except RefusedError as refusal:
            reply = RestReply(200, payloads.failure(str(refusal)))
        self._venue.desk.tell_all()
        rule = self._rule
        failed = RestReply(503 if rule is None else rule.status, payloads.failure(UNKNOWN_OUTCOME))
        return self._venue.order_gate.rest_answer(rule, reply, failed)

    def _add(self, account: SimAccount, params: Params) -> object:
        pair = str(params.get("pair", ""))
        symbol = next(
            (name for name, market in self._venue.markets.items() if pair in payloads.names_of(market.instrument)), ""
        )
        order, self._rule = self._orders.add(account, asked_by_rest(params, symbol))
        if order is None:
            return {"descr": {"order": ""}}
        return {"txid": [reports.order_id(order)], "descr": reports.described(order)}

    def _cancel(self, account: SimAccount, params: Params) -> object:
        self._rule = self._orders.cancel(
            account, name=str(params.get("txid", "")), client_id=str(params.get("cl_ord_id", ""))
        )
        return {"count": 1}

    def _cancel_all(self, account: SimAccount, params: Params) -> object:
        return {"count": self._orders.cancel_all(account)}

    def _cancel_after(self, account: SimAccount, params: Params) -> object:
        now_us, at_us = self._orders.cancel_after(account, params.get("timeout"))
        return {"currentTime": rfc3339_us(now_us), "triggerTime": rfc3339_us(at_us) if at_us else "0"}

    def _open(self, account: SimAccount, params: Params) -> object:
        self._delay_us = self._venue.order_gate.open_orders_delay_us()
        found = [order for order in account.open_orders.values() if self._is_asked(order, params)]
        return {"open": _listed([order for order in found if not self._venue.order_gate.hides(order)], params)}

    def _closed(self, account: SimAccount, params: Params) -> object:
        found = [
            order
            for order in reversed(account.orders.values())
            if not order.is_open and self._is_asked(order, params) and _is_within(order.updated_us, params)
        ]
        return {"closed": _listed(_page(found, params), params), "count": len(found)}

    def _query(self, account: SimAccount, params: Params) -> object:
        names = str(params.get("txid", "")).split(",")
        found = [account.orders.get(reports.number_of(name)) for name in names]
        known = [order for order in found if order is not None and not self._venue.order_gate.hides(order)]
        if not known:
            raise RefusedError("EOrder:Unknown order")
        return _listed(known, params)

    def _trades(self, account: SimAccount, params: Params) -> object:
        found = [fill for fill in reversed(account.fills) if _is_within(fill.at_us, params)]
        trades = {reports.exec_id(fill): reports.rest_trade(fill) for fill in _page(found, params)}
        return {"trades": trades, "count": len(found)}

    def _query_trades(self, account: SimAccount, params: Params) -> object:
        names = str(params.get("txid", "")).split(",")
        known = {reports.exec_id(fill): fill for fill in account.fills}
        return {name: reports.rest_trade(known[name]) for name in names if name in known}

    @staticmethod
    def _is_asked(order: SimOrder, params: Params) -> bool:
        return params.get("cl_ord_id") in (None, order.client_id)


def _listed(orders: list[SimOrder], params: Params) -> dict[str, Any]:
    with_trades = str(params.get("trades", "")).lower() == "true"
    return {reports.order_id(order): reports.rest_order(order, with_trades) for order in orders}


def _page(found: list[Any], params: Params) -> list[Any]:
    """Fifty, the newest first, from where the call says."""
    text = str(params.get("ofs", "0"))
    first = int(text) if text.isdecimal() else 0
    return found[first : first + _PAGE]


def _is_within(at_us: int, params: Params) -> bool:
    """Whether a time is after ``start`` and not after ``end``, where they are told in seconds."""
    for edge, sign in (("start", 1), ("end", -1)):
        text = str(params.get(edge, ""))
        whole, _, decimals = text.partition(".")
        if whole.isdecimal() and sign * (at_us - int(whole + decimals.ljust(6, "0")[:6])) < (1 if sign > 0 else 0):
            return False
    return True
