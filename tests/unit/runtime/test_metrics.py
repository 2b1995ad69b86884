"""OBS-05, OBS-08, MET-10, MET-11: each metric has the value that was counted outside the engine, and the table is whole."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.observability.latency import LatencyHistogram
from engine.observability.metrics import METRICS, OTHER, STAGE_EDGES_NS, Reading, Sample, page
from engine.runtime.metrics import metrics
from tests.unit.runtime.engine_kit import TradeEngine
from tests.unit.runtime.market_kit import Market
from tests.unit.runtime.test_backpressure import ONE_AT_A_TIME, Throttled, burst


def values(found: dict[str, list[Sample]], name: str) -> dict[tuple[str, ...], float]:
    """By labels; instruments, which are told once, aside."""
    rows = [(tuple(sample["labels"].values()), sample["value"]) for sample in found.get(name, [])]
    return {labels: value for labels, value in rows if "InstrumentUpdate" not in labels}


class Outside:
    """Counts for itself; every third callback raises."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def on_event(self, event: Any, ctx: Any) -> None:
        self.seen[type(event).__name__] += 1
        if self.seen.total() % 3 == 0:
            raise ValueError("the third")


def test_met_11_each_value_is_what_was_counted_outside() -> None:
    with TradeEngine() as line:
        consumers = {name: Outside() for name in ("one", "two")}
        for name, outside in consumers.items():
            line.add(name, outside)
        for number in (1, 2, 3, 3, 4, 6, 5, 7, 9):       # one repeated, one pair swapped; 8 is missing
            line.trade(number)
        line.clock.advance(200_000_000)
        line.engine.dispatcher.poll(line.clock.now())
        line.trade(8)                                    # too late
        line.engine.dispatcher.deliver()
        found = metrics(line.engine)
        rows = line.engine.summary().consumers
    stream = ("binance", "Trade")
    assert values(found, "engine_events_total") == {stream: 10}
    assert values(found, "engine_duplicates_total") == {stream: 1}
    assert values(found, "engine_late_events_dropped_total") == {stream: 1}
    assert values(found, "engine_routed_total") == {stream: 8}
    assert values(found, "engine_frames_total") == {("binance",): 10}
    (hold,) = found["engine_gap_hold_seconds"]
    assert hold["count"] == 2
    for name, outside in consumers.items():
        assert values(found, "engine_delivered_total")[name,] == outside.seen.total() == 8
        assert values(found, "engine_callback_failures_total")[name,] == 2
        # Every cause of a skip that a consumer counts is told, so that the parts make up its equation.
        causes = {key.removeprefix("skipped_") for key in rows[name] if key.startswith("skipped_")} | {"cancelled"}
        told = {one["labels"]["reason"] for one in found["engine_skipped_total"] if one["labels"]["consumer_id"] == name}
        assert told == causes
        assert values(found, "engine_offered_total")[name,] == 8
        (times,) = [sample for sample in found["engine_delivery_seconds"] if sample["labels"] == {"consumer_id": name}]
        assert times["count"] == 8
    (sizes,) = found["engine_fanout_size"]
    assert (sizes["count"], sizes["sum"], dict(sizes["buckets"])[2.0]) == (8, 16, 8)
    assert values(found, "engine_pool_acquired_total")["Trade",] == 10
    assert values(found, "engine_pool_recycled_total")["Trade",] == 10
    assert values(found, "engine_pool_in_use")["Trade",] == 0
    assert values(found, "engine_dlq_total")["callback_failed",] == 4
    assert values(found, "engine_telemetry_total")["ordering.gap",] == 1
    assert values(found, "engine_routing_version") == {(): line.engine.board.current_version()}


def test_a_value_stays_while_its_cause_does() -> None:
    with TradeEngine() as line:
        line.add("one", Outside())
        line.trade(1)
        before = metrics(line.engine)
        assert metrics(line.engine) == before
        line.trade(2)
        after = metrics(line.engine)
        moved = {name for name in after if after[name] != before.get(name)}
    assert {"engine_events_total", "engine_delivered_total", "engine_pool_acquired_total"} <= moved
    assert not moved & {"engine_duplicates_total", "engine_pool_capacity", "engine_routing_version", "engine_dlq_total"}


