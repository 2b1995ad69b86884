"""Coinbase Advanced Trade events and REST bodies: numbers are strings without trailing zeros."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from engine.simulator.candles import MINUTE_US
from engine.simulator.instruments import SimInstrument
from engine.simulator.market import SymbolMarket, Trade
from engine.simulator.messages import json_text
from engine.simulator.texts import fixed_text, ratio_raw, rfc3339_us, trimmed_text

_CANDLE_US = 5 * MINUTE_US
_CANDLES_MAX = 350
GRANULARITIES_US = {
    "ONE_MINUTE": MINUTE_US, "FIVE_MINUTE": 5 * MINUTE_US, "FIFTEEN_MINUTE": 15 * MINUTE_US,
    "THIRTY_MINUTE": 30 * MINUTE_US, "ONE_HOUR": 60 * MINUTE_US, "TWO_HOUR": 120 * MINUTE_US,
    "SIX_HOUR": 360 * MINUTE_US, "ONE_DAY": 1440 * MINUTE_US,
}  # fmt: skip


def _level(side: str, at: str, price_raw: int, qty_raw: int, instrument: SimInstrument) -> str:
    return (
        f'{{"side":"{side}","event_time":"{at}",'
        f'"price_level":"{trimmed_text(price_raw, instrument.price_scale)}",'
        f'"new_quantity":"{trimmed_text(qty_raw, instrument.qty_scale)}"}}'
    )


def _book_event(kind: str, instrument: SimInstrument, levels: Sequence[str]) -> str:
    return f'[{{"type":"{kind}","product_id":"{instrument.venue_symbol}","updates":[{",".join(levels)}]}}]'


def book_snapshot(market: SymbolMarket, at_us: int) -> str:
    """Both sides, whole, in one list."""
    at, instrument = rfc3339_us(at_us), market.instrument
    levels = [
        _level(side, at, price_raw, qty_raw, instrument)
        for side, ladder in (("bid", market.bids), ("offer", market.asks))
        for price_raw, qty_raw in ladder.top(len(ladder))
    ]
    return _book_event("snapshot", instrument, levels)


def book_update(
    instrument: SimInstrument, at_us: int, bids: Mapping[int, int], asks: Mapping[int, int]
) -> str:
    """The changed levels with their absolute quantities; without any it is the venue's empty update."""
    at = rfc3339_us(at_us) if bids or asks else ""
    levels = [
        _level(side, at, price_raw, qty_raw, instrument)
        for side, changes in (("bid", bids), ("offer", asks))
        for price_raw, qty_raw in changes.items()
    ]
    return _book_event("update", instrument, levels)


def _trade(instrument: SimInstrument, fill: Trade) -> str:
    return (
        f'{{"product_id":"{instrument.venue_symbol}","trade_id":"{fill.trade_id}",'
        f'"price":"{trimmed_text(fill.price_raw, instrument.price_scale)}",'
        f'"size":"{trimmed_text(fill.qty_raw, instrument.qty_scale)}",'
        f'"time":"{rfc3339_us(fill.at_us)}","side":"{"SELL" if fill.taker_is_buyer else "BUY"}"}}'
    )


def trades(instrument: SimInstrument, fills: Sequence[Trade], kind: str) -> str:
    """*fills* come oldest first and go out newest first; ``side`` is the maker's."""
    entries = [_trade(instrument, fill) for fill in reversed(fills)]
    return f'[{{"type":"{kind}","trades":[{",".join(entries)}]}}]'


def ticker(market: SymbolMarket, at_us: int, kind: str, with_top: bool) -> str:
    """*with_top* false is the batched ticker, which has no best bid and ask."""
    instrument = market.instrument
    price_scale, qty_scale = instrument.price_scale, instrument.qty_scale
    day = market.history.day(at_us)
    percent_raw = ratio_raw((day.close_raw - day.open_raw) * 100, day.open_raw, 14)
    fields = {
        "type": "ticker",
        "product_id": instrument.venue_symbol,
        "price": trimmed_text(day.close_raw, price_scale),
        "volume_24_h": trimmed_text(day.volume_raw, qty_scale),
        "low_24_h": trimmed_text(day.low_raw, price_scale),
        "high_24_h": trimmed_text(day.high_raw, price_scale),
        "low_52_w": trimmed_text(day.low_raw, price_scale),
        "high_52_w": trimmed_text(day.high_raw, price_scale),
        "price_percent_chg_24_h": trimmed_text(percent_raw, 14),
    }
    if with_top:
        bid_raw, bid_qty_raw, ask_raw, ask_qty_raw = market.top()
        fields |= {
            "best_bid": trimmed_text(bid_raw, price_scale),
            "best_bid_quantity": trimmed_text(bid_qty_raw, qty_scale),
            "best_ask": trimmed_text(ask_raw, price_scale),
            "best_ask_quantity": trimmed_text(ask_qty_raw, qty_scale),
        }
    return f'[{{"type":"{kind}","tickers":[{json_text(fields)}]}}]'


def candle(market: SymbolMarket, at_us: int, kind: str) -> str:
    """The running five-minute candle."""
    fields = _candle_fields(market, at_us - at_us % _CANDLE_US, _CANDLE_US)
    fields["product_id"] = market.instrument.venue_symbol
    return f'[{{"type":"{kind}","candles":[{json_text(fields)}]}}]'


