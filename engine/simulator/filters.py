"""Numbers of an order's request, and what an instrument lets pass."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum

from engine.simulator.market import SymbolMarket
from engine.simulator.orders import SCALE, cost_of

_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20}")
_EXPONENT_MAX = 30
# A limit price is at most this many times the last one, and at least that part of it.
_BAND = 5


class Filter(StrEnum):
    """What an order fails."""

    TICK = "tick"
    BAND = "band"
    LOT = "lot"
    LEAST_QTY = "least_qty"
    LEAST_COST = "least_cost"


def number(value: object) -> Decimal | None:
    """A number that is not below zero, from a decimal text or a JSON number; None for anything else."""
    if isinstance(value, Decimal) or (isinstance(value, int) and not isinstance(value, bool)):
        found = Decimal(value)
        exponent = found.as_tuple().exponent
        is_right = found >= 0 and isinstance(exponent, int) and abs(exponent) <= _EXPONENT_MAX
        return found if is_right and found.adjusted() <= _EXPONENT_MAX else None
    return Decimal(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def decimals_of(value: Decimal) -> int:
    """How many decimals a number has that are not zeros at its end."""
    exponent = value.normalize().as_tuple().exponent if value else 0
    return max(0, -exponent) if isinstance(exponent, int) else 0


def raw_of(value: Decimal, scale: int) -> int | None:
    """A number in integers at a scale; None where it has more decimals. Exact whatever its length."""
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    whole = int("".join(map(str, digits)) or "0")
    shift = exponent + scale
    if shift >= 0:
        return whole * int(10**shift)
    found, rest = divmod(whole, 10**-shift)
    return None if rest else found


def failed_filter(
    market: SymbolMarket, price: Decimal | None, qty: Decimal, least_cost: int, least_qty_raw: int
) -> Filter | None:
    """The first filter that an order fails.

    Args:
        market: its instrument's.
        price: None for a market order.
        qty: of the order.
        least_cost: in whole hundredths of the quote asset.
        least_qty_raw: at the instrument's scale.
    """
    instrument = market.instrument
    price_raw = market.history.last_price_raw
    if price is not None:
        asked_raw = raw_of(price, instrument.price_scale)
        if not asked_raw or asked_raw % instrument.tick_raw:
            return Filter.TICK
        if not price_raw <= asked_raw * _BAND <= price_raw * _BAND * _BAND:
            return Filter.BAND
        price_raw = asked_raw
    qty_raw = raw_of(qty, instrument.qty_scale)
    if not qty_raw or qty_raw % instrument.lot_raw:
        return Filter.LOT
    if qty_raw < least_qty_raw:
        return Filter.LEAST_QTY
    if cost_of(price_raw, instrument.price_scale, qty_raw, instrument.qty_scale) < least_cost * 10 ** (SCALE - 2):
        return Filter.LEAST_COST
    return None
