"""The orders of a simulated venue's clients: taken or refused, filled, ended, paid for, told of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

from engine.simulator import matching
from engine.simulator.instruments import TRADING
from engine.simulator.market import ClientFill, MarketEvent, SymbolMarket
from engine.simulator.orders import (
    SCALE,
    Ended,
    SimAccount,
    SimFill,
    SimOrder,
    Status,
    Terms,
    amount_of,
    cost_of,
)

_MILLION = 10**6
# Fees are cut off behind this decimal.
_FEE_UNIT_RAW = 10 ** (SCALE - 8)


class OrderRules(NamedTuple):
    """How a venue treats orders.

    Attributes:
        maker_ppm, taker_ppm: fees, in millionths of what is traded.
        fee_in_quote: whether a buyer too pays his fee in the quote asset; else in what he gets.
        least_cost: of an order, in whole hundredths of the quote asset.
        refuses_crossing: whether a post-only order that would take is never taken; else it is, and ends at once.
        expires: whether what ends by itself is called expired; else it is canceled.
        frees_client_ids: whether the id of an order that has ended may come again.
        open_orders: of an account in a symbol.
    """

    maker_ppm: int
    taker_ppm: int
    fee_in_quote: bool
    least_cost: int
    refuses_crossing: bool
    expires: bool
    frees_client_ids: bool
    open_orders: int


BINANCE_RULES = OrderRules(
    1000, 1000, fee_in_quote=False, least_cost=500, refuses_crossing=True, expires=True, frees_client_ids=True,
    open_orders=200,
)  # fmt: skip
COINBASE_RULES = OrderRules(
    4000, 6000, fee_in_quote=True, least_cost=100, refuses_crossing=True, expires=False, frees_client_ids=False,
    open_orders=500,
)  # fmt: skip
KRAKEN_RULES = OrderRules(
    2500, 4000, fee_in_quote=True, least_cost=50, refuses_crossing=False, expires=False, frees_client_ids=True,
    open_orders=80,
)  # fmt: skip
NO_ORDERS = OrderRules(
    0, 0, fee_in_quote=True, least_cost=0, refuses_crossing=True, expires=False, frees_client_ids=True, open_orders=0
)
"""Of a venue without accounts."""


class Refused(StrEnum):
    """Why an order is not taken."""

    CLOSED = "closed"
    DUPLICATE = "duplicate"
    FUNDS = "funds"
    CROSSING = "crossing"
    TOO_MANY = "too_many"
    VENUE = "venue"


class ChangeKind(StrEnum):
    """What happened to an order."""

    TAKEN = "taken"
    NEW = "new"
    TRADE = "trade"
    ENDED = "ended"


class Change(NamedTuple):
    """One thing that happened to an order, and how it stood then.

    Attributes:
        number: 1, 2, 3 of the venue.
        cost_raw, fee_raw: of all its fills until then, at SCALE.
        request: the client's name of the cancel that ended it.
    """

    number: int
    kind: ChangeKind
    order: SimOrder
    status: Status
    filled_raw: int
    cost_raw: int
    fee_raw: int
    at_us: int
    fill: SimFill | None = None
    request: str = ""


class OrderDesk:
    """All orders of one venue.

    Args:
        rules: of the venue.
        markets: by the venue's symbols.
        clock: what the venue's clock shows, in microseconds: the time of the last thing that happened in the market.
        present: what it shows at this instant, where the market is behind its schedule.
        publish: called with each event that changes a book, before anything is told of orders.
        tell: called with each change of an order, in their order, when ``tell_all`` is.

    Attributes:
        limited: whether the number of open orders is.
    """

    def __init__(
        self, rules: OrderRules, markets: Mapping[str, SymbolMarket], clock: Callable[[], int],
        present: Callable[[], int], publish: Callable[[MarketEvent], None], tell: Callable[[Change], None],
    ) -> None:  # fmt: skip
        self.rules = rules
        self.limited = True
        self.orders: list[SimOrder] = []
        self.fills: list[SimFill] = []
        self._markets = markets
        self._clock = clock
        self._present = present
        self._publish = publish
        self._tell = tell
        self._untold: list[Change] = []
        self._changes_count = 0

    def find(self, number: int) -> SimOrder | None:
        """The order of a number."""
        return self.orders[number - 1] if 0 < number <= len(self.orders) else None

    def refusal(self, account: SimAccount, market: SymbolMarket, terms: Terms) -> Refused | None:
        """Why an order would not be taken now."""
        if market.instrument.status != TRADING:
            return Refused.CLOSED
        known = account.named(terms.client_id) if terms.client_id else None
        if known is not None and (known.is_open or not self.rules.frees_client_ids):
            return Refused.DUPLICATE
        asset, amount_raw = self._payment(market, terms)
        if amount_raw > account.holdings[asset].free_raw:
            return Refused.FUNDS
        if self.limited:
            symbol = market.instrument.venue_symbol
            open_count = sum(order.symbol == symbol for order in account.open_orders.values())
            if open_count >= self.rules.open_orders:
                return Refused.TOO_MANY
        return None

    def place(
        self, account: SimAccount, market: SymbolMarket, terms: Terms, *, is_foreign: bool = False
    ) -> SimOrder | Refused:
        """Take an order and let it meet the market; what came of it waits for ``tell_all``."""
        refused = self.refusal(account, market, terms)
        if refused is not None:
            return refused
        at_us = self._clock()
        order = SimOrder(len(self.orders) + 1, account, market.instrument, terms, at_us, self._present(), is_foreign)
        if terms.spend_raw:
            order.qty_raw = matching.most_for(market, terms.spend_raw)
        if self.rules.refuses_crossing and order.post_only and matching.would_take(market, order):
            return Refused.CROSSING
        self.orders.append(order)
        account.take(order)
        if not order.is_market:
            account.hold(order, self._held(order, order.qty_raw))
        event = market.begin(at_us)
        ended = matching.enter(market, order, event)
        self._note(ChangeKind.TAKEN, order)
        if ended is not Ended.POST_ONLY:
            self._note(ChangeKind.NEW, order)
        self._finish(event)
        if ended is not None:
            self._end(order, ended, at_us)
        return order

    def cancel(self, order: SimOrder, reason: Ended = Ended.USER, request: str = "") -> bool:
        """End an order; whether it was open."""
        if not order.is_open:
            return False
        market = self._markets[order.symbol]
        event = market.begin(self._clock())
        market.withdraw(event, order)
        self._finish(event)
        self._end(order, reason, event.at_us, request)
        return True

    def fill(self, order: SimOrder, qty_raw: int) -> bool:
        """Somebody comes to the venue just for this order and fills so much of it; whether it was open."""
        if not order.is_open or order.price_raw is None:
            return False
        market = self._markets[order.symbol]
        event = market.begin(self._clock())
        market.fill_order(event, order, min(qty_raw, order.leaves_raw))
        self._finish(event)
        return True

    def on_event(self, event: MarketEvent) -> None:
        """The market has moved: pay for what it filled, and tell."""
        for fill in event.fills:
            self._settle(fill)
        self.tell_all()

    def tell_all(self) -> None:
        """Tell what has happened since the last time."""
        untold, self._untold = self._untold, []
        for change in untold:
            self._tell(change)

    def _finish(self, event: MarketEvent) -> None:
        """An event of ours is over: it is published, its fills are paid for, who prevented a trade has ended."""
        event.market.end(event)
        if event.has_changes:
            self._publish(event)
        for fill in event.fills:
            self._settle(fill)
        for order in event.prevented:
            self._end(order, Ended.SELF_TRADE, event.at_us)

    def _payment(self, market: SymbolMarket, terms: Terms) -> tuple[str, int]:
        """What an order is paid with, and how much it needs before it is taken."""
        instrument = market.instrument
        if not terms.is_buy:
            return instrument.base, amount_of(terms.qty_raw, instrument.qty_scale)
        if terms.spend_raw:
            return instrument.quote, self._with_fee(terms.spend_raw)
        if terms.price_raw is None:
            return instrument.quote, self._with_fee(matching.cost_now(market, terms.qty_raw))
        cost_raw = cost_of(terms.price_raw, instrument.price_scale, terms.qty_raw, instrument.qty_scale)
        return instrument.quote, self._with_fee(cost_raw)

    def _held(self, order: SimOrder, qty_raw: int) -> int:
        """What so much of an order holds while it is not filled."""
        if order.price_raw is None:
            return 0
        if not order.is_buy:
            return amount_of(qty_raw, order.qty_scale)
        return self._with_fee(cost_of(order.price_raw, order.price_scale, qty_raw, order.qty_scale))

    def _with_fee(self, cost_raw: int) -> int:
        return cost_raw + (cost_raw * self.rules.taker_ppm // _MILLION if self.rules.fee_in_quote else 0)

    def _settle(self, filled: ClientFill) -> None:
        """Pay for one fill."""
        order, trade = filled.order, filled.trade
        account, instrument = order.account, order.instrument
        cost_raw = cost_of(trade.price_raw, order.price_scale, trade.qty_raw, order.qty_scale)
        got_raw = amount_of(trade.qty_raw, order.qty_scale)
        ppm = self.rules.maker_ppm if filled.is_maker else self.rules.taker_ppm
        in_base = order.is_buy and not self.rules.fee_in_quote
        fee_raw = (got_raw if in_base else cost_raw) * ppm // _MILLION
        fee_raw -= fee_raw % _FEE_UNIT_RAW
        fill = SimFill(
            len(self.fills) + 1, order, trade.trade_id, trade.price_raw, order.price_scale, trade.qty_raw, cost_raw,
            fee_raw, instrument.base if in_base else instrument.quote, filled.is_maker, trade.at_us,
        )  # fmt: skip
        self.fills.append(fill)
        account.fills.append(fill)
        order.fills.append(fill)
        order.settled_raw += trade.qty_raw
        order.cost_raw += cost_raw
        order.fee_raw += fee_raw
        order.updated_us = trade.at_us
        account.hold(order, self._held(order, order.qty_raw - order.settled_raw))
        sign = 1 if order.is_buy else -1
        account.change(instrument.base, sign * got_raw - (fee_raw if in_base else 0))
        account.change(instrument.quote, -sign * cost_raw - (0 if in_base else fee_raw))
        order.status = Status.FILLED if order.settled_raw == order.qty_raw else Status.PARTIAL
        if not order.is_open:
            account.open_orders.pop(order.number, None)
        self._note(ChangeKind.TRADE, order, fill)

    def _end(self, order: SimOrder, reason: Ended, at_us: int, request: str = "") -> None:
        """What is left of an order is no more."""
        order.ended = reason
        order.is_on_book = False
        is_expired = reason is Ended.VENUE or (self.rules.expires and reason not in (Ended.USER, Ended.DEAD_MAN))
        order.status = Status.EXPIRED if is_expired else Status.CANCELED
        order.updated_us = at_us
        order.account.hold(order, 0)
        order.account.open_orders.pop(order.number, None)
        self._note(ChangeKind.ENDED, order, request=request)

    def _note(self, kind: ChangeKind, order: SimOrder, fill: SimFill | None = None, request: str = "") -> None:
        self._changes_count += 1
        self._untold.append(Change(
            self._changes_count, kind, order, order.status, order.settled_raw, order.cost_raw, order.fee_raw,
            order.updated_us, fill, request,
        ))  # fmt: skip
