"""A reading of every metric: what each stage has counted, by the names operators know."""

from __future__ import annotations

import asyncio
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import add, attrgetter
from typing import TYPE_CHECKING

from engine.base.version import engine_version
from engine.observability.metrics import NS, Reading, Sample
from engine.schema.order import OrderState

if TYPE_CHECKING:
    from engine.distribution.coordinator import Coordinator
    from engine.providers.session import Session
    from engine.reports.answers import Answers
    from engine.reports.tap import ReportTap
    from engine.reports.worker import ReportWorker
    from engine.runtime.assembly import Engine
    from engine.runtime.live import LiveEngine
    from engine.runtime.orders import LiveOrders
    from engine.runtime.publishing import Publishing
    from engine.runtime.reporter import Reporter
    from engine.runtime.worker import StreamWorker

NODE = "local"
"""The one there is, as reports name it."""

_SKIPPED = {
    "skipped_version": "version",
    "skipped_dirty": "dirty",
    "skipped_suspended": "suspended",
    "cancelled": "cancelled",
}
"""Every cause of ``skipped``: its parts add up to it."""
_STREAMS = {
    "received": "engine_events_total",
    "routed": "engine_routed_total",
    "unrouted": "engine_unrouted_total",
    "duplicates": "engine_duplicates_total",
    "late_dropped": "engine_late_events_dropped_total",
    "merged": "engine_events_merged_total",
    "coalesced_at_entry": "engine_ingress_coalesced_total",
    "throttled": "engine_throttled_total",
    "held": "engine_buffer_depth",
}
_COUNTS = attrgetter(*_STREAMS, "dropped_at_entry")
_CONSUMERS = {
    "offered": "engine_offered_total",
    "delivered": "engine_delivered_total",
    "coalesced": "engine_coalesced_total",
    "pinned": "engine_consumer_pinned",
    "mailbox_peak": "engine_mailbox_peak",
    "failures": "engine_callback_failures_total",
    "slow_callbacks": "engine_slow_callbacks_total",
    "invocations": "engine_invocations_total",
    "escapes": "engine_pool_escapes_total",
}
_REPORTS = {
    "reports": "engine_report_publish_total",
    "skipped": "engine_ticks_skipped_total",
    "repeated": "engine_stream_dedup_total",
    "gaps": "engine_stream_gap_total",
    "future": "engine_stream_future_total",
    "stragglers": "engine_stream_straggler_total",
    "crossed": "engine_stream_crossed_total",
}
_ENTRY_TYPES = {"trades": "trade", "books": "book", "tickers": "ticker"}
_SYMBOLS_TOLD = 100
"""More symbols than this are told by their venues (SLO-30)."""
_POOLS = {
    "capacity": "engine_pool_capacity",
    "in_use": "engine_pool_in_use",
    "in_use_peak": "engine_pool_in_use_peak",
    "acquired": "engine_pool_acquired_total",
    "recycled": "engine_pool_recycled_total",
    "overflowed": "engine_pool_overflow_total",
    "exhausted": "engine_pool_exhausted_total",
    "refused": "engine_double_recycles_total",
}


def metrics(
    engine: Engine,
    live: LiveEngine | None = None,
    reporter: Reporter | None = None,
    answers: Answers | None = None,
) -> dict[str, list[Sample]]:
    """Every metric by name, as it is now. Reads counters that others write: nothing waits for it.

    Args:
        engine: with its consumers.
        live: its venues, its orders and its loop, on which this is called; None where frames are fed by hand.
        reporter: of its market reports; None where there are none.
        answers: of the server of those; None where they are not served.
    """
    reading = Reading()
    _of_providers(reading, engine)
    _of_windows(reading, engine)
    _of_streams(reading, engine)
    _of_consumers(reading, engine)
    _of_pools(reading, engine)
    _of_process(reading, engine)
    if live is not None:
        _of_venues(reading, live.sessions)
        if live.orders is not None:
            _of_orders(reading, live.orders)
        if live.watch is not None:
            reading.add("engine_loop_stalls_total", live.watch.stalls, live.watch.name)
            reading.add("engine_loop_cycle_seconds_max", live.watch.longest_s, live.watch.name)
        if live.publishing is not None:
            add_streams(reading, live.publishing)
    if reporter is not None:
        _of_reports(reading, reporter)
        _of_age(reading, reporter.cache.index(), reporter.now_ms())
    if answers is not None:
        add_answers(reading, answers)
    return reading.samples()


