"""One report: current figures and the last slow section, as canonical JSON (RPT-03 to RPT-05, D2 to D7, D14 to D16)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from engine.reports.analytics import SymbolAnalytics
from engine.reports.numbers import rounded
from engine.reports.settings import Exact, ReportSettings, chosen
from engine.reports.slow import SlowSection, SlowTicks
from engine.reports.text import ReportText

REPORT_VERSION = "1.0.0"
SCHEMA_VERSION = REPORT_VERSION.rpartition(".")[0]
PAIRED = ("normal", "locked")
CAPS = {"ok": 100, "degraded": 69, "down": 29}
_ENCODER = msgspec.json.Encoder(order="sorted")
_POINTS = {"low": 2, "medium": 5, "high": 10}
"""Tenths of the anomalies' share that one of a severity takes."""


class Composer:
    """Reports of one symbol, in whole milliseconds of T; slow ticks may not be left out, fast ones may.

    Args:
        analytics: the symbol's state.
        settings: windows and limits.
        node_id, token: who writes (``writer``).
        on_error: called as on_error(section, error) when a figure could not be calculated.
    """

    def __init__(
        self,
        analytics: SymbolAnalytics,
        settings: ReportSettings,
        node_id: str = "local",
        token: int = 1,
        on_error: Callable[[str, Exception], None] | None = None,
    ) -> None:
        self.analytics = analytics
        self.slow_ticks = SlowTicks(analytics, settings)
        self._on_error = on_error
        self._node_id = node_id
        self.token = token
        """What reports are signed with."""
        depth_ref = chosen(settings.depth_ref, analytics.symbol, Exact(100_000, 1))
        fixed = {
            "symbol": analytics.symbol,
            "venue": analytics.venue,
            "report_version": REPORT_VERSION,
            "schema_version": SCHEMA_VERSION,
            "writer": {"node_id": node_id, "token": token},
        }
        self.text = ReportText(settings, fixed, (depth_ref.num, depth_ref.den))
        self._take(SlowSection())

    def sign(self, token: int) -> None:
        """Reports bear this token from here on."""
        self.token = token
        self.text.set_writer({"node_id": self._node_id, "token": token})

    def rescale(self, price_scale: int, qty_scale: int) -> None:
        """The symbol's prices and quantities are at these scales from here on, which are wider."""
        qty_by = 10 ** (qty_scale - self.analytics.qty_scale)
        self.analytics.rescale(price_scale, qty_scale)
        self.slow_ticks.rescale(qty_by)

    def tick_slow(self, now_ms: int) -> None:
        """A slow tick at T: after a failed one its fields are null until one succeeds (RPT-17)."""
        try:
            now = self.analytics.now(now_ms)
            self._take(self.slow_ticks.run(now_ms, now, _spread(now)))
        except Exception as error:
            self._take(SlowSection())
            if self._on_error is None:
                raise
            self._on_error("slow", error)

    def report(self, now_ms: int) -> bytes:
        """The report at T."""
        return self.text.report(self.analytics, now_ms)

    def _take(self, slow: SlowSection) -> None:
        taken = sum(_POINTS[severity] for severity in slow.severities)
        self.text.set_slow(
            _ENCODER.encode(slow.liquidity), _ENCODER.encode(slow.anomalies), _ENCODER.encode(slow.as_of),
            _points(15, 10 - taken, 10),
        )  # fmt: skip


def status_of(age_ms: int | None, is_paired: bool, settings: ReportSettings) -> str:
    """By age; with a book that is neither normal nor locked degraded at the least (D2)."""
    if age_ms is None or age_ms > settings.down_ms:
        return "down"
    return "ok" if age_ms <= settings.fresh_ms and is_paired else "degraded"


def points_of_freshness(age_ms: int | None, settings: ReportSettings) -> int:
    """The health component that depends on age, in hundredths of a point (D14)."""
    return 0 if age_ms is None else _points(10, settings.down_ms - age_ms, settings.down_ms - settings.fresh_ms)


def _spread(now: dict[str, Any]) -> int | None:
    """(ask - bid) / bid in 10^-4 bps; None where a side lacks or the two are crossed (D3, D4)."""
    bid, ask = now["bid"], now["ask"]
    if bid is None or ask is None or bid[0] > ask[0]:
        return None
    return rounded((ask[0] - bid[0]) * 10_000, bid[0], 4)


def _points(weight: int, num: int, den: int) -> int:
    """The weight times num / den, that clamped to 0..1, in hundredths."""
    return rounded(weight * min(max(num, 0), den), den, 2)
