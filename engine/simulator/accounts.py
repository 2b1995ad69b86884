"""What the owners of a simulated venue's keys hold there, and what happens to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from engine.simulator.instruments import SimInstrument
from engine.simulator.keys import SimKey
from engine.simulator.market import SymbolMarket
from engine.simulator.texts import fixed_text

SCALE = 8
"""Decimals of every amount."""
_ONE = 10**SCALE
_FIRST_BASE = (10 * _ONE, _ONE // 2)
_FIRST_QUOTE = (100_000 * _ONE, 250 * _ONE)


class SimHolding(NamedTuple):
    """What there is of one asset, at SCALE."""

    free_raw: int
    locked_raw: int

    @property
    def total_raw(self) -> int:
        """Both together."""
        return self.free_raw + self.locked_raw


class SimFill(NamedTuple):
    """An order of somebody else on an account that was filled at once, and the assets that it changed."""

    number: int
    market: SymbolMarket
    price_raw: int
    qty_raw: int
    assets: tuple[str, str]
    cost_raw: int

    @property
    def qty_text(self) -> str:
        """At the instrument's scale."""
        return fixed_text(self.qty_raw, self.market.instrument.qty_scale)

    @property
    def price_text(self) -> str:
        """At the instrument's scale."""
        return fixed_text(self.price_raw, self.market.instrument.price_scale)


class SimAccount:
    """One key's account: some of each asset that its venue lists.

    Args:
        key: its owner's.
        instruments: of the venue.
    """

    def __init__(self, key: SimKey, instruments: Iterable[SimInstrument]) -> None:
        self.key = key
        self.holdings: dict[str, SimHolding] = {}
        for instrument in instruments:
            self.holdings.setdefault(instrument.base, SimHolding(*_FIRST_BASE))
            self.holdings.setdefault(instrument.quote, SimHolding(*_FIRST_QUOTE))
        self.fills = 0
        self.last_nonce = -1
        """Of calls by REST, where the venue wants them to rise."""

    def buy_one_lot(self, market: SymbolMarket) -> SimFill:
        """Somebody else's order buys the least quantity at the best price."""
        instrument = market.instrument
        _, _, price_raw, _ = market.top()
        self.fills += 1
        cost_raw = price_raw * instrument.lot_raw * _ONE // 10 ** (instrument.price_scale + instrument.qty_scale)
        bought_raw = instrument.lot_raw * _ONE // 10**instrument.qty_scale
        base, quote = self.holdings[instrument.base], self.holdings[instrument.quote]
        self.holdings[instrument.base] = base._replace(free_raw=base.free_raw + bought_raw)
        self.holdings[instrument.quote] = quote._replace(free_raw=quote.free_raw - cost_raw)
        return SimFill(
            self.fills, market, price_raw, instrument.lot_raw, (instrument.base, instrument.quote), cost_raw
        )


class SignedCall(NamedTuple):
    """A call by REST, with all that a signature may be over. *query*: the text behind the question mark."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