def _of_providers(reading: Reading, engine: Engine) -> None:
    for provider, feed in engine.feeds.items():
        reading.add("engine_frames_total", feed.stream.frames, provider)
        reasons: Counter[str] = Counter()
        for book in feed.stream.book_list():
            reasons.update(book.counts_by_reason())
        for reason, count in reasons.items():
            reading.add("engine_book_resyncs_total", count, provider, reason)
        lost = feed.stream.unpublished + sum(book.unpublished for book in feed.stream.book_list())
        reading.add("engine_events_dropped_total", lost, provider, "", "pool_exhausted")
    for (provider, code), count in engine.reporting.rejected_frames.items():
        reading.add("engine_frames_rejected_total", count, provider, code)
    for provider, count in engine.reporting.foreign_orders.items():
        reading.add("engine_foreign_reports_total", count, provider)


def _of_venues(reading: Reading, sessions: Sequence[Session]) -> None:
    now_s = asyncio.get_running_loop().time()
    for session in sessions:
        provider, budget = session.feed.provider, session.gate.budget
        for (endpoint, code), count in (session.rest.requests + session.private_rest.requests).items():
            reading.add("engine_rest_requests_total", count, provider, endpoint, code)
        reading.add("engine_rate_limit_used_ratio", budget.used(now_s) / budget.limits.weight, provider, "rest")
        if session.gateway is not None:
            reading.add("engine_rate_limit_used_ratio", session.gateway.pace.used_ratio(now_s), provider, "orders")


def _of_orders(reading: Reading, orders: LiveOrders) -> None:
    counts = orders.ledger.counts
    for name, found in (
        ("engine_orders_total", counts.submits),
        ("engine_risk_refusals_total", counts.refusals),
        ("engine_exec_reports_total", counts.reports),
        ("engine_order_anomalies_total", counts.anomalies),
    ):
        for (provider, label), count in found.items():
            reading.add(name, count, provider, label)
    for provider, count in counts.duplicates.items():
        reading.add("engine_exec_report_duplicates_total", count, provider)
    for provider in orders.gateways:
        tracks = orders.desk.open_tracks(None, provider)
        unknown = sum(track.order.state is OrderState.UNKNOWN for track in tracks)
        reading.add("engine_open_orders", len(tracks), provider)
        reading.add("engine_unknown_orders", unknown, provider)
        is_held = not orders.reconciler.is_settled(provider)
        reading.add("engine_risk_control_active", is_held, provider, "reconcile_hold")
    reading.add("engine_risk_control_active", orders.risk.kill.is_on, "", "kill_switch")
    reading.add("engine_risk_control_active", len(orders.risk.open_breakers()), "", "circuit_breaker")
    for provider, histogram in counts.send_ns.items():
        reading.times("engine_order_send_seconds", histogram, provider)
    for provider, histogram in counts.ack_ns.items():
        reading.times("engine_order_ack_seconds", histogram, provider)
    for provider, histogram in counts.check_ns.items():
        reading.times("engine_risk_seconds", histogram, provider)
    journal = orders.journal.statistics()
    reading.times("engine_journal_commit_seconds", orders.journal.commit_ns)
    reading.add("engine_journal_queue_depth", journal.queued)
    reading.add("engine_journal_failures_total", journal.failures)
    reading.add("engine_journal_unwritten_total", journal.unwritten)


def _of_windows(reading: Reading, engine: Engine) -> None:
    for rule, window in engine.orchestrator.windows().items():
        reading.times("engine_window_dwell_seconds", window.dwell, rule)
    for rule, counts in engine.orchestrator.statistics().items():
        for status in ("opened", "emitted", "suppressed", "discarded"):
            reading.add("engine_windows_total", getattr(counts, status), rule, status)
        reading.add("engine_suppressed_partials_total", counts.suppressed, rule)
        reading.add("engine_late_fragments_total", counts.late_fragments, rule)


