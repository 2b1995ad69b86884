"""A client's order meets a market: price first, then time, and never itself."""

from __future__ import annotations

from engine.simulator.ladder import Ladder
from engine.simulator.market import MarketEvent, SymbolMarket
from engine.simulator.orders import Ended, SelfTrade, SimOrder, Tif, cost_of


def enter(market: SymbolMarket, order: SimOrder, event: MarketEvent) -> Ended | None:
    """Fill what the book fills of an order, and let the rest wait if it may.

    Fills, and other orders of the same account that end for it, are added to *event*.

    Returns:
        Why what is left of it does not wait; None where it waits, or nothing is left.
    """
    if order.post_only and would_take(market, order):
        return Ended.POST_ONLY
    if order.tif is Tif.FOK and order.leaves_raw > _fillable(market, order):
        return Ended.FOK
    ended = _cross(market, order, event)
    if ended is not None or not order.leaves_raw:
        return ended
    if order.is_market:
        return Ended.LIQUIDITY
    if order.tif is not Tif.GTC:
        return Ended.IOC
    order.is_on_book = True
    market.rest(event, order)
    return None


def would_take(market: SymbolMarket, order: SimOrder) -> bool:
    """Whether some of an order would be filled at once."""
    return _takes(_opposite(market, order), order)


def cost_now(market: SymbolMarket, qty_raw: int) -> int:
    """What a quantity would cost that is bought from the book as it is, at SCALE."""
    instrument = market.instrument
    cost_raw, price_raw = 0, 0
    for price_raw, resting_raw in market.asks.top(None):
        part_raw = min(qty_raw, resting_raw)
        cost_raw += cost_of(price_raw, instrument.price_scale, part_raw, instrument.qty_scale)
        qty_raw -= part_raw
        if not qty_raw:
            break
    # What the book does not have will be dearer still.
    return cost_raw + cost_of(price_raw, instrument.price_scale, qty_raw, instrument.qty_scale)


def _opposite(market: SymbolMarket, order: SimOrder) -> Ladder:
    return market.asks if order.is_buy else market.bids


def _takes(ladder: Ladder, order: SimOrder) -> bool:
    """Whether an order accepts the best price of the other side."""
    return order.price_raw is None or ladder.keys[0] <= ladder.key_of(order.price_raw)


def _fillable(market: SymbolMarket, order: SimOrder) -> int:
    """How much of the book an order accepts, counted no further than it wants."""
    ladder = _opposite(market, order)
    limit = None if order.price_raw is None else ladder.key_of(order.price_raw)
    found_raw = 0
    for key in ladder.keys:
        if (limit is not None and key > limit) or found_raw >= order.leaves_raw:
            break
        found_raw += ladder.qty_at(abs(key))
    return found_raw


def _cross(market: SymbolMarket, order: SimOrder, event: MarketEvent) -> Ended | None:
    ladder = _opposite(market, order)
    spent_raw = 0
    while order.leaves_raw and market.deepen(event, ladder) and _takes(ladder, order):
        price_raw, part_raw = ladder.level(0)
        own, part_raw = _own_ahead(ladder, price_raw, part_raw, order)
        if own is not None and not part_raw:
            if order.terms.self_trade is not SelfTrade.TAKER:
                event.prevented.append(own)
                market.withdraw(event, own)
            if order.terms.self_trade is not SelfTrade.MAKER:
                return Ended.SELF_TRADE
            continue
        want_raw = min(order.leaves_raw, part_raw)
        if order.terms.spend_raw:
            want_raw = min(want_raw, _affordable(market, order.terms.spend_raw - spent_raw, price_raw))
            if not want_raw:
                order.qty_raw = order.filled_raw
                return None
            instrument = market.instrument
            spent_raw += cost_of(price_raw, instrument.price_scale, want_raw, instrument.qty_scale)
        market.eat(event, ladder, want_raw, order)
    return None


def _own_ahead(ladder: Ladder, price_raw: int, resting_raw: int, order: SimOrder) -> tuple[SimOrder | None, int]:
    """The first order of the same account at a price, and how much is filled before it; None and all where none is."""
    queue = ladder.queues.get(price_raw) if ladder.queues else None
    for other in () if queue is None else queue.orders():
        if other.account is order.account:
            assert queue is not None
            return other, queue.ahead_of(other)
    return None, resting_raw


def _affordable(market: SymbolMarket, amount_raw: int, price_raw: int) -> int:
    """How much an amount of the quote asset buys at a price, in whole lots."""
    instrument = market.instrument
    lots = amount_raw // cost_of(price_raw, instrument.price_scale, instrument.lot_raw, instrument.qty_scale)
    return lots * instrument.lot_raw


def most_for(market: SymbolMarket, spend_raw: int) -> int:
    """What an amount of the quote asset buys at the best price, which is the most that it can buy."""
    return _affordable(market, spend_raw, market.asks.level(0)[0])
