"""A seeded market in one symbol: a full-depth book that moves, trades that eat it, exact ids.

All money is in integers at the instrument's scales. The random floats decide what happens and how much,
as whole ticks and lots; they never hold a price or a quantity.
"""

import random
from collections import deque
from typing import NamedTuple

import msgspec

from engine.simulator.candles import CandleHistory
from engine.simulator.instruments import SimInstrument
from engine.simulator.ladder import Ladder
from engine.simulator.orders import SimOrder
from engine.simulator.queues import LevelQueue

# Shares of what happens, as bounds of one draw: a trade, a cancel, a requote, else a new order.
_TAKE_BELOW = 0.11
_CANCEL_BELOW = 0.47
_REQUOTE_BELOW = 0.51
_MIN_LEVELS = 16
_MEAN_ORDER_QUOTE_UNITS = 1500
_RECENT_TRADES = 200
_SNAPSHOT_TRADES = 50
# Prices are this fine for one step of the market's motion; the tick of a venue may be finer still.
_STEPS_OF_PRICE = 200_000
_STRAY_SHARE = 100


class Trade(NamedTuple):
    """One fill. Ids rise by exactly 1 in a symbol."""

    trade_id: int
    price_raw: int
    qty_raw: int
    taker_is_buyer: bool
    at_us: int


class ClientFill(NamedTuple):
    """A client's side of a trade."""

    order: SimOrder
    trade: Trade
    is_maker: bool


class MarketEvent:
    """What one event changed: final quantity by price (0 = level gone), fills, and the update ids it took.

    A changed level takes one update id. The book already holds the change when the event is handed out.

    Attributes:
        fills: of clients' orders, which already know how much of them is filled.
        prevented: clients' orders that ended instead of a trade with themselves.
    """

    __slots__ = (
        "asks", "at_us", "bids", "fills", "first_update_id", "last_update_id", "market", "prevented", "top_before",
        "top_changed", "trades",
    )  # fmt: skip

    def __init__(self, market: "SymbolMarket", at_us: int, first_update_id: int) -> None:
        self.market = market
        self.at_us = at_us
        self.first_update_id = first_update_id
        self.last_update_id = first_update_id
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.trades: list[Trade] = []
        self.fills: list[ClientFill] = []
        self.prevented: list[SimOrder] = []
        self.top_before = market.top()
        self.top_changed = False

    @property
    def has_changes(self) -> bool:
        """Whether the book is another than before."""
        return self.last_update_id >= self.first_update_id


