"""The simulated Kraken's orders: what its WebSocket and its REST calls share.

The venue's rules, as protocols tell them:
1. a client's id is unique among open orders; a post-only order that would take is accepted and ends at once;
2. each order and each cancel adds to a counter of its pair, a cancel the more the younger its order is;
3. ``cancel_all_orders_after`` ends all orders of the account when its time is up, unless it is asked again before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from engine.simulator.desk import OrderDesk, Refused
from engine.simulator.fault_rules import FaultRule
from engine.simulator.filters import Filter, failed_filter, number, raw_of
from engine.simulator.kraken_reports import number_of
from engine.simulator.limits import SECOND_US, DecayingCount
from engine.simulator.market import SymbolMarket
from engine.simulator.order_faults import OrderGate
from engine.simulator.orders import SCALE, Ended, SelfTrade, SimAccount, SimOrder, Terms, Tif
from engine.simulator.timeline import Timeline

_CLIENT_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}|[\x20-\x7e]{1,18}")
# Of an account of the second of three tiers.
_COUNT_MAX, _COUNT_DECAY = 125, 2.34
_CANCEL_COUNTS = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DEADLINE_MAX_US = 60 * SECOND_US
_SELF_TRADES = {
    "cancel_newest": SelfTrade.TAKER, "cancel_oldest": SelfTrade.MAKER, "cancel_both": SelfTrade.BOTH,
}  # fmt: skip
_REFUSALS = {
    Refused.CLOSED: "EService:Market in cancel_only mode", Refused.DUPLICATE: "EGeneral:Invalid arguments:cl_ord_id",
    Refused.FUNDS: "EOrder:Insufficient funds", Refused.TOO_MANY: "EOrder:Orders limit exceeded",
    Refused.VENUE: "EOrder:Trading agreement required",
}  # fmt: skip
_FILTERS = {
    Filter.TICK: "EOrder:Tick size check failed", Filter.BAND: "EOrder:Invalid price",
    Filter.LOT: "EGeneral:Invalid arguments:volume", Filter.LEAST_QTY: "EOrder:Order minimum not met",
    Filter.LEAST_COST: "EOrder:Cost minimum not met",
}  # fmt: skip
UNKNOWN_OUTCOME = "EService:Timeout"
_RATE = "EOrder:Rate limit exceeded"
_UNKNOWN = "EOrder:Unknown order"


class RefusedError(Exception):
    """A request that the venue answers with this text."""


class Asked(NamedTuple):
    """An order's request in one spelling, whichever way it came. Values are as they came."""

    symbol: str
    side: object
    kind: object
    qty: object
    price: object = None
    tif: object = None
    post_only: bool = False
    client_id: object = None
    spend: object = None
    self_trade: object = None
    deadline: object = None
    validate: bool = False


class Traded(Protocol):
    """What orders need of the venue."""

    markets: dict[str, SymbolMarket]
    desk: OrderDesk
    order_gate: OrderGate
    timeline: Timeline
    limited: bool
    true_us: Callable[[], int]

    @property
    def now_us(self) -> int:
        """What the venue's clock shows."""

    @property
    def present_us(self) -> int:
        """What the venue's clock shows at this instant, however late its market is."""


