"""Tickers and candles that cannot be (EVT-14, EVT-15), on every venue: refused by type, dead-lettered, not published."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from tests.unit.providers.binance import frames as binance
from tests.unit.providers.coinbase import frames as coinbase
from tests.unit.providers.kraken import frames as kraken
from tests.unit.providers.simulated import frames as simulated
from tests.unit.providers.stream_kit import Wired

Values = dict[str, Any]


def binance_ticker(values: Values) -> Any:
    names = {"last": "c", "low": "l", "high": "h"}
    return binance.day_ticker(**{names[key]: str(value) for key, value in values.items()})


def coinbase_ticker(values: Values) -> Any:
    names = {"last": "price", "low": "low_24_h", "high": "high_24_h", "bid": "best_bid"}
    return coinbase.ticker(0, **{names[key]: str(value) for key, value in values.items()})


def binance_candle(values: Values) -> Any:
    return binance.kline(**{key[0]: str(value) for key, value in values.items()})


def coinbase_candle(values: Values) -> Any:
    row = coinbase.candle(300, **{key: str(value) for key, value in values.items()})
    return coinbase.message(0, {"type": "update", "candles": [row]}, channel="candles")


def kraken_candle(values: Values) -> Any:
    return kraken.candles(kraken.candle("2026-11-20T09:59:00Z", **values))


def simulated_ticker(values: Values) -> Any:
    return simulated.ticker(**{key: str(value) for key, value in values.items()})


def simulated_candle(values: Values) -> Any:
    return simulated.candles(simulated.candle(0, **{key: str(value) for key, value in values.items()}))


TICKERS: dict[str, tuple[Callable[[], Wired], Callable[[Values], Any]]] = {
    "binance": (binance.wired, binance_ticker),
    "coinbase": (coinbase.wired, coinbase_ticker),
    "kraken": (kraken.wired, lambda values: kraken.ticker(**values)),
    "simulated": (simulated.wired, simulated_ticker),
}
CANDLES: dict[str, tuple[Callable[[], Wired], Callable[[Values], Any]]] = {
    "binance": (binance.wired, binance_candle),
    "coinbase": (coinbase.wired, coinbase_candle),
    "kraken": (kraken.wired, kraken_candle),
    "simulated": (simulated.wired, simulated_candle),
}


def judge(wired: Callable[[], Wired], frame: Any, holds: bool) -> None:
    kit = wired()
    events = kit.feed(frame)
    assert len(events) == holds, frame
    assert [code for code, _ in kit.rejects] == [] if holds else ["bad_value"], frame
    assert len(kit.dead) == (not holds)
    kit.assert_balanced()


@pytest.mark.parametrize("venue", TICKERS)
def test_low_last_high_of_a_ticker_are_in_order_EVT_14(venue: str) -> None:
    wired, frame = TICKERS[venue]
    for low, last, high in product((1, 2, 3), repeat=3):
        judge(wired, frame({"low": low, "last": last, "high": high}), low <= last <= high)


@pytest.mark.parametrize("venue", ["coinbase", "kraken", "simulated"])
def test_a_ticker_is_judged_by_what_is_known_of_it_EVT_14(venue: str) -> None:
    wired, frame = TICKERS[venue]
    for value in (1, 2, 3):
        judge(wired, frame({"last": 2, "low": value}), value <= 2)
        judge(wired, frame({"last": 2, "high": value}), value >= 2)
        judge(wired, frame({"bid": 9, "low": 2, "high": value}), value >= 2)
    judge(wired, frame({"bid": 9}), True)
    judge(wired, frame({"last": 9}), True)


@pytest.mark.parametrize("venue", ["coinbase", "kraken", "simulated"])
def test_a_ticker_needs_a_price_EVT_14(venue: str) -> None:
    wired, frame = TICKERS[venue]
    kit = wired()
    assert kit.feed(frame({"low": 1, "high": 2})) == []
    assert ([code for code, _ in kit.rejects], len(kit.dead)) == (["missing_field"], 1)


@pytest.mark.parametrize("venue", CANDLES)
def test_open_and_close_of_a_candle_are_within_its_range_EVT_15(venue: str) -> None:
    wired, frame = CANDLES[venue]
    for low, first, last, high in product((1, 2, 3), repeat=4):
        values = {"open": first, "high": high, "low": low, "close": last}
        judge(wired, frame(values), low <= first <= high and low <= last <= high)


@pytest.mark.parametrize("venue", CANDLES)
@pytest.mark.parametrize(("volume", "holds"), [("0", True), ("0.01", True), ("-0.01", False)])
def test_the_volume_of_a_candle_is_not_negative_EVT_15(venue: str, volume: str, holds: bool) -> None:
    wired, frame = CANDLES[venue]
    judge(wired, frame({"open": 10, "high": 10, "low": 10, "close": 10, "volume": volume}), holds)


@pytest.mark.parametrize(("last_ms", "holds"), [(299_998, False), (299_999, False), (300_000, True)])
def test_a_candle_closes_after_it_opens_EVT_15(last_ms: int, holds: bool) -> None:
    """Binance alone tells both times; T is the last instant inside, so a candle of T = t is one unit long."""
    judge(binance.wired, binance.kline(t=300_000, T=last_ms), holds)
