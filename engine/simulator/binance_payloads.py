"""Binance Spot payloads as text: prices and quantities with eight decimals, times in milliseconds."""

from collections.abc import Iterable
from typing import NamedTuple

from engine.simulator.candles import MINUTE_US, Candle
from engine.simulator.images import BookImage
from engine.simulator.instruments import SimInstrument
from engine.simulator.market import MarketEvent, SymbolMarket, Trade
from engine.simulator.messages import json_text
from engine.simulator.texts import fixed_text, ratio_raw, rescaled

_DECIMALS = 8
_STATUSES = {"trading": "TRADING", "halted": "HALT", "cancel_only": "CANCEL_ONLY"}


def eight(value_raw: int, scale: int) -> str:
    """*value_raw* at *scale* with the eight decimals of the venue."""
    return fixed_text(rescaled(value_raw, scale, _DECIMALS), _DECIMALS)


def levels(changes: Iterable[tuple[int, int]], instrument: SimInstrument) -> str:
    """Price and quantity pairs, without the brackets around them all."""
    price_scale, qty_scale = instrument.price_scale, instrument.qty_scale
    return ",".join([
        f'["{eight(price_raw, price_scale)}","{eight(qty_raw, qty_scale)}"]' for price_raw, qty_raw in changes
    ])


def depth_update(
    instrument: SimInstrument, at_us: int, first_id: int, last_id: int,
    bids: dict[int, int], asks: dict[int, int],
) -> str:
    """``depthUpdate``: final quantities of the levels that changed in ids *first_id* to *last_id*."""
    return (
        f'{{"e":"depthUpdate","E":{at_us // 1000},"s":"{instrument.venue_symbol}",'
        f'"U":{first_id},"u":{last_id},'
        f'"b":[{levels(bids.items(), instrument)}],"a":[{levels(asks.items(), instrument)}]}}'
    )


def depth_image(image: BookImage, instrument: SimInstrument, levels_count: int) -> str:
    """The best levels with their update id: a partial-depth payload and the REST snapshot alike."""
    bids = levels(image.bids[:levels_count], instrument)
    asks = levels(image.asks[:levels_count], instrument)
    return f'{{"lastUpdateId":{image.last_update_id},"bids":[{bids}],"asks":[{asks}]}}'


def book_ticker(market: SymbolMarket) -> str:
    """Top of book under the update id of the event that moved it."""
    instrument = market.instrument
    bid_raw, bid_qty_raw, ask_raw, ask_qty_raw = market.top()
    price_scale, qty_scale = instrument.price_scale, instrument.qty_scale
    return (
        f'{{"u":{market.last_update_id},"s":"{instrument.venue_symbol}",'
        f'"b":"{eight(bid_raw, price_scale)}","B":"{eight(bid_qty_raw, qty_scale)}",'
        f'"a":"{eight(ask_raw, price_scale)}","A":"{eight(ask_qty_raw, qty_scale)}"}}'
    )


def trade(instrument: SimInstrument, fill: Trade) -> str:
    """``trade``; ``m`` says that the buyer was the maker."""
    at_ms = fill.at_us // 1000
    return (
        f'{{"e":"trade","E":{at_ms},"s":"{instrument.venue_symbol}","t":{fill.trade_id},'
        f'"p":"{eight(fill.price_raw, instrument.price_scale)}",'
        f'"q":"{eight(fill.qty_raw, instrument.qty_scale)}",'
        f'"T":{at_ms},"m":{"false" if fill.taker_is_buyer else "true"},"M":true}}'
    )


class Aggregate(NamedTuple):
    """One aggressor's fills at one price."""

    number: int
    fills: list[Trade]


def agg_trade(instrument: SimInstrument, aggregate: Aggregate) -> str:
    """``aggTrade``."""
    at_ms = aggregate.fills[0].at_us // 1000
    return f'{{"e":"aggTrade","E":{at_ms},"s":"{instrument.venue_symbol}",{_aggregate(instrument, aggregate)}}}'


