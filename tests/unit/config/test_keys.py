"""CFG-07, ARC-29: every key is either read, and then its change is seen, or refused as not built yet."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from engine.config.document import parse_path
from engine.config.effective import effective
from engine.config.faults import pattern_text
from engine.config.keys import known_keys, leaf_keys, nearest_key
from engine.config.load import load_config
from engine.config.not_built import NOT_BUILT, NotBuilt
from tests.unit.config.configs import assignment, faults_with, is_refused, needed
from tests.unit.config.documented_defaults import DEFAULTS

READ_NOW = {
    "schema_version",
    "profile",
    "engine.shutdown_wait_ms",
    "engine.namespace",
    "engine.state_dir",
    "providers[].orders.enabled",
    "providers[].orders.dead_man_s",
    "providers[].orders.on_stop",
    "orders.request_timeout_ms",
    "orders.dedupe_retention_s",
    "orders.reconcile_timeout_s",
    "journal.path",
    "journal.durability",
    "journal.commit_linger_us",
    "journal.queue_max",
    "journal.retention_days",
    "risk.enabled",
    "risk.limits.max_order_qty",
    "risk.limits.max_order_notional",
    "risk.limits.max_position",
    "risk.limits.orders_per_s",
    "risk.limits.orders_burst",
    "risk.limits.max_open_orders_per_symbol",
    "risk.limits.price_band",
    "risk.limits.order_types",
    "risk.overrides[].consumer_id",
    "risk.overrides[].provider",
    "risk.overrides[].symbol",
    "risk.overrides[].max_order_qty",
    "risk.overrides[].max_order_notional",
    "risk.overrides[].max_position",
    "risk.overrides[].orders_per_s",
    "risk.overrides[].orders_burst",
    "risk.overrides[].max_open_orders_per_symbol",
    "risk.overrides[].price_band",
    "risk.overrides[].order_types",
    "risk.circuit_breaker.breaches",
    "risk.circuit_breaker.window_s",
    "risk.circuit_breaker.open_s",
    "risk.kill_switch.breaker_opens",
    "risk.kill_switch.window_s",
    "risk.kill_switch.cancel_open",
    "api.enabled",
    "api.host",
    "api.port",
    "api.token_env",
    "api.read_token_env",
    "api.allowed_hosts",
    "api.tls_cert",
    "api.tls_key",
    "api.max_body_bytes",
    "consumers[].token_env",
    "debug.recycler",
    "log.level",
    "log.format",
    "providers[].name",
    "providers[].venue",
    "providers[].enabled",
    "providers[].symbols",
    "providers[].streams",
    "providers[].kline_intervals",
    "providers[].ws_endpoint",
    "providers[].rest_endpoint",
    "providers[].book.depth_levels",
    "providers[].book.kept_levels_max",
    "providers[].book.diff_buffer_max",
    "providers[].book.emit",
    "providers[].book.snapshot_timeout_ms",
    "providers[].book.verify_checksum",
    "providers[].connection.connect_timeout_ms",
    "providers[].connection.ping_interval_ms",
    "providers[].connection.pong_timeout_ms",
    "providers[].connection.heartbeat_timeout_ms",
    "providers[].connection.symbols_per_conn",
    "providers[].connection.backoff_min_ms",
    "providers[].connection.backoff_max_ms",
    "providers[].connection.max_frame_bytes",
    "providers[].book_refresh_interval_s",
    "providers[].stale_after_s",
    "providers[].instrument_refresh_s",
    "providers[].ws_private_endpoint",
    "providers[].credentials.api_key_env",
    "providers[].credentials.api_secret_env",
    "providers[].credentials.key_type",
    "providers[].rest.timeout_ms",
    "providers[].rest.limit_share",
    "providers[].rest.max_connections",
    "providers[].tls_ca_file",
    "orchestrator.merge_rules[].name",
    "orchestrator.merge_rules[].merge_key",
    "orchestrator.merge_rules[].providers",
    "orchestrator.merge_rules[].window_duration_ms",
    "orchestrator.merge_rules[].window_max_events",
    "orchestrator.merge_rules[].close_on_complete",
    "orchestrator.merge_rules[].partial_policy",
    "dispatcher.stream_ordering.lateness_tolerance_ms",
    "dispatcher.stream_ordering.flush_overrun_ms",
    "dispatcher.stream_ordering.max_buffer_size",
    "dispatcher.dedupe.horizon_ids",
    "dispatcher.dedupe.horizon_s",
    "dispatcher.backpressure.token_rate_per_stream",
    "dispatcher.backpressure.token_burst",
    "dispatcher.backpressure.socket_pause_ms",
    "dispatcher.coalescable_types",
    "dispatcher.quantum_events",
    "pools.WsFrame.capacity",
    "pools.ProviderRaw.capacity",
    "pools.BookSnapshot.capacity",
    "pools.BookUpdate.capacity",
    "pools.Trade.capacity",
    "pools.Ticker.capacity",
    "pools.KlineSummary.capacity",
    "pools.InstrumentUpdate.capacity",
    "pools.BalanceUpdate.capacity",
    "pools.ExecReport.capacity",
    "pools.RiskControl.capacity",
    "pools.MergedEvent.capacity",
    "pools.ControlAck.capacity",
    "pools.ControlResult.capacity",
    "bus.control_capacity",
    "bus.critical_reserve",
    "bus.saturate_at",
    "bus.resume_at",
    "bus.spill_trades",
    "consumers[].consumer_id",
    "consumers[].exec_reports",
    "consumers[].name",
    "consumers[].mode",
    "consumers[].handler",
    "consumers[].params",
    "consumers[].trading_switch",
    "consumers[].weight",
    "consumers[].mailbox_capacity",
    "consumers[].version_filter",
    "consumers[].callback_budget_ms",
    "consumers[].subscriptions[].symbol",
    "consumers[].subscriptions[].providers",
    "consumers[].subscriptions[].event_types",
    "consumers[].subscriptions[].merged",
    "consumers[].subscriptions[].never_drop_trades",
    "reports.fast_period_ms",
    "reports.slow_period_ms",
    "reports.fresh_ms",
    "reports.down_ms",
    "reports.future_ms",
    "reports.windows.rate_s",
    "reports.windows.flow_s",
    "reports.windows.profile_s",
    "reports.windows.spoofing_s",
    "reports.windows.iceberg_s",
    "reports.windows.sample_age_s",
    "reports.windows.episode_max_s",
    "reports.walls.multiplier",
    "reports.walls.percentile",
    "reports.walls.min_wall_qty",
    "reports.vacuums.percentile",
    "reports.vacuums.min_levels",
    "reports.profile.bin_ticks",
    "reports.profile.min_trades",
    "reports.iceberg.min_fills",
    "reports.health.depth_ref",
    "reports.health.spread_good_bps",
    "reports.health.spread_bad_bps",
    "reports.health.rate_full",
    "reports.enabled",
    "reports.symbols",
    "reports.workers",
    "reports.settle_ms",
    "bus.ring_capacity_entries",
    "bus.coalesce_span_ms",
    "cache.backend",
    "bus.backend",
    "bus.url_env",
    "bus.stream_key",
    "bus.shards",
    "bus.queue_max_entries",
    "bus.publish_batch",
    "bus.snapshot_levels",
    "bus.snapshot_interval_ms",
    "bus.snapshot_every_deltas",
    "bus.retention_s",
    "bus.maxlen_cap",
    "bus.group",
    "bus.read_count",
    "bus.read_block_ms",
    "bus.claim_idle_ms",
    "bus.max_deliveries",
    "bus.max_entry_bytes",
    "bus.dlq_key",
    "bus.coordination.enabled",
    "bus.coordination.node_id_env",
    "bus.coordination.lease_ttl_ms",
    "bus.coordination.lease_renew_ms",
    "bus.coordination.lease_poll_ms",
    "bus.coordination.lease_margin_ms",
    "bus.coordination.rank_wait_ms",
    "bus.coordination.candidates",
    "bus.coordination.heartbeat_ms",
    "bus.coordination.heartbeat_ttl_ms",
    "bus.coordination.rebalance_ms",
    "bus.coordination.min_hold_ms",
    "bus.coordination.sticky_pct",
    "bus.coordination.standby",
    "cache.ttl_s",
    "cache.url_env",
    "cache.url",
    "mcp.enabled",
    "mcp.transport",
    "mcp.host",
    "mcp.port",
    "mcp.deadline_ms",
    "mcp.cache_timeout_ms",
    "mcp.venue_priority",
    "mcp.allowed_hosts",
    "mcp.cors_origins",
    "mcp.auth_token_env",
    "mcp.allow_unauthenticated",
    "telemetry.trace_sampling",
    "dlq.max_records",
    "dlq.max_bytes",
    "dlq.path",
}
NAMES_OF_SECRETS = {
    "providers[].credentials.api_key_env",
    "providers[].credentials.api_secret_env",
    "api.token_env",
    "api.read_token_env",
    "mcp.auth_token_env",
    "bus.url_env",
    "bus.coordination.node_id_env",
    "cache.url_env",
    "consumers[].token_env",
}
"""Shown masked, for somebody may have put the secret itself there."""
# A right value that is no default, where one cannot be made from the kind of the key.
OTHER_VALUES: dict[str, Any] = {
    "reports.workers": 2,
    "schema_version": 1,
    "profile": "throughput",
    "journal.path": "orders.db",
    "risk.limits.max_order_qty": "1",
    "risk.overrides[].consumer_id": "mm1",
    "risk.overrides[].provider": "binance",
    "risk.overrides[].symbol": "BTC-USDT",
    "risk.overrides[].max_order_qty": "1",
    "risk.overrides[].max_order_notional": "1",
    "risk.overrides[].max_position": "1",
    "risk.overrides[].price_band": "0.01",
    "risk.overrides[].order_types": ["limit"],
    "providers[].name": "binance_2",
    "providers[].venue": "binance",
    "providers[].symbols": ["ETH-USDT"],
    "providers[].streams": ["trade"],
    "providers[].kline_intervals": ["5m"],
    "providers[].ws_endpoint": "ws://127.0.0.1:9",
    "providers[].ws_private_endpoint": "ws://127.0.0.1:9",
    "providers[].rest_endpoint": "http://127.0.0.1:9",
    "providers[].credentials.api_key_env": "A_KEY",
    "providers[].credentials.api_secret_env": "A_SECRET",
    "providers[].credentials.key_type": "hmac",
    "providers[].tls_ca_file": "authorities.pem",
    "orchestrator.merge_rules[].name": "eth",
    "orchestrator.merge_rules[].merge_key": "BTC-USD:Trade",
    "orchestrator.merge_rules[].providers": ["kraken", "coinbase"],
    "bus.saturate_at": 0.9,
    "bus.url_env": "A_KEY",
    "cache.url_env": "A_KEY",
    "consumers[].mode": "inline",
    "consumers[].weight": 2,
    "consumers[].consumer_id": "mm2",
    "consumers[].params": {"size": 3},
    "consumers[].subscriptions[].symbol": "BTC-USDT",
    "consumers[].subscriptions[].providers": ["kraken"],
    "consumers[].subscriptions[].event_types": ["Ticker"],
    "consumers[].subscriptions[].merged": "btc",
    "dlq.path": "dead.jsonl",
    "consumers[].handler": "other.place:Taker",
    "consumers[].name": "Taker",
    "reports.fast_period_ms": 500,
    "reports.slow_period_ms": 4000,
    "reports.symbols": ["binance:BTC-USDT"],
    "cache.backend": "redis",
    "cache.url": "http://127.0.0.1:9",
    "mcp.auth_token_env": "A_KEY",
    "api.host": "::1",
    "api.token_env": "A_KEY",
    "api.read_token_env": "A_KEY",
    "api.allowed_hosts": ["desk.local"],
    "api.tls_cert": "desk.pem",
    "api.tls_key": "desk.key",
    "consumers[].token_env": "A_KEY",
    "engine.state_dir": "./elsewhere",
    "reports.walls.min_wall_qty": {"default": "1"},
    "reports.health.depth_ref": {"default": "1"},
}


def first(path: str) -> str:
    return path.replace("[]", "[0]")


def other_value(path: str) -> Any:
    """A value that is right for the key and, where there is a choice, not its default."""
    if path in OTHER_VALUES:
        return OTHER_VALUES[path]
    default = DEFAULTS.get(path)
    words = [word for word in get_args(known_keys()[path].field.annotation) if isinstance(word, str)]
    if words:
        return next((word for word in words if word != default), words[0])
    if isinstance(default, bool):
        return not default
    if isinstance(default, int | float):
        return default - 1 if not default or isinstance(default, int) else default / 2
    if default == "auto" or default is None:
        return 7
    return default


@pytest.mark.parametrize("path", leaf_keys())
def test_read_or_refused(path: str) -> None:
    """The generated list: no key is silently without effect."""
    refused = is_refused(first(path), other_value(path))
    assert refused is (path not in READ_NOW)


@pytest.mark.parametrize("path", sorted(READ_NOW))
def test_a_key_that_is_read_arrives(path: str) -> None:
    value = other_value(path)
    env = {"A_KEY": "a-key-of-nobody", "A_SECRET": "a-secret-of-nobody"}
    sets = [*needed(first(path)), assignment(first(path), value)]
    if path == "providers[].orders.enabled":
        sets.append(assignment("providers[0].credentials.api_key_env", "A_KEY"))
    config = load_config(None, sets, env)
    shown = {name: text for name, (text, origin) in effective(config).items() if origin == "--set"}
    at, expected = first(path), value
    if isinstance(value, dict):
        ((key, expected),) = value.items()
        at = f"{at}.{key}"
    spelled = {True: "true", False: "false"}.get(expected) if isinstance(expected, bool) else None
    if path in NAMES_OF_SECRETS:
        spelled = "***"
    elif isinstance(expected, str):
        spelled = f'"{expected}"'
    elif isinstance(expected, list):
        spelled = "[" + ", ".join(f'"{item}"' for item in expected) + "]"
    assert shown[at] == (spelled or str(expected))


@pytest.mark.parametrize("path", sorted(set(leaf_keys()) - READ_NOW))
def test_the_refusal_says_so_in_one_line(path: str) -> None:
    lines = [str(f) for f in faults_with(first(path), other_value(path)) if "not built yet" in f.constraint]
    assert len(lines) == 1
    assert "\n" not in lines[0]
    assert lines[0].startswith("--set: ")


OFF = [
    ("providers[0].ws_private_endpoint", None),
    ("providers[0].orders.enabled", False),
    ("orchestrator.merge_rules", []),
    ("consumers[0].token_env", None),
    ("consumers[0].subscriptions[0].merged", None),
    ("bus.backend", "inprocess"),
    ("cache.backend", "inprocess"),
    ("telemetry.otlp_endpoint", None),
    ("api.enabled", False),
]


@pytest.mark.parametrize(("path", "value"), OFF, ids=[row[0] for row in OFF])
def test_saying_that_a_missing_part_is_off_is_right(path: str, value: Any) -> None:
    assert faults_with(path, value) == []


@pytest.mark.parametrize("mode", ["process", "websocket"])
def test_consumers_outside_this_process_are_refused(mode: str) -> None:
    (fault,) = faults_with("consumers", [{"consumer_id": "mm1", "mode": mode}])
    assert (fault.path, fault.constraint) == ("consumers[0].mode", "not built yet: consumers outside this process")


def test_the_mode_is_thread_where_none_is_written_CTL_12() -> None:
    assert faults_with("consumers", [{"consumer_id": "mm1", "handler": "m:C"}]) == []


def test_a_section_is_refused_once_however_many_keys_it_sets() -> None:
    faults = faults_with("metrics", {"per_stream": True, "max_label_sets": 500})
    assert [(f.path, f.constraint.split(":")[0]) for f in faults] == [("metrics", "not built yet")]


def test_an_empty_section_asks_for_nothing() -> None:
    assert faults_with("risk", {}) == []


def test_each_row_of_the_table_covers_a_key() -> None:
    covered = set()
    for path in leaf_keys():
        parts = parse_path(first(path)) or ()
        patterns = [pattern_text(parts[:length]) for length in range(len(parts), 0, -1)]
        covered |= set([pattern for pattern in patterns if pattern in NOT_BUILT][:1])
    assert set(NOT_BUILT) - covered == set()


def test_true_is_not_one() -> None:
    assert NotBuilt("x", off=(1,)).refuses(True)
    assert not NotBuilt("x", only=(1,)).refuses(True)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("provider", "providers"),
        ("providers[].book.depth", "depth_levels"),
        ("pools.bookupdate", "BookUpdate"),
        ("log.zzzzzz", None),
    ],
)
def test_the_nearest_key(wrong: str, right: str | None) -> None:
    assert nearest_key(wrong) == right
