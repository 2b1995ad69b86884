"""What the control port tells of a market: texts without trailing zeros."""

from __future__ import annotations

from typing import Any

from engine.simulator.instruments import SimInstrument
from engine.simulator.market import SymbolMarket
from engine.simulator.texts import fixed_text, trimmed_text


def told_book(market: SymbolMarket) -> dict[str, Any]:
    """A book, whole: sides of [price, quantity], best first, and the last ids."""
    instrument = market.instrument
    sides = {
        name: [
            [trimmed_text(price_raw, instrument.price_scale), trimmed_text(qty_raw, instrument.qty_scale)]
            for price_raw, qty_raw in ladder.top(len(ladder))
        ]
        for name, ladder in (("bids", market.bids), ("asks", market.asks))
    }
    return {**sides, "last_update_id": market.last_update_id, "last_trade_id": market.last_trade_id}


def told_trades(market: SymbolMarket) -> list[dict[str, Any]]:
    """The newest trades."""
    instrument = market.instrument
    return [
        {
            "id": fill.trade_id,
            "price": trimmed_text(fill.price_raw, instrument.price_scale),
            "qty": trimmed_text(fill.qty_raw, instrument.qty_scale),
            "taker": "buy" if fill.taker_is_buyer else "sell",
        }
        for fill in market.recent_trades
    ]


def told_listing(instrument: SimInstrument) -> dict[str, str]:
    """What a venue lists of an instrument."""
    return {
        "symbol": f"{instrument.base}-{instrument.quote}",
        "tick": fixed_text(instrument.tick_raw, instrument.price_scale),
        "lot": fixed_text(instrument.lot_raw, instrument.qty_scale),
        "status": instrument.status,
    }
