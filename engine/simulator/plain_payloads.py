"""Frames and REST bodies of the plain feed: numbers of the market are strings with all the instrument's decimals."""

from collections.abc import Iterable, Sequence
from typing import Any

from engine.simulator.candles import Candle
from engine.simulator.instruments import SimInstrument
from engine.simulator.market import SymbolMarket, Trade
from engine.simulator.messages import json_text
from engine.simulator.texts import fixed_text

Levels = Iterable[tuple[int, int]]


def book_head(kind: str, symbol: str, number: int) -> str:
    """How a ``book`` frame begins; the rest is the same for every subscriber."""
    return f'{{"channel":"book","type":"{kind}","symbol":"{symbol}","seq":{number},'


def book_rest(instrument: SimInstrument, at_us: int, bids: Levels, asks: Levels, checksum: int) -> str:
    """What follows :func:`book_head`."""
    return (
        f'"time_ns":{at_us * 1000},"bids":[{_levels(bids, instrument)}],"asks":[{_levels(asks, instrument)}],'
        f'"checksum":{checksum}}}'
    )


def _levels(levels: Levels, instrument: SimInstrument) -> str:
    price_scale, qty_scale = instrument.price_scale, instrument.qty_scale
    return ",".join([
        f'["{fixed_text(price_raw, price_scale)}","{fixed_text(qty_raw, qty_scale)}"]' for price_raw, qty_raw in levels
    ])


def trades(instrument: SimInstrument, fills: Sequence[Trade]) -> str:
    """Oldest first; ``side`` is the taker's."""
    rows = [
        f'{{"symbol":"{instrument.venue_symbol}","id":{fill.trade_id},'
        f'"price":"{fixed_text(fill.price_raw, instrument.price_scale)}",'
        f'"qty":"{fixed_text(fill.qty_raw, instrument.qty_scale)}",'
        f'"side":"{"buy" if fill.taker_is_buyer else "sell"}","time_ns":{fill.at_us * 1000}}}'
        for fill in fills
    ]
    return f'{{"channel":"trade","data":[{",".join(rows)}]}}'


def ticker(market: SymbolMarket, at_us: int) -> str:
    """Top of book and the last 24 hours."""
    instrument = market.instrument
    price_scale, qty_scale = instrument.price_scale, instrument.qty_scale
    day = market.history.day(at_us)
    bid_raw, bid_qty_raw, ask_raw, ask_qty_raw = market.top()
    return (
        f'{{"channel":"ticker","data":[{{"symbol":"{instrument.venue_symbol}",'
        f'"bid":"{fixed_text(bid_raw, price_scale)}","bid_qty":"{fixed_text(bid_qty_raw, qty_scale)}",'
        f'"ask":"{fixed_text(ask_raw, price_scale)}","ask_qty":"{fixed_text(ask_qty_raw, qty_scale)}",'
        f'"last":"{fixed_text(day.close_raw, price_scale)}","low":"{fixed_text(day.low_raw, price_scale)}",'
        f'"high":"{fixed_text(day.high_raw, price_scale)}","volume":"{fixed_text(day.volume_raw, qty_scale)}",'
        f'"time_ns":{at_us * 1000}}}]}}'
    )


def kline(instrument: SimInstrument, at_us: int, interval: str, candle: Candle) -> str:
    """The running candle of an interval."""
    price_scale = instrument.price_scale
    return (
        f'{{"channel":"kline","data":[{{"symbol":"{instrument.venue_symbol}","interval":"{interval}",'
        f'"start_ns":{candle.start_us * 1000},"open":"{fixed_text(candle.open_raw, price_scale)}",'
        f'"high":"{fixed_text(candle.high_raw, price_scale)}","low":"{fixed_text(candle.low_raw, price_scale)}",'
        f'"close":"{fixed_text(candle.close_raw, price_scale)}",'
        f'"volume":"{fixed_text(candle.volume_raw, instrument.qty_scale)}","trades":{candle.trades_count},'
        f'"time_ns":{at_us * 1000}}}]}}'
    )


def listing(instruments: Iterable[SimInstrument]) -> list[dict[str, Any]]:
    """Instruments; tick, lot and least quantity are integers at the decimals told."""
    return [
        {
            "symbol": instrument.venue_symbol,
            "status": instrument.status,
            "price_decimals": instrument.price_scale,
            "qty_decimals": instrument.qty_scale,
            "tick": instrument.tick_raw,
            "lot": instrument.lot_raw,
            "min_qty": instrument.min_qty_raw,
        }
        for instrument in instruments
    ]


def instruments(listed: Iterable[SimInstrument]) -> str:
    """An ``instrument`` frame."""
    return json_text({"channel": "instrument", "instruments": listing(listed)})


def status(state: str, at_us: int) -> str:
    """The greeting of a connection, and the notice of its end."""
    return f'{{"channel":"status","state":"{state}","time_ns":{at_us * 1000}}}'


def heartbeat(at_us: int) -> str:
    """Each second."""
    return f'{{"channel":"heartbeat","time_ns":{at_us * 1000}}}'


def reply(op: str, error: str = "", **echoed: Any) -> str:
    """An answer to one symbol of a request, or to all of one; what was not sent is not echoed."""
    told = {key: value for key, value in echoed.items() if value is not None}
    outcome = {"ok": False, "error": error} if error else {"ok": True}
    return json_text({"channel": "reply", "op": op, **outcome, **told})
