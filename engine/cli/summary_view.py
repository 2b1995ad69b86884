"""The run report as text: latencies, counts that balance, and what does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.cli.output import print_table
from engine.cli.replay_view import consumer_text, streams_text, windows_texts

if TYPE_CHECKING:
    from engine.runtime.summary import EngineSummary, Latency

_UNITS = ((1_000, "ns"), (1_000_000, "us"), (1_000_000_000, "ms"))


def duration_text(ns: int) -> str:
    """``850 ns``, ``12.3 us``, ``4.5 ms``, ``1.2 s``."""
    for limit, unit in _UNITS:
        if ns < limit:
            return f"{ns} ns" if unit == "ns" else f"{ns * 1000 / limit:.1f} {unit}"
    return f"{ns / 1e9:.1f} s"


def latency_cells(latency: Latency) -> tuple[str, str, str]:
    """Median, p99 and maximum."""
    return duration_text(latency.p50_ns), duration_text(latency.p99_ns), duration_text(latency.max_ns)


def print_latencies(summary: EngineSummary) -> None:
    """One row a stage, two a consumer, and what waited for gaps and in windows."""
    rows = [("stage", name, latency) for name, latency in summary.stages.items()]
    rows += [("delivery", name, latency) for name, latency in summary.delivery.items()]
    rows += [("batch", name, latency) for name, latency in summary.callback.items()]
    if summary.gap_hold.count:
        rows.append(("gap hold", "events", summary.gap_hold))
    rows += [("window", name, latency) for name, latency in summary.dwell.items()]
    print_table(
        ("latency", "of", "timed", "p50", "p99", "max"),
        [(kind, name, latency.count, *latency_cells(latency)) for kind, name, latency in rows],
    )


def print_counts(summary: EngineSummary) -> None:
    """The equations of EVT-08, what the pools lent, and what was refused."""
    for line in (streams_text(summary), *windows_texts(summary)):
        print(f"  {line}")
    for name, row in summary.consumers.items():
        print(f"  {name}: {consumer_text(row)}{_trouble_text(row)}")
    lent = sum(row.acquired for row in summary.pools.pools.values())
    back = sum(row.recycled + row.escaped for row in summary.pools.pools.values())
    print(f"  pools: {lent:,} lent = {back:,} back + {sum(summary.pools.out().values()):,} out")
    for name, count in summary.rejected.items():
        print(f"  refused frames: {name} {count:,}")
    print_tallies("books begun anew", summary.resyncs)
    if summary.telemetry:
        told = ", ".join(f"{name} {count:,}" for name, count in summary.telemetry.items())
        print(f"  told: {told}; {summary.dead_letters:,} dead letters kept")


def _trouble_text(row: Mapping[str, int]) -> str:
    """What a consumer did that it should not; nothing where there is nothing to tell."""
    told = ("failures", "escapes", "slow_callbacks")
    return "".join(f"; {row[name]:,} {name.replace('_', ' ')}" for name in told if row[name])


def print_tallies(what: str, rows: Mapping[str, Mapping[str, int]]) -> None:
    """One line for each name that has any: how often by kind."""
    for name, counts in rows.items():
        if counts:
            print(f"  {name}: {what}: {', '.join(f'{key} {count:,}' for key, count in sorted(counts.items()))}")


def print_faults(summary: EngineSummary) -> None:
    """One line for each count that does not add up and each pool that is not whole."""
    for line in summary.faults:
        print(f"  FAULT: counts do not balance: {line}")
    for name, count in summary.pools.out().items():
        print(f"  FAULT: pool {name} has {count:,} out")