def rest_agg_trades(instrument: SimInstrument, aggregates: Iterable[Aggregate]) -> str:
    """The body of ``GET /api/v3/aggTrades``, oldest first."""
    return f"[{','.join(f'{{{_aggregate(instrument, aggregate)}}}' for aggregate in aggregates)}]"


def _aggregate(instrument: SimInstrument, aggregate: Aggregate) -> str:
    first, last = aggregate.fills[0], aggregate.fills[-1]
    qty_raw = sum(fill.qty_raw for fill in aggregate.fills)
    return (
        f'"a":{aggregate.number},"p":"{eight(first.price_raw, instrument.price_scale)}",'
        f'"q":"{eight(qty_raw, instrument.qty_scale)}","f":{first.trade_id},"l":{last.trade_id},'
        f'"T":{first.at_us // 1000},"m":{"false" if first.taker_is_buyer else "true"},"M":true'
    )


def fills_by_price(event: MarketEvent) -> list[list[Trade]]:
    """The event's fills, those of one price together."""
    groups: dict[int, list[Trade]] = {}
    for fill in event.trades:
        groups.setdefault(fill.price_raw, []).append(fill)
    return list(groups.values())


def kline(
    instrument: SimInstrument, at_us: int, interval: str, interval_us: int, candle: Candle, closed: bool
) -> str:
    """``kline``; *closed* marks the last frame of a candle."""
    symbol = instrument.venue_symbol
    price_scale, qty_scale = instrument.price_scale, instrument.qty_scale
    quote_scale = price_scale + qty_scale
    return (
        f'{{"e":"kline","E":{at_us // 1000},"s":"{symbol}","k":{{"t":{candle.start_us // 1000},'
        f'"T":{(candle.start_us + interval_us) // 1000 - 1},"s":"{symbol}","i":"{interval}",'
        f'"f":{candle.first_trade_id},"L":{candle.last_trade_id},'
        f'"o":"{eight(candle.open_raw, price_scale)}","c":"{eight(candle.close_raw, price_scale)}",'
        f'"h":"{eight(candle.high_raw, price_scale)}","l":"{eight(candle.low_raw, price_scale)}",'
        f'"v":"{eight(candle.volume_raw, qty_scale)}","n":{candle.trades_count},'
        f'"x":{"true" if closed else "false"},"q":"{eight(candle.quote_raw, quote_scale)}",'
        f'"V":"{eight(candle.taker_buy_volume_raw, qty_scale)}",'
        f'"Q":"{eight(candle.taker_buy_quote_raw, quote_scale)}","B":"0"}}}}'
    )


def day_ticker(market: SymbolMarket, at_us: int) -> str:
    """``24hrTicker``. Before the first trade the open stands for the price of the trade before the window."""
    instrument = market.instrument
    price_scale, qty_scale = instrument.price_scale, instrument.qty_scale
    day = market.history.day(at_us)
    bid_raw, bid_qty_raw, ask_raw, ask_qty_raw = market.top()
    last_qty_raw = market.recent_trades[-1].qty_raw if market.recent_trades else 0
    change_raw = day.close_raw - day.open_raw
    percent_raw = ratio_raw(change_raw * 100, day.open_raw, 3)
    average_raw = ratio_raw(day.quote_raw, day.volume_raw, _DECIMALS - price_scale)
    return (
        f'{{"e":"24hrTicker","E":{at_us // 1000},"s":"{instrument.venue_symbol}",'
        f'"p":"{eight(change_raw, price_scale)}","P":"{fixed_text(percent_raw, 3)}",'
        f'"w":"{fixed_text(average_raw, _DECIMALS)}","x":"{eight(day.open_raw, price_scale)}",'
        f'"c":"{eight(day.close_raw, price_scale)}","Q":"{eight(last_qty_raw, qty_scale)}",'
        f'"b":"{eight(bid_raw, price_scale)}","B":"{eight(bid_qty_raw, qty_scale)}",'
        f'"a":"{eight(ask_raw, price_scale)}","A":"{eight(ask_qty_raw, qty_scale)}",'
        f'"o":"{eight(day.open_raw, price_scale)}","h":"{eight(day.high_raw, price_scale)}",'
        f'"l":"{eight(day.low_raw, price_scale)}","v":"{eight(day.volume_raw, qty_scale)}",'
        f'"q":"{eight(day.quote_raw, price_scale + qty_scale)}",'
        f'"O":{day.start_us // 1000},"C":{at_us // 1000},'
        f'"F":{day.first_trade_id},"L":{day.last_trade_id},"n":{day.trades_count}}}'
    )


