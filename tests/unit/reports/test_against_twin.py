"""D0 to D20 on random markets: each report is, to the byte, that of a plain twin that scans everything anew (RPT-11, RPT-12)."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.unit.reports.report_kit import Symbol

pytestmark = pytest.mark.property

SEEDS = range(24)
ENTRIES = 260


class Market:
    """Random entries: late ones, ones ahead of time, repetitions, gaps, snapshots that are cut, crossed and empty books."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.unit = 10 ** self.rng.choice([0, 0, 3])  # of prices and quantities: nothing hangs on their size
        self.span_ms = self.rng.choice([40, 300, 1500, 9000])
        self.symbol = Symbol(tick="0.01", price_scale=2, qty_scale=self.rng.choice([0, 3, 8, 10]))
        self.at_ms = self.rng.randrange(1, 3000)
        self.seen: Counter[str] = Counter()

    def qty(self) -> int:
        return (self.rng.choice([1, 2, 3, 3, 4, 4, 5, 6, 7]) if self.rng.random() < 0.98 else 400) * self.unit

    def level(self, side: int) -> tuple[int, int]:
        far = self.rng.choice([1, 2, 3, 4, 6, 9, 14, 20, 30])
        return ((100 - far if side == 0 else 100 + far) * self.unit, self.qty())

    def side_levels(self, side: int, most: int) -> list[tuple[int, int]]:
        levels = dict(self.level(side) for _ in range(self.rng.randrange(most)))
        if self.rng.random() < 0.5:
            hole = self.rng.randrange(1, 40)
            ladder = {i: self.unit if hole <= i < hole + 4 else self.qty() + self.unit for i in range(1, 25) if i != 7}
            levels |= {(100 - i if side == 0 else 100 + i) * self.unit: qty for i, qty in ladder.items()}
        if self.rng.random() < 0.05:
            levels[100 * self.unit] = 1  # both sides at it: locked; below also crossed
        if self.rng.random() < 0.03:
            levels[(103 if side == 0 else 97) * self.unit] = 1
        return sorted(levels.items(), reverse=side == 0)

    def times(self) -> tuple[str, dict[str, str]]:
        self.at_ms += self.rng.randrange(1, self.span_ms)
        ahead = self.rng.choice([0] * 8 + [-self.rng.randrange(1, 40_000), self.rng.randrange(1, 4900), 5001])
        event_ms = max(1, self.at_ms + ahead)
        return f"{event_ms / 1000:.3f}", {"recv": f"{self.at_ms / 1000:.3f}"}

    def step(self) -> None:
        rng, symbol = self.rng, self.symbol
        at, extra = self.times()
        numbers: dict[str, int] = {}
        if rng.random() < 0.01:
            numbers = {"seq": symbol.seq + 5, "prev": symbol.seq + 4}
        elif rng.random() < 0.03 and symbol.seq:
            numbers = {"seq": symbol.seq, "prev": symbol.seq - 1}
        kind = rng.random()
        if kind < 0.12 and not numbers:
            # What is large, away from the touch, and soon gone.
            far, side = rng.choice([18, 22, 26]), rng.randrange(2)
            level = ((100 - far if side == 0 else 100 + far) * self.unit, rng.choice([0, 300, 500]) * self.unit)
            symbol.deltas(at, *([[level], []] if side == 0 else [[], [level]]), **extra)
        elif kind < 0.17 and not numbers:
            # What is hit and shows as much again: on either side, seven away.
            side = rng.randrange(2)
            level = ((93 if side == 0 else 107) * self.unit, rng.choice([20, 21]) * self.unit)
            symbol.deltas(at, *([[level], []] if side == 0 else [[], [level]]), **extra)
            symbol.trade(at, ("sell", "buy")[side], level[0], 12 * self.unit, **extra)
        elif kind < 0.45:
            trade_id = rng.randrange(1, 400) if rng.random() < 0.2 else None
            price = (100 + rng.choice([-22, -18, -6, -3, -2, -1, 0, 1, 2, 3, 6, 18])) * self.unit
            symbol.trade(at, rng.choice(["buy", "sell", "sell", "none"]), price, self.qty(), trade_id=trade_id, **extra, **numbers)
        elif kind < 0.85:
            sides = [[(price, rng.choice([0, qty, qty])) for price, qty in (self.level(side) for _ in range(rng.randrange(4)))] for side in (0, 1)]
            symbol.deltas(at, *sides, n=rng.choice([1, 1, 3]), **extra, **numbers)
        elif kind < 0.985 or symbol.twin.was_loaded is False:
            complete = rng.random() < 0.6
            symbol.depth(at, self.side_levels(0, 6), self.side_levels(1, 6), complete=complete, n=rng.choice([0, 1]), **extra, **numbers)
        else:
            quote = (99 * self.unit, 3), (101 * self.unit, 4)
            low, high = sorted(rng.randrange(90, 110) * self.unit for _ in range(2))
            symbol.ticker(at, [100 * self.unit, 99 * self.unit, high, low, 12345], *rng.choice([quote, (None, None), (quote[0], None)]), **extra, **numbers)

    def run(self) -> None:
        for number in range(ENTRIES):
            self.step()
            if number % 7 == 0:
                # The tick after the entry; the next one must not be before it.
                self.at_ms = -(-self.at_ms // 250) * 250
                found = self.symbol.report(f"{self.at_ms / 1000:.3f}")
                self.seen[found["book_state"]] += 1
                self.seen.update(f"{one['type']}" for one in found["anomalies"])
                self.seen["walls"] += bool(found["liquidity"]["walls"])
                self.seen["vacuums"] += bool(found["liquidity"]["vacuums"])
                self.seen["profile"] += found["liquidity"]["profile"] is not None
                self.seen["truncated"] += found["depth"]["truncated"] is True
        counted, plainly = self.symbol.core.statistics(), self.symbol.twin.counts
        for name in ("repeated", "gaps", "future", "crossed"):
            assert counted[name] == plainly[name], name
            self.seen[name] += counted[name]


@pytest.mark.parametrize("seed", SEEDS)
def test_reports_are_those_of_the_twin(seed: int) -> None:
    Market(seed).run()


def test_the_markets_show_what_they_are_meant_to() -> None:
    """CHK-35, CHK-41: a comparison in which nothing happens proves nothing."""
    seen: Counter[str] = Counter()
    for seed in range(100, 108):
        market = Market(seed)
        market.run()
        seen.update(market.seen)
    wanted = (
        "normal", "one_sided", "crossed", "resyncing", "spoofing", "iceberg", "walls", "vacuums", "profile", "truncated",
        "repeated", "gaps", "future",
    )  # fmt: skip
    assert [name for name in wanted if not seen[name]] == []
