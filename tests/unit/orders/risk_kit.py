"""A risk that lets everything pass but what a test is about, and orders for it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from engine.base.clock import ManualClock
from engine.bench.riskload import FixedTops
from engine.config.sections_orders import RiskConfig
from engine.orders.limits import checked
from engine.orders.refusals import Refusal, RiskChange
from engine.orders.risk import Risk
from engine.orders.room import Reservation
from engine.schema.instrument import Instrument, InstrumentStatus
from engine.schema.order import Breach, OrderRequest
from tests.unit.orders.kit import START_NS, request

LOOSE: dict[str, Any] = {
    "max_order_qty": None,
    "max_order_notional": None,
    "max_position": None,
    "orders_per_s": 100_000,
    "orders_burst": 100_000,
    "max_open_orders_per_symbol": 10_000,
    "price_band": None,
}
"""Limits that bind nothing a test does not set."""
CALM = {"breaches": 10_000, "window_s": 1, "open_s": 1}


def instrument(provider: str = "simulated", symbol: str = "BTC-USD", **changes: Any) -> Instrument:
    """Ticks of 0.1, lots of 0.01."""
    base, _, quote = symbol.partition("-")
    fields: dict[str, Any] = {
        "provider": provider,
        "symbol": symbol,
        "venue_symbol": symbol,
        "base": base,
        "quote": quote,
        "status": InstrumentStatus.TRADING,
        "price_scale": 1,
        "qty_scale": 2,
        "tick_size_raw": 1,
        "lot_size_raw": 1,
        "min_qty_raw": 1,
        "post_only_supported": True,
    }
    return Instrument(**(fields | changes))


def risk_config(limits: Mapping[str, Any] | None = None, overrides: Any = (), **sections: Any) -> RiskConfig:
    """Limits over LOOSE, a breaker that never opens unless the test says so."""
    return checked({"limits": LOOSE | (limits or {}), "overrides": list(overrides), "circuit_breaker": CALM} | sections)


class Bench:
    """A risk with its clock, books and what it told."""

    def __init__(self, config: RiskConfig, *instruments: Instrument) -> None:
        self.clock = ManualClock(START_NS)
        self.tops = FixedTops()
        self.changes: list[RiskChange] = []
        self.kept: list[Any] = []
        self.risk = Risk(config, self.clock, self.tops, on_change=self.changes.append, keep=self.kept.append)
        self.risk.set_journal(True)
        for each in instruments or (instrument(),):
            self.risk.set_instrument(each)
            self.risk.hold(each.provider, False)
            self.risk.set_provider(each.provider, True)
        self.changes.clear()

    def top(self, bid: int, ask: int, scale: int = 1, of: Instrument | None = None) -> None:
        self.tops.set((of or instrument()).instrument_id, bid, ask, scale)

    def take(self, asked: OrderRequest | None = None, **changes: Any) -> Reservation:
        """Check an order that must pass."""
        found = self.risk.check(asked or request(**changes), True)
        assert isinstance(found, Reservation), found
        return found

    def refuse(self, asked: OrderRequest | None = None, **changes: Any) -> Refusal:
        """Check an order that must not."""
        found = self.risk.check(asked or request(**changes), True)
        assert isinstance(found, Refusal), "it passed"
        return found

    def breach(self, **changes: Any) -> Breach:
        found = self.risk.check(request(**changes), True)
        return found.breach if isinstance(found, Refusal) else Breach.NONE

    def net(self) -> Decimal:
        (found,) = self.risk.exposures()
        return found.net_qty
