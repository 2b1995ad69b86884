"""The seeded market: the same seed gives the same events, and every event is a market's."""

from __future__ import annotations

import random
import re
from statistics import mean, pvariance
from typing import Any

import pytest

from engine.simulator.arrivals import Arrivals
from engine.simulator.candles import MINUTE_US, CandleHistory
from engine.simulator.instruments import VENUES, default_coins, list_instruments
from engine.simulator.ladder import Ladder
from engine.simulator.market import MarketEvent, SymbolMarket

START_US = 1_700_000_000_000_000


def make_market(seed: int = 3, venue: str = "binance", base: str = "BTC", levels: int = 60) -> SymbolMarket:
    (instrument,) = list_instruments(venue, [base])
    return SymbolMarket(instrument, random.Random(seed), START_US, levels)


def walk(market: SymbolMarket, events_count: int) -> list[MarketEvent]:
    return [market.step(START_US + number * 1000) for number in range(events_count)]


def told(event: MarketEvent) -> Any:
    ids = event.first_update_id, event.last_update_id
    return ids, event.bids, event.asks, event.trades, event.top_changed


def test_the_same_seed_gives_the_same_events() -> None:
    first, second, other = (walk(make_market(seed), 500) for seed in (3, 3, 4))
    assert [told(event) for event in first] == [told(event) for event in second]
    assert [told(event) for event in first] != [told(event) for event in other]


@pytest.mark.parametrize("venue", VENUES)
def test_the_events_rebuild_the_book_and_their_ids_have_no_break(venue: str) -> None:
    market = make_market(venue=venue)
    sides = [dict(ladder.top(1000)) for ladder in (market.bids, market.asks)]
    update_id, trade_id = market.last_update_id, market.last_trade_id
    for event in (market.step(START_US + number * 1000) for number in range(3000)):
        assert event.first_update_id == update_id + 1
        update_id = event.last_update_id
        for side, changes in zip(sides, (event.bids, event.asks), strict=True):
            side.update(changes)
            for price_raw in [price_raw for price_raw, qty_raw in side.items() if qty_raw == 0]:
                del side[price_raw]
        assert [fill.trade_id for fill in event.trades] == list(
            range(trade_id + 1, trade_id + 1 + len(event.trades))
        )
        trade_id += len(event.trades)
        assert max(sides[0]) < min(sides[1])
    assert sides == [dict(ladder.top(1000)) for ladder in (market.bids, market.asks)]


def test_everything_that_a_market_does_happens() -> None:
    market = make_market()
    tops: set[int] = set()
    events = []
    for number in range(3000):
        events.append(market.step(START_US + number))
        tops.add(market.top()[0])
    changes = [[*event.bids.items(), *event.asks.items()] for event in events]
    assert {fill.taker_is_buyer for event in events for fill in event.trades} == {True, False}
    assert any(len({fill.price_raw for fill in event.trades}) > 2 for event in events), "no sweep"
    assert any(len(levels) > 3 for levels in changes), "no requote"
    assert any(qty_raw == 0 for levels in changes for _, qty_raw in levels), "no level went"
    assert 0.05 < mean(event.top_changed for event in events) < 0.95
    assert len(tops) > 20, "the price stands still"


def test_a_trade_eats_the_level_it_prints_at() -> None:
    market = make_market()
    for number in range(2000):
        best = {True: market.asks.level(0), False: market.bids.level(0)}
        event = market.step(START_US + number)
        if not event.trades:
            continue
        first = event.trades[0]
        price_raw, resting_raw = best[first.taker_is_buyer]
        assert first.price_raw == price_raw
        taken_raw = sum(fill.qty_raw for fill in event.trades if fill.price_raw == price_raw)
        assert 0 < taken_raw <= resting_raw
        if len({fill.price_raw for fill in event.trades}) > 1:
            assert taken_raw == resting_raw


@pytest.mark.parametrize("venue", VENUES)
def test_sixty_symbols_and_more_each_with_a_name_and_a_sound_book(venue: str) -> None:
    instruments = list_instruments(venue, default_coins(64))
    assert len({instrument.venue_symbol for instrument in instruments}) == 64
    for instrument in instruments:
        assert re.fullmatch(r"[A-Z0-9]{1,20}", instrument.base)
        assert 0 <= instrument.price_scale <= 8
        assert 0 <= instrument.qty_scale <= 8
        market = SymbolMarket(instrument, random.Random(1), START_US, 60)
        for event in walk(market, 60):
            assert all(price_raw > 0 for price_raw in (*event.bids, *event.asks))
            assert all(fill.qty_raw > 0 for fill in event.trades)
        assert market.bids.level(0)[0] < market.asks.level(0)[0]


