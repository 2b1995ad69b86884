"""The metrics of the engine, in one table: name, labels, unit, help (MET-10); and what a reading of them looks like.

Nothing here counts: each stage keeps its own counters, and a reading looks at them. An event pays for none of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict

from engine.observability.latency import LatencyHistogram

Kind = Literal["counter", "gauge", "histogram"]
MAX_LABEL_SETS = 2000
OTHER = "other"
NS = 1_000_000_000

_US, _MS = 1_000, 1_000_000
STAGE_EDGES_NS = tuple(
    step * 10**power // 10 for power in range(3, 9) for step in (10, 25, 50) if step * 10**power // 10 <= 500 * _MS
)
"""1 us to 500 ms in steps of 1, 2.5, 5."""

HOLD_EDGES_NS = (1 * _MS, 5 * _MS, 10 * _MS, 25 * _MS, 50 * _MS, 100 * _MS, 150 * _MS, 200 * _MS, 500 * _MS)
DWELL_EDGES_NS = tuple(ms * _MS for ms in (10, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000))
LAG_EDGES_NS = tuple(ms * _MS for ms in (10, 50, 100, 250, 500, 1000, 2000, 5000))
CALC_EDGES_NS = tuple(ms * _MS for ms in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000))
ACK_EDGES_NS = (*(step * 10**power // 10 for power in range(5, 10) for step in (10, 25, 50)), 10 * NS)
"""100 us to 10 s in steps of 1, 2.5, 5."""
FANOUT_SIZES = (1, 2, 5, 10, 20, 50, 100)
_KINDS: Mapping[str, Kind] = {"counter": "counter", "gauge": "gauge"}
_EDGES = {
    "times": STAGE_EDGES_NS,
    "hold": HOLD_EDGES_NS,
    "dwell": DWELL_EDGES_NS,
    "acks": ACK_EDGES_NS,
    "sizes": FANOUT_SIZES,
    "lag": LAG_EDGES_NS,
    "calc": CALC_EDGES_NS,
}
"""What stands for a histogram in the table: the edges of its buckets, in ns but for sizes."""


@dataclass(frozen=True)
class Metric:
    """A row of the table.

    Attributes:
        name: as it is served; the unit is in it.
        kind: what may be done with its values.
        labels: names, in order.
        help: one line.
        edges: upper edges of a histogram's buckets, in ns where it is of times.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    edges: tuple[int, ...] = ()


def _rows(text: str) -> tuple[Metric, ...]:
    """``name kind labels | help``, a line each."""
    found = []
    for line in text.strip().splitlines():
        head, _, what = line.partition("|")
        name, word, *labels = head.split()
        kind = _KINDS.get(word, "histogram")
        found.append(Metric(name, kind, tuple(labels), what.strip(), _EDGES.get(word, ())))
    return tuple(found)


