"""Kraken v2 frames and REST bodies. Numbers are JSON numbers, written as exact text at full precision."""

from collections.abc import Iterable, Sequence

import msgspec

from engine.simulator.candles import MINUTE_US, Candle
from engine.simulator.instruments import SimInstrument
from engine.simulator.kraken_book import Levels
from engine.simulator.market import SymbolMarket, Trade
from engine.simulator.messages import json_text
from engine.simulator.texts import fixed_text, ratio_raw, rfc3339_us

# The venue's older spellings: asset -> (short name, REST asset). Other assets are spelled alike everywhere.
_OLD_NAMES = {
    "BTC": ("XBT", "XXBT"), "DOGE": ("XDG", "XXDG"), "ETH": ("ETH", "XETH"), "LTC": ("LTC", "XLTC"),
    "XRP": ("XRP", "XXRP"), "XLM": ("XLM", "XXLM"), "ETC": ("ETC", "XETC"), "ZEC": ("ZEC", "XZEC"),
    "USD": ("USD", "ZUSD"),
}

_STATUSES = {"trading": "online", "halted": "maintenance", "cancel_only": "cancel_only"}


def status(connection_id: int, system: str) -> str:
    """The greeting of a connection, and what it is told when the system changes."""
    return (
        f'{{"channel":"status","type":"update","data":[{{"version":"2.0.10","system":"{system}",'
        f'"api_version":"v2","connection_id":{connection_id}}}]}}'
    )


def book(
    instrument: SimInstrument, kind: str, at_us: int, bids: Levels, asks: Levels, checksum: int
) -> str:
    """A ``book`` snapshot or update."""
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{instrument.venue_symbol}",'
        f'"bids":[{_levels(bids, instrument)}],"asks":[{_levels(asks, instrument)}],'
        f'"checksum":{checksum},"timestamp":"{rfc3339_us(at_us)}"}}]}}'
    )


def _levels(levels: Levels, instrument: SimInstrument) -> str:
    price_scale, qty_scale = instrument.price_scale, instrument.qty_scale
    return ",".join([
        f'{{"price":{fixed_text(price_raw, price_scale)},"qty":{fixed_text(qty_raw, qty_scale)}}}'
        for price_raw, qty_raw in levels
    ])


def trades(instrument: SimInstrument, kind: str, fills: Iterable[Trade]) -> str:
    """``side`` is the taker's."""
    entries = [
        f'{{"symbol":"{instrument.venue_symbol}","side":"{"buy" if fill.taker_is_buyer else "sell"}",'
        f'"price":{fixed_text(fill.price_raw, instrument.price_scale)},'
        f'"qty":{fixed_text(fill.qty_raw, instrument.qty_scale)},"ord_type":"limit",'
        f'"trade_id":{fill.trade_id},"timestamp":"{rfc3339_us(fill.at_us)}"}}'
        for fill in fills
    ]
    return f'{{"channel":"trade","type":"{kind}","data":[{",".join(entries)}]}}'


def ticker(market: SymbolMarket, kind: str, at_us: int) -> str:
    """Top of book and the last 24 hours."""
    instrument = market.instrument
    price_scale, qty_scale = instrument.price_scale, instrument.qty_scale
    day = market.history.day(at_us)
    bid_raw, bid_qty_raw, ask_raw, ask_qty_raw = market.top()
    change_raw = day.close_raw - day.open_raw
    return (
        f'{{"channel":"ticker","type":"{kind}","data":[{{"symbol":"{instrument.venue_symbol}",'
        f'"bid":{fixed_text(bid_raw, price_scale)},"bid_qty":{fixed_text(bid_qty_raw, qty_scale)},'
        f'"ask":{fixed_text(ask_raw, price_scale)},"ask_qty":{fixed_text(ask_qty_raw, qty_scale)},'
        f'"last":{fixed_text(day.close_raw, price_scale)},"volume":{fixed_text(day.volume_raw, qty_scale)},'
        f'"vwap":{fixed_text(ratio_raw(day.quote_raw, day.volume_raw, 0), price_scale)},'
        f'"low":{fixed_text(day.low_raw, price_scale)},"high":{fixed_text(day.high_raw, price_scale)},'
        f'"change":{fixed_text(change_raw, price_scale)},'
        f'"change_pct":{fixed_text(ratio_raw(change_raw * 100, day.open_raw, 2), 2)},'
        f'"timestamp":"{rfc3339_us(at_us)}"}}]}}'
    )


def ohlc(
    instrument: SimInstrument, kind: str, at_us: int, interval_min: int, candles: Sequence[Candle]
) -> str:
    """Candles of one interval, oldest first; there is no closed flag."""
    entries = [_candle(instrument, interval_min, candle) for candle in candles]
    return (
        f'{{"channel":"ohlc","type":"{kind}","timestamp":"{rfc3339_us(at_us)}",'
        f'"data":[{",".join(entries)}]}}'
    )


