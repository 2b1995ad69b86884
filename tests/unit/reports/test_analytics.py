"""What must not happen to a report (CHK): repetitions, gaps, quiet markets, large numbers, edges of windows, failed ticks."""

from __future__ import annotations

import random
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import ScaleOverflowError
from engine.reports.analytics import SymbolAnalytics
from engine.reports.compose import Composer
from engine.reports.depth import raw_text
from engine.reports.numbers import rounded, scaled_text
from engine.reports.settings import Exact, ReportSettings
from engine.reports.slow import SlowTicks
from engine.reports.tradeids import TradeIds
from tests.unit.reports.report_kit import EPOCH_MS, NS, Symbol, decoded

BIDS = [(100 - i, 2) for i in range(20)]
ASKS = [(101 + i, 2) for i in range(20)]


# --- entries ------------------------------------------------------------------------------------------------


def test_chk_12_what_comes_twice_counts_once() -> None:
    once, twice = Symbol(), Symbol()
    for symbol in (once, twice):
        symbol.depth("0.1", BIDS, ASKS)
        for number in range(40):
            symbol.deltas(f"{0.2 + number / 10:.1f}", [(90, number + 3)])
            entry = symbol.last
            symbol.trade(f"{0.25 + number / 10:.2f}", "sell", 90, "0.5")
            if symbol is twice:
                symbol.again(entry)
                symbol.again(symbol.last)
        assert symbol.text("6") == once.text("6")
    assert twice.core.statistics()["repeated"] == 80


def test_bus_23_a_trade_id_is_known_for_1800_seconds() -> None:
    ids = TradeIds(1800)
    start = 5 * 10**9
    assert ids.take(7, start)
    assert not ids.take(7, start + 1800 * 10**9)
    assert ids.take(7, start + 1801 * 10**9)
    assert not ids.take(7, start + 1801 * 10**9)


