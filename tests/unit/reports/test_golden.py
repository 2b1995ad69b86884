"""G1 to G16 of the report's definitions: exact, the digits too; each report is the plain twin's as well."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.reports.report_kit import Symbol

G1_BIDS = [(64100, "2.5"), (64095, "1.8"), (64090, "4.0")]
G1_ASKS = [(64110, "1.2"), (64115, "3.0")]
G16 = (
    '{"anomalies":[{"detected_at":"2026-01-01T00:00:32.000Z","note":"price=64110 fills=8 filled=2 visible=1.2","price":64110,'
    '"severity":"medium","side":"ask","type":"iceberg"}],"best_ask":{"price":64110,"qty":1.2},"best_bid":{"price":64100,"qty":2.5},'
    '"book_state":"normal","change_24h_pct":0.0078,"data_age_ms":200,"depth":{"imbalance":0.328,"notional_ask":269277,'
    '"notional_bid":531981,"sum_ask":4.2,"sum_bid":8.3,"top20_ask":[{"price":64110,"qty":1.2},{"price":64115,"qty":3}],'
    '"top20_bid":[{"price":64100,"qty":2.5},{"price":64095,"qty":1.8},{"price":64090,"qty":4}],"truncated":false},'
    '"flow":{"book_updates_per_sec":0.4,"buy_volume":2,"coverage_sec":30,"net_flow":0.85,"orders_per_sec":0.9,"sell_volume":1.15,'
    '"trades_per_sec":0.5,"unknown_volume":0.1},"generated_at":"2026-01-01T00:00:32.000Z","health":{"components":{"anomalies":7.5,'
    '"balance":10.08,"depth":25,"flow":1.35,"freshness":10,"spread":20},"score":74,"score_raw":73.93},"high_24h":64110,'
    '"ingestion":{"fresh":true,"last_update":"2026-01-01T00:00:31.800Z","status":"ok"},"l1_source":"book","last_price":64105,'
    '"liquidity":{"basis":{"n":80,"p10":1.2,"p95":4.5,"threshold":6.75},"profile":{"coverage_sec":31,"poc":64110.025,"trade_count":14,'
    '"vah":64110.05,"val":64100,"window_sec":1800},"vacuums":[],"walls":[]},"low_24h":64100,"micro_price":64106.75675676,'
    '"mid_price":64105,"report_version":"1.0.0","schema_version":"1.0","slow_as_of":"2026-01-01T00:00:32.000Z","spread_bps":1.5601,'
    '"stats_24h":{"as_of":"2026-01-01T00:00:31.500Z","coverage_sec":31,"source":"trades"},"symbol":"BTC-USDT","venue":"binance",'
    '"volume_24h":3.5,"writer":{"node_id":"local","token":1}}'
)


def with_book(bids: list[Any], asks: list[Any], **scales: int) -> Symbol:
    symbol = Symbol(tick="1" if scales else "0.01", **scales)
    symbol.depth("0.1", bids, asks)
    return symbol


def test_g1_spread_mid_micro_sums_notionals_and_imbalance() -> None:
    found = with_book(G1_BIDS, G1_ASKS).report("0.25")
    assert (found["spread_bps"], found["mid_price"], found["micro_price"]) == ("1.5601", 64105, "64106.75675676")
    depth = found["depth"]
    assert (depth["sum_bid"], depth["sum_ask"], depth["imbalance"]) == ("8.3", "4.2", "0.328")
    assert (depth["notional_bid"], depth["notional_ask"]) == (531981, 269277)


def test_g2_the_spread_is_over_the_bid() -> None:
    """CHK-05."""
    found = with_book([(100, 1)], [(110, 3)]).report("0.25")
    assert (found["spread_bps"], found["mid_price"], found["micro_price"]) == (1000, 105, "102.5")
    assert found["depth"]["imbalance"] == "-0.5"


def test_g3_only_twenty_levels_count() -> None:
    """CHK-11."""
    bids = [(1000 - i, 1 if i < 20 else 1000) for i in range(25)]
    depth = with_book(bids, [(1001 + i, 1) for i in range(25)]).report("0.25")["depth"]
    assert (depth["sum_bid"], depth["sum_ask"], depth["imbalance"], len(depth["top20_bid"])) == (20, 20, 0, 20)


def test_g4_one_side_alone() -> None:
    found = with_book([(100, 2)], []).report("0.25")
    nulls = ("best_ask", "spread_bps", "mid_price", "micro_price")
    assert [found[name] for name in nulls] == [None] * 4
    assert (found["depth"]["imbalance"], found["book_state"], found["ingestion"]["status"]) == (1, "one_sided", "degraded")


@pytest.mark.parametrize("further", [False, True])
def test_g5_windows_are_half_open_and_unknown_aggressors_stand_alone(further: bool) -> None:
    """CHK-40; CHK-07 of the edges."""
    symbol = Symbol()
    for at, side, qty in (("70", "buy", "1.0"), ("70.001", "buy", "2.5")):
        symbol.trade(at, side, 100, qty)
    if further:
        symbol.trade("70.0009", "buy", 100, 5, recv="70.002")
    for at, side, qty in (("85", "sell", "3.0"), ("90.000", "buy", "1.2"), ("90.001", "sell", "0.8")):
        symbol.trade(at, side, 100, qty)
    for at in ("91", "92", "100"):
        symbol.deltas(at, [(99, 1)])
    symbol.trade("100", "none", 100, "9.0")
    flow = symbol.report("100")["flow"]
    assert (flow["net_flow"], flow["buy_volume"], flow["sell_volume"], flow["unknown_volume"]) == ("-0.1", "3.7", "3.8", 9)
    assert (flow["orders_per_sec"], flow["trades_per_sec"], flow["book_updates_per_sec"]) == ("0.5", "0.2", "0.3")


def test_g6_the_volume_profile_of_bins_of_five_ticks() -> None:
    symbol = Symbol()
    for number, (price, qty) in enumerate([("100.00", 10)] * 5 + [("100.05", 6)] * 5 + [("99.00", "0.1")] * 5):
        symbol.trade(f"1.{number:03d}", "buy", price, qty)
    profile = symbol.report("2")["liquidity"]["profile"]
    assert (profile["poc"], profile["val"], profile["vah"], profile["trade_count"]) == ("100.025", 100, "100.1", 15)


@pytest.mark.parametrize(
    ("trades", "wanted"), [([(50, 5), (55, 10), (60, 5)], ("57.5", 50, 60)), ([(50, 10), (60, 10)], ("52.5", 50, 65))]
)
def test_g7_ties_go_to_the_lower_price(trades: list[tuple[int, int]], wanted: tuple[Any, ...]) -> None:
    """CHK-09."""
    symbol = Symbol(tick="1", price_scale=0)
    number = 0
    for price, count in trades:
        for _ in range(count):
            number += 1
            symbol.trade(f"1.{number:03d}", "buy", price, 1)
    profile = symbol.report("2")["liquidity"]["profile"]
    assert (profile["poc"], profile["val"], profile["vah"]) == wanted


def test_g8_percentiles_and_the_threshold() -> None:
    symbol = with_book([(100 - i, i + 1) for i in range(10)], [(101 + i, i + 11) for i in range(10)])
    basis = symbol.report("2")["liquidity"]["basis"]
    assert basis == {"n": 20, "p10": "2.9", "p95": "19.05", "threshold": "28.575"}


def test_g9_a_vacuum_is_a_run_of_three_below_the_low_percentile() -> None:
    """The sample is made so that P10 is 0.8: of 21 values the third smallest is."""
    asks = [(64100, "2.5"), (64105, "0.5"), (64110, "0.3"), (64115, "0.4"), (64120, "3.0")]
    symbol = Symbol()
    symbol.depth("0.1", [(64000 - i, 2) for i in range(20)], [])
    symbol.report("6")
    symbol.depth("6.1", [(64000 - i, "0.8" if i < 12 else 2) for i in range(20)], asks)
    found = symbol.report("8")["liquidity"]
    assert found["basis"]["p10"] == "0.8"
    assert found["vacuums"] == [{"from": 64105, "to": 64115, "side": "ask", "levels": 3, "severity": "low"}]


def spoofed(times: int, *, filled: int | None = None, removed: bool = True) -> list[Any]:
    symbol = Symbol(tick="1", price_scale=0)
    symbol.depth("1", [(1000 - i, 1) for i in range(25)], [(1001 + i, 1) for i in range(25)])
    for number in range(times):
        begun = 2100 + 400 * number
        symbol.deltas(f"{begun / 1000}", [(900, 50)])
        if filled == number:
            symbol.trade(f"{(begun + 100) / 1000}", "sell", 900, 30)
        if removed:
            symbol.deltas(f"{(begun + 200) / 1000}", [(900, 0)])
    found = symbol.report("8")
    assert found["liquidity"]["basis"]["threshold"] == "1.5"
    return [one for one in found["anomalies"] if one["type"] == "spoofing"]


@pytest.mark.parametrize(
    ("times", "filled", "wanted"),
    [
        (5, None, ("high", "price=900 cancels=5 rate=1")),
        (5, 2, ("medium", "price=900 cancels=4 rate=0.8")),
        (3, None, ("medium", "price=900 cancels=3 rate=1")),
        (2, None, ("low", "price=900 cancels=2 rate=1")),
        (1, None, None),
    ],
)
def test_g10_what_comes_and_goes_away_from_the_touch(times: int, filled: int | None, wanted: tuple[str, str] | None) -> None:
    """CHK-35."""
    found = spoofed(times, filled=filled)
    assert [(one["severity"], one["note"]) for one in found] == ([] if wanted is None else [wanted])
    assert [(one["side"], one["price"]) for one in found] == ([] if wanted is None else [("bid", 900)])


def test_g10_a_large_order_that_stays_is_none() -> None:
    assert spoofed(1, removed=False) == []


def iceberg(visible: list[Any], fills: list[Any]) -> list[Any]:
    symbol = Symbol()
    symbol.depth("0.1", [(100, visible[0])], [(101, 1)])
    for number, (shown, qty) in enumerate(zip(visible, fills, strict=True)):
        symbol.deltas(f"0.{2 + number}", [(100, shown)])
        symbol.trade(f"0.{2 + number}5", "sell", 100, qty)
    return [one for one in symbol.report("2")["anomalies"] if one["type"] == "iceberg"]


def test_g11_more_was_filled_than_ever_was_visible() -> None:
    shown, fills = ["2.5", "2.4", "2.6", "2.5", "2.5"], ["1.0", "0.8", "1.2", "0.9", "1.1"]
    (found,) = iceberg(shown, fills)
    assert (found["severity"], found["note"]) == ("medium", "price=100 fills=5 filled=5 visible=2.6")
    assert iceberg([100] * 5, ["0.001"] * 5) == []
    assert iceberg(shown[:4], fills[:4]) == []


def crash(spreads: int, runs: tuple[int, ...]) -> list[Any]:
    """So many slow ticks with a spread of 2 bps, then one of 8.5 and vacuums of so many levels on the ask side."""
    symbol = Symbol(tick="1", price_scale=2)
    before = [(10_000 - i, 9) for i in range(20)]
    symbol.depth("0.1", before, [(10_002 + i, 9) for i in range(20)])
    symbol.report(2 * spreads)
    asks: list[tuple[Any, int]] = []
    for length in runs:
        for qty in (*[1] * length, 9):
            asks.append((10_008 + len(asks) if asks else "10008.5", qty))
    symbol.depth(f"{2 * spreads + 1}.5", before, asks)
    return [one for one in symbol.report(2 * spreads + 2)["anomalies"] if one["type"] == "flash_crash_risk"]


@pytest.mark.parametrize(
    ("spreads", "runs", "wanted"),
    [
        (10, (3, 3, 3), ("low", "signals=spread,vacuums")),
        (10, (10, 3, 3), ("medium", "signals=spread,vacuums")),
        (9, (3, 3, 3), None),
        (10, (3, 3), None),
    ],
)
def test_g12_two_signals_are_a_risk(spreads: int, runs: tuple[int, ...], wanted: tuple[str, str] | None) -> None:
    found = crash(spreads, runs)
    assert [(one["severity"], one["note"]) for one in found] == ([] if wanted is None else [wanted])


def test_g12_three_signals_are_a_high_one() -> None:
    """Net flows of -100, -200, -350, -550 and -800 of a volume of 1000: another 200 were bought from nobody known."""
    symbol = Symbol(tick="1", price_scale=2)
    before = [(10_000 - i, 9) for i in range(20)]
    symbol.depth("0.1", before, [(10_002 + i, 9) for i in range(20)])
    symbol.trade("11.5", "none", 10_000, 200)
    for at, qty in ((13, 100), (15, 100), (17, 150), (19, 200), (21, 250)):
        symbol.trade(at, "sell", 10_000, qty)
    asks: list[tuple[Any, int]] = [("10008.5", 1)]
    for length in (10, 4):
        asks += [(10_009 + len(asks) + i, 1) for i in range(length - (len(asks) == 1))]
        asks.append((10_009 + len(asks), 9))
    bids = [(10_000, 9), *((9990 - i, 1) for i in range(10)), (9970, 9), *((9960 - i, 1) for i in range(3)), (9950, 9)]
    symbol.depth("21.5", bids, asks)
    found = symbol.report("22")
    assert [one["severity"] for one in found["liquidity"]["vacuums"]].count("high") == 2
    assert (len(found["liquidity"]["vacuums"]), found["spread_bps"], found["flow"]["net_flow"]) == (4, "8.5", -800)
    (risk,) = [one for one in found["anomalies"] if one["type"] == "flash_crash_risk"]
    assert (risk["severity"], risk["note"], risk["side"], risk["price"]) == ("high", "signals=spread,vacuums,net_flow", None, None)


@pytest.mark.parametrize(
    ("updates", "age_ms", "wanted"), [(5, 200, 81), (100, 1000, 95), (100, 1001, 69), (100, 5001, 29)]
)
def test_g13_health_is_the_sum_of_its_components(updates: int, age_ms: int, wanted: int) -> None:
    """CHK-03."""
    symbol = Symbol()
    last_ms = 10_000 - age_ms
    symbol.depth("0.001", G1_BIDS, G1_ASKS)
    for number in range(updates):
        symbol.deltas(f"{(last_ms - updates + 1 + number) / 1000}", [(64090, "4.0")])
    health = symbol.report("10")["health"]
    assert health["score"] == wanted
    if updates == 5:
        assert health["components"] == {
            "spread": 20, "depth": 25, "balance": "10.08", "flow": "0.75", "anomalies": 15, "freshness": 10,
        }  # fmt: skip
        assert health["score_raw"] == "80.83"


@pytest.mark.parametrize(
    ("age_ms", "wanted"), [(0, "ok"), (1000, "ok"), (1001, "degraded"), (5000, "degraded"), (5001, "down"), (None, "down")]
)
def test_g14_age_and_status(age_ms: int | None, wanted: str) -> None:
    symbol = Symbol()
    if age_ms is not None:
        symbol.depth(f"{(10_000 - age_ms) / 1000}", G1_BIDS, G1_ASKS)
    found = symbol.report("10")
    assert (found["data_age_ms"], found["ingestion"]["status"]) == (age_ms, wanted)
    assert found["ingestion"]["fresh"] is (wanted == "ok")


def test_g15_level_twenty_one_moves_up() -> None:
    """CHK-11."""
    symbol = with_book([(100 - i, 1) for i in range(20)], [(101, 1)])
    symbol.deltas("0.2", [(80, 1), (100, 0)])
    bids = symbol.report("0.25")["depth"]["top20_bid"]
    assert (len(bids), bids[0]["price"], bids[-1]["price"]) == (20, 99, 80)


def test_g16_a_whole_report() -> None:
    symbol = Symbol()
    symbol.depth("0.001", G1_BIDS, G1_ASKS)
    for i in range(12):
        side, price = ("sell", 64100) if i % 3 == 0 else ("buy", 64110)
        symbol.trade(f"{1 + 2.5 * i}", side, price, "0.25")
        symbol.deltas(f"{1.2 + 2.5 * i:.1f}", [(64090, "4.5" if i % 2 else 4)])
    symbol.trade("31", "sell", 64100, "0.4")
    symbol.trade("31.5", "none", 64105, "0.1")
    symbol.deltas("31.8", [(64090, 4)])
    assert symbol.text("32") == G16


# --- edges of the definitions that no vector stands on --------------------------------------------------------


@pytest.mark.parametrize(("levels", "wanted"), [(2, None), (3, "low"), (5, "low"), (6, "medium"), (9, "medium"), (10, "high")])
def test_d8_how_deep_a_vacuum_is(levels: int, wanted: str | None) -> None:
    bids = [(1000 - i, "0.5" if 2 <= i < 2 + levels else 9) for i in range(20)]
    symbol = Symbol(tick="1")
    symbol.depth("0.1", [(1000 - i, 9) for i in range(20)], [(1001 + i, 9) for i in range(20)])
    symbol.report(8)
    symbol.depth("8.1", bids, [(1001 + i, 9) for i in range(20)])
    found = symbol.report(10)["liquidity"]["vacuums"]
    assert [one["severity"] for one in found] == ([] if wanted is None else [wanted])


@pytest.mark.parametrize(("times", "wanted"), [(1, None), ("1.5", "low"), ("2.9", "low"), (3, "medium"), ("4.4", "medium"), ("4.5", "high")])
def test_d8_how_large_a_wall_is(times: Any, wanted: str | None) -> None:
    """P95 is 1 as long as one value in forty is larger: walls begin at 1.5."""
    symbol = Symbol(tick="1")
    symbol.depth("0.1", [(1000 - i, times if i == 7 else 1) for i in range(20)], [(1001 + i, 1) for i in range(20)])
    found = symbol.report(2)["liquidity"]
    assert found["basis"]["threshold"] == "1.5"
    assert [one["severity"] for one in found["walls"]] == ([] if wanted is None else [wanted])


@pytest.mark.parametrize(("side", "price", "is_far"), [("bid", 9998, False), ("bid", 9997, True), ("ask", 10_003, False), ("ask", 10_004, True)])
def test_d10_nothing_opens_within_three_spreads_of_the_mid(side: str, price: int, is_far: bool) -> None:
    """The mid is 10000.5 and the spread 1: at 9997.5 the distance is just three."""
    symbol = Symbol(tick="1", price_scale=2)
    symbol.depth("1", [(10_000 - i, 1) for i in range(20)], [(10_001 + i, 1) for i in range(20)])
    for number in range(3):
        for at, qty in ((2.1 + number, 50), (2.2 + number, 0)):
            level = [(price, qty)]
            symbol.deltas(f"{at:.1f}", *([level, []] if side == "bid" else [[], level]))
    found = symbol.report(6)["anomalies"]
    assert [one["price"] for one in found] == ([price] if is_far else [])


@pytest.mark.parametrize(("price", "is_far"), [("9997.5", False), ("9997.4", True)])
def test_d10_just_three_spreads_are_not_further(price: str, is_far: bool) -> None:
    symbol = Symbol(tick="0.1", price_scale=2)
    symbol.depth("1", [(10_000 - i, 1) for i in range(20)], [(10_001 + i, 1) for i in range(20)])
    for number in range(3):
        symbol.deltas(f"{2.1 + number:.1f}", [(price, 50)])
        symbol.deltas(f"{2.2 + number:.1f}", [(price, 0)])
    assert [one["price"] for one in symbol.report(6)["anomalies"]] == ([price] if is_far else [])