METRICS: tuple[Metric, ...] = _rows("""
engine_frames_total counter provider | frames taken in
engine_frames_rejected_total counter provider code | frames that could not be used, by why
engine_book_resyncs_total counter provider reason | books begun anew
engine_rest_requests_total counter provider endpoint code | REST calls at the venue; code is HTTP's, none = no answer
engine_rate_limit_used_ratio gauge provider scope | of what the venue allows now: rest calls (by weight), orders
engine_windows_total counter rule status | merge windows: opened = emitted + suppressed + discarded + those open
engine_window_dwell_seconds dwell rule | from a window's opening to its closing
engine_suppressed_partials_total counter rule | windows that a provider was missing from
engine_late_fragments_total counter rule | fragments of a window that was closed before
engine_events_total counter provider event_type | events that came to the dispatcher
engine_routed_total counter provider event_type | events handed to at least one consumer
engine_unrouted_total counter provider event_type | events that nobody asked for
engine_duplicates_total counter provider event_type | events that had been delivered before
engine_late_events_dropped_total counter provider event_type | market data behind what was delivered
engine_events_merged_total counter provider event_type | events that went into a merge window and to nobody else
engine_ingress_coalesced_total counter provider event_type | events folded while they waited for a token
engine_events_dropped_total counter provider event_type reason | events lost before the fan-out
engine_throttled_total counter provider event_type | events that had to wait for a token
engine_buffer_depth gauge provider event_type | events held back now
engine_gap_hold_seconds hold | how long events waited for the one before them
engine_flush_overruns_total counter | deadlines acted on too late
engine_routing_version gauge | version of the routing table in force
engine_fanout_size sizes | consumers an event was handed to
engine_offered_total counter consumer_id | events offered to a consumer: the sum of the next five and those queued
engine_delivered_total counter consumer_id | events whose callback was entered
engine_coalesced_total counter consumer_id | events that others stand for
engine_skipped_total counter consumer_id reason | of an older routing, in a snapshot already, suspended or cancelled
engine_consumer_dropped_total counter consumer_id reason | events that found no place
engine_consumer_pinned gauge consumer_id | events that a consumer holds now
engine_mailbox_depth gauge consumer_id | events queued now
engine_mailbox_peak gauge consumer_id | most events of market data ever queued
engine_delivery_seconds times consumer_id | from a frame's arrival to the start of a callback
engine_callback_seconds times consumer_id | how long a batch took
engine_callback_failures_total counter consumer_id | callbacks that raised
engine_slow_callbacks_total counter consumer_id | batches over their budget
engine_invocations_total counter consumer_id | calls of a handler
engine_consumer_busy_seconds_total counter consumer_id | time in callbacks
engine_consumer_lag_seconds gauge consumer_id | from arrival to callback, of the last event served
engine_orders_total counter provider status | answers to submits: submitted, suppressed, duplicate, rejected
engine_risk_refusals_total counter provider breach | submits of which nothing was sent, by the check that failed
engine_exec_reports_total counter provider report | reports told to the owners of orders
engine_exec_report_duplicates_total counter provider | reports that told nothing new, and were not told again
engine_order_anomalies_total counter provider anomaly | reports that were odd, by what was
engine_foreign_reports_total counter provider | reports of orders that no consumer of this engine sent
engine_open_orders gauge provider | orders that have not ended
engine_unknown_orders gauge provider | open orders of which nobody knows how they stand
engine_risk_control_active gauge provider control | what holds orders back now; of breakers how many
engine_order_send_seconds times provider | from asking for an order to handing it to its venue, its commit in it
engine_order_ack_seconds acks provider | from asking for an order to the venue's first word of it
engine_risk_seconds times provider | the whole check of an order
engine_journal_commit_seconds acks | commits of the order journal
engine_journal_queue_depth gauge | writes that wait for their commit
engine_journal_failures_total counter | commits that failed
engine_journal_unwritten_total counter | reports and the like that found no room while the disk failed
engine_pool_capacity gauge pool | slots
engine_pool_in_use gauge pool | slots lent now
engine_pool_in_use_peak gauge pool | most slots ever lent
engine_pool_acquired_total counter pool | objects lent
engine_pool_recycled_total counter pool | objects that came back
engine_pool_overflow_total counter pool | critical objects from the heap
engine_pool_exhausted_total counter pool | calls that found no slot
engine_double_recycles_total counter pool | returns that were refused
engine_pool_escapes_total counter consumer_id | objects that a callback kept
engine_build_info gauge version python profile | 1, of what runs
engine_stage_seconds times stage | time of sampled frames in a stage
engine_loop_cycle_seconds_max gauge loop | the latest turn of the loop, from when it was due
engine_loop_stalls_total counter loop | turns that came more than 100 ms late
engine_synthetic_events_total counter event_type | events that the engine made itself
engine_telemetry_total counter type | records for operators
engine_telemetry_dropped_total counter | records that left the full ring
engine_dlq_records gauge | dead letters kept now
engine_dlq_total counter reason | dead letters
engine_dlq_evicted_total counter priority | dead letters that left for want of room
engine_stream_lag_ms lag venue | from an entry's arrival at the engine until the reports have it
engine_events_processed_total counter venue type | entries that the reports have accepted
engine_calc_latency_ms calc cycle | how long a symbol's report, or its slow section, took
engine_report_age_ms gauge symbol | since the instant of a report; of more than 100 symbols the oldest by venue
engine_report_publish_total counter venue | reports composed
engine_ticks_skipped_total counter venue | fast ticks left out because a later one was due as well
engine_cache_writes_total counter status | reports given to the cache
engine_fenced_writes_total counter | reports and claims that were refused because another node is the writer
engine_errors_total counter component error_type | what the reports could not calculate
engine_stream_dedup_total counter venue | entries that had been applied before
engine_stream_gap_total counter venue | chains of entries that were broken
engine_stream_future_total counter venue | entries too far ahead of their arrival
engine_stream_straggler_total counter venue | entries that came after the tick they belonged to
engine_stream_crossed_total counter venue | entries that left a book crossed
engine_stream_lost_total counter venue | entries that were trimmed before they were applied
engine_stream_dlq_total counter venue | entries that went to the dead-letter stream
engine_stream_pel_size gauge venue | entries that were delivered and not acknowledged yet
engine_publish_coalesced_total counter venue kind | updates that a snapshot or a later ticker stands for
engine_publish_dropped_total counter venue kind | entries that found no room
engine_publish_queue_depth gauge venue | entries waiting for the reports and for the streams, of all venues
engine_publish_entries_total counter venue | entries written to the streams
engine_publish_refused_total counter | entries that the server of the streams refused
engine_redis_up gauge node | whether the server of the streams answers
engine_node_heartbeat gauge node | whether the node's last heartbeat was heard
engine_shards_owned gauge node | streams whose reports the node writes
engine_lease_conflicts_total counter node | leases that another had, when the node thought them its own or free
engine_lease_operations_total counter node | leases asked for, renewed or given back
engine_rebalances_total counter node | streams that the node handed over to one that is to have them
engine_takeovers_total counter node | streams taken from a node whose lease had ended
engine_redis_losses_total counter | times that it did no longer
engine_resync_requests_total counter venue reason | books asked for whole, by the reports or by readers of the streams
engine_mcp_requests_total counter method status | questions about reports: `ok`, or the code of the error
engine_mcp_request_duration_ms calc method status | how long they took
engine_mcp_cache_hits_total counter | get_report: answered with a report
engine_mcp_token_regressions_total counter | get_report: reports of an earlier writer than one before
engine_mcp_cache_misses_total counter reason | get_report: there is none
engine_mcp_cache_errors_total counter reason | get_report: the cache did not answer, or not with a report
""")
_QUOTED = str.maketrans({"\\": r"\\", '"': r'\"', "\n": r"\n"})
BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}