def _candle(instrument: SimInstrument, interval_min: int, candle: Candle) -> str:
    price_scale = instrument.price_scale
    vwap_raw = ratio_raw(candle.quote_raw, candle.volume_raw, 0) or candle.close_raw
    return (
        f'{{"symbol":"{instrument.venue_symbol}","open":{fixed_text(candle.open_raw, price_scale)},'
        f'"high":{fixed_text(candle.high_raw, price_scale)},"low":{fixed_text(candle.low_raw, price_scale)},'
        f'"close":{fixed_text(candle.close_raw, price_scale)},"trades":{candle.trades_count},'
        f'"volume":{fixed_text(candle.volume_raw, instrument.qty_scale)},'
        f'"vwap":{fixed_text(vwap_raw, price_scale)},'
        f'"interval_begin":"{rfc3339_us(candle.start_us)}","interval":{interval_min},'
        f'"timestamp":"{rfc3339_us(candle.start_us + interval_min * MINUTE_US)}"}}'
    )


def instruments(listed: Sequence[SimInstrument], at_us: int, kind: str) -> str:
    """An ``instrument`` snapshot or update. Small increments are written with an exponent, as the venue does."""
    assets = {name: None for instrument in listed for name in (instrument.base, instrument.quote)}
    asset_entries = [
        f'{{"id":"{name}","status":"enabled","precision":10,"precision_display":5,'
        '"borrowable":false,"collateral_value":0.00}'
        for name in assets
    ]
    pair_entries = [_pair(instrument) for instrument in listed]
    return (
        f'{{"channel":"instrument","type":"{kind}","data":{{"assets":[{",".join(asset_entries)}],'
        f'"pairs":[{",".join(pair_entries)}]}},"timestamp":"{rfc3339_us(at_us)}"}}'
    )


def _pair(instrument: SimInstrument) -> str:
    tick = _increment(instrument.tick_raw, instrument.price_scale)
    return (
        f'{{"symbol":"{instrument.venue_symbol}","base":"{instrument.base}","quote":"{instrument.quote}",'
        f'"status":"{_STATUSES[instrument.status]}","qty_precision":{instrument.qty_scale},'
        f'"qty_increment":{_increment(instrument.lot_raw, instrument.qty_scale)},'
        f'"price_precision":{instrument.price_scale},"cost_precision":5,"marginable":false,"has_index":true,'
        f'"cost_min":0.50,"tick_size":{tick},"price_increment":{tick},'
        f'"qty_min":{fixed_text(instrument.min_qty_raw, instrument.qty_scale)}}}'
    )


def _increment(value_raw: int, scale: int) -> str:
    return f"{value_raw}e-{scale:02d}" if scale > 4 and value_raw < 10 else fixed_text(value_raw, scale)


def rest_name(instrument: SimInstrument) -> str:
    """The key of a pair in REST replies, in the venue's older spellings."""
    base, base_asset = _old_name(instrument.base)
    quote, quote_asset = _old_name(instrument.quote)
    # Only the oldest assets have REST names of four letters; DOGE's pairs are keyed by the short name.
    return base_asset + quote_asset if base_asset != instrument.base and base != "XDG" else base + quote


def names_of(instrument: SimInstrument) -> set[str]:
    """Every spelling by which REST calls may name a pair."""
    base, quote = _old_name(instrument.base)[0], _old_name(instrument.quote)[0]
    return {rest_name(instrument), base + quote, f"{base}/{quote}", instrument.venue_symbol}


def asset_pair(instrument: SimInstrument) -> dict[str, object]:
    """One pair of ``GET /0/public/AssetPairs``."""
    base, base_asset = _old_name(instrument.base)
    quote, quote_asset = _old_name(instrument.quote)
    return {
        "altname": base + quote, "wsname": f"{base}/{quote}",
        "aclass_base": "currency", "base": base_asset, "aclass_quote": "currency", "quote": quote_asset,
        "lot": "unit", "cost_decimals": 5, "pair_decimals": instrument.price_scale,
        "lot_decimals": instrument.qty_scale, "lot_multiplier": 1,
        "leverage_buy": [], "leverage_sell": [],
        "fees": msgspec.Raw(b"[[0,0.4],[10000,0.35]]"),
        "fees_maker": msgspec.Raw(b"[[0,0.25],[10000,0.2]]"),
        "fee_volume_currency": "ZUSD", "margin_call": 80, "margin_stop": 40,
        "ordermin": fixed_text(instrument.min_qty_raw, instrument.qty_scale), "costmin": "0.5",
        "tick_size": fixed_text(instrument.tick_raw, instrument.price_scale),
        "status": _STATUSES[instrument.status],
    }


def assets(listed: Iterable[SimInstrument]) -> dict[str, object]:
    """The result of ``GET /0/public/Assets``."""
    names = {name: None for instrument in listed for name in (instrument.base, instrument.quote)}
    return {
        _old_name(name)[1]: {
            "aclass": "currency", "altname": _old_name(name)[0], "decimals": 10, "display_decimals": 5,
            "status": "enabled",
        }
        for name in names
    }


def rest_asset(asset: str) -> str:
    """An asset as REST replies spell it."""
    return _old_name(asset)[1]


def _old_name(asset: str) -> tuple[str, str]:
    return _OLD_NAMES.get(asset, (asset, asset))


def envelope(result: object) -> str:
    """The REST envelope of a success."""
    return json_text({"error": [], "result": result})


def failure(text: str) -> str:
    """The REST envelope of a failure, which comes with HTTP 200."""
    return json_text({"error": [text]})
