"""Clients' orders in a simulated market: price, then time, never itself; and the books that the venue tells of it."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from engine.simulator.desk import Refused
from engine.simulator.market import SymbolMarket
from engine.simulator.orders import SCALE, Ended, SelfTrade, SimAccount, SimOrder, Status, Terms, Tif
from engine.simulator.venue import Venue
from tests.unit.simulator.clients import make_venue, run
from tests.unit.simulator.orders_kit import held

BTC = "BTCUSDT"


def a_market(name: str = "binance") -> tuple[Venue, SymbolMarket, SimAccount, SimAccount]:
    """A venue where nothing happens by itself, its first market, and two accounts."""
    venue = held(make_venue(name))
    market = next(iter(venue.markets.values()))
    one, two = list(venue.accounts.values())[:2]
    return venue, market, one, two


def place(venue: Venue, account: SimAccount, market: SymbolMarket, side: str, price: int | None, qty: int, **more: object) -> SimOrder:
    name = f"c{len(venue.desk.orders)}"
    order = venue.desk.place(account, market, Terms(name, side == "buy", price, qty, **more))  # type: ignore[arg-type]
    assert isinstance(order, SimOrder), order
    venue.desk.tell_all()
    return order


def test_what_waits_shows_in_the_book_and_goes_with_its_order() -> None:
    venue, market, one, _ = a_market()
    bid, bid_qty, _, _ = market.top()
    joined = place(venue, one, market, "buy", bid, 7)
    better = place(venue, one, market, "buy", bid + 1, 5)
    assert market.bids.top(2) == [(bid + 1, 5), (bid, bid_qty + 7)]
    assert venue.desk.cancel(better)
    assert venue.desk.cancel(joined)
    assert not venue.desk.cancel(joined)
    assert market.bids.top(1) == [(bid, bid_qty)]
    assert not market.bids.queues


def test_of_one_price_the_older_is_filled_first() -> None:
    venue, market, one, two = a_market()
    ask, ask_qty, = market.top()[2:]
    first = place(venue, one, market, "sell", ask, 10)
    second = place(venue, two, market, "sell", ask, 20)
    taker = place(venue, two, market, "buy", ask, ask_qty + 4, self_trade=SelfTrade.BOTH)
    # The market's own was there first, then the first client; the second is behind both.
    assert [fill.qty_raw for fill in taker.fills] == [ask_qty, 4]
    assert (first.filled_raw, second.filled_raw) == (4, 0)
    place(venue, one, market, "sell", ask, 30)
    taker = place(venue, two, market, "buy", ask, 6)
    assert (first.status, taker.status) == (Status.FILLED, Status.FILLED)
    assert market.asks.level(0) == (ask, 50)


def test_what_the_market_takes_back_of_a_price_is_what_came_last_and_never_a_clients() -> None:
    venue, market, one, _ = a_market()
    bid, bid_qty, _, _ = market.top()
    order = place(venue, one, market, "buy", bid, 7)
    queue = market.bids.queues[bid]
    assert queue.ahead_of(order) == bid_qty
    assert queue.resize(bid_qty + 7 + 5) == bid_qty + 7 + 5
    assert queue.resize(bid_qty + 7 + 2) == bid_qty + 7 + 2
    assert queue.ahead_of(order) == bid_qty
    assert queue.resize(bid_qty) == bid_qty
    assert queue.ahead_of(order) == bid_qty - 7
    assert queue.resize(0) == 7
    assert queue.head == (order, 7)


def test_a_better_price_comes_before_an_older_one() -> None:
    venue, market, one, two = a_market()
    _, _, ask, ask_qty = market.top()
    older = place(venue, one, market, "sell", ask, 10)
    better = place(venue, one, market, "sell", ask - 1, 10)
    taker = place(venue, two, market, "buy", ask, 15)
    assert [(fill.price_raw, fill.qty_raw) for fill in taker.fills] == [(ask - 1, 10), (ask, 5)]
    assert (better.status, older.filled_raw) == (Status.FILLED, 0)
    assert market.asks.level(0) == (ask, ask_qty + 5)


def test_the_markets_aggressors_eat_through_to_who_waits_and_never_past_him() -> None:
    venue = make_venue("binance", rate=50_000)
    market, account = venue.markets[BTC], next(iter(venue.accounts.values()))
    bid, bid_qty, _, _ = market.top()
    order = place(venue, account, market, "buy", bid, 500)
    ahead = bid_qty
    while order.is_open:
        before = market.last_trade_id
        run(venue, 0.001)
        for trade in (one for one in market.recent_trades if one.trade_id > before):
            # Nothing trades below it while it waits: all that is sold goes to who bids more, or to its queue.
            assert trade.price_raw >= bid or not order.is_open or order.filled_raw == order.qty_raw
        assert market.bids.qty_at(bid) >= order.leaves_raw
    assert sum(fill.qty_raw for fill in order.fills) == 500
    assert {fill.price_raw for fill in order.fills} == {bid}
    assert all(fill.is_maker for fill in order.fills)
    assert ahead > 0


@pytest.mark.parametrize(
    ("tif", "more", "ended"),
    [(Tif.IOC, 5, Ended.IOC), (Tif.FOK, 1, Ended.FOK), (Tif.FOK, 0, None), (Tif.GTC, 5, None)],
)
def test_how_long_an_order_may_wait(tif: Tif, more: int, ended: Ended | None) -> None:
    venue, market, one, _ = a_market()
    _, _, ask, ask_qty = market.top()
    order = place(venue, one, market, "buy", ask, ask_qty + more, tif=tif)
    assert order.ended is ended
    assert order.filled_raw == (0 if ended is Ended.FOK else ask_qty)
    assert market.bids.qty_at(ask) == (more if tif is Tif.GTC and more else 0)
    assert order.locked_raw == (0 if ended or not more else ask * more * 10 ** (SCALE - 7))


def test_an_order_that_only_makes_does_not_take() -> None:
    venue, market, one, _ = a_market()
    ask = market.top()[2]
    assert venue.desk.place(one, market, Terms("p", True, ask, 5, post_only=True)) is Refused.CROSSING
    assert not one.orders
    kraken, market, one, _ = (*a_market_of_kraken(), None)
    order = place(kraken, one, market, "buy", market.top()[2], 10_000, post_only=True)
    assert (order.status, order.ended, order.filled_raw) == (Status.CANCELED, Ended.POST_ONLY, 0)


def a_market_of_kraken() -> tuple[Venue, SymbolMarket, SimAccount]:
    venue = held(make_venue("kraken"))
    return venue, venue.markets["BTC/USD"], next(iter(venue.accounts.values()))


@pytest.mark.parametrize("prevented", list(SelfTrade))
def test_an_account_never_trades_with_itself(prevented: SelfTrade) -> None:
    venue, market, one, two = a_market()
    ask = market.top()[2]
    own = place(venue, one, market, "sell", ask - 1, 10)
    other = place(venue, two, market, "sell", ask - 1, 10)
    taker = place(venue, one, market, "buy", ask, 25, self_trade=prevented)
    assert own.filled_raw == 0
    assert (own.ended is Ended.SELF_TRADE) is (prevented is not SelfTrade.TAKER)
    assert (taker.ended is Ended.SELF_TRADE) is (prevented is not SelfTrade.MAKER)
    assert (other.filled_raw, taker.filled_raw) == ((10, 25) if prevented is SelfTrade.MAKER else (0, 0))
    assert market.asks.level(0)[0] == (ask if prevented is SelfTrade.MAKER else ask - 1)


def test_a_sweep_finds_dearer_quantity_and_leaves_a_book() -> None:
    venue, market, one, _ = a_market()
    before = len(market.asks)
    order = place(venue, one, market, "sell", None, 9 * 10**5)
    assert order.status is Status.FILLED
    assert len(market.bids) >= 1
    prices = [fill.price_raw for fill in order.fills]
    assert prices == sorted(prices, reverse=True)
    assert len(market.asks) == before
    run(venue, 1)
    venue.thaw()
    run(venue, 2)
    assert market.bids.level(0)[0] < market.asks.level(0)[0]


def test_a_market_buy_may_say_what_it_spends() -> None:
    venue, market, one, _ = a_market()
    spend = 5_000 * 10**SCALE
    order = place(venue, one, market, "buy", None, 0, spend_raw=spend)
    assert order.status is Status.FILLED
    assert spend - 61_900 * 10 ** (SCALE - 5) < order.cost_raw <= spend


def test_funds_are_held_and_no_more_than_there_are() -> None:
    venue, market, one, _ = a_market()
    scale = market.instrument.price_scale + market.instrument.qty_scale
    bid = market.top()[0]
    all_qty = 100_000 * 10**scale // bid
    assert venue.desk.place(one, market, Terms("a", True, bid, all_qty + 1)) is Refused.FUNDS
    order = place(venue, one, market, "buy", bid, all_qty)
    held_raw = bid * all_qty * 10 ** (SCALE - scale)
    assert one.holdings["USDT"].free_raw == 100_000 * 10**SCALE - held_raw
    assert one.holdings["USDT"].locked_raw == 250 * 10**SCALE + held_raw
    assert venue.desk.place(one, market, Terms("b", True, bid, 10)) is Refused.FUNDS
    venue.desk.fill(order, all_qty // 3)
    venue.desk.cancel(order)
    assert one.holdings["USDT"].locked_raw == 250 * 10**SCALE
    assert one.holdings["USDT"].free_raw == 100_000 * 10**SCALE - bid * (all_qty // 3) * 10 ** (SCALE - scale)


@pytest.mark.parametrize("name", ["binance", "coinbase", "kraken"])
def test_money_is_conserved_whatever_clients_do(name: str) -> None:
    venue = make_venue(name, rate=20_000)
    market = next(iter(venue.markets.values()))
    instrument = market.instrument
    rng = random.Random(11)
    first = {id(one): dict(one.holdings) for one in venue.accounts.values()}
    for number in range(400):
        account = rng.choice(list(venue.accounts.values()))
        bid, _, ask, _ = market.top()
        if account.open_orders and rng.random() < 0.3:
            venue.desk.cancel(rng.choice(list(account.open_orders.values())))
        price = rng.choice([None, bid - 3, bid, ask, ask + 7])
        qty = rng.randrange(1, 10**instrument.qty_scale // 50)
        terms = Terms(f"n{number}", rng.random() < 0.5, price, qty, rng.choice(list(Tif)), self_trade=rng.choice(list(SelfTrade)))
        venue.desk.place(account, market, terms)
        venue.desk.tell_all()
        run(venue, 0.005)
        for ladder in (market.bids, market.asks):
            for at, queue in ladder.queues.items():
                assert queue.total_raw == ladder.qty_at(at)
        resting = {order for ladder in (market.bids, market.asks) for queue in ladder.queues.values() for order in queue.orders()}
        assert resting == {order for one in venue.accounts.values() for order in one.open_orders.values()}
    assert len(venue.desk.fills) > 100
    for account in venue.accounts.values():
        expected = {asset: Decimal(held.free_raw + held.locked_raw) for asset, held in first[id(account)].items()}
        for fill in account.fills:
            sign = 1 if fill.order.is_buy else -1
            qty = Decimal(fill.qty_raw).scaleb(SCALE - instrument.qty_scale)
            price = Decimal(fill.price_raw).scaleb(-instrument.price_scale)
            expected[instrument.base] += sign * qty
            expected[instrument.quote] -= sign * qty * price
            expected[fill.fee_asset] -= fill.fee_raw
        for asset, held_now in account.holdings.items():
            assert held_now.total_raw == expected[asset], asset
            assert held_now.free_raw >= 0
        locked = sum(order.locked_raw for order in account.open_orders.values() if order.is_buy)
        assert account.holdings[instrument.quote].locked_raw == 250 * 10**SCALE + locked


class Twin:
    """A book as a plain list of who waits: [buys, price, who, quantity], in the order they came."""

    def __init__(self, market: SymbolMarket) -> None:
        self.waiting: list[list[Any]] = [
            [ladder.is_bid, price, None, qty] for ladder in (market.bids, market.asks) for price, qty in ladder.top(None)
        ]

    def place(self, who: object, owner: object, buys: bool, price: int | None, qty: int, tif: Tif, self_trade: SelfTrade) -> list[tuple[Any, int, int]]:
        """Who was met at which price for how much."""
        met: list[tuple[Any, int, int]] = []
        others = sorted((one for one in self.waiting if one[0] is not buys), key=lambda one: one[1] if buys else -one[1])
        accepted = [one for one in others if price is None or (one[1] <= price if buys else one[1] >= price)]
        if tif is Tif.FOK and sum(one[3] for one in accepted) < qty:
            return []
        for one in accepted:
            if not qty:
                break
            if one[2] is not None and one[2][0] is owner:
                if self_trade is not SelfTrade.TAKER:
                    self.waiting.remove(one)
                if self_trade is not SelfTrade.MAKER:
                    return met
                continue
            part = min(qty, one[3])
            met.append((one[2], one[1], part))
            one[3] -= part
            qty -= part
            if not one[3]:
                self.waiting.remove(one)
        if qty and price is not None and tif is Tif.GTC:
            self.waiting.append([buys, price, who, qty])
        return met

    def cancel(self, who: object) -> None:
        self.waiting = [one for one in self.waiting if one[2] is not who]

    def levels(self, buys: bool) -> list[tuple[int, int]]:
        sums: dict[int, int] = {}
        for is_bid, price, _, qty in self.waiting:
            if is_bid is buys:
                sums[price] = sums.get(price, 0) + qty
        return sorted(sums.items(), reverse=buys)


@pytest.mark.parametrize("seed", range(12))
def test_what_meets_whom_is_as_in_a_plain_list(seed: int) -> None:
    venue, market, one, two = a_market()
    twin, rng = Twin(market), random.Random(seed)
    names: dict[int, tuple[object, int]] = {}
    for number in range(1, 250):
        account = rng.choice([one, two])
        if account.open_orders and rng.random() < 0.25:
            order = rng.choice(list(account.open_orders.values()))
            twin.cancel(names[order.number])
            venue.desk.cancel(order)
            venue.desk.tell_all()
            continue
        bid, _, ask, _ = market.top()
        buys = rng.random() < 0.5
        price = None if rng.random() < 0.1 else rng.choice([bid - 1, bid, bid + 1, ask - 1, ask, ask + 1])
        qty, tif = rng.randrange(1, 4000), Tif.GTC if price is None else rng.choice([Tif.GTC, Tif.GTC, Tif.IOC, Tif.FOK])
        self_trade = rng.choice(list(SelfTrade))
        fills_before = len(venue.desk.fills)
        order = place(venue, account, market, "buy" if buys else "sell", price, qty, tif=tif, self_trade=self_trade)
        names[order.number] = who = (account, order.number)
        met = twin.place(who, account, buys, price, qty, tif, self_trade)
        told = venue.desk.fills[fills_before:]
        taken = [(fill.price_raw, fill.qty_raw) for fill in told if fill.order is order]
        assert taken == [(at, part) for _, at, part in met], number
        made = [(names[fill.order.number], fill.price_raw, fill.qty_raw) for fill in told if fill.order is not order]
        assert made == [entry for entry in met if entry[0] is not None], number
        assert market.bids.top(None) == twin.levels(True)
        assert market.asks.top(None) == twin.levels(False)
    assert len(venue.desk.fills) > 50


def test_without_clients_orders_a_market_is_what_it_always_was() -> None:
    quiet, busy = make_venue("binance"), make_venue("binance")
    order = place(busy, next(iter(busy.accounts.values())), busy.markets[BTC], "buy", 100, 5)
    busy.desk.cancel(order)
    for venue in (quiet, busy):
        run(venue, 3)
    left, right = quiet.books()[BTC], busy.books()[BTC]
    assert (left["bids"], left["asks"], left["last_trade_id"]) == (right["bids"], right["asks"], right["last_trade_id"])
    assert right["last_update_id"] == left["last_update_id"] + 2
