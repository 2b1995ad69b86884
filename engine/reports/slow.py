"""The slow section of a report: walls, vacuums, profile and anomalies, as a slow tick finds them (D8 to D13)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from msgspec import Raw

from engine.reports.analytics import SymbolAnalytics
from engine.reports.numbers import instant, number, ratio, rounded, scaled_text
from engine.reports.settings import Exact, ReportSettings, chosen

SIDES = ("bid", "ask")
SEVERITIES = ("low", "medium", "high")
SPREADS = 10
FLOWS = 5
VACUUMS_MANY = 3
_NONE = Exact(0, 1)


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One finding, in the order of the list (D13).

    Attributes:
        kind, severity, side, note: as the report has them.
        price_raw: None where no price is concerned.
    """

    kind: str
    severity: str
    note: str
    side: str | None = None
    price_raw: int | None = None


@dataclass(frozen=True, slots=True)
class SlowSection:
    """What reports carry unchanged until the next slow tick."""

    as_of: str | None = None
    liquidity: dict[str, Any] = field(
        default_factory=lambda: {
            "walls": None,
            "vacuums": None,
            "basis": {"n": 0, "p10": None, "p95": None, "threshold": None},
            "profile": None,
        }
    )
    anomalies: tuple[dict[str, Any], ...] = ()
    severities: tuple[str, ...] = ()