class Sample(TypedDict, total=False):
    """One value: ``value``, or of a histogram ``count``, ``sum`` and ``buckets`` as (upper edge, count up to it)."""

    labels: dict[str, str]
    value: float
    count: int
    sum: float
    buckets: list[tuple[float, int]]


class Reading:
    """What the metrics are at a moment. Filled once, then read.

    Args:
        max_label_sets: a metric that has more of them tells the rest as one, labelled ``other``.
    """

    def __init__(self, max_label_sets: int = MAX_LABEL_SETS) -> None:
        self._max_label_sets = max_label_sets
        self._values: dict[str, dict[tuple[str, ...], float]] = {}
        self._histograms: dict[str, dict[tuple[str, ...], Sample]] = {}

    def add(self, name: str, value: float, *labels: object) -> None:
        """Add to a counter or a gauge; equal labels sum up.

        Raises:
            KeyError: no such metric.
            ValueError: other labels than the table has.
        """
        metric = BY_NAME[name]
        if len(labels) != len(metric.labels) or metric.kind == "histogram":
            raise ValueError(f"{name} has the labels {metric.labels} and is a {metric.kind}")
        values = self._values.setdefault(name, {})
        key = tuple(map(str, labels))
        if key not in values and len(values) >= self._max_label_sets:
            key = (OTHER,) * len(key)
        values[key] = values.get(key, 0) + value

    def times(self, name: str, histogram: LatencyHistogram, *labels: object) -> None:
        """Add a histogram of durations in ns, told in s, or in ms where its name says so. Equal labels sum up."""
        metric = BY_NAME[name]
        unit = _MS if name.endswith("_ms") else NS
        counts = histogram.buckets()
        edges = [
            (edge_ns / unit, sum(count for top_ns, count in counts if top_ns <= edge_ns)) for edge_ns in metric.edges
        ]
        self._set(metric, labels, edges, histogram.count, histogram.mean_ns() * histogram.count / unit)

    def sizes(self, name: str, counts: Mapping[int, int], *labels: object) -> None:
        """Add a histogram of small numbers, given as number -> how often; as times()."""
        metric = BY_NAME[name]
        edges = [(float(edge), sum(times for size, times in counts.items() if size <= edge)) for edge in metric.edges]
        total = sum(size * times for size, times in counts.items())
        self._set(metric, labels, edges, sum(counts.values()), float(total))

    def _set(
        self, metric: Metric, labels: Iterable[object], edges: list[tuple[float, int]], count: int, total: float
    ) -> None:
        key = tuple(map(str, labels))
        if len(key) != len(metric.labels) or metric.kind != "histogram":
            raise ValueError(f"{metric.name} has the labels {metric.labels} and is a {metric.kind}")
        rows = self._histograms.setdefault(metric.name, {})
        known = rows.get(key)
        if known is not None:
            edges = [(edge, below + more) for (edge, below), (_, more) in zip(known["buckets"], edges, strict=True)]
            count, total = known["count"] + count, known["sum"] + total
        rows[key] = Sample(labels=dict(zip(metric.labels, key, strict=True)), count=count, sum=total, buckets=edges)

    def samples(self) -> dict[str, list[Sample]]:
        """Every metric that has a value, in the order of the table."""
        found: dict[str, list[Sample]] = {}
        for metric in METRICS:
            if metric.kind == "histogram":
                rows = list(self._histograms.get(metric.name, {}).values())
            else:
                values = self._values.get(metric.name, {})
                rows = [
                    Sample(labels=dict(zip(metric.labels, key, strict=True)), value=value)
                    for key, value in values.items()
                ]
            if rows:
                found[metric.name] = rows
        return found


