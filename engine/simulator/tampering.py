"""The faults of a book update before it is written: a wrong quantity, a wrong checksum, a bid above the best ask."""

from __future__ import annotations

from typing import NamedTuple

from engine.simulator.fault_rules import FaultRule, Point
from engine.simulator.faults import FaultPlan
from engine.simulator.ladder import Ladder
from engine.simulator.market import SymbolMarket
from engine.simulator.texts import fixed_text

_CHECKED_LEVELS = 10
_CHECKSUM_FLIP = 0x5A5A5A5A

Changes = dict[int, int]


class Tampered(NamedTuple):
    """What to write in place of the truth. *crossing*: a bid that the book does not have; 0 = none."""

    bids: Changes
    asks: Changes
    crossing_raw: int
    checksum_flip: int


class _Candidate(NamedTuple):
    rank: int
    is_bid: bool
    price_raw: int
    qty_raw: int


def tamper(plan: FaultPlan, now_us: int, market: SymbolMarket, bids: Changes, asks: Changes) -> Tampered | None:
    """What a rule makes of an update, None where none strikes; the given changes stay as they are."""
    best = min(
        (*_near_top(market.bids, bids), *_near_top(market.asks, asks)), default=None, key=lambda found: found.rank
    )

    def fits(rule: FaultRule) -> bool:
        return best is not None if rule.fault == "corrupt_level" else True

    instrument = market.instrument
    symbol = instrument.venue_symbol
    armed = plan.draw(Point.BOOK, now_us, symbol, fits)
    if armed is None:
        return None
    if armed.rule.fault == "corrupt_checksum":
        plan.strike(armed, now_us, symbol)
        return Tampered(bids, asks, 0, _CHECKSUM_FLIP)
    if armed.rule.fault == "crossed":
        crossing_raw = market.asks.level(0)[0] + instrument.tick_raw
        plan.strike(armed, now_us, symbol, bid=fixed_text(crossing_raw, instrument.price_scale))
        return Tampered(bids | {crossing_raw: instrument.lot_raw}, asks, crossing_raw, 0)
    assert best is not None
    wrong_raw = best.qty_raw + instrument.lot_raw * (1 + armed.rng.randrange(1000))
    plan.strike(
        armed, now_us, symbol,
        side="bid" if best.is_bid else "ask",
        price=fixed_text(best.price_raw, instrument.price_scale),
        told=fixed_text(wrong_raw, instrument.qty_scale),
        true=fixed_text(best.qty_raw, instrument.qty_scale),
    )  # fmt: skip
    wrong = {best.price_raw: wrong_raw}
    return Tampered(bids | wrong, asks, 0, 0) if best.is_bid else Tampered(bids, asks | wrong, 0, 0)


def _near_top(ladder: Ladder, changes: Changes) -> list[_Candidate]:
    """The changed levels that a checksum covers."""
    return [
        _Candidate(rank, ladder.is_bid, price_raw, qty_raw)
        for rank, (price_raw, qty_raw) in enumerate(ladder.top(_CHECKED_LEVELS))
        if price_raw in changes
    ]
