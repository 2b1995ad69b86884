"""The faults that come by the market's time alone: shutdowns, a wrong clock, changed instruments, silent divergence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from engine.simulator.fault_rules import FaultRule
from engine.simulator.faults import ArmedRule, FaultPlan
from engine.simulator.market import SymbolMarket
from engine.simulator.sessions import Session
from engine.simulator.texts import fixed_text
from engine.simulator.timeline import Timeline

_GOING_AWAY = 1001


class Shaken(Protocol):
    """What these faults do to a venue."""

    timeline: Timeline
    markets: dict[str, SymbolMarket]
    sessions: dict[Session, None]
    clock_offset_us: int
    hidden_rank: int

    def announce_shutdown(self, session: Session) -> None:
        """Tell a client that its connection will end, where the venue does."""

    def change_tick(self, market: SymbolMarket, tick: str) -> None:
        """Give an instrument another tick and tell it as the venue does."""

    def change_status(self, market: SymbolMarket, state: str) -> None:
        """Give an instrument another status and tell it as the venue does."""

    def trade_elsewhere(self, market: SymbolMarket) -> None:
        """Fill an order of somebody else on every account."""

    def silence_market(self, symbol: str, for_us: int) -> None:
        """Let nothing happen in a symbol."""


class ClockFaults:
    """Runs a venue's rules that wait for nothing but their time."""

    def __init__(self, venue: Shaken, plan: FaultPlan) -> None:
        self._venue = venue
        self._plan = plan
        self._acts: dict[str, Callable[[ArmedRule], None]] = {
            "shutdown": self._shut_down,
            "clock_offset": self._set_clock,
            "tick_size": self._change_tick,
            "instrument_status": self._change_status,
            "divergence": self._diverge,
            "quiet": self._silence,
            "trade_elsewhere": self._trade_elsewhere,
        }

    def schedule(self, armed: ArmedRule) -> None:
        """Let *armed* strike at its time, and again for as long as it is in the plan."""
        self._venue.timeline.at(armed.due_us, partial(self._on_due, armed))

    def _on_due(self, armed: ArmedRule) -> None:
        if not self._plan.is_armed(armed):
            return
        rule = armed.rule
        if rule.probability >= 1 or armed.rng.random() < rule.probability:
            self._acts[rule.fault](armed)
        if self._plan.is_armed(armed):
            self._venue.timeline.after(max(1, round(rule.every_s * 1e6)), partial(self._on_due, armed))

    def _strike(self, armed: ArmedRule, symbol: str = "", **detail: Any) -> None:
        self._plan.strike(armed, self._venue.timeline.now_us, symbol, **detail)

    def _market(self, armed: ArmedRule) -> SymbolMarket:
        symbol = armed.rule.symbol or armed.rng.choice(list(self._venue.markets))
        return self._venue.markets[symbol]

    def _shut_down(self, armed: ArmedRule) -> None:
        doomed = list(self._venue.sessions)
        for session in doomed:
            self._venue.announce_shutdown(session)

        def end() -> None:
            for session in doomed:
                if session.is_open:
                    session.close(_GOING_AWAY, "shutdown")

        self._venue.timeline.after(round(armed.rule.for_s * 1e6), end)
        self._strike(armed, connections=[session.number for session in doomed])

    def _set_clock(self, armed: ArmedRule) -> None:
        self._venue.clock_offset_us = armed.rule.offset_ms * 1000
        self._strike(armed, offset_ms=armed.rule.offset_ms)

    def _change_tick(self, armed: ArmedRule) -> None:
        market = self._market(armed)
        self._venue.change_tick(market, armed.rule.tick or _other_tick(market))
        changed = market.instrument
        self._strike(armed, changed.venue_symbol, tick=fixed_text(changed.tick_raw, changed.price_scale))

    def _change_status(self, armed: ArmedRule) -> None:
        market = self._market(armed)
        self._venue.change_status(market, armed.rule.state)
        self._strike(armed, market.instrument.venue_symbol, state=armed.rule.state)

    def _diverge(self, armed: ArmedRule) -> None:
        market = self._market(armed)
        ladder = market.bids if armed.rng.random() < 0.5 else market.asks
        rank = min(self._rank(armed.rule), len(ladder) - 1)
        price_raw, qty_raw = ladder.level(rank)
        instrument = market.instrument
        now_raw = qty_raw + instrument.lot_raw * (1 + armed.rng.randrange(1000))
        ladder.set_level(price_raw, now_raw)
        self._strike(
            armed, instrument.venue_symbol, side="bid" if ladder.is_bid else "ask", rank=rank,
            price=fixed_text(price_raw, instrument.price_scale),
            told=fixed_text(qty_raw, instrument.qty_scale), true=fixed_text(now_raw, instrument.qty_scale),
        )  # fmt: skip

    def _rank(self, rule: FaultRule) -> int:
        return rule.rank or self._venue.hidden_rank

    def _silence(self, armed: ArmedRule) -> None:
        market = self._market(armed)
        self._venue.silence_market(market.instrument.venue_symbol, round(armed.rule.for_s * 1e6))
        self._strike(armed, market.instrument.venue_symbol, for_s=armed.rule.for_s)

    def _trade_elsewhere(self, armed: ArmedRule) -> None:
        market = self._market(armed)
        self._venue.trade_elsewhere(market)
        self._strike(armed, market.instrument.venue_symbol)


def _other_tick(market: SymbolMarket) -> str:
    """Ten times the listed tick, or the listed one where it has already been changed."""
    listed, present = market.listed, market.instrument
    is_listed = (listed.tick_raw, listed.price_scale) == (present.tick_raw, present.price_scale)
    return fixed_text(listed.tick_raw * (10 if is_listed else 1), listed.price_scale)