class SymbolMarket:
    """The market of one instrument at one venue. The same rng seed gives the same events for ever."""

    def __init__(
        self, instrument: SimInstrument, rng: random.Random, start_us: int, depth_levels: int
    ) -> None:
        self.instrument = self.listed = instrument
        self.bids = Ladder(is_bid=True)
        self.asks = Ladder(is_bid=False)
        self.last_update_id = 1_000_000 + rng.randrange(10**9)
        self.last_trade_id = 100_000 + rng.randrange(10**7)
        self.recent_trades: deque[Trade] = deque(maxlen=_RECENT_TRADES)
        self.history = CandleHistory(start_us, instrument.start_price_raw)
        self._random = rng.random
        self._tick_raw = instrument.tick_raw
        self._step_ticks = _step_ticks(instrument.start_price_raw, instrument.tick_raw)
        self._anchor_raw = self._fair_raw = instrument.start_price_raw
        self._depth_levels = max(_MIN_LEVELS + 1, depth_levels)
        self._most_levels = self._depth_levels + self._depth_levels // 4
        self._least_levels = self._depth_levels - self._depth_levels // 4
        order_raw = _MEAN_ORDER_QUOTE_UNITS * 10 ** (instrument.price_scale + instrument.qty_scale)
        self._mean_lots = max(2, order_raw // instrument.start_price_raw // instrument.lot_raw)
        self._round_lots = max(1, 10 ** (len(str(self._mean_lots)) - 2))
        for ladder, direction in ((self.bids, -1), (self.asks, 1)):
            price_raw = self._fair_raw
            while len(ladder) < self._depth_levels and price_raw > 4 * self._tick_raw:
                price_raw += direction * self._tick_raw * (1 + self._below(3 * self._step_ticks))
                ladder.set_level(price_raw, self._draw_qty_raw())

    def step(self, at_us: int) -> MarketEvent:
        """Let the next thing happen."""
        event = self.begin(at_us)
        self._walk()
        draw = self._random()
        if draw < _TAKE_BELOW:
            self._take(event)
        elif draw < _CANCEL_BELOW:
            self._cancel(event, self._either_side())
        elif draw < _REQUOTE_BELOW:
            self._requote(event)
        else:
            self._add(event, self._either_side())
        self._keep_depth(event)
        self.end(event)
        return event

    def begin(self, at_us: int) -> MarketEvent:
        """An event that has changed nothing yet."""
        return MarketEvent(self, at_us, self.last_update_id + 1)

    def end(self, event: MarketEvent) -> None:
        """All that *event* changes is done."""
        event.last_update_id = self.last_update_id
        event.top_changed = self.top() != event.top_before

    def snapshot_trades(self) -> list[Trade]:
        """The fills that a subscription begins with, oldest first."""
        return list(self.recent_trades)[-_SNAPSHOT_TRADES:]

    def set_tick(self, tick_raw: int, price_scale: int) -> None:
        """Give new orders another tick, at a scale no coarser than the present one; what rests stays."""
        factor = 10 ** (price_scale - self.instrument.price_scale)
        self._tick_raw = tick_raw
        if factor > 1:
            for ladder in (self.bids, self.asks):
                ladder.rescale(factor)
                for queue in ladder.queues.values():
                    for order in queue.orders():
                        order.rescale(factor, price_scale)
            self.history.rescale(factor)
            self._anchor_raw *= factor
            self._fair_raw *= factor
            rescaled = [fill._replace(price_raw=fill.price_raw * factor) for fill in self.recent_trades]
            self.recent_trades.clear()
            self.recent_trades.extend(rescaled)
        self._step_ticks = _step_ticks(self._anchor_raw, tick_raw)
        self.instrument = msgspec.structs.replace(
            self.instrument, tick_raw=tick_raw, price_scale=price_scale,
            start_price_raw=self.instrument.start_price_raw * factor,
        )  # fmt: skip

    def set_status(self, status: str) -> None:
        """Give the instrument another status."""
        self.instrument = msgspec.structs.replace(self.instrument, status=status)

    def top(self) -> tuple[int, int, int, int]:
        """Best bid and its quantity, best ask and its quantity."""
        return *self.bids.level(0), *self.asks.level(0)

    def _below(self, bound: int) -> int:
        return int(self._random() * bound)

    def _either_side(self) -> Ladder:
        return self.bids if self._random() < 0.5 else self.asks

    def _draw_qty_raw(self) -> int:
        """Mostly small, sometimes large, a quarter of them round (so that text has trailing zeros)."""
        lots = 1 + self._below(self._mean_lots) * (1, 1, 1, 2, 2, 6)[self._below(6)] // 2
        if self._random() < 0.25:
            lots = max(1, lots // self._round_lots) * self._round_lots
        return lots * self.instrument.lot_raw

    def _set_level(self, event: MarketEvent, ladder: Ladder, price_raw: int, qty_raw: int) -> None:
        """Let the market's own orders change until the price has this quantity; clients' orders stay."""
        if ladder.queues and (queue := ladder.queues.get(price_raw)) is not None:
            qty_raw = queue.resize(qty_raw)
            if qty_raw == ladder.qty_at(price_raw):
                return
        self._write_level(event, ladder, price_raw, qty_raw)

    def _write_level(self, event: MarketEvent, ladder: Ladder, price_raw: int, qty_raw: int) -> None:
        ladder.set_level(price_raw, qty_raw)
        (event.bids if ladder.is_bid else event.asks)[price_raw] = qty_raw
        self.last_update_id += 1

    # --- clients' orders ---

    def rest(self, event: MarketEvent, order: SimOrder) -> None:
        """Let what is left of a limit order wait behind all that is at its price."""
        ladder, price_raw = self.bids if order.is_buy else self.asks, order.price_raw
        assert price_raw is not None
        present_raw = ladder.qty_at(price_raw)
        ladder.queues.setdefault(price_raw, LevelQueue(present_raw)).append(order)
        self._write_level(event, ladder, price_raw, present_raw + order.leaves_raw)

    def withdraw(self, event: MarketEvent, order: SimOrder) -> None:
        """Take an order that rests out of the book."""
        ladder, price_raw = self.bids if order.is_buy else self.asks, order.price_raw
        queue = None if price_raw is None else ladder.queues.get(price_raw)
        if price_raw is None or queue is None:
            return
        gone_raw = queue.remove(order)
        if not queue.has_orders:
            del ladder.queues[price_raw]
        if gone_raw:
            self._write_level(event, ladder, price_raw, ladder.qty_at(price_raw) - gone_raw)

    def fill_order(self, event: MarketEvent, order: SimOrder, qty_raw: int) -> None:
        """Fill a part of an order that rests, wherever it stands, at its own price."""
        ladder, price_raw = self.bids if order.is_buy else self.asks, order.price_raw
        assert price_raw is not None
        queue = ladder.queues[price_raw]
        queue.fill(order, qty_raw)
        self._fill(event, ladder, price_raw, qty_raw, None, order)
        if not queue.has_orders:
            del ladder.queues[price_raw]
        self._write_level(event, ladder, price_raw, ladder.qty_at(price_raw) - qty_raw)

    def deepen(self, event: MarketEvent, ladder: Ladder) -> bool:
        """Bring more quantity behind the worst price where little is left; whether there is any level."""
        if len(ladder) <= _MIN_LEVELS:
            self._extend(event, ladder)
        return len(ladder) > 1

    def eat(self, event: MarketEvent, ladder: Ladder, qty_raw: int, taker: SimOrder | None) -> None:
        """Fill at the best price, the oldest first; there is as much. *taker*: None for the market's own aggressor."""
        price_raw, resting_raw = ladder.level(0)
        queue = ladder.queues.get(price_raw) if ladder.queues else None
        if queue is None:
            for part_raw in (qty_raw,) if taker is not None else self._split(qty_raw):
                self._fill(event, ladder, price_raw, part_raw, taker, None)
        else:
            queue.resize(resting_raw)
            left_raw = qty_raw
            while left_raw:
                maker, part_raw = queue.head
                part_raw = min(part_raw, left_raw)
                left_raw -= part_raw
                queue.eat(part_raw)
                self._fill(event, ladder, price_raw, part_raw, taker, maker)
            if not queue.has_orders:
                del ladder.queues[price_raw]
        self._write_level(event, ladder, price_raw, resting_raw - qty_raw)

    def _fill(
        self, event: MarketEvent, ladder: Ladder, price_raw: int, qty_raw: int, taker: SimOrder | None,
        maker: SimOrder | None,
    ) -> None:  # fmt: skip
        self._print_trade(event, price_raw, qty_raw, taker_is_buyer=not ladder.is_bid)
        for order, is_maker in ((maker, True), (taker, False)):
            if order is not None:
                order.filled_raw += qty_raw
                event.fills.append(ClientFill(order, event.trades[-1], is_maker))

    # --- the market's own orders ---

    def _walk(self) -> None:
        """The fair price wanders, and is called back when it has gone far from where it began."""
        if self._random() < 0.08:
            step_raw = self._step_ticks * self._tick_raw
            self._fair_raw += (self._below(7) - 3) * step_raw
            stray_raw = self._fair_raw - self._anchor_raw
            if abs(stray_raw) * _STRAY_SHARE > self._anchor_raw:
                self._fair_raw -= 2 * step_raw if stray_raw > 0 else -2 * step_raw

    def _add(self, event: MarketEvent, ladder: Ladder) -> None:
        """Rest more quantity near the fair price, never on or through the other side."""
        reach = 8 if self._random() < 0.8 else self._depth_levels
        ticks = 1 + self._below(reach * self._step_ticks)
        if ladder.is_bid:
            price_raw = min(self._fair_raw - ticks * self._tick_raw, self.asks.level(0)[0] - self._tick_raw)
            price_raw = max(price_raw - price_raw % self._tick_raw, self._tick_raw)
        else:
            price_raw = max(self._fair_raw + ticks * self._tick_raw, self.bids.level(0)[0] + self._tick_raw)
            price_raw += -price_raw % self._tick_raw
        self._set_level(event, ladder, price_raw, ladder.qty_at(price_raw) + self._draw_qty_raw())

    def _cancel(self, event: MarketEvent, ladder: Ladder) -> None:
        """Take quantity off a level near the top: all of it or a part."""
        if len(ladder) <= _MIN_LEVELS:
            self._add(event, ladder)
            return
        span = 10 if self._random() < 0.8 else len(ladder)
        price_raw, qty_raw = ladder.level(self._below(min(span, len(ladder))))
        lot_raw = self.instrument.lot_raw
        kept_lots = self._below(qty_raw // lot_raw) if self._random() < 0.6 else 0
        self._set_level(event, ladder, price_raw, kept_lots * lot_raw)

    def _requote(self, event: MarketEvent) -> None:
        """A market maker moves: some of the best levels go, others come, in one event."""
        for _ in range(1 + self._below(3)):
            ladder = self._either_side()
            if len(ladder) > _MIN_LEVELS:
                self._set_level(event, ladder, ladder.level(self._below(3))[0], 0)
        for ladder in (self.bids, self.asks):
            self._add(event, ladder)

    def _take(self, event: MarketEvent) -> None:
        """An aggressor eats the other side from its best level, leaving enough of a book behind."""
        bid_raw, _, ask_raw, _ = self.top()
        buys = self._random() < (0.7 if 2 * self._fair_raw > bid_raw + ask_raw else 0.3)
        ladder = self.asks if buys else self.bids
        # Mostly a part of the best level, now and then a sweep of several.
        lot_raw = self.instrument.lot_raw
        share_in_8 = (1, 1, 1, 2, 2, 4, 8, 24)[self._below(8)]
        wanted_raw = max(lot_raw, self._draw_qty_raw() * share_in_8 // 8 // lot_raw * lot_raw)
        while wanted_raw > 0 and len(ladder) > _MIN_LEVELS:
            _, resting_raw = ladder.level(0)
            filled_raw = min(wanted_raw, resting_raw)
            wanted_raw -= filled_raw
            self.eat(event, ladder, filled_raw, None)
        if not event.trades:
            self._add(event, ladder)

    def _split(self, filled_raw: int) -> tuple[int, ...]:
        """One fill, or now and then two makers of the same price."""
        lot_raw = self.instrument.lot_raw
        first_raw = self._below(filled_raw // lot_raw) * lot_raw if self._random() < 0.3 else 0
        return (first_raw, filled_raw - first_raw) if first_raw else (filled_raw,)

    def _print_trade(self, event: MarketEvent, price_raw: int, qty_raw: int, taker_is_buyer: bool) -> None:
        self.last_trade_id += 1
        trade = Trade(self.last_trade_id, price_raw, qty_raw, taker_is_buyer, event.at_us)
        event.trades.append(trade)
        self.recent_trades.append(trade)
        self.history.add_trade(event.at_us, trade.trade_id, price_raw, qty_raw, taker_is_buyer)

    def _keep_depth(self, event: MarketEvent) -> None:
        """The far ends of the book neither run dry nor grow without bound."""
        for ladder in (self.bids, self.asks):
            if len(ladder.keys) > self._most_levels:
                self._set_level(event, ladder, ladder.level(-1)[0], 0)
            elif len(ladder.keys) < self._least_levels:
                self._extend(event, ladder)

    def _extend(self, event: MarketEvent, ladder: Ladder) -> None:
        """Rest quantity behind the worst price."""
        ticks = (1 + self._below(3 * self._step_ticks)) * (-1 if ladder.is_bid else 1)
        price_raw = (ladder.level(-1)[0] // self._tick_raw + ticks) * self._tick_raw
        if price_raw > 0:
            self._set_level(event, ladder, price_raw, self._draw_qty_raw())


def _step_ticks(price_raw: int, tick_raw: int) -> int:
    return max(1, price_raw // tick_raw // _STEPS_OF_PRICE)