def test_the_book_keeps_its_size() -> None:
    market = make_market(levels=80)
    for number in range(20_000):
        market.step(START_US + number)
        assert min(len(market.bids), len(market.asks)) >= 16
        assert max(len(market.bids), len(market.asks)) <= 110


def test_an_unknown_venue_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no simulated venue is called 'bitmex'; there are binance"):
        list_instruments("bitmex", ["BTC"])


# --- parts --------------------------------------------------------------------------------------------------


def test_arrivals_keep_the_rate_and_come_in_bursts() -> None:
    arrivals = Arrivals(random.Random(5), rate_frames_per_s=1000)
    now_us, times_us = 0, []
    for number in range(40_000):
        now_us += arrivals.gap_us(frames=1 + number % 3)
        times_us.append(now_us)
    frames_count = sum(1 + number % 3 for number in range(40_000))
    assert now_us == pytest.approx(frames_count * 1000, rel=0.01)
    bins = [0] * (now_us // 20_000 + 1)
    for time_us in times_us:
        bins[time_us // 20_000] += 1
    assert pvariance(bins) > 2 * mean(bins), "no more clustered than a plain Poisson process"


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="rate must be above 0"):
        Arrivals(random.Random(1), 0)


@pytest.mark.parametrize("is_bid", [True, False])
def test_a_ladder_is_best_first(is_bid: bool) -> None:
    ladder = Ladder(is_bid)
    for price_raw in (105, 101, 103):
        ladder.set_level(price_raw, price_raw * 2)
    assert [price_raw for price_raw, _ in ladder.top(9)] == ([105, 103, 101] if is_bid else [101, 103, 105])
    ladder.set_level(103, 0)
    ladder.set_level(101, 7)
    assert dict(ladder.top(9)) == {105: 210, 101: 7}
    assert ladder.qty_at(103) == 0


def test_candles_of_any_interval_are_the_sums_of_their_trades() -> None:
    history = CandleHistory(START_US, 500)
    rng = random.Random(9)
    trades = []
    at_us = START_US
    for trade_id in range(1, 400):
        at_us += rng.randrange(3_000_000)
        trades.append((at_us, trade_id, 480 + rng.randrange(40), 1 + rng.randrange(9), rng.random() < 0.5))
        history.add_trade(*trades[-1])
    for minutes in (1, 3, 5):
        interval_us = minutes * MINUTE_US
        start_us = at_us - at_us % interval_us - interval_us
        inside = [trade for trade in trades if start_us <= trade[0] < start_us + interval_us]
        candle = history.candle(start_us, interval_us)
        assert (candle.open_raw, candle.close_raw) == (inside[0][2], inside[-1][2])
        assert (candle.high_raw, candle.low_raw) == (max(t[2] for t in inside), min(t[2] for t in inside))
        assert candle.volume_raw == sum(trade[3] for trade in inside)
        assert candle.quote_raw == sum(trade[2] * trade[3] for trade in inside)
        assert candle.taker_buy_volume_raw == sum(trade[3] for trade in inside if trade[4])
        assert (candle.first_trade_id, candle.last_trade_id) == (inside[0][1], inside[-1][1])
        assert candle.trades_count == len(inside)


def test_a_candle_without_trades_stands_at_the_close_before_it() -> None:
    history = CandleHistory(START_US, 500)
    history.add_trade(START_US, 1, 510, 2, True)
    candle = history.candle(START_US - START_US % MINUTE_US + 10 * MINUTE_US, MINUTE_US)
    assert {candle.open_raw, candle.high_raw, candle.low_raw, candle.close_raw} == {510}
    assert (candle.first_trade_id, candle.last_trade_id, candle.trades_count) == (-1, -1, 0)


def test_the_day_forgets_what_is_older_than_24_hours() -> None:
    history = CandleHistory(START_US, 500)
    history.add_trade(START_US, 1, 900, 2, True)
    history.add_trade(START_US + 12 * 60 * MINUTE_US, 2, 600, 3, False)
    day = history.day(START_US + 12 * 60 * MINUTE_US)
    assert (day.high_raw, day.volume_raw, day.trades_count) == (900, 5, 2)
    later = history.day(START_US + 25 * 60 * MINUTE_US)
    assert (later.high_raw, later.volume_raw, later.trades_count) == (600, 3, 1)
