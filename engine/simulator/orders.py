"""Orders of clients at a simulated venue, their fills, and the accounts that they are of.

Money is in integers: prices and quantities at the instrument's scales, amounts of assets at SCALE.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from engine.simulator.instruments import SimInstrument
from engine.simulator.keys import SimKey
from engine.simulator.texts import POWERS, fixed_text, rescaled, trimmed_text

SCALE = 20
"""Decimals of every amount of an asset: as many as a price and a quantity have together at most."""
_ONE = 10**SCALE
_FIRST_BASE = (10 * _ONE, _ONE // 2)
_FIRST_QUOTE = (100_000 * _ONE, 250 * _ONE)
_DECIMALS = 8


class Tif(StrEnum):
    """How long an order may wait."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class Status(StrEnum):
    """How an order stands."""

    NEW = "new"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"


class Ended(StrEnum):
    """Why an order ended before it was filled."""

    USER = "user"
    IOC = "ioc"
    FOK = "fok"
    LIQUIDITY = "liquidity"
    POST_ONLY = "post_only"
    SELF_TRADE = "self_trade"
    DEAD_MAN = "dead_man"
    VENUE = "venue"


class SelfTrade(StrEnum):
    """Which of two orders of one account ends instead of their trade."""

    TAKER = "taker"
    MAKER = "maker"
    BOTH = "both"


class Terms(NamedTuple):
    """What an order is for.

    Attributes:
        price_raw: None for a market order.
        qty_raw: 0 where only *spend_raw* says how much.
        spend_raw: of a market buy, of the quote asset, at SCALE.
        note: the request's own words that the venue repeats.
    """

    client_id: str
    is_buy: bool
    price_raw: int | None
    qty_raw: int
    tif: Tif = Tif.GTC
    post_only: bool = False
    spend_raw: int = 0
    self_trade: SelfTrade = SelfTrade.TAKER
    note: str = ""


class SimFill(NamedTuple):
    """One fill of one order.

    Attributes:
        number: 1, 2, 3 of the venue.
        trade_id: of the public trade.
        fee_raw: of *fee_asset*, at SCALE.
    """

    number: int
    order: SimOrder
    trade_id: int
    price_raw: int
    price_scale: int
    qty_raw: int
    cost_raw: int
    fee_raw: int
    fee_asset: str
    is_maker: bool
    at_us: int

    @property
    def qty_text(self) -> str:
        """At the instrument's scale."""
        return fixed_text(self.qty_raw, self.order.qty_scale)

    @property
    def price_text(self) -> str:
        """At the scale it had then."""
        return fixed_text(self.price_raw, self.price_scale)


class SimOrder:
    """An order that the venue has taken.

    Attributes:
        number: 1, 2, 3 of the venue.
        instrument: as it was when the order came.
        filled_raw: in the book; settled_raw: what has been paid for as well, which comes a moment later.
        cost_raw, fee_raw: of all fills, at SCALE.
        locked_raw: what it holds of *locked_asset* now, at SCALE.
        created_us: in the market's time; received_us: when it came, which is later where the market is behind.
        is_foreign: not of the API that is under test: somebody else's on the same account.
    """

    __slots__ = (
        "account",
        "client_id",
        "cost_raw",
        "created_us",
        "ended",
        "fee_raw",
        "filled_raw",
        "fills",
        "instrument",
        "is_buy",
        "is_foreign",
        "is_on_book",
        "locked_raw",
        "number",
        "post_only",
        "price_raw",
        "price_scale",
        "qty_raw",
        "qty_scale",
        "received_us",
        "settled_raw",
        "status",
        "terms",
        "tif",
        "updated_us",
    )  # fmt: skip

    def __init__(
        self, number: int, account: SimAccount, instrument: SimInstrument, terms: Terms, at_us: int,
        received_us: int, is_foreign: bool,
    ) -> None:  # fmt: skip
        self.number = number
        self.account = account
        self.instrument = instrument
        self.terms = terms
        self.client_id = terms.client_id
        self.is_buy = terms.is_buy
        self.price_raw = terms.price_raw
        self.price_scale = instrument.price_scale
        self.qty_scale = instrument.qty_scale
        self.qty_raw = terms.qty_raw
        self.tif = terms.tif
        self.post_only = terms.post_only
        self.is_foreign = is_foreign
        self.created_us = self.updated_us = at_us
        self.received_us = received_us
        self.status = Status.NEW
        self.ended: Ended | None = None
        self.is_on_book = False
        self.filled_raw = self.settled_raw = self.cost_raw = self.fee_raw = self.locked_raw = 0
        self.fills: list[SimFill] = []

    @property
    def is_market(self) -> bool:
        """Whether it takes any price."""
        return self.price_raw is None

    @property
    def is_open(self) -> bool:
        """Whether it can still be filled."""
        return self.status in (Status.NEW, Status.PARTIAL)

    @property
    def leaves_raw(self) -> int:
        """What is not filled."""
        return self.qty_raw - self.filled_raw

    @property
    def symbol(self) -> str:
        """As the venue spells it."""
        return self.instrument.venue_symbol

    @property
    def locked_asset(self) -> str:
        """What it pays with."""
        return self.instrument.quote if self.is_buy else self.instrument.base

    @property
    def price_text(self) -> str:
        """At the instrument's scale; zeros for a market order."""
        return fixed_text(self.price_raw or 0, self.price_scale)

    @property
    def qty_text(self) -> str:
        """At the instrument's scale."""
        return fixed_text(self.qty_raw, self.qty_scale)

    @property
    def filled_text(self) -> str:
        """At the instrument's scale."""
        return fixed_text(self.filled_raw, self.qty_scale)

    def rescale(self, factor: int, price_scale: int) -> None:
        """Count its price in units *factor* times as fine."""
        if self.price_raw is not None:
            self.price_raw *= factor
        self.price_scale = price_scale