def mini_ticker(market: SymbolMarket, at_us: int) -> str:
    """``24hrMiniTicker``."""
    instrument = market.instrument
    price_scale = instrument.price_scale
    day = market.history.day(at_us)
    return (
        f'{{"e":"24hrMiniTicker","E":{at_us // 1000},"s":"{instrument.venue_symbol}",'
        f'"c":"{eight(day.close_raw, price_scale)}","o":"{eight(day.open_raw, price_scale)}",'
        f'"h":"{eight(day.high_raw, price_scale)}","l":"{eight(day.low_raw, price_scale)}",'
        f'"v":"{eight(day.volume_raw, instrument.qty_scale)}",'
        f'"q":"{eight(day.quote_raw, price_scale + instrument.qty_scale)}"}}'
    )


def exchange_info(instruments: Iterable[SimInstrument], at_us: int, *, limited: bool = True) -> str:
    """The body of ``GET /api/v3/exchangeInfo``; limits that do not stand are not in it."""
    return json_text({
        "timezone": "UTC",
        "serverTime": at_us // 1000,
        "rateLimits": [] if not limited else [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
            {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200000},
            {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300000},
        ],
        "exchangeFilters": [],
        "symbols": [_symbol_info(instrument) for instrument in instruments],
    })


def _symbol_info(instrument: SimInstrument) -> dict[str, object]:
    price_scale, qty_scale = instrument.price_scale, instrument.qty_scale
    tick, lot = eight(instrument.tick_raw, price_scale), eight(instrument.lot_raw, qty_scale)
    return {
        "symbol": instrument.venue_symbol, "status": _STATUSES[instrument.status],
        "baseAsset": instrument.base, "baseAssetPrecision": 8,
        "quoteAsset": instrument.quote, "quotePrecision": 8, "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8, "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT",
                       "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True, "ocoAllowed": True, "otoAllowed": True, "opoAllowed": True,
        "quoteOrderQtyMarketAllowed": True, "allowTrailingStop": True, "cancelReplaceAllowed": True,
        "amendAllowed": True, "pegInstructionsAllowed": True,
        "isSpotTradingAllowed": True, "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000",
             "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "9000000.00000000", "stepSize": lot},
            {"filterType": "ICEBERG_PARTS", "limit": 10},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "1000000.00000000",
             "stepSize": "0.00000000"},
            {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "5", "bidMultiplierDown": "0.2",
             "askMultiplierUp": "5", "askMultiplierDown": "0.2", "avgPriceMins": 5},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True,
             "maxNotional": "9000000.00000000", "applyMaxToMarket": False, "avgPriceMins": 5},
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        ],
        "permissions": [], "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def rest_trades(market: SymbolMarket, limit: int) -> str:
    """The body of ``GET /api/v3/trades``, oldest first."""
    instrument = market.instrument
    scale = instrument.price_scale + instrument.qty_scale
    return json_text([
        {
            "id": fill.trade_id,
            "price": eight(fill.price_raw, instrument.price_scale),
            "qty": eight(fill.qty_raw, instrument.qty_scale),
            "quoteQty": eight(fill.price_raw * fill.qty_raw, scale),
            "time": fill.at_us // 1000,
            "isBuyerMaker": not fill.taker_is_buyer,
            "isBestMatch": True,
        }
        for fill in list(market.recent_trades)[-limit:]
    ])


