"""Symbols that a configuration names, among those that a venue lists. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from engine.base.errors import UnknownSymbolError
from engine.schema.instrument import Instrument

NOTHING_LISTED: Mapping[str, Instrument] = MappingProxyType({})


def pick(
    provider: str, instruments: Sequence[Instrument], symbols: Sequence[str]
) -> tuple[list[Instrument], list[UnknownSymbolError]]:
    """The instruments of *symbols*, in their order, other names will do; an error for each that is not listed."""
    listed: dict[str, Instrument] = {}
    for instrument in instruments:
        for alias in instrument.aliases:
            listed.setdefault(alias, instrument)
        listed[instrument.symbol] = instrument
    missing = [
        UnknownSymbolError(f"{symbol} is not listed", op="instruments.load", provider=provider, symbol=symbol)
        for symbol in symbols
        if symbol not in listed
    ]
    return [listed[symbol] for symbol in symbols if symbol in listed], missing