def _of_streams(reading: Reading, engine: Engine) -> None:
    # By provider and type at first: there are hundreds of streams, and the loop waits meanwhile.
    sums: dict[tuple[str, str], Sequence[int]] = {}
    for key, counts in engine.dispatcher.statistics().items():
        # A merged stream's provider is `merged:<rule>`.
        provider, _, event_type = key.rsplit(":", 2)
        known, found = sums.get((provider, event_type)), _COUNTS(counts)
        sums[provider, event_type] = found if known is None else [*map(add, known, found)]
    for labels, (*values, dropped) in sums.items():
        for name, value in zip(_STREAMS.values(), values, strict=True):
            reading.add(name, value, *labels)
        reading.add("engine_events_dropped_total", dropped, *labels, "rate_limited")
    reading.times("engine_gap_hold_seconds", engine.dispatcher.gap_hold)
    reading.add("engine_flush_overruns_total", engine.dispatcher.flush_overruns)
    reading.add("engine_routing_version", engine.board.current_version())
    reading.sizes("engine_fanout_size", engine.bus.sizes())


def _of_consumers(reading: Reading, engine: Engine) -> None:
    for consumer_id, runner in engine.runners.items():
        row = runner.statistics()
        for field, name in _CONSUMERS.items():
            reading.add(name, row[field], consumer_id)
        for field, reason in _SKIPPED.items():
            reading.add("engine_skipped_total", row[field], consumer_id, reason)
        reading.add("engine_consumer_dropped_total", row["dropped"], consumer_id, "mailbox_full")
        reading.add("engine_mailbox_depth", row["queued"], consumer_id)
        reading.add("engine_consumer_busy_seconds_total", row["busy_ns"] / NS, consumer_id)
        reading.add("engine_consumer_lag_seconds", row["lag_ns"] / NS, consumer_id)
        reading.add("engine_synthetic_events_total", row["synthetic"], "BookSnapshot")
        reading.times("engine_delivery_seconds", runner.delivery, consumer_id)
        reading.times("engine_callback_seconds", runner.callback, consumer_id)


def _of_pools(reading: Reading, engine: Engine) -> None:
    found = engine.recycler.statistics()
    rows = [*found.pools.items(), *((f"levels[{size}]", row) for size, row in found.blocks.items())]
    for pool, row in rows:
        for field, name in _POOLS.items():
            reading.add(name, getattr(row, field), pool)


def _of_process(reading: Reading, engine: Engine) -> None:
    reading.add("engine_build_info", 1, engine_version(), platform.python_version(), engine.config.profile)
    for stage, histogram in engine.timer.histograms().items():
        reading.times("engine_stage_seconds", histogram, stage)
    telemetry, letters = engine.telemetry.statistics(), engine.dlq.statistics()
    for kind, count in telemetry.emitted.items():
        reading.add("engine_telemetry_total", count, kind)
    reading.add("engine_telemetry_dropped_total", telemetry.dropped_count)
    reading.add("engine_dlq_records", letters.records_count)
    for reason, count in letters.total.items():
        reading.add("engine_dlq_total", count, reason)
    for priority, count in letters.evicted.items():
        reading.add("engine_dlq_evicted_total", count, priority)


def _of_reports(reading: Reading, reporter: Reporter) -> None:
    for lane in reporter.lanes:
        add_analytics(reading, lane.worker, lane.writes, lane.errors, lane.resyncs)
        _of_tap(reading, lane.tap, lane.venues)


def add_analytics(
    reading: Reading,
    worker: ReportWorker,
    writes: Mapping[str, int],
    errors: Mapping[tuple[str, str], int],
    resyncs: Mapping[tuple[str, str], int],
) -> None:
    """Add what the analytics have taken and computed, here or in a process of their own."""
    for (venue, _), counts in worker.statistics().items():
        for field, name in _REPORTS.items():
            reading.add(name, counts[field], venue)
        for field, event_type in _ENTRY_TYPES.items():
            reading.add("engine_events_processed_total", counts[field], venue, event_type)
    for venue, lag in worker.lags().items():
        reading.times("engine_stream_lag_ms", lag, venue)
    reading.times("engine_calc_latency_ms", worker.fast, "fast")
    reading.times("engine_calc_latency_ms", worker.slow, "slow")
    for status, count in list(writes.items()):
        reading.add("engine_cache_writes_total", count, status)
    for (_, section), count in list(errors.items()):
        reading.add("engine_errors_total", count, "reports", section)
    for (venue, reason), count in list(resyncs.items()):
        reading.add("engine_resync_requests_total", count, venue, reason)


