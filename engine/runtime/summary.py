"""The run report: counts that balance (EVT-08), pools, latencies, what was refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from engine.consumers.runner import Runner
from engine.dispatcher.counts import StreamCounts
from engine.dispatcher.dispatcher import Dispatcher
from engine.observability.dlq import DeadLetterQueue
from engine.observability.stages import StageTimer
from engine.observability.telemetry import TelemetryBus
from engine.orchestrator.counts import WindowCounts
from engine.orchestrator.merge import Orchestrator
from engine.pools.recycler import Recycler
from engine.pools.sizes import RecyclerStatistics
from engine.providers.feed import Feed
from engine.schema.trace import StageTrace

DEPARTED = "(left)"
"""In place of a consumer: the sums of all that have left."""
_STREAM_SUMS = (
    "received",
    "routed",
    "unrouted",
    "merged",
    "duplicates",
    "late_dropped",
    "coalesced_at_entry",
    "dropped_at_entry",
    "held",
)


@dataclass(frozen=True)
class Latency:
    """Percentiles of one histogram, in ns."""

    count: int
    p50_ns: int
    p99_ns: int
    max_ns: int


@dataclass(frozen=True)
class EngineSummary:
    """One engine at a moment.

    Attributes:
        streams: counts by ``provider:symbol:Type``, up to the fan-out.
        consumers: counts by consumer, after the fan-out; of those that have left as one, ``(left)``.
        pools: every pool.
        stages: latency by stage, of the sampled frames.
        traces: the newest way of each type of event through the stages, of the sampled ones.
        delivery: frame in to callback start, by consumer.
        callback: how long its batches took, by consumer.
        frames: frames taken in, by provider.
        rejected: refused frames by (provider, code).
    """

    streams: dict[str, StreamCounts]
    consumers: dict[str, dict[str, int]]
    pools: RecyclerStatistics
    stages: dict[str, Latency]
    traces: list[StageTrace]
    delivery: dict[str, Latency]
    callback: dict[str, Latency]
    frames: dict[str, int]
    rejected: dict[str, int]
    gap_hold: Latency
    """How long events waited for the one before them; no part of the other latencies (STR-15)."""
    telemetry: dict[str, int]
    """Records for operators, by type."""
    dead_letters: int
    """Events and frames that could not be delivered and are kept."""
    resyncs: dict[str, dict[str, int]]
    """Books begun anew: provider -> reason -> how often."""
    windows: dict[str, WindowCounts]
    """Merge windows, by rule."""
    dwell: dict[str, Latency]
    """From a window's opening to its closing, of what each rule emitted; no part of the other latencies (MRG-15)."""

    @property
    def faults(self) -> list[str]:
        """Counts that do not add up, what is out of a pool left aside."""
        return [line for line in self.imbalances if not line.startswith("pool ")]

    @property
    def imbalances(self) -> list[str]:
        """What does not add up; empty is how it should be."""
        found = [f"stream {key}: {row}" for key, row in self.streams.items() if not row.balanced]
        found += [f"windows of {rule}: {counts}" for rule, counts in self.windows.items() if not counts.balanced]
        for name, row in self.consumers.items():
            if row["offered"] != sum(row[k] for k in ("delivered", "coalesced", "skipped", "dropped", "queued")):
                found.append(f"consumer {name}: {row}")
        found += [f"pool {name}: {count} out" for name, count in self.pools.out().items()]
        return found

    def totals(self) -> dict[str, int]:
        """Sums over all streams, and over all consumers."""
        sums = {name: sum(getattr(row, name) for row in self.streams.values()) for name in _STREAM_SUMS}
        for name in ("offered", "delivered", "coalesced", "skipped", "dropped", "queued"):
            sums[name] = sum(row[name] for row in self.consumers.values())
        return sums

    def pool_rows(self) -> dict[str, dict[str, int]]:
        """Every count of each pool, level blocks as ``levels[size]``."""
        rows = {name: asdict(row) for name, row in self.pools.pools.items()}
        return rows | {f"levels[{size}]": asdict(row) for size, row in self.pools.blocks.items()}

    def pipeline(self) -> dict[str, Any]:
        """The ``pipeline`` part of the facts (CLI-40)."""
        totals = self.totals()
        return {
            **totals,
            "gap_holds": self.gap_hold.count,
            "windows": {name: asdict(row) for name, row in self.windows.items()},
            "rejected_frames": dict(self.rejected),
            "dead_letters": self.dead_letters,
            "telemetry": self.telemetry,
            "consumers": {
                name: {k: row[k] for k in ("offered", "delivered", "coalesced", "skipped", "dropped", "queued")}
                for name, row in self.consumers.items()
            },
            "pools": {name: row.acquired for name, row in self.pools.pools.items()},
            "pools_out": self.pools.out(),
            "balanced": not self.imbalances,
        }


def _latency(histogram: Any) -> Latency:
    return Latency(
        histogram.count, histogram.percentile_ns(0.5), histogram.percentile_ns(0.99), histogram.max_ns
    )


def summarize(
    orchestrator: Orchestrator,
    dispatcher: Dispatcher,
    runners: Mapping[str, Runner],
    departed: Mapping[str, int],
    recycler: Recycler,
    timer: StageTimer,
    feeds: Mapping[str, Feed],
    rejected: Mapping[tuple[str, str], int],
    telemetry: TelemetryBus,
    dlq: DeadLetterQueue,
) -> EngineSummary:
    """Read every counter of one engine's stages."""
    return EngineSummary(
        streams=dispatcher.statistics(),
        consumers={name: runner.statistics() for name, runner in runners.items()}
        | ({DEPARTED: dict(departed)} if departed else {}),
        pools=recycler.statistics(),
        stages={name: _latency(h) for name, h in timer.histograms().items()},
        traces=timer.traces(),
        delivery={name: _latency(runner.delivery) for name, runner in runners.items()},
        callback={name: _latency(runner.callback) for name, runner in runners.items()},
        frames={name: feed.stream.frames for name, feed in feeds.items()},
        rejected={f"{provider}:{code}": count for (provider, code), count in rejected.items()},
        gap_hold=_latency(dispatcher.gap_hold),
        telemetry=telemetry.statistics().emitted,
        dead_letters=dlq.statistics().records_count,
        resyncs={name: _resyncs(feed) for name, feed in feeds.items()},
        windows=orchestrator.statistics(),
        dwell={name: _latency(window.dwell) for name, window in orchestrator.windows().items()},
    )


def _resyncs(feed: Feed) -> dict[str, int]:
    reasons: Counter[str] = Counter()
    for book in feed.stream.book_list():
        reasons.update(book.counts_by_reason())
    return dict(reasons)