class KrakenOrders:
    """Orders of all accounts of one venue."""

    def __init__(self, venue: Traded) -> None:
        self._venue = venue
        self._counts: dict[tuple[SimAccount, str], DecayingCount] = {}
        self._switches: dict[SimAccount, int] = {}
        self._switches_count = 0

    def add(self, account: SimAccount, asked: Asked) -> tuple[SimOrder | None, FaultRule | None]:
        """Take an order; None where it was only to be checked, or never came.

        Raises:
            RefusedError: it is not taken.
        """
        market = self._venue.markets.get(asked.symbol)
        if market is None:
            raise RefusedError("EQuery:Unknown asset pair")
        terms = self._terms(market, asked)
        self._check_deadline(asked.deadline)
        self._count(account, asked.symbol, 1)
        if asked.validate:
            refused = self._venue.desk.refusal(account, market, terms)
            if refused is not None:
                raise RefusedError(_REFUSALS[refused])
            return None, None
        placed = self._venue.order_gate.place(account, market, terms)
        if isinstance(placed.order, Refused):
            raise RefusedError(_REFUSALS[placed.order])
        return placed.order, placed.rule

    def cancel(self, account: SimAccount, *, name: str = "", client_id: str = "") -> FaultRule | None:
        """End an order.

        Raises:
            RefusedError: there is no such open order.
        """
        order = self.find(account, name=name, client_id=client_id)
        if order is None or not order.is_open:
            raise RefusedError(_UNKNOWN)
        age_s = (self._venue.now_us - order.created_us) // SECOND_US
        self._count(account, order.symbol, next((count for within_s, count in _CANCEL_COUNTS if age_s < within_s), 0))
        is_done, rule = self._venue.order_gate.cancel(order)
        if not is_done and (rule is None or rule.fault == "cancel_race"):
            raise RefusedError(_UNKNOWN)
        return rule

    def cancel_all(self, account: SimAccount, reason: Ended = Ended.USER) -> int:
        """End every order of an account; how many there were."""
        return sum(self._venue.desk.cancel(order, reason) for order in list(account.open_orders.values()))

    def cancel_after(self, account: SimAccount, timeout: object) -> tuple[int, int]:
        """Arm or disarm the switch that ends all orders of an account.

        Returns:
            The time now, and when it will strike; 0 = it will not.

        Raises:
            RefusedError: no time that is allowed.
        """
        found = number(timeout)
        if found is None or found != int(found) or found > 86_400:
            raise RefusedError("EGeneral:Invalid arguments:timeout")
        self._switches_count += 1
        self._switches[account] = mine = self._switches_count
        now_us = self._venue.now_us
        after_us = int(found) * SECOND_US

        def strike() -> None:
            if self._switches.get(account) == mine:
                del self._switches[account]
                self.cancel_all(account, Ended.DEAD_MAN)
                self._venue.desk.tell_all()

        if not after_us:
            del self._switches[account]
            return now_us, 0
        self._venue.timeline.after(after_us, strike)
        return now_us, now_us + after_us

    @staticmethod
    def find(account: SimAccount, *, name: str = "", client_id: str = "") -> SimOrder | None:
        """An order by the venue's name or by the client's."""
        return account.orders.get(number_of(name)) if name else account.named(client_id)

    def _count(self, account: SimAccount, symbol: str, weight: int) -> None:
        if not self._venue.limited:
            return
        counter = self._counts.setdefault((account, symbol), DecayingCount(_COUNT_MAX, _COUNT_DECAY))
        if not counter.take(weight, self._venue.true_us()):
            raise RefusedError(_RATE)

    def _check_deadline(self, deadline: object) -> None:
        if deadline is None:
            return
        try:
            at_us = (datetime.fromisoformat(str(deadline)) - _EPOCH) // timedelta(microseconds=1)
        except (ValueError, TypeError):
            raise _invalid("deadline") from None
        left_us = at_us - self._venue.present_us
        if left_us <= 0:
            raise RefusedError("EService:Deadline elapsed")
        if left_us > _DEADLINE_MAX_US:
            raise _invalid("deadline")

    def _terms(self, market: SymbolMarket, asked: Asked) -> Terms:
        if asked.side not in ("buy", "sell"):
            raise _invalid("type")
        if asked.kind not in ("limit", "market"):
            raise _invalid("ordertype")
        is_market = asked.kind == "market"
        tif = {"gtc": Tif.GTC, "ioc": Tif.IOC, "fok": Tif.FOK}.get(str(asked.tif or "gtc").lower())
        if tif is None or (tif is Tif.FOK and is_market):
            raise _invalid("timeinforce")
        if asked.post_only and (is_market or tif is not Tif.GTC):
            raise _invalid("post_only")
        self_trade = _SELF_TRADES.get(str(asked.self_trade or "cancel_newest"))
        if self_trade is None:
            raise _invalid("stptype")
        client_id = asked.client_id
        if client_id is not None and not (isinstance(client_id, str) and _CLIENT_ID.fullmatch(client_id)):
            raise _invalid("cl_ord_id")
        price = None if is_market else _number(asked.price, "price")
        qty, spend_raw = Decimal(0), 0
        if is_market and asked.spend is not None and asked.side == "buy":
            spend_raw = raw_of(_number(asked.spend, "volume"), SCALE) or 0
        else:
            qty = _number(asked.qty, "volume")
            instrument = market.instrument
            failed = failed_filter(market, price, qty, self._venue.desk.rules.least_cost, instrument.min_qty_raw)
            if failed is not None:
                raise RefusedError(_FILTERS[failed])
        return Terms(
            str(client_id or ""), asked.side == "buy",
            None if price is None else raw_of(price, market.instrument.price_scale),
            raw_of(qty, market.instrument.qty_scale) or 0, tif, asked.post_only, spend_raw, self_trade,
        )  # fmt: skip


def _number(value: object, name: str) -> Decimal:
    found = number(value)
    if found is None:
        raise _invalid(name)
    return found


def _invalid(what: str) -> RefusedError:
    return RefusedError(f"EGeneral:Invalid arguments:{what}")


def asked_by_socket(params: Mapping[str, Any]) -> Asked:
    """The parameters of ``add_order``.

    Raises:
        RefusedError: a field that it does not know.
    """
    for name in params:
        if name not in _FIELDS:
            raise RefusedError(f"Unsupported field: '{name}' for the given msg type: add order")
    return Asked(
        str(params.get("symbol", "")), params.get("side"), params.get("order_type"), params.get("order_qty"),
        params.get("limit_price"), params.get("time_in_force"), params.get("post_only") is True,
        params.get("cl_ord_id"), params.get("cash_order_qty"), params.get("stp_type"), params.get("deadline"),
        params.get("validate") is True,
    )  # fmt: skip


_FIELDS = frozenset((
    "symbol", "side", "order_type", "order_qty", "limit_price", "time_in_force", "post_only", "cl_ord_id",
    "cash_order_qty", "stp_type", "deadline", "validate", "token", "order_userref", "fee_preference", "no_mpp",
    "reduce_only", "margin", "sender_sub_id",
))  # fmt: skip


def asked_by_rest(params: Mapping[str, Any], symbol: str) -> Asked:
    """The parameters of ``AddOrder``; *symbol* is what its pair is called here."""
    flags = str(params.get("oflags", "")).split(",")
    by_cost = "viqc" in flags
    return Asked(
        symbol, params.get("type"), params.get("ordertype"), None if by_cost else params.get("volume"),
        params.get("price"), params.get("timeinforce"), "post" in flags, params.get("cl_ord_id"),
        params.get("volume") if by_cost else None, str(params.get("stptype", "cancel-newest")).replace("-", "_"),
        params.get("deadline"), str(params.get("validate", "")).lower() == "true",
    )  # fmt: skip