def test_pressure_moves_what_tells_of_it() -> None:
    with Market(1, ("BTC", "ETH"), sets=ONE_AT_A_TIME) as market:
        slow = Throttled(market, 40, burst)
        market.add("slow", slow, ("BookUpdate", "Trade"), capacity=16)
        burst(market, 3)
        found = metrics(market.engine)
    (row,) = [runner.statistics() for runner in market.engine.runners.values()]
    assert values(found, "engine_coalesced_total")["slow",] == row["coalesced"] > 100
    assert values(found, "engine_consumer_dropped_total")["slow", "mailbox_full"] == row["dropped"] > 0
    assert values(found, "engine_mailbox_peak")["slow",] == 16


# --- the table ----------------------------------------------------------------------------------------------


def test_met_10_names_prefix_and_units() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert metric.name.startswith("engine_")
        assert metric.help
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric
        assert metric.kind != "histogram" or metric.name.endswith(("_seconds", "_size", "_ms"))


def test_every_metric_of_the_table_can_have_a_value_and_nothing_else_can(project_root: Path) -> None:
    told = (project_root / "engine" / "runtime" / "metrics.py").read_text()
    assert [metric.name for metric in METRICS if f'"{metric.name}"' not in told] == []
    with pytest.raises(KeyError):
        Reading().add("engine_nothing_total", 1)
    with pytest.raises(ValueError, match="has the labels"):
        Reading().add("engine_events_total", 1, "binance")


def test_the_page_is_what_the_table_says(project_root: Path) -> None:
    assert (project_root / "docs" / "metrics.md").read_text(encoding="utf-8") == page(), "run scripts/schemas.py"


def test_obs_08_three_microseconds_are_in_their_bucket() -> None:
    assert STAGE_EDGES_NS[:4] == (1_000, 2_500, 5_000, 10_000)
    assert STAGE_EDGES_NS[-1] == 500_000_000
    histogram = LatencyHistogram()
    histogram.add(3_000)
    histogram.add(40_000_000, 9)
    reading = Reading()
    reading.times("engine_stage_seconds", histogram, "wire")
    (sample,) = reading.samples()["engine_stage_seconds"]
    counts = dict(sample["buckets"])
    assert (counts[2.5e-6], counts[5e-6], counts[0.025], counts[0.05]) == (0, 1, 1, 10)
    assert sample["sum"] == pytest.approx(0.360003, rel=0.01)


def test_more_label_sets_than_allowed_are_told_as_one() -> None:
    reading = Reading(max_label_sets=3)
    for number in range(10):
        reading.add("engine_frames_total", 1, f"provider-{number}")
    reading.add("engine_frames_total", 5, "provider-0")
    found = {sample["labels"]["provider"]: sample["value"] for sample in reading.samples()["engine_frames_total"]}
    assert found == {"provider-0": 6, "provider-1": 1, "provider-2": 1, OTHER: 7}


@pytest.mark.serial
def test_a_reading_of_a_small_engine_takes_little() -> None:
    with TradeEngine() as line:
        line.add("one", Outside())
        line.trade(1)
        metrics(line.engine)
        began_ns = time.thread_time_ns()
        metrics(line.engine)
    assert time.thread_time_ns() - began_ns < 50_000_000


def test_slo_34_the_alert_rules_are_of_metrics_there_are(project_root: Path) -> None:
    (group,) = yaml.safe_load((project_root / "docs" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    kinds = {metric.name: metric.kind for metric in METRICS}
    labels = {metric.name: set(metric.labels) for metric in METRICS}
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
        used = re.findall(r"(engine_\w+)(?:\{(\w+)=)?", rule["expr"])
        assert used, rule["alert"]
        for written, label in used:
            name = written.removesuffix("_bucket")
            assert (kinds[name] == "histogram") == written.endswith("_bucket"), written
            assert not label or label in labels[name], written
