"""The public REST calls of the simulated Binance Spot."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from engine.simulator import binance_payloads as payloads
from engine.simulator.candles import MINUTE_US, SECOND_US
from engine.simulator.fault_rules import FaultRule
from engine.simulator.images import OldImages, image_of
from engine.simulator.limits import BANNED, Refusal, WeightBudget
from engine.simulator.market import SymbolMarket
from engine.simulator.messages import RestReply, json_text

INTERVALS_US = {
    "1s": SECOND_US, "1m": MINUTE_US, "3m": 3 * MINUTE_US, "5m": 5 * MINUTE_US, "15m": 15 * MINUTE_US,
    "30m": 30 * MINUTE_US, "1h": 60 * MINUTE_US, "2h": 120 * MINUTE_US, "4h": 240 * MINUTE_US,
    "6h": 360 * MINUTE_US, "8h": 480 * MINUTE_US, "12h": 720 * MINUTE_US, "1d": 1440 * MINUTE_US,
}  # fmt: skip
_DEPTH_LIMIT_MAX = 5000
_KLINES_MAX = 1000
_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (_DEPTH_LIMIT_MAX, 250))
_WEIGHTS = {"exchangeInfo": 20, "trades": 25, "aggTrades": 4, "klines": 2, "avgPrice": 2}
# One symbol, more than one.
_TICKER_WEIGHTS = {"ticker/24hr": (2, 80), "ticker/price": (2, 4), "ticker/bookTicker": (2, 4)}

_TOO_MUCH = (
    "Too much request weight used; current limit is 6000 request weight per 1 MINUTE. Please use WebSocket Streams for "
    "live updates to avoid polling the API."
)
_BANNED = (
    "Way too much request weight used; IP banned. Please use WebSocket Streams for live updates to avoid bans."
)
_INVALID_SYMBOL = RestReply(400, '{"code":-1121,"msg":"Invalid symbol."}')
_INVALID_LIMIT = RestReply(400, '{"code":-1130,"msg":"Data sent for parameter \'limit\' is not valid."}')
_INVALID_INTERVAL = RestReply(400, '{"code":-1120,"msg":"Invalid interval."}')
_UNKNOWN_ERROR = RestReply(
    500, '{"code":-1000,"msg":"An unknown error occurred while processing the request."}'
)
_NO_ENDPOINT = RestReply(404, '{"code":-1000,"msg":"no such endpoint"}')


class Served(Protocol):
    """What the calls need of the venue."""

    markets: dict[str, SymbolMarket]
    old_images: OldImages
    recent_aggregates: dict[str, deque[payloads.Aggregate]]
    weights: WeightBudget
    limited: bool

    @property
    def now_us(self) -> int:
        """What the venue's clock shows."""

    @property
    def present_us(self) -> int:
        """What the venue's clock shows at this instant, however late its market is."""

    def snapshot_fault(self, symbol: str) -> FaultRule | None:
        """The rule that strikes the snapshot about to be sent."""