class SlowTicks:
    """Finds the slow section of one symbol; keeps the little history that a flash crash shows by."""

    def __init__(self, analytics: SymbolAnalytics, settings: ReportSettings) -> None:
        self._analytics = analytics
        self._settings = settings
        self._min_wall = chosen(settings.min_wall_qty, analytics.symbol, _NONE)
        self._percentiles = (settings.wall_percentile, settings.vacuum_percentile)
        self._spreads: deque[tuple[int, int]] = deque(maxlen=SPREADS)
        """(ms, published spread in 10^-4 bps) of the slow ticks that had one."""
        self._flows: deque[int] = deque(maxlen=FLOWS)
        self._note_scales()

    def _note_scales(self) -> None:
        self._price_scale = self._analytics.price_scale
        self._qty_scale = self._analytics.qty_scale
        self._qty_places = max(8, self._qty_scale)
        self._price_places = max(8, self._price_scale + 2)

    def rescale(self, qty_by: int) -> None:
        """The symbol's scales have widened, that of its quantities by the factor *qty_by*."""
        self._flows = deque((flow * qty_by for flow in self._flows), maxlen=FLOWS)
        self._note_scales()

    def run(self, now_ms: int, now: dict[str, Any], spread: int | None) -> SlowSection:
        """The section at T; *now* are the fast figures of the same instant, *spread* in 10^-4 bps."""
        settings = self._settings
        facts = self._analytics.slow(now_ms, settings.sample_ms, self._percentiles, settings.min_fills)
        basis, threshold, p_low = self._basis(facts)
        walls = vacuums = None
        if facts["has_book"] and threshold is not None:
            walls = self._walls(facts, threshold)
            vacuums = self._vacuums(facts, p_low)
        anomalies = self._anomalies(now_ms, now, facts, spread, vacuums or [])
        return SlowSection(
            as_of=instant(now_ms),
            liquidity={
                "walls": walls,
                "vacuums": vacuums,
                "basis": basis,
                "profile": self._profile(now_ms, now, facts),
            },
            anomalies=tuple(self._written(anomaly, now_ms) for anomaly in anomalies),
            severities=tuple(anomaly.severity for anomaly in anomalies),
        )

    # -- walls and vacuums (D8) -------------------------------------------------------------------------------

    def _basis(self, facts: dict[str, Any]) -> tuple[dict[str, Any], Exact | None, int]:
        """What is published of the sample; the wall threshold in raw units; a hundred times the low percentile."""
        found = facts["percentiles"]
        if found is None:
            self._analytics.set_threshold(0)
            return {"n": facts["count"], "p10": None, "p95": None, "threshold": None}, None, 0
        high, low = found
        unit = 10**self._qty_scale
        multiplier, least = self._settings.wall_multiplier, self._min_wall
        threshold = Exact(multiplier.num * high, multiplier.den * 100)
        if least.num * unit * threshold.den > threshold.num * least.den:
            threshold = Exact(least.num * unit, least.den)
        self._analytics.set_threshold(-(-threshold.num // threshold.den))
        places = self._qty_places
        basis = {
            "n": facts["count"],
            "p10": ratio(low, 100 * unit, places),
            "p95": ratio(high, 100 * unit, places),
            "threshold": ratio(threshold.num, threshold.den * unit, places),
        }
        return basis, threshold, low

    def _walls(self, facts: dict[str, Any], threshold: Exact) -> list[dict[str, Any]]:
        walls = []
        for side in SIDES:
            for price_raw, qty_raw in facts[f"{side}s"]:
                share = qty_raw * threshold.den
                if share >= threshold.num:
                    times = share // threshold.num
                    walls.append({
                        "price": self._price(price_raw),
                        "qty": number(qty_raw, self._qty_scale),
                        "side": side,
                        "severity": "high" if times >= 3 else "medium" if times == 2 else "low",
                    })  # fmt: skip
        return walls

    def _vacuums(self, facts: dict[str, Any], low: int) -> list[dict[str, Any]]:
        vacuums = []
        for side in SIDES:
            run: list[int] = []
            for price_raw, qty_raw in (*facts[f"{side}s"], (0, low)):
                if 100 * qty_raw < low:
                    run.append(price_raw)
                    continue
                if len(run) >= self._settings.vacuum_levels:
                    severity = "high" if len(run) >= 10 else "medium" if len(run) >= 6 else "low"
                    vacuums.append({
                        "from": self._price(min(run)),
                        "to": self._price(max(run)),
                        "side": side,
                        "levels": len(run),
                        "severity": severity,
                    })  # fmt: skip
                run = []
        return vacuums

    # -- profile (D9) -----------------------------------------------------------------------------------------

    def _profile(self, now_ms: int, now: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any] | None:
        if facts["trade_count"] < self._settings.min_trades:
            return None
        poc, low, high = facts["area"]
        width, unit, places = facts["bin_raw"], 10**self._price_scale, self._price_places
        covered_ms = min(self._settings.profile_ms, max(0, now_ms - facts["profile_from_ms"]))
        return {
            "poc": ratio((2 * poc + 1) * width, 2 * unit, places),
            "val": ratio(low * width, unit, places),
            "vah": ratio((high + 1) * width, unit, places),
            "window_sec": number(self._settings.profile_ms, 3),
            "trade_count": facts["trade_count"],
            "coverage_sec": number(covered_ms, 3),
        }

    # -- anomalies (D10 to D13) -------------------------------------------------------------------------------

    def _anomalies(
        self,
        now_ms: int,
        now: dict[str, Any],
        facts: dict[str, Any],
        spread: int | None,
        vacuums: Sequence[dict[str, Any]],
    ) -> list[Anomaly]:
        found = [*self._spoofing(facts["outcomes"]), *self._icebergs(facts["icebergs"])]
        crash = self._flash_crash(now_ms, now, spread, vacuums)
        return found if crash is None else [*found, crash]

    def _spoofing(self, outcomes: dict[tuple[int, int], list[int]]) -> list[Anomaly]:
        """The worst of each side: severity, cancels, rate, then nearness to the touch."""
        worst: dict[int, tuple[tuple[int, int, int, int], Anomaly]] = {}
        for (side, price_raw), (cancels, fills) in outcomes.items():
            severity = _spoofing_severity(cancels, cancels + fills)
            if severity is None:
                continue
            rate = rounded(cancels, cancels + fills, 18)
            rank = (SEVERITIES.index(severity), cancels, rate, price_raw if side == 0 else -price_raw)
            if side not in worst or rank > worst[side][0]:
                shown = scaled_text(rounded(cancels, cancels + fills, 4), 4)
                note = f"price={self._price_text(price_raw)} cancels={cancels} rate={shown}"
                worst[side] = (rank, Anomaly("spoofing", severity, note, SIDES[side], price_raw))
        return [worst[side][1] for side in sorted(worst)]

    def _icebergs(self, found: Sequence[tuple[int, int, int, int, int]]) -> list[Anomaly]:
        scale = self._qty_scale
        return [
            Anomaly(
                "iceberg",
                "medium",
                f"price={self._price_text(price_raw)} fills={fills} filled={scaled_text(filled, scale)} "
                f"visible={scaled_text(visible, scale)}",
                SIDES[side],
                price_raw,
            )
            for side, price_raw, fills, filled, visible in found
        ]

    def _flash_crash(
        self, now_ms: int, now: dict[str, Any], spread: int | None, vacuums: Sequence[dict[str, Any]]
    ) -> Anomaly | None:
        before = list(self._spreads)
        if spread is not None:
            self._spreads.append((now_ms, spread))
        self._flows.append(now["buy"] - now["sell"])
        signals = []
        is_known = len(before) == SPREADS and now_ms - before[0][0] <= self._settings.sample_ms
        if spread is not None and is_known and spread * SPREADS > 2 * sum(value for _, value in before):
            signals.append("spread")
        if len(vacuums) >= VACUUMS_MANY:
            signals.append("vacuums")
        if self._is_selling(now["buy"] + now["sell"] + now["unknown"]):
            signals.append("net_flow")
        if len(signals) < 2:
            return None
        has_deep = any(vacuum["severity"] == "high" for vacuum in vacuums)
        severity = "high" if len(signals) == 3 else "medium" if has_deep else "low"
        return Anomaly("flash_crash_risk", severity, f"signals={','.join(signals)}")

    def _is_selling(self, volume: int) -> bool:
        flows = list(self._flows)
        return (
            len(flows) == FLOWS
            and all(flow < 0 for flow in flows)
            and all(later <= earlier for earlier, later in pairwise(flows))
            and 2 * (flows[-1] - flows[0]) <= -volume
        )

    # -- writing ----------------------------------------------------------------------------------------------

    def _written(self, anomaly: Anomaly, now_ms: int) -> dict[str, Any]:
        return {
            "type": anomaly.kind,
            "severity": anomaly.severity,
            "side": anomaly.side,
            "price": None if anomaly.price_raw is None else self._price(anomaly.price_raw),
            "detected_at": instant(now_ms),
            "note": anomaly.note,
        }

    def _price(self, price_raw: int) -> Raw:
        return number(price_raw, self._price_scale)

    def _price_text(self, price_raw: int) -> str:
        return scaled_text(price_raw, self._price_scale)


def _spoofing_severity(cancels: int, total: int) -> str | None:
    for severity, tenths, least in (("high", 9, 5), ("medium", 8, 3), ("low", 7, 2)):
        if 10 * cancels >= tenths * total and cancels >= least:
            return severity
    return None