def as_prometheus(samples: Mapping[str, list[Sample]]) -> str:
    """The text format that Prometheus reads."""
    lines = []
    for name, rows in samples.items():
        metric = BY_NAME[name]
        lines += [f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind}"]
        for row in rows:
            labels = row["labels"]
            if metric.kind != "histogram":
                lines.append(f"{name}{_labels(labels)} {row['value']:.17g}")
                continue
            for edge, count in row["buckets"]:
                lines.append(f"{name}_bucket{_labels(labels | {'le': f'{edge:g}'})} {count}")
            lines.append(f"{name}_bucket{_labels(labels | {'le': '+Inf'})} {row['count']}")
            lines.append(f"{name}_sum{_labels(labels)} {row['sum']:.17g}")
            lines.append(f"{name}_count{_labels(labels)} {row['count']}")
    return "\n".join([*lines, ""])


def _labels(labels: Mapping[str, str]) -> str:
    quoted = (f'{name}="{text.translate(_QUOTED)}"' for name, text in labels.items())
    return f"{{{','.join(quoted)}}}" if labels else ""


def page() -> str:
    """docs/metrics.md."""
    rows = "".join(
        f"| `{metric.name}` | {metric.kind} | {' '.join(f'`{label}`' for label in metric.labels)} | {metric.help} |\n"
        for metric in METRICS
    )
    return (
        "# Metrics\n\n"
        "What a run tells of itself under `metrics` of `run --json`. Durations are kept in ns and told in seconds,\n"
        "those of market reports in ms, as their names say; "
        f"the buckets of a histogram count everything up to their edge. More than {MAX_LABEL_SETS} label sets of a\n"
        f"metric are one, `{OTHER}`. Written by `scripts/schemas.py` from `engine/observability/metrics.py`.\n\n"
        "The figures of market reports, formula by formula: [reports.md](reports.md).\n\n"
        f"| metric | kind | labels | |\n|---|---|---|---|\n{rows}"
    )
