"""The simulated Binance's orders: the methods of its WebSocket API, which its signed REST calls share.

The venue's rules, as protocols tell them:
1. a client's id is unique among open orders only (-2010 "Duplicate order sent.");
2. what the rules of the symbol refuse never becomes an order; what the engine refuses is -2010 and no event;
3. an order counts toward 100 in 10 s and 200,000 a day until some of it is filled;
4. a cancel names the order and is named itself; of an order that is not open it is -2011.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from engine.simulator import binance_reports as reports
from engine.simulator.desk import OrderDesk, Refused
from engine.simulator.fault_rules import FaultRule
from engine.simulator.filters import Filter, decimals_of, failed_filter, number, raw_of
from engine.simulator.keys import whole
from engine.simulator.limits import DAY_US, SECOND_US, CountedWindow
from engine.simulator.market import SymbolMarket
from engine.simulator.order_faults import OrderGate
from engine.simulator.orders import SelfTrade, SimAccount, SimOrder, Terms, Tif, amount_of, eight_decimals

_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_LISTED_MAX = 1000
_MOST_DECIMALS = 8
_TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET")
_TIFS = {"GTC": Tif.GTC, "IOC": Tif.IOC, "FOK": Tif.FOK}
_RESPONSES = ("ACK", "RESULT", "FULL")
SELF_TRADES = {
    "EXPIRE_TAKER": SelfTrade.TAKER, "EXPIRE_MAKER": SelfTrade.MAKER, "EXPIRE_BOTH": SelfTrade.BOTH,
}  # fmt: skip
_FILTERS = {
    Filter.TICK: "PRICE_FILTER", Filter.BAND: "PERCENT_PRICE_BY_SIDE", Filter.LOT: "LOT_SIZE",
    Filter.LEAST_QTY: "LOT_SIZE", Filter.LEAST_COST: "NOTIONAL",
}  # fmt: skip


class Failure(NamedTuple):
    """What a call is answered with in place of a result. *retry_us*: when it may be asked again, where that is told."""

    status: int
    code: int
    message: str
    retry_us: int = 0


class Answer(NamedTuple):
    """What a call is answered with, and what a fault does to that.

    Attributes:
        result: or a failure.
        rule: of a fault that strikes the answer.
        delay_us: how long it is held back.
    """

    result: Any
    rule: FaultRule | None = None
    delay_us: int = 0


UNKNOWN_OUTCOME = (
    -1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
)  # fmt: skip
_REFUSALS = {
    Refused.CLOSED: Failure(400, -2010, "Market is closed."),
    Refused.DUPLICATE: Failure(400, -2010, "Duplicate order sent."),
    Refused.FUNDS: Failure(400, -2010, "Account has insufficient balance for requested action."),
    Refused.CROSSING: Failure(400, -2010, "Order would immediately match and take."),
    Refused.TOO_MANY: Failure(400, -1013, "Filter failure: MAX_NUM_ORDERS"),
    Refused.VENUE: Failure(400, -2010, "This action is disabled on this account."),
}
_NO_ORDER = Failure(400, -2013, "Order does not exist.")
_CANCEL_REJECTED = Failure(400, -2011, "Unknown order sent.")
_SYMBOL = Failure(400, -1121, "Invalid symbol.")
_TOO_MANY = Failure(429, -1015, "Too many new orders; current limit is 100 orders per 10 SECOND.")


class _FailedError(Exception):
    """A request that is answered with this failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Traded(Protocol):
    """What orders need of the venue."""

    markets: dict[str, SymbolMarket]
    desk: OrderDesk
    order_gate: OrderGate
    limited: bool
    true_us: Callable[[], int]

    @property
    def present_us(self) -> int:
        """What the venue's clock shows at this instant, however late its market is."""


Params = Mapping[str, Any]