def candles(market: SymbolMarket, start_us: int, end_us: int, span_us: int) -> list[dict[str, str]]:
    """``GET .../candles``: those that begin in the time asked for, at most 350, newest first."""
    first_us = max(start_us, market.history.start_us) // span_us * span_us
    newest_us = end_us - end_us % span_us
    starts = range(newest_us, first_us - 1, -span_us)[:_CANDLES_MAX]
    return [_candle_fields(market, at_us, span_us) for at_us in starts]


def _candle_fields(market: SymbolMarket, start_us: int, span_us: int) -> dict[str, str]:
    instrument = market.instrument
    span = market.history.candle(start_us, span_us)
    return {
        "start": str(start_us // 1_000_000),
        "high": trimmed_text(span.high_raw, instrument.price_scale),
        "low": trimmed_text(span.low_raw, instrument.price_scale),
        "open": trimmed_text(span.open_raw, instrument.price_scale),
        "close": trimmed_text(span.close_raw, instrument.price_scale),
        "volume": trimmed_text(span.volume_raw, instrument.qty_scale),
    }


def status(instrument: SimInstrument, kind: str) -> str:
    """One product of the ``status`` channel."""
    fields = {
        "product_type": "SPOT",
        "id": instrument.venue_symbol,
        "base_currency": instrument.base,
        "quote_currency": instrument.quote,
        "base_increment": fixed_text(instrument.lot_raw, instrument.qty_scale),
        "quote_increment": fixed_text(instrument.tick_raw, instrument.price_scale),
        "display_name": f"{instrument.base}/{instrument.quote}",
        "status": "offline" if instrument.status == "halted" else "online",
        "status_message": "",
        "min_market_funds": "1",
    }
    return f'[{{"type":"{kind}","products":[{json_text(fields)}]}}]'


def heartbeat(at_us: int, uptime_s: int) -> str:
    """The counter counts the server's seconds; the time is Go's text, which nobody should parse."""
    whole_s, part_us = divmod(at_us, 1_000_000)
    at = datetime.fromtimestamp(whole_s, UTC)
    text = f"{at:%Y-%m-%d %H:%M:%S}.{part_us:06d} +0000 UTC m=+{uptime_s}.{part_us:06d}"
    return f'[{{"current_time":"{text}","heartbeat_counter":{uptime_s}}}]'


def product(market: SymbolMarket) -> dict[str, object]:
    """A product of ``GET /market/products``."""
    instrument = market.instrument
    price_scale, qty_scale = instrument.price_scale, instrument.qty_scale
    tick = fixed_text(instrument.tick_raw, price_scale)
    day = market.history.day(market.history.start_us)
    return {
        "product_id": instrument.venue_symbol,
        "price": trimmed_text(market.history.last_price_raw, price_scale),
        "price_percentage_change_24h": "0",
        "volume_24h": trimmed_text(day.volume_raw, qty_scale),
        "volume_percentage_change_24h": "0",
        "base_increment": fixed_text(instrument.lot_raw, qty_scale),
        "quote_increment": tick,
        "quote_min_size": "1",
        "quote_max_size": "150000000",
        "base_min_size": fixed_text(instrument.min_qty_raw, qty_scale),
        "base_max_size": "1000000",
        "base_name": instrument.base,
        "quote_name": "US Dollar",
        "watched": False,
        "is_disabled": False,
        "new": False,
        "status": "online",
        "cancel_only": instrument.status == "cancel_only",
        "limit_only": False,
        "post_only": False,
        "trading_disabled": instrument.status == "halted",
        "auction_mode": False,
        "product_type": "SPOT",
        "quote_currency_id": instrument.quote,
        "base_currency_id": instrument.base,
        "mid_market_price": "",
        "alias": "",
        "alias_to": [f"{instrument.base}-USDC"],
        "base_display_symbol": instrument.base,
        "quote_display_symbol": instrument.quote,
        "view_only": False,
        "price_increment": tick,
        "display_name": instrument.venue_symbol,
        "product_venue": "CBE",
    }


def product_book(market: SymbolMarket, at_us: int, levels_count: int) -> dict[str, object]:
    """The body of ``GET /market/product_book``."""
    instrument = market.instrument
    price_scale, qty_scale = instrument.price_scale, instrument.qty_scale
    sides = {
        name: [
            {"price": trimmed_text(price_raw, price_scale), "size": trimmed_text(qty_raw, qty_scale)}
            for price_raw, qty_raw in ladder.top(levels_count)
        ]
        for name, ladder in (("bids", market.bids), ("asks", market.asks))
    }
    return {"pricebook": {"product_id": instrument.venue_symbol, **sides, "time": rfc3339_us(at_us)}}


def product_ticker(market: SymbolMarket, limit: int) -> dict[str, object]:
    """``GET .../ticker``: the newest trades and the top of the book."""
    instrument = market.instrument
    bid_raw, _, ask_raw, _ = market.top()
    fills = list(market.recent_trades)[-limit:]
    return {
        "trades": [msgspec.Raw(_trade(instrument, fill).encode()) for fill in reversed(fills)],
        "best_bid": trimmed_text(bid_raw, instrument.price_scale),
        "best_ask": trimmed_text(ask_raw, instrument.price_scale),
    }
