"""The public REST calls of the simulated Kraken. Numbers are strings here; failures come with status 200."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from engine.simulator import kraken_payloads as payloads
from engine.simulator.candles import MINUTE_US, SECOND_US
from engine.simulator.instruments import SimInstrument
from engine.simulator.market import SymbolMarket
from engine.simulator.texts import fixed_text, ratio_raw, rfc3339_us

_DEPTH_MAX = 500
_CANDLES_MAX = 720
_INTERVALS_MIN = (1, 5, 15, 30, 60, 240, 1440)

Query = Mapping[str, str]


class Served(Protocol):
    """What the calls need of the venue."""

    markets: dict[str, SymbolMarket]

    @property
    def now_us(self) -> int:
        """What the venue's clock shows."""

    @property
    def present_us(self) -> int:
        """What the venue's clock shows at this instant, however late its market is."""


class _RefusedError(Exception):
    """A call that the venue answers with this text."""


class KrakenRest:
    """``/0/public`` of one venue."""

    def __init__(self, venue: Served) -> None:
        self._venue = venue
        self._calls: dict[str, Callable[[Query], object]] = {
            "public/Time": lambda _: {"unixtime": venue.present_us // SECOND_US},
            "public/SystemStatus": lambda _: {"status": "online", "timestamp": rfc3339_us(venue.now_us)},
            "public/Assets": lambda _: payloads.assets(market.instrument for market in venue.markets.values()),
            "public/AssetPairs": lambda query: self._each(query, lambda market: payloads.asset_pair(market.instrument)),
            "public/Ticker": lambda query: self._each(query, self._ticker),
            "public/Depth": self._depth,
            "public/Trades": self._trades,
            "public/OHLC": self._ohlc,
        }

    def answer(self, endpoint: str, query: Query) -> str:
        """The body of a call below ``/0/``."""
        call = self._calls.get(endpoint)
        try:
            return payloads.failure("EGeneral:Unknown method") if call is None else payloads.envelope(call(query))
        except _RefusedError as refusal:
            return payloads.failure(str(refusal))

    def _each(self, query: Query, body: Callable[[SymbolMarket], object]) -> dict[str, object]:
        """The pairs that a query names, all where it names none; unknown ones are left out beside known ones.

        A pair that was asked for with a slash is told under just that name, as clients rely on.
        """
        asked = query["pair"].split(",") if "pair" in query else []
        found: dict[str, object] = {}
        for market in self._venue.markets.values():
            names = payloads.names_of(market.instrument)
            named = [name for name in asked if name in names]
            if named or not asked:
                key = next((name for name in named if "/" in name), payloads.rest_name(market.instrument))
                found[key] = body(market)
        if not found:
            raise _RefusedError("EQuery:Unknown asset pair")
        return found

    def _ticker(self, market: SymbolMarket) -> dict[str, object]:
        instrument = market.instrument
        price_scale, qty_scale = instrument.price_scale, instrument.qty_scale
        day = market.history.day(self._venue.now_us)
        bid_raw, bid_qty_raw, ask_raw, ask_qty_raw = market.top()
        last_qty_raw = market.recent_trades[-1].qty_raw if market.recent_trades else 0
        average = fixed_text(ratio_raw(day.quote_raw, day.volume_raw, 0), price_scale)
        volume = fixed_text(day.volume_raw, qty_scale)
        low, high = fixed_text(day.low_raw, price_scale), fixed_text(day.high_raw, price_scale)
        return {
            "a": _best(instrument, ask_raw, ask_qty_raw), "b": _best(instrument, bid_raw, bid_qty_raw),
            "c": [fixed_text(day.close_raw, price_scale), fixed_text(last_qty_raw, qty_scale)],
            "v": [volume, volume], "p": [average, average], "t": [day.trades_count, day.trades_count],
            "l": [low, low], "h": [high, high], "o": fixed_text(day.open_raw, price_scale),
        }  # fmt: skip

    def _depth(self, query: Query) -> object:
        count = min(_whole(query, "count", 100), _DEPTH_MAX)
        now_s = self._venue.now_us // SECOND_US

        def body(market: SymbolMarket) -> object:
            instrument = market.instrument
            return {
                name: [
                    [fixed_text(price_raw, instrument.price_scale), fixed_text(qty_raw, instrument.qty_scale), now_s]
                    for price_raw, qty_raw in ladder.top(count)
                ]
                for name, ladder in (("asks", market.asks), ("bids", market.bids))
            }

        return self._one(query, body)

    def _trades(self, query: Query) -> object:
        since_ns = _whole(query, "since", 0)

        def body(market: SymbolMarket) -> object:
            instrument = market.instrument
            return [
                [
                    fixed_text(fill.price_raw, instrument.price_scale), fixed_text(fill.qty_raw, instrument.qty_scale),
                    fill.at_us / SECOND_US, "b" if fill.taker_is_buyer else "s", "l", "", fill.trade_id,
                ]
                for fill in market.recent_trades
                if fill.at_us * 1000 > since_ns
            ]  # fmt: skip

        return self._one(query, body) | {"last": str(self._venue.now_us * 1000)}

    def _ohlc(self, query: Query) -> object:
        interval_min = _whole(query, "interval", 1)
        if interval_min not in _INTERVALS_MIN:
            raise _RefusedError("EGeneral:Invalid arguments:interval")
        span_us = interval_min * MINUTE_US
        newest_us = self._venue.now_us - self._venue.now_us % span_us

        def body(market: SymbolMarket) -> object:
            oldest_us = max(newest_us - (_CANDLES_MAX - 1) * span_us, market.history.start_us // span_us * span_us)
            return [_row(market, at_us, span_us) for at_us in range(oldest_us, newest_us + 1, span_us)]

        # The last row is the running candle; the cursor names the last closed one.
        return self._one(query, body) | {"last": (newest_us - span_us) // SECOND_US}

    def _one(self, query: Query, body: Callable[[SymbolMarket], object]) -> dict[str, object]:
        if "pair" not in query:
            raise _RefusedError("EGeneral:Invalid arguments")
        return self._each({"pair": query["pair"].split(",")[0]}, body)


def _best(instrument: SimInstrument, price_raw: int, qty_raw: int) -> list[str]:
    """Price, whole lots, lots."""
    scale = instrument.qty_scale
    return [fixed_text(price_raw, instrument.price_scale), str(qty_raw // 10**scale), fixed_text(qty_raw, scale)]


def _row(market: SymbolMarket, start_us: int, span_us: int) -> list[object]:
    candle = market.history.candle(start_us, span_us)
    price_scale = market.instrument.price_scale
    average_raw = ratio_raw(candle.quote_raw, candle.volume_raw, 0) or candle.close_raw
    prices = (candle.open_raw, candle.high_raw, candle.low_raw, candle.close_raw, average_raw)
    return [
        start_us // SECOND_US, *(fixed_text(price_raw, price_scale) for price_raw in prices),
        fixed_text(candle.volume_raw, market.instrument.qty_scale), candle.trades_count,
    ]  # fmt: skip


def _whole(query: Query, key: str, otherwise: int) -> int:
    text = query.get(key, str(otherwise))
    if not text.isdecimal():
        raise _RefusedError(f"EGeneral:Invalid arguments:{key}")
    return int(text)
