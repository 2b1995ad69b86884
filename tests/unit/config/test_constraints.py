"""CFG-02, ARC-28: every range at both edges and one beyond; every wrong type; every set of words."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from annotated_types import Ge, Gt, Le

from engine.config.keys import known_keys, leaf_keys
from tests.unit.config.configs import wrongs_at

INTEGERS: list[tuple[str, int, int | None]] = [
    ("schema_version", 1, 1),
    ("engine.namespace", 0, 65535),
    ("engine.shutdown_wait_ms", 100, 60000),
    ("providers[0].book.depth_levels", 0, 1048576),
    ("providers[0].book.kept_levels_max", 1024, 1048576),
    ("providers[0].book.diff_buffer_max", 100, 1000000),
    ("providers[0].book.snapshot_timeout_ms", 100, 60000),
    ("providers[0].book_refresh_interval_s", 120, 300),
    ("providers[0].stale_after_s", 30, 3600),
    ("providers[0].instrument_refresh_s", 60, 86400),
    ("providers[0].connection.connect_timeout_ms", 100, 60000),
    ("providers[0].connection.ping_interval_ms", 1000, 60000),
    ("providers[0].connection.pong_timeout_ms", 500, 60000),
    ("providers[0].connection.heartbeat_timeout_ms", 1000, 60000),
    ("providers[0].connection.backoff_min_ms", 10, 60000),
    ("providers[0].connection.backoff_max_ms", 500, 600000),
    ("providers[0].connection.max_frame_bytes", 65536, 268435456),
    ("providers[0].connection.symbols_per_conn", 1, 1024),
    ("providers[0].rest.timeout_ms", 100, 60000),
    ("providers[0].rest.max_connections", 1, 64),
    ("providers[0].orders.dead_man_s", 10, 600),
    ("orchestrator.merge_rules[0].window_duration_ms", 1, 600000),
    ("orchestrator.merge_rules[0].window_max_events", 1, 1000000),
    ("dispatcher.stream_ordering.lateness_tolerance_ms", 1, 5000),
    ("dispatcher.stream_ordering.flush_overrun_ms", 1, 1000),
    ("dispatcher.stream_ordering.max_buffer_size", 1, 65536),
    ("dispatcher.dedupe.horizon_ids", 1024, 1048576),
    ("dispatcher.dedupe.horizon_s", 1, 3600),
    ("dispatcher.backpressure.token_rate_per_stream", 1, 10000000),
    ("dispatcher.backpressure.token_burst", 1, 1000),
    ("dispatcher.backpressure.socket_pause_ms", 0, 1000),
    ("dispatcher.quantum_events", 1, 4096),
    ("pools.acquire_timeout_ms", 1, 10000),
    ("pools.escape_limit", 1, None),
    ("pools.BookUpdate.capacity", 1, 4194304),
    ("pools.LevelBlock.capacity", 1, 4194304),
    ("consumers[0].weight", 1, 100),
    ("consumers[0].mailbox_capacity", 16, 1048576),
    ("consumers[0].callback_budget_ms", 1, 60000),
    ("orders.request_timeout_ms", 100, 60000),
    ("orders.dedupe_retention_s", 60, 604800),
    ("orders.reconcile_timeout_s", 1, 600),
    ("journal.commit_linger_us", 0, 10000),
    ("journal.queue_max", 16, 1048576),
    ("journal.retention_days", 1, 3650),
    ("risk.limits.orders_per_s", 1, 100000),
    ("risk.limits.orders_burst", 1, 100000),
    ("risk.limits.max_open_orders_per_symbol", 1, 10000),
    ("risk.overrides[0].orders_per_s", 1, 100000),
    ("risk.circuit_breaker.breaches", 1, 10000),
    ("risk.circuit_breaker.window_s", 1, 86400),
    ("risk.circuit_breaker.open_s", 1, 86400),
    ("risk.kill_switch.breaker_opens", 1, 10000),
    ("risk.kill_switch.window_s", 1, 86400),
    ("bus.control_capacity", 16, 65536),
    ("bus.critical_reserve", 8, 65536),
    ("bus.spill_trades", 0, 1048576),
    ("bus.shards", 1, 1024),
    ("bus.ring_capacity_entries", 1024, None),
    ("bus.queue_max_entries", 65536, None),
    ("bus.publish_batch", 64, 512),
    ("bus.coalesce_span_ms", 0, 1000),
    ("bus.snapshot_levels", 50, None),
    ("bus.snapshot_interval_ms", 100, 60000),
    ("bus.snapshot_every_deltas", 1, None),
    ("bus.maxlen_cap", 262144, None),
    ("bus.read_count", 256, 1024),
    ("bus.read_block_ms", 1, 250),
    ("bus.max_deliveries", 1, 100),
    ("bus.max_entry_bytes", 1024, None),
    ("bus.coordination.lease_ttl_ms", 500, 10000),
    ("bus.coordination.lease_renew_ms", 1, 999),
    ("bus.coordination.heartbeat_ttl_ms", 1001, None),
    ("reports.workers", 1, 64),
    ("reports.fast_period_ms", 100, 1000),
    ("reports.fresh_ms", 1, None),
    ("reports.down_ms", 1001, None),
    ("reports.walls.percentile", 1, 99),
    ("reports.vacuums.percentile", 1, 99),
    ("cache.ttl_s", 120, 300),
    ("mcp.port", 0, 65535),
    ("mcp.deadline_ms", 10, 5000),
    ("mcp.cache_timeout_ms", 1, 149),
    ("telemetry.metrics_port", 0, 65535),
    ("telemetry.ring_records", 64, 1048576),
    ("telemetry.fold_window_ms", 0, 60000),
    ("metrics.max_label_sets", 100, 100000),
    ("dlq.max_records", 16, 1000000),
    ("dlq.max_bytes", 65536, 4294967296),
    ("api.port", 0, 65535),
    ("api.ws_port", 0, 65535),
    ("api.max_body_bytes", 1024, 16777216),
    ("api.max_ws_clients", 1, 1024),
    ("risk.overrides[0].orders_burst", 1, 100000),
    ("risk.overrides[0].max_open_orders_per_symbol", 1, 10000),
    ("bus.retention_s", 2400, None),
    ("bus.claim_idle_ms", 1000, None),
    ("bus.coordination.lease_poll_ms", 1, None),
    ("bus.coordination.lease_margin_ms", 1, 999),
    ("bus.coordination.rank_wait_ms", 0, None),
    ("bus.coordination.candidates", 1, None),
    ("bus.coordination.heartbeat_ms", 1, None),
    ("bus.coordination.rebalance_ms", 1, None),
    ("bus.coordination.min_hold_ms", 0, None),
    ("bus.coordination.sticky_pct", 0, 10),
    ("reports.future_ms", 1, None),
    ("reports.windows.rate_s", 1, None),
    ("reports.windows.flow_s", 1, None),
    ("reports.windows.profile_s", 1, None),
    ("reports.windows.spoofing_s", 1, None),
    ("reports.windows.iceberg_s", 1, None),
    ("reports.windows.sample_age_s", 1, None),
    ("reports.windows.episode_max_s", 1, None),
    ("reports.vacuums.min_levels", 1, None),
    ("reports.profile.bin_ticks", 1, None),
    ("reports.profile.min_trades", 1, None),
    ("reports.iceberg.min_fills", 1, None),
]


@pytest.mark.parametrize(("path", "low", "high"), INTEGERS, ids=[row[0] for row in INTEGERS])
def test_integers(path: str, low: int, high: int | None) -> None:
    assert wrongs_at(path, low) == []
    assert wrongs_at(path, low - 1) != []
    if high is not None:
        assert wrongs_at(path, high) == []
        assert wrongs_at(path, high + 1) != []
    for wrong in (str(low), True, 1.5, [low]):
        assert wrongs_at(path, wrong) != []


def test_a_range_is_told_whole() -> None:
    assert wrongs_at("dispatcher.quantum_events", 0) == ["must be an integer 1..4096"]
    assert wrongs_at("dispatcher.quantum_events", "x") == ["must be an integer 1..4096"]
    assert wrongs_at("schema_version", 2) == ["must be exactly 1"]
    assert wrongs_at("pools.escape_limit", 0) == ["must be an integer from 1"]
    assert wrongs_at("telemetry.trace_sampling", 2) == ["must be a number 0..1"]


OTHER_NUMBERS: dict[str, tuple[list[Any], list[Any]]] = {
    "providers[0].rest.limit_share": ([0.05, 1, 0.5], [0.049, 1.01, "0.5", True]),
    "bus.saturate_at": ([0.51, 1], [0, 1.01, "1"]),
    "bus.resume_at": ([0, 0.74], [0.75, 0.9, -0.1]),
    "telemetry.trace_sampling": ([0, 1, 0.5], [-0.01, 1.01, None]),
    "providers[0].orders.dead_man_s": ([0, 10], [1, 9]),
    "reports.slow_period_ms": ([1000, 2500], [999, 1100, 2001]),
    "reports.settle_ms": (["auto", 1], [0, "soon"]),
    "reports.symbols": (["all", ["binance:BTC-USDT"]], [[], ["BTC-USDT"], "some"]),
    "dispatcher.backpressure.token_rate_per_stream": (["unlimited"], ["none", 0]),
    "pools.Trade.capacity": (["auto"], ["max", 0]),
    "risk.limits.max_position": (["0.1", "1" * 40, None], [1, 0.5, "0", "0.0", "-1", "1e3", "1" * 41]),
    "risk.limits.max_order_qty": (["0.001", None], ["+1", ".5", "1.", "01", "NaN", " 1", ""]),
    "risk.limits.price_band": (["0.01", "0.999"], ["1", "0", "1.0", 0.5]),
    "reports.health.spread_bad_bps": (["2.1", "100"], ["2", "1.9"]),
    "reports.walls.min_wall_qty": ([{"default": "0"}], [{"default": 0}, {"default": "-1"}]),
}


@pytest.mark.parametrize("path", OTHER_NUMBERS)
def test_other_numbers(path: str) -> None:
    right, wrong = OTHER_NUMBERS[path]
    assert {str(value): wrongs_at(path, value) for value in right if wrongs_at(path, value)} == {}
    # A fault inside a mapping stands at the path of the entry.
    assert [
        value for value in wrong if not (wrongs_at(path, value) or wrongs_at(f"{path}.default", value))
    ] == []


TEXTS: dict[str, tuple[list[Any], list[Any]]] = {
    "engine.instance_id": (["a", "engine-1", "a" * 32], ["", "A", "a_b", "a" * 33, 1]),
    "providers[0].name": (["a", "kraken_2", "a" * 32], ["", "1a", "A", "a-b", "a" * 33, None]),
    "providers[0].symbols[0]": (
        ["BTC-USDT", "A-1", "A" * 20 + "-" + "B" * 20],
        ["btc-usdt", "BTC", "BTC/USDT", "A-B-C", "-B", "A" * 21 + "-B"],
    ),
    "consumers[0].consumer_id": (["a", "1", "mm-1_x", "a" * 32], ["", "-a", "_a", "A", "a" * 33]),
    "consumers[0].handler": (["m:C", "a.b_c:D"], ["m", "m:", ":C", "m.C", "m:C()", "a b:C", 1]),
    "providers[0].ws_endpoint": (
        [None, "ws://127.0.0.1:1/x", "wss://h"],
        ["http://h", "ws://u:p@h", "ws://", "h"],
    ),
    "providers[0].rest_endpoint": (
        [None, "http://127.0.0.1:1", "https://h/a"],
        ["ws://h", "https://u:p@h", "h"],
    ),
    "providers[0].credentials.api_key_env": (
        [None, "KRAKEN_KEY"],
        ["kraken", "K-1", "", "1K", "sEcReT=="],
    ),
    "orchestrator.merge_rules[0].merge_key": (["A-B:Trade"], ["A-B", "A-B:Fill", "a-b:Trade"]),
    "dlq.path": ([None, "x.jsonl"], ["", 1]),
}


@pytest.mark.parametrize("path", TEXTS)
def test_texts(path: str) -> None:
    right, wrong = TEXTS[path]
    unset = ["the environment variable KRAKEN_KEY is not set"]
    assert {str(v): wrongs_at(path, v) for v in right if wrongs_at(path, v) not in ([], unset)} == {}
    assert [value for value in wrong if not wrongs_at(path, value)] == []


def symbols(count: int) -> list[str]:
    return [f"A{number}-B" for number in range(count)]


LISTS: dict[str, tuple[list[Any], list[Any]]] = {
    "providers[0].symbols": ([["A-B"], symbols(1000)], [[], symbols(1001), ["A-B", "A-B"], "A-B"]),
    "providers[0].streams": ([["book"], ["book", "trade", "ticker", "kline"]], [[], ["book", "book"]]),
    "orchestrator.merge_rules[0].providers": ([["coinbase", "kraken"]], [["kraken"], ["kraken", "kraken"], ["a", "b"]]),
    "consumers[0].subscriptions[0].event_types": ([["Trade", "BookUpdate"]], [[], ["Trade", "Trade"]]),
    "risk.limits.order_types": ([["limit"]], [[]]),
}


@pytest.mark.parametrize("path", LISTS)
def test_lists(path: str) -> None:
    right, wrong = LISTS[path]
    assert [value for value in right if wrongs_at(path, value)] == []
    assert [value for value in wrong if not wrongs_at(path, value)] == []


@pytest.mark.parametrize(("section", "most"), [("providers", 16), ("consumers", 256)])
def test_how_many_items(section: str, most: int) -> None:
    def items(count: int) -> list[dict[str, Any]]:
        if section == "providers":
            return [{"name": f"p{n}", "venue": "kraken", "symbols": ["BTC-USD"]} for n in range(count)]
        return [{"consumer_id": f"c{n}", "mode": "inline", "handler": "m:C"} for n in range(count)]

    assert wrongs_at(section, items(most)) == []
    assert wrongs_at(section, items(most + 1)) == [
        f"must have {1 if section == 'providers' else 0}..{most} items"
    ]


def test_a_venue_account_at_least() -> None:
    assert wrongs_at("providers", []) == ["must have 1..16 items"]


def words_of(path: str) -> list[Any]:
    annotation = known_keys()[path].field.annotation
    words = get_args(annotation)
    return [word for word in words if isinstance(word, str)] if words else []


WORDS = {
    "profile": ["service", "throughput"],
    "engine.idle": ["sleep", "yield", "spin"],
    "log.level": ["debug", "info", "warning", "error"],
    "log.format": ["json", "text"],
    "providers[].venue": ["binance", "coinbase", "kraken", "simulated"],
    "providers[].book.emit": ["delta", "full"],
    "providers[].orders.on_stop": ["leave", "cancel"],
    "orchestrator.merge_rules[].partial_policy": ["suppress"],
    "consumers[].mode": ["inline", "thread", "process", "websocket"],
    "consumers[].trading_switch": ["enabled", "disabled"],
    "consumers[].exec_reports": ["own", "all"],
    "journal.durability": ["process", "power"],
    "bus.backend": ["inprocess", "redis"],
    "bus.coordination.standby": ["none", "warm"],
    "cache.backend": ["inprocess", "redis", "http"],
    "mcp.transport": ["http", "stdio"],
}


def test_the_sets_of_words_are_the_documented_ones() -> None:
    assert {path: words_of(path) for path in leaf_keys() if words_of(path)} == WORDS


@pytest.mark.parametrize("path", WORDS)
def test_words(path: str) -> None:
    first = path.replace("[]", "[0]")
    assert {word: wrongs_at(first, word) for word in WORDS[path] if wrongs_at(first, word)} == {}
    assert wrongs_at(first, "other") != []
    assert wrongs_at(first, WORDS[path][0].upper()) != []
    assert wrongs_at(first, 1) != []


@pytest.mark.parametrize("path", [p for p in leaf_keys() if known_keys()[p].field.annotation is bool])
def test_switches(path: str) -> None:
    first = path.replace("[]", "[0]")
    assert [value for value in (True, False) if wrongs_at(first, value)] == []
    assert [wrongs_at(first, value) for value in ("true", "on", 1, None)] == [["must be true or false"]] * 4


def test_every_range_of_the_sections_is_in_these_tables() -> None:
    """A key with a bound and no row here would be a constraint nobody checks."""
    bounded = {
        path
        for path in leaf_keys()
        if any(isinstance(m, Ge | Gt | Le) for m in known_keys()[path].field.metadata)
    }
    told = {row[0].replace("[0]", "[]") for row in INTEGERS} | {
        row.replace("[0]", "[]") for row in OTHER_NUMBERS
    }
    assert sorted(bounded - told) == []