def amount_of(qty_raw: int, scale: int) -> int:
    """A quantity as an amount at SCALE."""
    return qty_raw * POWERS[SCALE - scale]


def cost_of(price_raw: int, price_scale: int, qty_raw: int, qty_scale: int) -> int:
    """What a quantity costs at a price, at SCALE; exact."""
    return price_raw * qty_raw * POWERS[SCALE - price_scale - qty_scale]


class SimHolding(NamedTuple):
    """What there is of one asset, at SCALE. *locked_raw*: what orders hold, and a part that is always held."""

    free_raw: int
    locked_raw: int

    @property
    def total_raw(self) -> int:
        """Both together."""
        return self.free_raw + self.locked_raw


class SimAccount:
    """One key's account: some of each asset that its venue lists, and its orders.

    Args:
        key: its owner's.
        instruments: of the venue.

    Attributes:
        orders: all that were ever taken, by number.
        open_orders: those that can still be filled, by number.
        last_nonce: of calls by REST, where the venue wants them to rise.
    """

    def __init__(self, key: SimKey, instruments: Iterable[SimInstrument]) -> None:
        self.key = key
        self.holdings: dict[str, SimHolding] = {}
        for instrument in instruments:
            self.holdings.setdefault(instrument.base, SimHolding(*_FIRST_BASE))
            self.holdings.setdefault(instrument.quote, SimHolding(*_FIRST_QUOTE))
        self.orders: dict[int, SimOrder] = {}
        self.open_orders: dict[int, SimOrder] = {}
        self.fills: list[SimFill] = []
        self.last_nonce = -1
        self._by_client_id: dict[str, SimOrder] = {}

    def take(self, order: SimOrder) -> None:
        """An order is the account's from now on."""
        self.orders[order.number] = self.open_orders[order.number] = order
        if order.client_id:
            self._by_client_id[order.client_id] = order

    def named(self, client_id: str) -> SimOrder | None:
        """The newest order of a client's id."""
        return self._by_client_id.get(client_id)

    def change(self, asset: str, free_raw: int, locked_raw: int = 0) -> None:
        """Add to what is free and to what is held."""
        held = self.holdings[asset]
        self.holdings[asset] = SimHolding(held.free_raw + free_raw, held.locked_raw + locked_raw)

    def hold(self, order: SimOrder, amount_raw: int) -> None:
        """Let an order hold so much of what it pays with, no more and no less."""
        change_raw = amount_raw - order.locked_raw
        if change_raw:
            order.locked_raw = amount_raw
            self.change(order.locked_asset, -change_raw, change_raw)


def amount_text(amount_raw: int) -> str:
    """An amount as a decimal, exact, without trailing zeros."""
    return trimmed_text(amount_raw, SCALE)


def eight_decimals(amount_raw: int) -> str:
    """An amount with eight decimals, cut off toward zero, as some venues write it."""
    return fixed_text(rescaled(amount_raw, SCALE, _DECIMALS), _DECIMALS)
