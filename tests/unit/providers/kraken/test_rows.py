"""Kraken's flat channels: trades, tickers and candles become events (BOOK-27, EVT-13 to EVT-15)."""

from __future__ import annotations

from typing import Any

import pytest

from engine.schema.enums import Side
from tests.unit.providers.kraken.frames import (
    TIME_NS,
    candle,
    candles,
    ticker,
    trade,
    trades,
    wired,
)

E8 = 10**8


def test_trades_of_the_past_are_counted_apart_and_not_published() -> None:
    kit = wired()
    assert kit.feed(trades(trade(5), trade(6, side="sell"), kind="snapshot")) == []
    first, second = kit.feed(trades(trade(7), trade(9, side="sell", price=10.4)))
    assert (first.trade_id, first.side, first.price_raw, first.qty_raw) == ("7", Side.BUY, 105, 5 * 10**7)
    assert (second.side, second.seq_provider, second.ts_venue_ns, second.match_count) == (Side.SELL, 9, TIME_NS, 1)
    state = kit.stream.symbol_states()[0]
    past, live = state.past_trades, state.trades
    assert (past.count, past.first_id, past.last_id, past.flagged_count, past.id_breaks) == (2, 5, 6, 1, 0)
    assert (live.count, live.first_id, live.last_id, live.id_breaks, live.last_price_raw) == (2, 7, 9, 1, 104)


@pytest.mark.parametrize(("field", "value"), [("price", 0), ("qty", 0), ("qty", -1)])
def test_a_trade_of_nothing_is_refused(field: str, value: int) -> None:
    kit = wired()
    assert kit.feed(trades({**trade(1), field: value})) == []
    assert kit.rejects == [("bad_value", field)]


def test_a_ticker_has_what_was_sent() -> None:
    kit = wired()
    first = kit.feed(
        ticker(bid=9.5, bid_qty=2, ask=None, last=10, low=9, high=12.5, volume=7, vwap=1, timestamp=TIME_NS)
    )
    assert first == []
    assert kit.rejects == [("wrong_type", "timestamp")]
    event = kit.feed(ticker(bid=9.5, bid_qty=2, ask=None, last=10, low=9, high=12.5, volume=7, change=0.4))[0]
    assert (event.bid_price_raw, event.bid_qty_raw, event.ask_price_raw, event.ask_qty_raw) == (95, 2 * E8, None, None)
    assert (event.last_price_raw, event.low_24h_raw, event.high_24h_raw, event.volume_24h_raw) == (100, 90, 125, 7 * E8)
    assert (event.open_24h_raw, event.ts_venue_ns) == (None, 0)


@pytest.mark.parametrize("fields", [{"last": 10, "low": 10.5}, {"last": 10, "high": 9.5}])
def test_a_ticker_outside_its_own_range_is_refused(fields: dict[str, float]) -> None:
    kit = wired()
    assert kit.feed(ticker(**fields)) == []
    assert kit.rejects == [("bad_value", "last")]


def test_a_newer_candle_closes_the_one_before() -> None:
    kit = wired()
    past = candles(candle("2026-11-20T09:58:00Z"), candle("2026-11-20T09:59:00.000000000Z"), kind="snapshot")
    assert [(e.is_closed, e.open_time_ns % 3600_000_000_000 // 60_000_000_000) for e in kit.feed(past)] == [
        (False, 58),
        (True, 58),
        (False, 59),
    ]
    event = kit.feed(candles(candle("2026-11-20T09:59:00Z", volume=4)))[0]
    assert (event.interval, event.interval_ns, event.close_time_ns - event.open_time_ns) == (
        "1m",
        6 * 10**10,
        6 * 10**10,
    )
    assert (event.open_raw, event.high_raw, event.low_raw, event.close_raw) == (100, 120, 90, 110)
    assert (event.volume_raw, event.trade_count, event.is_closed, event.ts_venue_ns) == (4 * E8, 4, False, TIME_NS)
    assert kit.feed(candles(candle("2026-11-20T09:58:00Z"))) == []
    assert [e.interval for e in kit.feed(candles(candle("2026-11-20T00:00:00Z", interval=21600)))] == ["15d"]


@pytest.mark.parametrize(
    ("row", "refusal"),
    [
        (candle("2026-11-20T09:59:00Z", interval=2), ("unknown_value", "interval")),
        (candle("2262-04-11T23:47:00Z"), ("bad_time", "interval_begin")),
        (candle("2026-11-20T09:59:00Z", low=10.5), ("bad_value", "data")),
        (candle("2026-11-20T09:59:00Z", close=12.5), ("bad_value", "data")),
        (candle("2026-11-20T09:59:00Z", volume=-1), ("bad_value", "data")),
        (candle("2026-11-20T09:59:00Z", open="1e1"), ("bad_number", "open")),
    ],
)
def test_an_impossible_candle_is_refused(row: dict[str, Any], refusal: tuple[str, str]) -> None:
    kit = wired()
    assert kit.feed(candles(row)) == []
    assert kit.rejects == [refusal]


def test_numbers_with_more_digits_widen_the_scale_for_all_of_a_row() -> None:
    kit = wired(with_precision=False)
    event = kit.feed(ticker(bid=9.5, ask="9.625", last=10, volume="0.25"))[0]
    assert (event.price_scale, event.qty_scale) == (3, 2)
    assert (event.bid_price_raw, event.ask_price_raw, event.last_price_raw, event.volume_24h_raw) == (
        9500,
        9625,
        10000,
        25,
    )