def _of_tap(reading: Reading, tap: ReportTap, venues: Mapping[int, str]) -> None:
    for place, count in tap.coalesced_of.items():
        reading.add("engine_publish_coalesced_total", count, venues[place], "book")
    for place, count in tap.dropped_of.items():
        reading.add("engine_publish_dropped_total", count, venues[place], "trade")
    reading.add("engine_publish_queue_depth", tap.queued, "all")


def add_streams(reading: Reading, publishing: Publishing) -> None:
    """Add what has been written to the streams, and what could not be."""
    publisher = publishing.publisher
    _of_tap(reading, publishing.tap, publishing.venues)
    for venue, count in publishing.outgoing.written().items():
        reading.add("engine_publish_entries_total", count, venue)
    for venue, count in list(publisher.resyncs.items()):
        reading.add("engine_resync_requests_total", count, venue, "requested")
    reading.add("engine_publish_refused_total", publisher.refused)
    reading.add("engine_redis_up", publisher.is_up, NODE)
    reading.add("engine_redis_losses_total", publisher.losses)


def worker_metrics(worker: StreamWorker) -> dict[str, list[Sample]]:
    """What a worker has read, applied and written."""
    reading = Reading()
    add_analytics(reading, worker.analytics, worker.store.writes, worker.errors, worker.resyncs)
    for (key, _), count in list(worker.reader.dead.items()):
        reading.add("engine_stream_dlq_total", count, worker.streams[key])
    for key, count in list(worker.reader.lost.items()):
        reading.add("engine_stream_lost_total", count, worker.streams[key])
    for key, count in list(worker.pending.items()):
        reading.add("engine_stream_pel_size", count, worker.streams[key])
    _of_age(reading, ((*pair, made_ms) for pair, made_ms in list(worker.store.newest_ms.items())), worker.now_ms())
    reading.add("engine_redis_up", worker.is_up, worker.node_id)
    reading.add("engine_redis_losses_total", worker.losses)
    if worker.coordinator is not None:
        _of_node(reading, worker.coordinator, worker.store.fenced, len(worker.owned()))
    return reading.samples()


def _of_node(reading: Reading, coordinator: Coordinator, fenced: int, owned: int) -> None:
    node = coordinator.node_id
    reading.add("engine_node_heartbeat", coordinator.is_up, node)
    reading.add("engine_shards_owned", owned, node)
    reading.add("engine_lease_conflicts_total", coordinator.conflicts, node)
    reading.add("engine_lease_operations_total", coordinator.leases.operations, node)
    reading.add("engine_rebalances_total", coordinator.rebalances, node)
    reading.add("engine_takeovers_total", coordinator.takeovers, node)
    reading.add("engine_fenced_writes_total", fenced)


def _of_age(reading: Reading, instants: Iterable[tuple[str, str, int]], now_ms: int) -> None:
    """Of reports by (venue, symbol, instant)."""
    ages = [(venue, symbol, max(0, now_ms - made_ms)) for venue, symbol, made_ms in instants]
    if len(ages) <= _SYMBOLS_TOLD:
        for venue, symbol, age_ms in ages:
            reading.add("engine_report_age_ms", age_ms, f"{venue}:{symbol}")
        return
    for venue in dict.fromkeys(venue for venue, _, _ in ages):
        reading.add("engine_report_age_ms", max(age_ms for whose, _, age_ms in ages if whose == venue), venue)


def add_answers(reading: Reading, answers: Answers) -> None:
    """Add what a report server has counted: of get_report hits + misses + errors are all."""
    for (method, status), took in list(answers.durations.items()):
        reading.add("engine_mcp_requests_total", took.count, method, status)
        reading.times("engine_mcp_request_duration_ms", took, method, status)
    reading.add("engine_mcp_cache_hits_total", answers.hits)
    reading.add("engine_mcp_token_regressions_total", answers.regressions)
    for reason, count in list(answers.misses.items()):
        reading.add("engine_mcp_cache_misses_total", count, reason)
    for reason, count in list(answers.failures.items()):
        reading.add("engine_mcp_cache_errors_total", count, reason)
