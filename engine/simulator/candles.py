"""Candles of one symbol over any interval, summed exactly from seconds and minutes."""

from collections import OrderedDict
from collections.abc import Iterable

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
DAY_US = 24 * 60 * MINUTE_US

_KEPT_SECONDS = 120


class Candle:
    """Trades of one span. Products (``quote_raw``) are exact at the sum of the two scales."""

    __slots__ = (
        "close_raw", "first_trade_id", "high_raw", "last_trade_id", "low_raw", "open_raw", "quote_raw",
        "start_us", "taker_buy_quote_raw", "taker_buy_volume_raw", "trades_count", "volume_raw",
    )

    def __init__(self, start_us: int, price_raw: int) -> None:
        """A span without trades: four times the previous close and, as Binance writes it, ids of -1."""
        self.start_us = start_us
        self.open_raw = self.high_raw = self.low_raw = self.close_raw = price_raw
        self.volume_raw = self.quote_raw = 0
        self.taker_buy_volume_raw = self.taker_buy_quote_raw = 0
        self.first_trade_id = self.last_trade_id = -1
        self.trades_count = 0

    def add_trade(self, trade_id: int, price_raw: int, qty_raw: int, taker_is_buyer: bool) -> None:
        """Add the next trade of the span."""
        if self.trades_count == 0:
            self.open_raw = self.high_raw = self.low_raw = price_raw
            self.first_trade_id = trade_id
        self.high_raw = max(self.high_raw, price_raw)
        self.low_raw = min(self.low_raw, price_raw)
        self.close_raw = price_raw
        self.volume_raw += qty_raw
        self.quote_raw += price_raw * qty_raw
        if taker_is_buyer:
            self.taker_buy_volume_raw += qty_raw
            self.taker_buy_quote_raw += price_raw * qty_raw
        self.last_trade_id = trade_id
        self.trades_count += 1

    def rescale(self, factor: int) -> None:
        """Count prices in units *factor* times as fine."""
        self.open_raw *= factor
        self.high_raw *= factor
        self.low_raw *= factor
        self.close_raw *= factor
        self.quote_raw *= factor
        self.taker_buy_quote_raw *= factor

    def add_later(self, later: "Candle") -> None:
        """Append a span that follows this one and has trades."""
        if self.trades_count == 0:
            self.open_raw, self.high_raw, self.low_raw = later.open_raw, later.high_raw, later.low_raw
            self.first_trade_id = later.first_trade_id
        self.high_raw = max(self.high_raw, later.high_raw)
        self.low_raw = min(self.low_raw, later.low_raw)
        self.close_raw = later.close_raw
        self.volume_raw += later.volume_raw
        self.quote_raw += later.quote_raw
        self.taker_buy_volume_raw += later.taker_buy_volume_raw
        self.taker_buy_quote_raw += later.taker_buy_quote_raw
        self.last_trade_id = later.last_trade_id
        self.trades_count += later.trades_count


class CandleHistory:
    """The trades of the last 24 hours by minute and of the last two minutes by second."""

    def __init__(self, start_us: int, price_raw: int) -> None:
        self.start_us = start_us
        self.last_price_raw = price_raw
        self._start_price_raw = price_raw
        self._seconds: OrderedDict[int, Candle] = OrderedDict()
        self._minutes: OrderedDict[int, Candle] = OrderedDict()
        self._day = Candle(start_us, price_raw)

    def add_trade(
        self, at_us: int, trade_id: int, price_raw: int, qty_raw: int, taker_is_buyer: bool
    ) -> None:
        """Add the next trade; times never go back."""
        self._roll_day(at_us)
        for spans, length_us in ((self._seconds, SECOND_US), (self._minutes, MINUTE_US)):
            start_us = at_us - at_us % length_us
            span = spans.get(start_us)
            if span is None:
                span = spans[start_us] = Candle(start_us, price_raw)
            span.add_trade(trade_id, price_raw, qty_raw, taker_is_buyer)
        while len(self._seconds) > _KEPT_SECONDS:
            self._seconds.popitem(last=False)
        self._day.add_trade(trade_id, price_raw, qty_raw, taker_is_buyer)
        self.last_price_raw = price_raw

    def candle(self, start_us: int, interval_us: int) -> Candle:
        """The candle that begins at *start_us*; without trades it stands at the close before it.

        *interval_us* is a second or any number of minutes up to a day.
        """
        spans = self._minutes if interval_us % MINUTE_US == 0 else self._seconds
        return _merged(
            (span for span in spans.values() if start_us <= span.start_us < start_us + interval_us),
            Candle(start_us, self._close_before(start_us)),
        )

    def day(self, now_us: int) -> Candle:
        """The last 24 hours, to the minute; younger markets begin at their own start."""
        self._roll_day(now_us)
        return self._day

    def rescale(self, factor: int) -> None:
        """Count prices in units *factor* times as fine."""
        self.last_price_raw *= factor
        self._start_price_raw *= factor
        for candle in (*self._seconds.values(), *self._minutes.values(), self._day):
            candle.rescale(factor)

    def _roll_day(self, now_us: int) -> None:
        oldest_us = now_us - DAY_US
        if not self._minutes or next(iter(self._minutes)) >= oldest_us:
            return
        while self._minutes and next(iter(self._minutes)) < oldest_us:
            _, expired = self._minutes.popitem(last=False)
            self._start_price_raw = expired.close_raw
        self._day = _merged(self._minutes.values(), Candle(oldest_us, self._start_price_raw))

    def _close_before(self, start_us: int) -> int:
        """Close of the newest kept span that begins before *start_us*."""
        for spans in (self._seconds, self._minutes):
            for span in reversed(spans.values()):
                if span.start_us < start_us:
                    return span.close_raw
        return self._start_price_raw


def _merged(spans: Iterable[Candle], into: Candle) -> Candle:
    for span in spans:
        into.add_later(span)
    return into