class BinanceOrders:
    """Orders of all accounts of one venue."""

    def __init__(self, venue: Traded) -> None:
        self._venue = venue
        self._counts: dict[SimAccount, tuple[CountedWindow, CountedWindow]] = {}
        self._names_count = 0
        self._methods: dict[str, Callable[[SimAccount, Params], Answer]] = {
            "order.place": self._place, "order.test": self._test, "order.cancel": self._cancel,
            "order.status": self._status, "openOrders.status": self._open_orders,
            "openOrders.cancelAll": self._cancel_all, "allOrders": self._all_orders, "myTrades": self._trades,
            "account.status": self._account, "account.rateLimits.orders": self._rate_limits,
        }  # fmt: skip

    def knows(self, method: object) -> bool:
        """Whether it is a method of an account."""
        return method in self._methods

    def call(self, method: str, account: SimAccount, params: Params) -> Answer:
        """Do what a signed request asks for. What came of it waits for the desk's ``tell_all``."""
        try:
            return self._methods[method](account, params)
        except _FailedError as error:
            return Answer(error.failure)

    def order_counts(self, account: SimAccount) -> tuple[int, int]:
        """Orders that count now, of the ten seconds and of the day."""
        short, day = self._windows(account)
        now_us = self._venue.true_us()
        return short.count(now_us), day.count(now_us)

    def on_first_fill(self, order: SimOrder) -> None:
        """An order that trades counts no longer."""
        for window in self._windows(order.account):
            window.give_back(self._venue.true_us())

    def _windows(self, account: SimAccount) -> tuple[CountedWindow, CountedWindow]:
        if account not in self._counts:
            self._counts[account] = CountedWindow(100, 10 * SECOND_US), CountedWindow(200_000, DAY_US)
        return self._counts[account]

    # --- orders ---

    def _place(self, account: SimAccount, params: Params) -> Answer:
        market = self._market(params)
        terms = self._terms(market, params)
        windows, now_us = self._windows(account), self._venue.true_us()
        if self._venue.limited and not all(window.has_room(now_us) for window in windows):
            full = next(window for window in windows if not window.has_room(now_us))
            return Answer(_TOO_MANY._replace(retry_us=self._venue.present_us + full.left_us(now_us)))
        placed = self._venue.order_gate.place(account, market, terms)
        if isinstance(placed.order, SimOrder):
            for window in windows:
                window.add(now_us)
            shape = params.get("newOrderRespType", "ACK" if terms.post_only else "FULL")
            return Answer(reports.placed(placed.order, shape), placed.rule)
        refusal = None if placed.order is None else _REFUSALS[placed.order]
        return Answer(refusal, placed.rule)

    def _test(self, account: SimAccount, params: Params) -> Answer:
        self._terms(self._market(params), params)
        return Answer({})

    def _cancel(self, account: SimAccount, params: Params) -> Answer:
        market = self._market(params)
        order = self._named(account, market, params)
        if order is None or not order.is_open:
            return Answer(_CANCEL_REJECTED)
        restriction = params.get("cancelRestrictions")
        if restriction not in (None, "ONLY_NEW", "ONLY_PARTIALLY_FILLED"):
            raise _FailedError(_invalid("cancelRestrictions"))
        if restriction is not None and (restriction == "ONLY_NEW") is bool(order.filled_raw):
            return Answer(Failure(400, -2011, "Order was not canceled due to cancel restrictions."))
        request = self._client_id(params)
        is_done, rule = self._venue.order_gate.cancel(order, request)
        return Answer(reports.canceled(order, request) if is_done else _CANCEL_REJECTED, rule)

    def _cancel_all(self, account: SimAccount, params: Params) -> Answer:
        market = self._market(params)
        results = []
        for order in [order for order in account.open_orders.values() if _is_of(order, market)]:
            request = self._client_id({})
            if self._venue.desk.cancel(order, request=request):
                results.append(reports.canceled(order, request))
        return Answer(results or _CANCEL_REJECTED)

    def _status(self, account: SimAccount, params: Params) -> Answer:
        order = self._named(account, self._market(params), params)
        if order is None or self._venue.order_gate.hides(order):
            return Answer(_NO_ORDER)
        return Answer(reports.queried(order))

    def _open_orders(self, account: SimAccount, params: Params) -> Answer:
        market = self._market(params) if "symbol" in params else None
        found = [
            reports.queried(order)
            for order in account.open_orders.values()
            if (market is None or _is_of(order, market)) and not self._venue.order_gate.hides(order)
        ]
        return Answer(found, None, self._venue.order_gate.open_orders_delay_us())

    def _all_orders(self, account: SimAccount, params: Params) -> Answer:
        market = self._market(params)
        first, limit = self._whole(params, "orderId", 0), self._whole(params, "limit", 500)
        since_ms = self._whole(params, "startTime", 0)
        found = [
            order
            for order in account.orders.values()
            if _is_of(order, market) and order.number >= first and order.created_us // 1000 >= since_ms
        ]
        some = found[:limit] if first or since_ms else found[-limit:]
        return Answer([reports.queried(order) for order in some])

    def _trades(self, account: SimAccount, params: Params) -> Answer:
        market = self._market(params)
        limit, order_number = self._whole(params, "limit", 500), self._whole(params, "orderId", 0)
        first, since_ms = self._whole(params, "fromId", 0), self._whole(params, "startTime", 0)
        found = [
            fill
            for fill in account.fills
            if _is_of(fill.order, market)
            and fill.trade_id >= first
            and fill.at_us // 1000 >= since_ms
            and order_number in (0, fill.order.number)
        ]
        some = found[:limit] if first or since_ms else found[-limit:]
        return Answer([reports.my_trade(fill) for fill in some])

    def _account(self, account: SimAccount, params: Params) -> Answer:
        bare = str(params.get("omitZeroBalances", "false")).lower() == "true"
        balances = [
            {"asset": asset, "free": eight_decimals(held.free_raw), "locked": eight_decimals(held.locked_raw)}
            for asset, held in account.holdings.items()
            if held.total_raw or not bare
        ]
        rules = self._venue.desk.rules
        return Answer({
            "makerCommission": rules.maker_ppm // 100, "takerCommission": rules.taker_ppm // 100,
            "accountType": "SPOT", "canTrade": True, "canWithdraw": False, "canDeposit": False,
            "updateTime": self._venue.present_us // 1000, "balances": balances, "permissions": ["SPOT"],
        })  # fmt: skip

    def _rate_limits(self, account: SimAccount, params: Params) -> Answer:
        return Answer(reports.order_limits(*self.order_counts(account)))

    # --- what a request says ---

    def _market(self, params: Params) -> SymbolMarket:
        if "symbol" not in params:
            raise _FailedError(_missing("symbol"))
        market = self._venue.markets.get(str(params["symbol"]))
        if market is None:
            raise _FailedError(_SYMBOL)
        return market

    def _named(self, account: SimAccount, market: SymbolMarket, params: Params) -> SimOrder | None:
        """The order that a request names; where it does so twice both must mean it."""
        if "orderId" not in params and "origClientOrderId" not in params:
            raise _FailedError(Failure(
                400, -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
            ))
        order = None
        if "orderId" in params:
            order = account.orders.get(self._whole(params, "orderId", 0))
        if "origClientOrderId" in params:
            named = account.named(str(params["origClientOrderId"]))
            order = named if order in (None, named) else None
        return order if order is not None and _is_of(order, market) else None

    def _client_id(self, params: Params) -> str:
        given = params.get("newClientOrderId")
        if given is None:
            self._names_count += 1
            return f"sim{self._names_count:019d}"
        if not isinstance(given, str) or not _CLIENT_ID.fullmatch(given):
            raise _FailedError(_illegal("newClientOrderId", r"^[\.A-Z\:/a-z0-9_-]{1,36}$"))
        return given

    def _terms(self, market: SymbolMarket, params: Params) -> Terms:
        side, kind = params.get("side"), params.get("type")
        for name in ("side", "type"):
            if params.get(name) is None:
                raise _FailedError(_missing(name))
        if side not in ("BUY", "SELL"):
            raise _FailedError(Failure(400, -1117, "Invalid side."))
        if kind not in _TYPES:
            raise _FailedError(Failure(400, -1116, "Invalid orderType."))
        if params.get("newOrderRespType", "ACK") not in _RESPONSES:
            raise _FailedError(_invalid("newOrderRespType"))
        self_trade = SELF_TRADES.get(params.get("selfTradePreventionMode", "EXPIRE_MAKER"))
        if self_trade is None:
            raise _FailedError(_invalid("selfTradePreventionMode"))
        is_market, is_maker = kind == "MARKET", kind == "LIMIT_MAKER"
        self._check_names(params, is_market, is_maker)
        tif = Tif.GTC if kind != "LIMIT" else _TIFS.get(str(params["timeInForce"]))
        if tif is None:
            raise _FailedError(Failure(400, -1115, "Invalid timeInForce."))
        spend_raw, price, qty = 0, None, None
        if not is_market:
            price = self._number(params, "price")
        if "quoteOrderQty" in params:
            spend_raw = amount_of(raw_of(self._number(params, "quoteOrderQty"), _MOST_DECIMALS) or 0, _MOST_DECIMALS)
        else:
            qty = self._number(params, "quantity")
            instrument = market.instrument
            failed = failed_filter(market, price, qty, self._venue.desk.rules.least_cost, instrument.lot_raw)
            if failed is not None:
                raise _FailedError(Failure(400, -1013, f"Filter failure: {_FILTERS[failed]}"))
        return Terms(
            self._client_id(params), side == "BUY",
            None if price is None else raw_of(price, market.instrument.price_scale),
            0 if qty is None else raw_of(qty, market.instrument.qty_scale) or 0,
            tif, is_maker, spend_raw, self_trade, str(kind),
        )  # fmt: skip

    def _check_names(self, params: Params, is_market: bool, is_maker: bool) -> None:
        """That all is there that the type needs, and nothing that it does not."""
        by_quote = is_market and "quoteOrderQty" in params
        if by_quote and params.get("side") == "SELL":
            raise _FailedError(_unwanted("quoteOrderQty"))
        for name, is_needed in (
            ("timeInForce", not is_market and not is_maker), ("quantity", not by_quote), ("price", not is_market),
            ("quoteOrderQty", by_quote),
        ):  # fmt: skip
            if is_needed and params.get(name) in (None, ""):
                raise _FailedError(_missing(name))
            if not is_needed and name in params:
                raise _FailedError(_unwanted(name))

    def _number(self, params: Params, name: str) -> Any:
        found = number(params[name])
        if found is None:
            raise _FailedError(_illegal(name, r"^([0-9]{1,20})(\.[0-9]{1,20})?$"))
        if decimals_of(found) > _MOST_DECIMALS:
            raise _FailedError(Failure(400, -1111, f"Parameter '{name}' has too much precision."))
        return found

    @staticmethod
    def _whole(params: Params, name: str, otherwise: int) -> int:
        found = whole(params.get(name, otherwise))
        if found is None or found < 0:
            raise _FailedError(_illegal(name, "^[0-9]{1,20}$"))
        return min(found, _LISTED_MAX) if name == "limit" else found


def _is_of(order: SimOrder, market: SymbolMarket) -> bool:
    return order.symbol == market.instrument.venue_symbol


def _missing(name: str) -> Failure:
    return Failure(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def _unwanted(name: str) -> Failure:
    return Failure(400, -1106, f"Parameter '{name}' sent when not required.")


def _invalid(name: str) -> Failure:
    return Failure(400, -1130, f"Data sent for parameter '{name}' is not valid.")


def _illegal(name: str, legal: str) -> Failure:
    return Failure(400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