def rest_klines(market: SymbolMarket, at_us: int, interval_us: int, limit: int) -> str:
    """The body of ``GET /api/v3/klines``: as far back as the market goes, the running one last."""
    instrument, history = market.instrument, market.history
    price_scale, qty_scale = instrument.price_scale, instrument.qty_scale
    quote_scale = price_scale + qty_scale
    newest_us = at_us - at_us % interval_us
    oldest_us = max(newest_us - (limit - 1) * interval_us, history.start_us - history.start_us % interval_us)
    rows = []
    for start_us in range(oldest_us, newest_us + 1, interval_us):
        candle = history.candle(start_us, interval_us)
        rows.append([
            start_us // 1000, *(
                eight(value_raw, price_scale)
                for value_raw in (candle.open_raw, candle.high_raw, candle.low_raw, candle.close_raw)
            ),
            eight(candle.volume_raw, qty_scale), (start_us + interval_us) // 1000 - 1,
            eight(candle.quote_raw, quote_scale), candle.trades_count,
            eight(candle.taker_buy_volume_raw, qty_scale), eight(candle.taker_buy_quote_raw, quote_scale), "0",
        ])
    return json_text(rows)


def rest_price(market: SymbolMarket, at_us: int) -> str:
    """One of ``GET /api/v3/ticker/price``."""
    instrument = market.instrument
    price = eight(market.history.last_price_raw, instrument.price_scale)
    return json_text({"symbol": instrument.venue_symbol, "price": price})


def average_price(market: SymbolMarket, at_us: int) -> str:
    """The body of ``GET /api/v3/avgPrice``: over five minutes, the last price where nothing traded."""
    span_us = 5 * MINUTE_US
    instrument, recent = market.instrument, market.history.candle(at_us - at_us % MINUTE_US - span_us, 2 * span_us)
    shift = _DECIMALS - instrument.price_scale
    price_raw = ratio_raw(recent.quote_raw, recent.volume_raw, shift) or recent.close_raw * 10**shift
    return json_text({"mins": 5, "price": fixed_text(price_raw, _DECIMALS), "closeTime": at_us // 1000})


def rest_book_ticker(market: SymbolMarket, at_us: int) -> str:
    """One of ``GET /api/v3/ticker/bookTicker``."""
    instrument = market.instrument
    bid_raw, bid_qty_raw, ask_raw, ask_qty_raw = market.top()
    return json_text({
        "symbol": instrument.venue_symbol,
        "bidPrice": eight(bid_raw, instrument.price_scale), "bidQty": eight(bid_qty_raw, instrument.qty_scale),
        "askPrice": eight(ask_raw, instrument.price_scale), "askQty": eight(ask_qty_raw, instrument.qty_scale),
    })


def rest_day_ticker(market: SymbolMarket, at_us: int) -> str:
    """One of ``GET /api/v3/ticker/24hr``."""
    instrument = market.instrument
    price_scale, qty_scale = instrument.price_scale, instrument.qty_scale
    day = market.history.day(at_us)
    bid_raw, bid_qty_raw, ask_raw, ask_qty_raw = market.top()
    change_raw = day.close_raw - day.open_raw
    average_raw = ratio_raw(day.quote_raw, day.volume_raw, _DECIMALS - price_scale)
    return json_text({
        "symbol": instrument.venue_symbol,
        "priceChange": eight(change_raw, price_scale),
        "priceChangePercent": fixed_text(ratio_raw(change_raw * 100, day.open_raw, 3), 3),
        "weightedAvgPrice": fixed_text(average_raw, _DECIMALS),
        "prevClosePrice": eight(day.open_raw, price_scale), "lastPrice": eight(day.close_raw, price_scale),
        "lastQty": eight(market.recent_trades[-1].qty_raw if market.recent_trades else 0, qty_scale),
        "bidPrice": eight(bid_raw, price_scale), "bidQty": eight(bid_qty_raw, qty_scale),
        "askPrice": eight(ask_raw, price_scale), "askQty": eight(ask_qty_raw, qty_scale),
        "openPrice": eight(day.open_raw, price_scale), "highPrice": eight(day.high_raw, price_scale),
        "lowPrice": eight(day.low_raw, price_scale), "volume": eight(day.volume_raw, qty_scale),
        "quoteVolume": eight(day.quote_raw, price_scale + qty_scale),
        "openTime": day.start_us // 1000, "closeTime": at_us // 1000,
        "firstId": day.first_trade_id, "lastId": day.last_trade_id, "count": day.trades_count,
    })