class BinanceRest:
    """``/api/v3`` of one venue."""

    def __init__(self, venue: Served) -> None:
        self._venue = venue
        self._calls: dict[str, Callable[[Mapping[str, str]], RestReply]] = {
            "ping": lambda _: RestReply(200, "{}"),
            "time": lambda _: RestReply(200, f'{{"serverTime":{venue.present_us // 1000}}}'),
            "exchangeInfo": self._exchange_info,
            "depth": self._depth,
            "trades": self._trades,
            "aggTrades": self._agg_trades,
            "klines": self._klines,
            "avgPrice": lambda query: self._of_one(query, payloads.average_price),
            "ticker/24hr": lambda query: self._of_each(query, payloads.rest_day_ticker),
            "ticker/price": lambda query: self._of_each(query, payloads.rest_price),
            "ticker/bookTicker": lambda query: self._of_each(query, payloads.rest_book_ticker),
        }

    def answer(self, endpoint: str, query: Mapping[str, str]) -> RestReply:
        """Answer a call below ``/api/v3/``."""
        call = self._calls.get(endpoint)
        return _NO_ENDPOINT if call is None else call(query)

    def charge(self, endpoint: str, query: Mapping[str, str], now_us: int) -> Refusal | None:
        """Count a call's weight toward that of the minute; why it is refused, None where it is not."""
        return self._venue.weights.take(self._weight_of(endpoint, query), now_us)

    @staticmethod
    def _weight_of(endpoint: str, query: Mapping[str, str]) -> int:
        if endpoint == "depth":
            limit = _limit(query, 100) or 1
            return next((weight for most, weight in _DEPTH_WEIGHTS if limit <= most), _DEPTH_WEIGHTS[-1][1])
        if endpoint in _TICKER_WEIGHTS:
            return _TICKER_WEIGHTS[endpoint]["symbol" not in query]
        return _WEIGHTS.get(endpoint, 1)

    @staticmethod
    def refused(refusal: Refusal) -> RestReply:
        """What the venue says over a limit, and while an address is banned."""
        message = _BANNED if refusal.status == BANNED else _TOO_MUCH
        headers = {"Retry-After": str(refusal.retry_after_s)}
        return RestReply(refusal.status, json_text({"code": -1003, "msg": message}), headers)

    def _wanted(self, query: Mapping[str, str]) -> list[SymbolMarket] | None:
        """The markets that a query names, all where it names none; None where it names one that is not there."""
        markets = self._venue.markets
        if "symbol" in query:
            named: Sequence[str] = [query["symbol"]]
        elif "symbols" in query:
            named = query["symbols"].strip("[]").replace('"', "").split(",")
        else:
            named = list(markets)
        return [markets[name] for name in named] if all(name in markets for name in named) else None

    def _exchange_info(self, query: Mapping[str, str]) -> RestReply:
        wanted = self._wanted(query)
        if wanted is None:
            return _INVALID_SYMBOL
        listed = [market.instrument for market in wanted]
        return RestReply(200, payloads.exchange_info(listed, self._venue.now_us, limited=self._venue.limited))

    def _depth(self, query: Mapping[str, str]) -> RestReply:
        limit = _limit(query, 100)
        if limit is None:
            return _INVALID_LIMIT
        symbol = query.get("symbol", "")
        market = self._venue.markets.get(symbol)
        if market is None:
            return _INVALID_SYMBOL
        rule = self._venue.snapshot_fault(symbol)
        fault = "" if rule is None else rule.fault
        if rule is not None and fault == "snapshot_error":
            return _UNKNOWN_ERROR._replace(status=rule.status)
        image = self._venue.old_images.take(market) if fault == "stale_snapshot" else image_of(market)
        reply = RestReply(200, payloads.depth_image(image, market.instrument, min(limit, _DEPTH_LIMIT_MAX)))
        return reply._replace(delay_us=round(rule.for_s * 1e6)) if rule and fault == "delay_snapshot" else reply

    def _trades(self, query: Mapping[str, str]) -> RestReply:
        limit = _limit(query, 500)
        if limit is None:
            return _INVALID_LIMIT
        return self._of_one(query, lambda market, _: payloads.rest_trades(market, limit))

    def _agg_trades(self, query: Mapping[str, str]) -> RestReply:
        limit = _limit(query, 500)
        if limit is None:
            return _INVALID_LIMIT

        def body(market: SymbolMarket, _: int) -> str:
            recent = list(self._venue.recent_aggregates[market.instrument.venue_symbol])
            return payloads.rest_agg_trades(market.instrument, recent[-limit:])

        return self._of_one(query, body)

    def _klines(self, query: Mapping[str, str]) -> RestReply:
        limit, interval_us = _limit(query, 500), INTERVALS_US.get(query.get("interval", ""))
        if limit is None:
            return _INVALID_LIMIT
        if interval_us is None:
            return _INVALID_INTERVAL
        return self._of_one(
            query, lambda market, now_us: payloads.rest_klines(market, now_us, interval_us, min(limit, _KLINES_MAX))
        )

    def _of_one(self, query: Mapping[str, str], body: Callable[[SymbolMarket, int], str]) -> RestReply:
        market = self._venue.markets.get(query.get("symbol", ""))
        return _INVALID_SYMBOL if market is None else RestReply(200, body(market, self._venue.now_us))

    def _of_each(self, query: Mapping[str, str], body: Callable[[SymbolMarket, int], str]) -> RestReply:
        wanted = self._wanted(query)
        if wanted is None:
            return _INVALID_SYMBOL
        texts = [body(market, self._venue.now_us) for market in wanted]
        return RestReply(200, texts[0] if "symbol" in query else f"[{','.join(texts)}]")


def _limit(query: Mapping[str, str], otherwise: int) -> int | None:
    """The ``limit`` of a call; None where it is no number above 0."""
    text = query.get("limit", str(otherwise))
    return int(text) if text.isdecimal() and int(text) > 0 else None