@pytest.mark.property
@pytest.mark.parametrize("seed", range(4))
def test_bus_23_ids_are_those_of_a_plain_table(seed: int) -> None:
    rng = random.Random(seed)
    ids, plain = TradeIds(30), dict[int, int]()
    second, base = 0, rng.choice([0, 2**63 - 200, 2**64 - 400])
    for step in range(6000):
        second += rng.random() < 0.02
        trade_id = base + min(399, max(0, step // 20 + rng.randrange(-15, 5)))
        is_new = second - plain.get(trade_id, -100) > 30
        if is_new:
            plain[trade_id] = second
        assert ids.take(trade_id, second * 10**9 + 5) is is_new, (step, trade_id)


def test_chk_34_a_gap_leaves_no_book_until_the_next_snapshot() -> None:
    """BUS-24."""
    symbol = Symbol()
    symbol.depth("0.1", BIDS, ASKS)
    symbol.deltas("0.2", [(90, 7)], seq=5, prev=4)
    assert symbol.core.resync_wanted
    assert not symbol.core.resync_wanted
    symbol.deltas("0.3", [(90, 8)])
    found = symbol.report("0.5")
    assert (found["book_state"], found["best_bid"], found["depth"]["top20_bid"]) == ("resyncing", None, None)
    assert found["flow"]["book_updates_per_sec"] == "0.2"
    symbol.depth("0.6", BIDS, ASKS)
    assert symbol.report("0.75")["book_state"] == "normal"
    assert symbol.core.statistics()["gaps"] == 1


def test_chk_43_a_periodic_snapshot_is_no_news() -> None:
    """BUS-14, BUS-15."""
    symbol = Symbol()
    symbol.depth("0.1", BIDS, ASKS)
    for second in range(1, 9):
        symbol.depth("0.1", BIDS, ASKS, complete=second % 2 == 0, recv=f"{second}.5")
    found = symbol.report("9")
    assert (found["data_age_ms"], found["ingestion"]["status"]) == (8900, "down")
    assert (found["flow"]["orders_per_sec"], found["anomalies"]) == (0, [])


def test_bus_15_an_incomplete_snapshot_keeps_what_lies_beyond_it() -> None:
    symbol = Symbol()
    symbol.depth("0.1", BIDS, ASKS)
    symbol.depth("0.2", [(100, 5), (98, 5)], ASKS[:2], complete=False)
    bids = symbol.report("0.25")["depth"]["top20_bid"]
    assert [level["price"] for level in bids[:4]] == [100, 98, 97, 96]
    assert [level["qty"] for level in bids[:4]] == [5, 5, 2, 2]


def test_d5_fewer_levels_than_twenty_in_what_was_covered_is_truncated() -> None:
    symbol = Symbol()
    symbol.depth("0.1", BIDS[:10], ASKS, complete=False)
    assert symbol.report("0.25")["depth"]["truncated"] is True
    symbol.deltas("0.3", [(price, 1) for price in range(50, 70)])
    assert symbol.report("0.5")["depth"]["truncated"] is True
    symbol.depth("0.6", BIDS, ASKS)
    assert symbol.report("0.75")["depth"]["truncated"] is False


def test_d4_a_crossed_book_is_shown_and_a_resync_wanted_after_a_second() -> None:
    symbol = Symbol()
    symbol.depth("0.1", BIDS, ASKS)
    symbol.deltas("0.2", [(105, 1)])
    assert not symbol.core.resync_wanted
    symbol.deltas("1.2", [(90, 1)])
    assert symbol.core.resync_wanted
    found = symbol.report("1.25")
    assert (found["book_state"], found["best_bid"]["price"], found["spread_bps"]) == ("crossed", 105, None)
    assert symbol.core.statistics()["crossed"] == 2


def test_d5_the_tickers_best_prices_stand_in_until_there_was_a_book() -> None:
    symbol = Symbol()
    symbol.ticker("0.1", [100, 80, 110, 70, 5], (99, 1), (101, 1))
    found = symbol.report("0.25")
    assert (found["l1_source"], found["mid_price"], found["depth"]["top20_bid"], found["change_24h_pct"]) == ("ticker", 100, None, 25)
    symbol.depth("0.3", BIDS, ASKS)
    assert symbol.report("0.5")["l1_source"] == "book"
    symbol.deltas("0.6", [(1, 1)], seq=50, prev=49)
    assert symbol.report("0.75")["l1_source"] is None


# --- windows ------------------------------------------------------------------------------------------------


def test_chk_06_windows_are_bounded_by_time_alone() -> None:
    """A hundred thousand trades in ten seconds; without the twin, which would take minutes."""
    core = SymbolAnalytics("binance", "BTC-USDT", 2, 8, 1, ReportSettings())
    net = 0
    for number in range(100_000):
        ts_ns = EPOCH_MS * NS + number * 100_000
        side, qty = (1, 3 + number) if number % 3 else (2, 5)
        net += qty if side == 1 else -qty
        core.trade(number + 1, number, ts_ns, ts_ns, 10_000, qty, side, number)
    composer = Composer(core, ReportSettings())
    flow = decoded(composer.report(EPOCH_MS + 9_999).decode())["flow"]
    assert (flow["trades_per_sec"], Fraction(flow["net_flow"]) * 10**8) == (10_000, net)
    assert decoded(composer.report(EPOCH_MS + 19_999).decode())["flow"]["trades_per_sec"] == 0


@pytest.mark.parametrize(("minutes", "wanted"), [(20, 10), (30, 0), (31, 0)])
def test_chk_07_the_profile_looks_back_thirty_minutes(minutes: int, wanted: int) -> None:
    symbol = Symbol()
    for number in range(10):
        symbol.trade("2", "buy", 100, 1, trade_id=number)
    profile = symbol.report(2 + 60 * minutes)["liquidity"]["profile"]
    assert (0 if profile is None else profile["trade_count"]) == wanted


def test_chk_48_a_venue_whose_clock_is_ahead() -> None:
    symbol = Symbol()
    symbol.depth("0.1", BIDS, ASKS)
    symbol.trade("3.2", "buy", 101, 1, recv="0.2")
    symbol.trade("7.2", "buy", 102, 1, recv="0.3")
    found = symbol.report("0.5")
    assert (found["last_price"], found["flow"]["buy_volume"], found["data_age_ms"]) == (101, 0, 300)
    assert symbol.report("3.25")["flow"]["buy_volume"] == 1
    assert symbol.core.statistics()["future"] == 1


@pytest.mark.property
@pytest.mark.parametrize("seed", range(4))
def test_chk_10_the_bins_hold_every_unit_of_the_window(seed: int) -> None:
    rng = random.Random(seed)
    symbol = Symbol(qty_scale=10)
    traded: list[tuple[int, int, int]] = []
    for number in range(2000):
        at_ms = 1 + number * 1500
        price, qty = rng.randrange(1, 10**7), rng.randrange(1, 10**17)
        traded.append((at_ms, price, qty))
        symbol.core.trade(number + 1, number, (EPOCH_MS + at_ms) * NS, (EPOCH_MS + at_ms) * NS, price, qty, 1, number)
    now_ms = 2_998_000
    facts = symbol.core.slow(EPOCH_MS + now_ms, 900_000, (95, 10), 5)
    inside = [(price, qty) for at_ms, price, qty in traded if at_ms > now_ms - 1_800_000]
    volumes: dict[int, int] = defaultdict(int)
    for price, qty in inside:
        volumes[price // 5] += qty
    assert facts["trade_count"] == len(inside)
    assert symbol.core.profile.volumes() == volumes


# --- numbers ------------------------------------------------------------------------------------------------


@pytest.mark.property
def test_chk_45_large_prices_and_quantities_are_exact() -> None:
    """Up to what 64 bits hold of one quantity; sums and products go beyond."""
    symbol = Symbol(tick="0.00000001", price_scale=8, qty_scale=8)
    large = [(10**9 - i, f"{9 * 10**10 - i}.00000001") for i in range(20)]
    symbol.depth("0.1", large, [(10**9 + 1 + i, f"{8 * 10**10 + i}.99999999") for i in range(20)])
    for number in range(30):
        symbol.trade(f"0.2{number:02d}", "buy", 10**9 + 1, f"{9 * 10**10}.00000001")
    found = symbol.report("2")
    assert found["health"]["components"]["depth"] == 25
    assert len(found["depth"]["notional_bid"].replace(".", "")) > 19


@pytest.mark.property
def test_d0_rounding_is_half_to_even() -> None:
    rng = random.Random(1)
    for _ in range(3000):
        num, den, places = rng.randrange(-(10**rng.randrange(1, 25)), 10**24), rng.choice([1, 2, 8, 3, 7, 10**9, 125]), rng.randrange(9)
        whole = round(Fraction(num, den) * 10**places)
        assert rounded(num, den, places) == whole
        assert Fraction(scaled_text(whole, places)) == Fraction(whole, 10**places)
        raw = rng.randrange(-(2**63), 2**63)
        assert raw_text(raw, places).decode() == scaled_text(raw, places)
    assert (scaled_text(100000, 2), scaled_text(-5, 2), scaled_text(0, 4)) == ("1000", "-0.05", "0")


def test_a_wider_scale_changes_no_figure() -> None:
    """The same market at scales 2 and 8, widened half-way to 4 and 10: only the rounding places of the instrument grow."""
    plain, widened = Symbol(), Symbol()
    for number in range(60):
        for symbol in (plain, widened):
            if number == 30 and symbol is widened:
                symbol.composer.rescale(4, 10)
                symbol.scales = (4, 10)
                symbol.twin.quantity = 10
            if number == 0:
                symbol.depth("0.1", BIDS, ASKS)
            symbol.deltas(f"{1 + number / 4}", [(50, 500 if number % 2 else 0)], [(110, number % 7 + 1)])
            symbol.trade(f"{1.1 + number / 4:.2f}", "buy" if number % 3 else "sell", 101 if number % 3 else 100, "0.75")
    one, other = plain.report("18"), widened.report("18")
    assert one == other
    assert {anomaly["type"] for anomaly in one["anomalies"]} == {"spoofing", "iceberg"}


@pytest.mark.serial
@pytest.mark.timeout(30)
def test_slo_13_a_busy_symbol_stays_within_five_megabytes() -> None:
    """A hundred trades a second for longer than the longest window, on a walking price."""
    rng = random.Random(1)
    core = SymbolAnalytics("binance", "BTC-USDT", 2, 8, 1, ReportSettings())
    composer = Composer(core, ReportSettings())
    before_kib = resident_kib()
    ts_ns, price = EPOCH_MS * NS, 1_000_000
    levels = [(price - i, 10**8 + i) for i in range(1000)], [(price + 1 + i, 10**8 + i) for i in range(1000)]
    core.depth(1, 0, 1, ts_ns, ts_ns, *levels)
    for number in range(2, 200_000):
        ts_ns += 10 * NS
        price += rng.choice((-1, 0, 1))
        core.trade(number, number - 1, ts_ns, ts_ns, price, rng.randrange(1, 10**9), 1 + number % 2, number)
        if number % 200 == 0:
            composer.tick_slow(ts_ns // NS // 2000 * 2000)
    assert resident_kib() - before_kib < 5 * 1024


def resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def test_a_scale_that_does_not_fit_is_refused() -> None:
    symbol = Symbol()
    symbol.depth("0.1", [(10**9, 1)], [])
    with pytest.raises(ScaleOverflowError):
        symbol.composer.rescale(18, 8)


# --- ticks --------------------------------------------------------------------------------------------------


def test_chk_02_a_fast_report_erases_no_slow_section() -> None:
    """D16: the slow section is one and the same until the next slow tick."""
    symbol = Symbol()
    symbol.depth("0.1", BIDS, ASKS)
    found = [symbol.report(f"{2 + number / 4}") for number in range(24)]
    assert {one["slow_as_of"][17:19] for one in found} == {"02", "04", "06"}
    assert all(one["liquidity"]["walls"] == [] for one in found)


class Failing(SlowTicks):
    """Slow ticks that fail while they are to."""

    is_broken = False

    def run(self, *args: Any) -> Any:
        if self.is_broken:
            raise RuntimeError("no slow figures")
        return super().run(*args)


def test_rpt_17_a_failed_calculation_is_null_counted_and_over_with_the_next() -> None:
    errors: list[tuple[str, str]] = []
    symbol = Symbol()
    composer = Composer(symbol.core, ReportSettings(), on_error=lambda section, error: errors.append((section, str(error))))
    composer.slow_ticks = failing = Failing(symbol.core, ReportSettings())
    symbol.depth("0.1", BIDS, ASKS)
    composer.tick_slow(EPOCH_MS + 2000)
    whole = composer.report(EPOCH_MS + 2250)
    failing.is_broken = True
    composer.tick_slow(EPOCH_MS + 4000)
    text = composer.report(EPOCH_MS + 4000)
    assert b'"slow_as_of":null' in text
    assert b'"best_bid":{' in text
    assert errors == [("slow", "no slow figures")]
    failing.is_broken = False
    composer.tick_slow(EPOCH_MS + 6000)
    assert composer.report(EPOCH_MS + 6250).count(b"null") == whole.count(b"null")


def test_slo_40_settings_are_per_symbol_where_they_say_so() -> None:
    """CHK-36 of `depth_ref` and `min_wall_qty`."""
    settings = ReportSettings(
        depth_ref={"default": Exact(100_000, 1), "BTC-USDT": Exact(8000, 1)},
        min_wall_qty={"default": Exact(0, 1), "BTC-USDT": Exact(77, 10)},
    )
    core = SymbolAnalytics("binance", "BTC-USDT", 2, 8, 1, settings)
    composer = Composer(core, settings)
    levels = [(10_000 - 100 * i, 2 * 10**8) for i in range(20)], [(10_100 + 100 * i, 2 * 10**8) for i in range(20)]
    core.depth(1, 0, 1, EPOCH_MS * NS, EPOCH_MS * NS, *levels)
    composer.tick_slow(EPOCH_MS + 2000)
    text = composer.report(EPOCH_MS + 2000)
    assert b'"threshold":7.7' in text
    assert b'"depth":11.31' in text
