"""ARC-29, CHK-36, SLO-40: each setting of the reports is changed, and the change is seen in a report."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import ConfigError
from engine.config.load import load_config
from engine.reports.analytics import SymbolAnalytics
from engine.reports.compose import Composer
from engine.reports.settings import ReportSettings
from engine.reports.worker import ReportWorker
from engine.runtime.reports import RecordedReport
from tests.unit.config.configs import assignment
from tests.unit.reports.report_kit import EPOCH_MS, NS

SCALE = 10**8
OTHER: dict[str, Any] = {
    "reports.slow_period_ms": 1000,
    "reports.fresh_ms": 999,
    "reports.down_ms": 4000,
    "reports.future_ms": 100,
    "reports.windows.rate_s": 9,
    "reports.windows.flow_s": 29,
    "reports.windows.profile_s": 1300,
    "reports.windows.spoofing_s": 5,
    "reports.windows.iceberg_s": 1,
    "reports.windows.sample_age_s": 10,
    "reports.windows.episode_max_s": 1,
    "reports.walls.multiplier": "2",
    "reports.walls.percentile": 99,
    "reports.walls.min_wall_qty": {"default": "10"},
    "reports.vacuums.percentile": 5,
    "reports.vacuums.min_levels": 4,
    "reports.profile.bin_ticks": 3,
    "reports.profile.min_trades": 11,
    "reports.iceberg.min_fills": 6,
    "reports.health.depth_ref": {"default": "500000", "ETH-USDT": "1"},
    "reports.health.spread_good_bps": "1",
    "reports.health.spread_bad_bps": "40",
    "reports.health.rate_full": "5",
}
"""A value besides the default, for the market of :func:`reports`."""


@cache
def as_by_default() -> tuple[bytes, ...]:
    return reports(ReportSettings.of(load_config(None, [], {}).reports))


def reports(settings: ReportSettings) -> tuple[bytes, ...]:
    """Reports of a market with a wall, a vacuum, ten trades of an iceberg and two spoofs, early and late."""
    core = SymbolAnalytics("binance", "BTC-USDT", 0, 8, 1, settings)
    composer = Composer(core, settings)
    seq, due_ms = 0, EPOCH_MS + settings.slow_ms
    found: list[bytes] = []

    def until(at_ms: int) -> None:
        nonlocal due_ms
        while due_ms <= EPOCH_MS + at_ms:
            composer.tick_slow(due_ms)
            due_ms += settings.slow_ms

    def entry(at_ms: int, ahead_ms: int = 0) -> tuple[int, int, int, int]:
        nonlocal seq
        until(at_ms - 1)
        seq += 1
        return seq, seq - 1, (EPOCH_MS + at_ms + ahead_ms) * NS, (EPOCH_MS + at_ms) * NS

    def book(at_ms: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]], *, whole: bool = False) -> None:
        number, before, event_ns, recv_ns = entry(at_ms)
        (core.depth if whole else core.deltas)(number, before, 1, event_ns, recv_ns, bids, asks)

    asks = [(10_010 + i, SCALE * (1 if i in (5, 6, 7) else 2)) for i in range(20)]
    book(100, [(10_000 - i, SCALE * 16 // 5 if i == 4 else SCALE * 2) for i in range(20)], asks, whole=True)
    for number in range(5):
        core.trade(*entry(1000 + number), 10_010, SCALE, 1, number)
        core.trade(*entry(1100 + number), 10_017 + number, SCALE, 0, 100 + number)
    for at_ms in (3100, 6500):
        book(at_ms, [(9000, 50 * SCALE)], [])
        book(at_ms + 2100, [(9000, 0)], [])
    core.trade(*entry(9000, 900), 10_012, SCALE, 2, 200)
    for at_ms in (4000, 9500, 10_000, 10_500, 12_000, 14_000, 31_000, 40_000, 1_500_000):
        until(at_ms)
        found.append(composer.report(EPOCH_MS + at_ms))
    return tuple(found)


def test_the_market_shows_each_kind() -> None:
    text = b"".join(as_by_default())
    for sign in (b'"spoofing"', b'"iceberg"', b'"severity":"low","side":"bid"}', b'"levels":3', b'"poc":', b'"degraded"', b'"down"', b'"ok"'):
        assert sign in text, sign


@pytest.mark.parametrize("path", [path for path in OTHER if path != "reports.slow_period_ms"])
def test_arc_29_changing_a_setting_changes_a_report(path: str) -> None:
    settings = ReportSettings.of(load_config(None, [assignment(path, OTHER[path])], {}).reports)
    changed = reports(settings)
    assert changed != as_by_default()
    assert changed == reports(settings)


def test_arc_29_slow_ticks_are_as_far_apart_as_is_set() -> None:
    """``slow_period_ms``."""
    seen = {}
    for period_ms in (1000, 2000):
        config = load_config(None, [assignment("reports.slow_period_ms", period_ms)], {})
        worker = ReportWorker(ReportSettings.of(config.reports), EPOCH_MS * NS)
        worker.carry(0, "binance", "BTC-USDT", 2, 8, 1)
        text = worker.report("binance", "BTC-USDT", EPOCH_MS + 3750).decode()
        seen[period_ms] = text.partition('"slow_as_of":"')[2][:24]
    assert seen == {1000: "2026-01-01T00:00:03.000Z", 2000: "2026-01-01T00:00:02.000Z"}


@pytest.mark.replay
def test_arc_29_a_report_is_of_a_multiple_of_the_fast_period(captures: Path) -> None:
    """``fast_period_ms``; D1."""
    path = captures / "kraken_v2_btcusd_d10_20230730_respelled.jsonl.gz"
    instants = []
    for period_ms in (250, 1000):
        config = load_config(None, [assignment("reports.fast_period_ms", period_ms)], {})
        instants.append(RecordedReport(path, config, "BTC-USD").now_ns)
    assert [now_ns % (period_ms * NS) for now_ns, period_ms in zip(instants, (250, 1000), strict=True)] == [0, 0]
    assert instants[0] != instants[1]


@pytest.mark.parametrize(("key", "value"), [
    ("depth_ref", {"default": "1" + "0" * 18}), ("depth_ref", {"BTC-USDT": "0.0000000000000000001"}),
    ("spread_good_bps", "0.000001"), ("spread_bad_bps", "1000000000"), ("rate_full", "1.000001"),
])  # fmt: skip
def test_numbers_that_a_report_cannot_be_reckoned_with_are_refused(key: str, value: Any) -> None:
    config = load_config(None, [assignment(f"reports.health.{key}", value)], {})
    with pytest.raises(ConfigError, match=rf"reports\.health\.{key}\S*: .* has more than \d+ digits, or more than \d+ decimals"):
        ReportSettings.of(config.reports)


def test_the_longest_numbers_are_exact() -> None:
    """A depth far beyond any book has no points, one far below it all."""
    texts = {}
    for ref in ("999999999999999999", "0.000000000000000001"):
        sets = [assignment("reports.health.depth_ref", {"default": ref}), assignment("reports.health.spread_bad_bps", "9999.99999")]
        texts[ref] = reports(ReportSettings.of(load_config(None, sets, {}).reports))[0]
    assert [b'"depth":0,' in text for text in texts.values()] == [True, False]
    assert b'"depth":25,' in texts["0.000000000000000001"]


def test_windows_that_a_report_depends_on_lie_within_the_longest() -> None:
    config = load_config(None, [assignment("reports.windows.profile_s", 1200)], {})
    with pytest.raises(ConfigError, match=r"sample_age_s \+ episode_max_s \+ spoofing_s \(1230\) exceed profile_s \(1200\)"):
        ReportSettings.of(config.reports)
