"""One report: current figures and the last slow section, as canonical JSON (RPT-03 to RPT-05, D2 to D7, D14 to D16)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from engine.reports.analytics import SymbolAnalytics
from engine.reports.numbers import instant, number, ratio, rounded
from engine.reports.settings import Exact, ReportSettings, chosen
from engine.reports.slow import SlowSection, SlowTicks

REPORT_VERSION = "1.0.0"
SCHEMA_VERSION = REPORT_VERSION.rpartition(".")[0]
DAY_MS = 86_400_000
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
        self.slow = SlowSection()
        self._slow_ticks = SlowTicks(analytics, settings)
        self._settings = settings
        self._on_error = on_error
        self._depth_ref = chosen(settings.depth_ref, analytics.symbol, Exact(100_000, 1))
        self._fixed = {
            "symbol": analytics.symbol,
            "venue": analytics.venue,
            "report_version": REPORT_VERSION,
            "schema_version": SCHEMA_VERSION,
            "writer": {"node_id": node_id, "token": token},
        }
        self._note_scales()

    def _note_scales(self) -> None:
        self._price_places = max(8, self.analytics.price_scale + 2)
        self._price_unit = 10**self.analytics.price_scale
        self._qty_unit = 10**self.analytics.qty_scale

    def rescale(self, price_scale: int, qty_scale: int) -> None:
        """The symbol's prices and quantities are at these scales from here on, which are wider."""
        qty_by = 10 ** (qty_scale - self.analytics.qty_scale)
        self.analytics.rescale(price_scale, qty_scale)
        self._note_scales()
        self._slow_ticks.rescale(qty_by)

    def tick_slow(self, now_ms: int) -> None:
        """A slow tick at T: after a failed one its fields are null until one succeeds (RPT-17)."""
        try:
            now = self.analytics.now(now_ms)
            self.slow = self._slow_ticks.run(now_ms, now, _spread(now))
        except Exception as error:
            self._failed("slow", error)
            self.slow = SlowSection()

    def report(self, now_ms: int) -> bytes:
        """The report at T."""
        now = self.analytics.now(now_ms)
        slow = self.slow
        age_ms = None if now["last_update_ms"] is None else max(0, now_ms - now["last_update_ms"])
        status = status_of(age_ms, now["state"] in PAIRED, self._settings)
        report = {
            **self._fixed,
            "generated_at": instant(now_ms),
            "data_age_ms": age_ms,
            "ingestion": {
                "status": status,
                "fresh": age_ms is not None and age_ms <= self._settings.fresh_ms,
                "last_update": None if age_ms is None else instant(now["last_update_ms"]),
            },
            "last_price": self._price(now["last_raw"]),
            "book_state": now["state"],
            "l1_source": now["source"],
            "liquidity": slow.liquidity,
            "anomalies": slow.anomalies,
            "slow_as_of": slow.as_of,
        }
        published: dict[str, int] = {}
        for name, section in (
            ("stats_24h", self._stats),
            ("spread", self._top),
            ("depth", self._depth),
            ("flow", self._flow),
        ):
            try:
                report.update(section(now_ms, now, published))
            except Exception as error:
                self._failed(name, error)
                report.update(_NULLS[name])
        try:
            report["health"] = self._health(now, published, slow, age_ms, status)
        except Exception as error:
            self._failed("health", error)
            report["health"] = None
        return _ENCODER.encode(report)

    def _failed(self, section: str, error: Exception) -> None:
        if self._on_error is None:
            raise error
        self._on_error(section, error)

    # -- sections ---------------------------------------------------------------------------------------------

    def _stats(self, now_ms: int, now: dict[str, Any], published: dict[str, int]) -> dict[str, Any]:
        change: Raw | None
        if now["ticker"] is not None:
            as_of_ms, change_raw, high, low, volume = now["ticker"]
            source, covered_ms, change = "ticker", DAY_MS, number(change_raw, 4)
        elif now["day"] is not None:
            as_of_ms, first, last, high, low, volume = now["day"]
            source, covered_ms = "trades", min(DAY_MS, max(0, now_ms - now["first_trade_ms"]))
            change = ratio((last - first) * 100, first, 4) if first else None
        else:
            return _NULLS["stats_24h"]
        return {
            "change_24h_pct": change,
            "high_24h": self._price(high),
            "low_24h": self._price(low),
            "volume_24h": self._qty(volume),
            "stats_24h": {"source": source, "coverage_sec": number(covered_ms, 3), "as_of": instant(as_of_ms)},
        }

    def _top(self, now_ms: int, now: dict[str, Any], published: dict[str, int]) -> dict[str, Any]:
        bid, ask = now["bid"], now["ask"]
        found = {"best_bid": self._level(bid), "best_ask": self._level(ask)}
        spread = _spread(now)
        if spread is None:
            return {**found, "spread_bps": None, "mid_price": None, "micro_price": None}
        published["spread"] = spread
        unit, places = self._price_unit, self._price_places
        middle = ratio(bid[0] + ask[0], 2 * unit, places)
        both = bid[1] + ask[1]
        micro = ratio(ask[0] * bid[1] + bid[0] * ask[1], both * unit, places) if both else middle
        return {**found, "spread_bps": number(spread, 4), "mid_price": middle, "micro_price": micro}

    def _depth(self, now_ms: int, now: dict[str, Any], published: dict[str, int]) -> dict[str, Any]:
        if now["depth"] is None:
            return _NULLS["depth"]
        bids, asks, bid_sum, bid_notional, ask_sum, ask_notional, is_truncated = now["depth"]
        unit = self._price_unit * self._qty_unit
        both = bid_sum + ask_sum
        imbalance = rounded(bid_sum - ask_sum, both, 6) if both else 0
        notionals = [rounded(notional, unit, 8) for notional in (bid_notional, ask_notional)]
        published["imbalance"] = imbalance
        published["notional"] = min(notionals)
        return {
            "depth": {
                "top20_bid": Raw(bids),
                "top20_ask": Raw(asks),
                "sum_bid": self._qty(bid_sum),
                "sum_ask": self._qty(ask_sum),
                "notional_bid": number(notionals[0], 8),
                "notional_ask": number(notionals[1], 8),
                "imbalance": number(imbalance, 6),
                "truncated": is_truncated,
            }
        }

    def _flow(self, now_ms: int, now: dict[str, Any], published: dict[str, int]) -> dict[str, Any]:
        span_ms = self._settings.rate_ms
        orders, trades, books = (
            rounded(count * 1000, span_ms, 4) for count in (now["trades"] + now["books"], now["trades"], now["books"])
        )
        published["rate"] = orders
        first_ms = now["first_event_ms"]
        covered_ms = 0 if first_ms is None else min(self._settings.flow_ms, max(0, now_ms - first_ms))
        return {
            "flow": {
                "orders_per_sec": number(orders, 4),
                "trades_per_sec": number(trades, 4),
                "book_updates_per_sec": number(books, 4),
                "net_flow": self._qty(now["buy"] - now["sell"]),
                "buy_volume": self._qty(now["buy"]),
                "sell_volume": self._qty(now["sell"]),
                "unknown_volume": self._qty(now["unknown"]),
                "coverage_sec": number(covered_ms, 3),
            }
        }

    def _health(
        self, now: dict[str, Any], published: dict[str, int], slow: SlowSection, age_ms: int | None, status: str
    ) -> dict[str, Any]:
        settings = self._settings
        points = dict.fromkeys(("spread", "depth", "balance", "flow", "anomalies", "freshness"), 0)
        if now["state"] in PAIRED and {"spread", "notional", "imbalance"} <= published.keys():
            good, bad, ref = settings.spread_good, settings.spread_bad, self._depth_ref
            unit = good.den * bad.den
            points["spread"] = _points(
                20,
                (bad.num * good.den) * 10_000 - published["spread"] * unit,
                (bad.num * good.den - good.num * bad.den) * 10_000,
            )
            points["depth"] = _points(25, published["notional"] * ref.den, ref.num * 10**8)
            points["balance"] = _points(15, 10**6 - abs(published["imbalance"]), 10**6)
        full = settings.rate_full
        points["flow"] = _points(15, published.get("rate", 0) * full.den, full.num * 10_000)
        points["anomalies"] = _points(15, 10 - sum(_POINTS[severity] for severity in slow.severities), 10)
        points["freshness"] = points_of_freshness(age_ms, settings)
        total = sum(points.values())
        return {
            "score": min(rounded(total, 100), CAPS[status]),
            "score_raw": number(total, 2),
            "components": {name: number(value, 2) for name, value in points.items()},
        }

    # -- writing ----------------------------------------------------------------------------------------------

    def _price(self, price_raw: int | None) -> Raw | None:
        return None if price_raw is None else number(price_raw, self.analytics.price_scale)

    def _qty(self, qty_raw: int) -> Raw:
        return number(qty_raw, self.analytics.qty_scale)

    def _level(self, level: tuple[int, int] | None) -> dict[str, Any] | None:
        return None if level is None else {"price": self._price(level[0]), "qty": self._qty(level[1])}


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


_NULLS: dict[str, dict[str, Any]] = {
    "stats_24h": {
        **dict.fromkeys(("change_24h_pct", "high_24h", "low_24h", "volume_24h")),
        "stats_24h": dict.fromkeys(("source", "coverage_sec", "as_of")),
    },
    "spread": dict.fromkeys(("best_bid", "best_ask", "spread_bps", "mid_price", "micro_price")),
    "depth": {
        "depth": dict.fromkeys(
            ("top20_bid", "top20_ask", "sum_bid", "sum_ask", "notional_bid", "notional_ask", "imbalance", "truncated")
        )
    },
    "flow": {
        "flow": dict.fromkeys(
            (
                "orders_per_sec", "trades_per_sec", "book_updates_per_sec", "net_flow", "buy_volume", "sell_volume",
                "unknown_volume", "coverage_sec",
            )
        )
    },
}  # fmt: skip
"""What stands where a section is not known, or could not be calculated."""
