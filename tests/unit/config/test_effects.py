"""ARC-29: each key that is read is changed, and the change is seen in what the engine does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.base.clock import ManualClock
from engine.base.errors import ConfigError
from engine.config.load import load_config
from engine.config.sections import EngineConfig
from engine.consumers.subscriptions import Subscription
from engine.providers.session import Session
from engine.runtime.assembly import Engine
from engine.runtime.live import LiveEngine, book_rules
from engine.runtime.replay import Replay
from engine.runtime.runreport import run_report
from engine.schema.enums import EventType
from tests.unit.config.configs import assignment
from tests.unit.config.test_keys import READ_NOW
from tests.unit.reports.test_settings import OTHER as CHANGED_SETTINGS
from tests.unit.runtime.engine_kit import START_NS, TradeEngine, trade_frame

MS = 1_000_000
CONSUMER = {"consumer_id": "mm1", "name": "Maker", "mode": "inline", "handler": "tests.unit.config.test_effects:Notes",
            "params": {}, "subscriptions": [{"symbol": "BTC-USDT", "providers": [], "event_types": ["Trade"]}]}  # fmt: skip
PROVIDER = {"name": "binance", "venue": "binance", "symbols": ["BTC-USDT", "SOL-USDT"]}


class Notes:
    """Notes the sizes of its batches and what it was built with."""

    def __init__(self, **params: Any) -> None:
        self.params = params
        self.batches: list[int] = []

    def on_batch(self, events: list[Any], ctx: Any) -> None:
        self.batches.append(len(events))


class Other(Notes):
    """Another handler."""


# --- ways to look -------------------------------------------------------------------------------------------


def setup(path: str, value: Any) -> dict[str, Any]:
    """The run report, which reads the engine and not its configuration."""
    return running(path, value, run_report)


def running(path: str, value: Any, look: Callable[[Engine], Any], consumer: Any = CONSUMER) -> Any:
    """What is seen of an engine that carries BTC and ETH, with the configured consumer."""
    providers = [{**PROVIDER, "name": name, "symbols": ["BTC-USDT", "ETH-USDT"]} for name in ("binance", "other")]
    sets = [assignment("providers", providers), assignment("consumers", [consumer]),
            assignment(path.replace("[]", "[0]"), value)]  # fmt: skip
    with Engine(load_config(None, sets, {}), ManualClock(START_NS)) as engine:
        for provider in ("binance", "other"):
            feed = engine.open_provider("binance", provider)
            for symbol in ("BTCUSDT", "ETHUSDT"):
                engine.carry(feed, feed.guess_instrument(symbol))
        engine.add_configured_consumers()
        return look(engine)


def routes(engine: Engine) -> list[tuple[str, str, str]]:
    """Which streams reach the consumer."""
    table = engine.board.current()
    return [
        (record.provider, record.symbol, kind.class_name)
        for record in engine.catalogue
        for kind in EventType
        if table.consumers_of(record.instrument_id, int(kind))
    ]


def counts(path: str, value: Any, numbers: list[int], wait_ms: int) -> list[int]:
    """Counts of the dispatcher after trades of these numbers and a wait."""
    clock = ManualClock(START_NS)
    with TradeEngine(clock, (assignment(path, value),)) as line:
        line.add("notes", Notes())
        for number in numbers:
            line.trade(number)
        clock.advance(wait_ms * MS)
        line.engine.dispatcher.deliver()
        row = line.engine.dispatcher.statistics()["binance:BTC-USDT:Trade"]
        return [row.routed, row.late_dropped, row.duplicates, row.held, line.engine.dispatcher.flush_overruns]


def after_a_pause(path: str, value: Any) -> tuple[int, int]:
    """A trade repeated four minutes later: a duplicate while it is remembered, late afterwards."""
    clock = ManualClock(START_NS)
    with TradeEngine(clock, (assignment(path, value),)) as line:
        line.add("notes", Notes())
        line.trade(1)
        line.trade(2)
        for number in (3, 4):
            clock.advance(120_000 * MS)
            line.trade(number)
        line.trade(1)
        row = line.engine.dispatcher.statistics()["binance:BTC-USDT:Trade"]
        return row.duplicates, row.late_dropped


def batches(path: str, value: Any) -> list[int]:
    """Sizes of the batches that ten trades of one read come in."""
    with TradeEngine(sets=(assignment(path, value),)) as line:
        notes = Notes()
        line.add("notes", notes)
        for number in range(1, 11):
            line.trade(number, is_last=number == 10)
        return notes.batches


def slow_callbacks(path: str, value: Any) -> int:
    """How many callbacks of three milliseconds were over the budget."""

    class Spins:
        def on_trade(self, event: Any, ctx: Any) -> None:
            until_ns = time.monotonic_ns() + 3 * MS
            while time.monotonic_ns() < until_ns:
                pass

    config = load_config(None, [assignment("consumers", [CONSUMER]), assignment("consumers[0].callback_budget_ms", value)], {})
    with TradeEngine() as line:
        runner = line.add("spins", Spins(), budget_ms=config.consumers[0].callback_budget_ms)
        line.trade(1)
        return int(runner.slow_callbacks)


def provider_of(path: str, value: Any) -> EngineConfig:
    return load_config(None, [assignment("providers", [PROVIDER]), assignment(path.replace("[]", "[0]"), value)], {})


def plans(path: str, value: Any) -> tuple[Any, ...]:
    """What a session would open, for which symbols and streams, and where it would ask."""
    config = provider_of(path, value)
    provider = config.providers[0]
    with Engine(config, ManualClock(START_NS)) as engine:
        feed = engine.open_provider(provider.venue, provider.name, book_rules(provider))
        for symbol in provider.symbols:
            engine.carry(feed, feed.guess_instrument(symbol.replace("-", "/" if provider.venue == "kraken" else "")))
        try:
            session = Session(feed, provider, engine.clock, tell=engine.reporting.tell)
        except ConfigError as error:
            return (str(error),)
        return feed.provider, feed.venue, repr(session.plans()), session.settings.rest_endpoint, session.rest._max_connections


def opened(path: str, value: Any) -> list[str]:
    """Providers that a live engine connects."""

    async def main() -> list[str]:
        with Engine(provider_of(path, value), ManualClock(START_NS)) as engine:
            async with LiveEngine(engine) as live:
                return [session.feed.provider for session in live.sessions]

    return asyncio.run(main())


def replayed(path: str, value: Any, captures: Path) -> Any:
    """Books of a recording: levels published, kinds of updates, checksums compared, books lost."""
    name = "binance_spot_btcusdt_20240809" if "levels" in path else "kraken_v2_btcusd_d10_20230730_respelled"
    venue, symbol = ("kraken", "BTC-USD") if name.startswith("kraken") else ("binance", "BTC-USDT")
    provider = {"name": venue, "venue": venue, "symbols": [symbol]}
    sets = [assignment("providers", [provider]), assignment(path.replace("[]", "[0]"), value)]
    run = Replay(captures / f"{name}.jsonl.gz", load_config(None, sets, {}))
    seen: set[object] = set()

    class Books:
        def on_book_snapshot(self, event: Any, ctx: Any) -> None:
            seen.add(len(event.bids))

        def on_book_update(self, event: Any, ctx: Any) -> None:
            seen.update((event.update_type, event.checksum_state))

    run.engine.add_consumer("books", Books())
    run.engine.desk.subscribe(Subscription(consumer_id="books", symbol=symbol, event_types=("BookUpdate",)))
    return seen, [incident.reason for incident in run.run().incidents][:1]


def trades(engine: Engine, numbers: range) -> None:
    """So many trades, all of one read, which does not end."""
    for number in numbers:
        engine.feeds["binance"].stream.feed(trade_frame(number), START_NS, 0)


def rounds(engine: Engine) -> list[int]:
    """How many batches mm1 has had at each batch of another consumer."""
    mine = engine.runners["mm1"].handler
    seen: list[int] = []
    other = type("Other", (), {"on_batch": lambda self, events, ctx: seen.append(len(mine.batches))})()
    engine.add_consumer("other", other)
    engine.desk.subscribe(Subscription(consumer_id="other", symbol="BTC-USDT", event_types=("Trade",)))
    trades(engine, range(1, 91))
    engine.dispatcher.deliver()
    return seen


def skipped_at_a_flip(engine: Engine) -> int:
    """What is skipped of five queued trades when the consumer asks for another symbol."""
    trades(engine, range(1, 6))
    engine.desk.subscribe(Subscription(consumer_id="mm1", symbol="ETH-USDT", event_types=("Trade",)))
    engine.dispatcher.deliver()
    return engine.runners["mm1"].statistics()["skipped"]


def marks(path: str, value: Any) -> tuple[int, int]:
    """How full a mailbox of 100 is when it begins, and when it ends, to coalesce."""
    found: list[int] = []

    class Busy:
        def on_trade(self, event: Any, ctx: Any) -> None:
            box = line.engine.runners["busy"].mailbox
            number = 1
            while not found:
                number += 1
                line.trade(number, is_last=False)
                if box.is_saturated:
                    found.append(len(box))
            if len(found) == 1 and not box.is_saturated:
                found.append(len(box))

    sets = (assignment("profile", "throughput"), assignment("dispatcher.quantum_events", 1), assignment(path, value))
    with TradeEngine(sets=sets) as line:
        line.add("busy", Busy(), capacity=100)
        line.trade(1)
    return found[0], found[1]


def pool(path: str, value: Any) -> int:
    """Events of the type that can be out at once."""
    kind = next(kind for kind in EventType if kind.class_name == path.split(".")[1])
    with Engine(load_config(None, [assignment(path, value)], {}), ManualClock(START_NS)) as engine:
        leases = list(iter(lambda: engine.recycler.acquire_lease(kind), None))
        for lease in leases:
            lease.release()
        return len(leases)


def frame_pool(path: str, value: Any) -> int:
    """Slots of a pool of venue bytes; that a frame beyond them finds none is tests/unit/providers/test_listener.py's."""
    with Engine(load_config(None, [assignment(path, value)], {}), ManualClock(START_NS)) as engine:
        return engine.recycler.statistics().pools[path.split(".")[1]].capacity


def missing(engine: Engine) -> tuple[int, int]:
    """(dropped, spilled) of 60 trades that find mm1, who has 16 places, busy."""
    box = engine.runners["mm1"].mailbox
    handler = engine.runners["mm1"].handler
    handler.on_batch_called = lambda: trades(engine, range(2, 62))
    trades(engine, range(1, 2))
    engine.dispatcher.deliver()
    return box.dropped, box.spilled


def busy_with(path: str, value: Any) -> tuple[int, int]:
    consumer = {**CONSUMER, "handler": "tests.unit.config.test_effects:Called", "mailbox_capacity": 16,
                "subscriptions": [{**CONSUMER["subscriptions"][0], "never_drop_trades": True}]}  # type: ignore[index]
    return running(path, value, missing, consumer)


class Called(Notes):
    """Calls back once, from inside its callback."""

    on_batch_called: Callable[[], None] | None = None

    def on_batch(self, events: list[Any], ctx: Any) -> None:
        super().on_batch(events, ctx)
        call, self.on_batch_called = self.on_batch_called, None
        if call is not None:
            call()


# --- the list -----------------------------------------------------------------------------------------------

ORDERING = "dispatcher.stream_ordering."
EFFECTS: dict[str, tuple[Any, Any, Callable[[str, Any], Any]]] = {
    "profile": ("service", "throughput", lambda path, value: setup(path, value)["pools"]),
    "debug.recycler": (False, True, lambda path, value: setup(path, value)["debug_recycler"]),
    f"{ORDERING}lateness_tolerance_ms": (150, 50, lambda path, value: counts(path, value, [1, 3], 100)),
    f"{ORDERING}flush_overrun_ms": (50, 500, lambda path, value: counts(path, value, [1, 3], 300)),
    f"{ORDERING}max_buffer_size": (200, 2, lambda path, value: counts(path, value, [1, 3, 4, 5, 6], 1)),
    "dispatcher.dedupe.horizon_ids": (8192, 1024, lambda path, value: counts(path, value, [*range(1, 1500), 100], 0)),
    "dispatcher.dedupe.horizon_s": (300, 60, after_a_pause),
    "dispatcher.backpressure.token_rate_per_stream": (1000, 200, lambda path, value: counts(path, value, [*range(1, 200)], 50)),
    "dispatcher.backpressure.token_burst": (100, 5, lambda path, value: counts(path, value, [*range(1, 200)], 0)),
    "dispatcher.quantum_events": (64, 3, batches),
    "bus.saturate_at": (0.75, 0.6, marks),
    "bus.resume_at": (0.5, 0.2, marks),
    "bus.spill_trades": (65_536, 5, busy_with),
    "consumers[].subscriptions[].never_drop_trades": (True, False, busy_with),
    "consumers[].weight": (1, 3, lambda path, value: running(path, value, rounds)),
    "consumers[].version_filter": (True, False, lambda path, value: running(path, value, skipped_at_a_flip)),
    "bus.critical_reserve": (64, 9, lambda path, value: running(path, value, lambda e: e.runners["mm1"].mailbox.critical_reserve)),
    "consumers[].consumer_id": ("mm1", "mm2", lambda path, value: running(path, value, lambda e: list(e.runners))),
    "consumers[].exec_reports": ("own", "all", lambda path, value: running(path, value, lambda e: dict(e.audience._takes_all))),
    "consumers[].name": ("Maker", "Taker", lambda path, value: running(path, value, lambda e: dict(e.names))),
    "consumers[].handler": ("tests.unit.config.test_effects:Notes", "tests.unit.config.test_effects:Other",
                            lambda path, value: running(path, value, lambda e: type(e.runners["mm1"].handler).__name__)),
    "consumers[].params": ({}, {"size": 3}, lambda path, value: running(path, value, lambda e: e.runners["mm1"].handler.params)),
    "consumers[].mailbox_capacity": (256, 33, lambda path, value: running(path, value, lambda e: e.runners["mm1"].mailbox.capacity)),
    "consumers[].callback_budget_ms": (60_000, 1, slow_callbacks),
    "consumers[].subscriptions[].symbol": ("BTC-USDT", "ETH-USDT", lambda path, value: running(path, value, routes)),
    "consumers[].subscriptions[].providers": ([], ["other"], lambda path, value: running(path, value, routes)),
    "consumers[].subscriptions[].event_types": (["Trade"], ["Ticker"], lambda path, value: running(path, value, routes)),
    "providers[].name": ("binance", "binance_2", plans),
    "providers[].venue": ("binance", "kraken", plans),
    "providers[].symbols": (["BTC-USDT"], ["ETH-USDT"], plans),
    "providers[].streams": (["book"], ["trade"], plans),
    "providers[].ws_endpoint": (None, "ws://127.0.0.1:9", plans),
    "providers[].rest_endpoint": (None, "http://127.0.0.1:9", plans),
    "providers[].enabled": (True, False, opened),
    "providers[].connection.symbols_per_conn": (50, 1, plans),
    "providers[].tls_ca_file": (None, "nowhere.pem", plans),
    "providers[].rest.max_connections": (4, 9, plans),
    **{f"pools.{kind}.capacity": (20, 7, pool)
       for kind in ("BookSnapshot", "BookUpdate", "Trade", "Ticker", "KlineSummary", "InstrumentUpdate",
                    "BalanceUpdate", "MergedEvent")},
    **{f"pools.{kind}.capacity": (20, 7, frame_pool) for kind in ("WsFrame", "ProviderRaw")},
}  # fmt: skip
RECORDED: dict[str, tuple[Any, Any]] = {
    "providers[].book.depth_levels": (1000, 5),
    "providers[].book.emit": ("delta", "full"),
    "providers[].book.verify_checksum": (True, False),
    "providers[].book.kept_levels_max": (65536, 1024),
}
_RISK = "tests/unit/orders/test_risk.py::test_"
_JOURNAL = "tests/unit/orders/test_journal.py::test_"
_DESK = "tests/unit/orders/test_desk.py::test_"
_REPORTER = "tests/unit/runtime/test_reporter.py::test_"
_SERVING = "tests/unit/reports/test_serving.py::test_"
_WORKER = "tests/unit/distribution/test_stream_worker.py::test_"
_STREAMS = "tests/unit/runtime/test_publishing.py::test_"
_SERVED = "tests/system/test_report_serving.py::test_"
_ORDERS = "tests/system/test_orders.py::test_"
ELSEWHERE = {
    "api.enabled": "tests/system/test_surface.py::test_api_02_what_may_not_be_served_is_refused_at_the_start",
    "api.host": "tests/system/test_surface.py::test_api_02_what_may_not_be_served_is_refused_at_the_start",
    "api.port": "tests/system/test_surface.py::test_a_port_that_is_taken_is_refused_and_named",
    "api.token_env": "tests/system/test_surface.py::test_api_01_each_route_lets_in_whom_it_should",
    "api.read_token_env": "tests/system/test_surface.py::test_api_01_each_route_lets_in_whom_it_should",
    "consumers[].token_env": "tests/system/test_surface.py::test_api_01_a_consumers_token_speaks_of_its_own_alone",
    "api.allowed_hosts": "tests/system/test_surface.py::test_api_02_hosts_of_this_machine_and_those_allowed",
    "api.tls_cert": "tests/system/test_surface.py::test_api_02_what_may_not_be_served_is_refused_at_the_start",
    "api.tls_key": "tests/system/test_surface.py::test_api_02_what_may_not_be_served_is_refused_at_the_start",
    "api.max_body_bytes": "tests/system/test_surface.py::test_api_03_a_body_past_the_limit_is_413",
    "dispatcher.backpressure.socket_pause_ms":
        "tests/unit/providers/test_brake.py::test_reading_stops_for_so_long_at_a_time_and_goes_on_by_itself_BP_01",
    "dispatcher.coalescable_types":
        "tests/unit/runtime/test_backpressure.py::test_types_that_may_not_coalesce_are_lost_and_mended_instead",
    "bus.control_capacity":
        "tests/unit/runtime/test_commands.py::test_commands_past_the_control_capacity_are_refused_and_each_is_answered_once",
    "consumers[].trading_switch":
        "tests/unit/runtime/test_commands.py::"
        "test_ctl_14_what_the_configuration_says_stands_at_the_start_and_is_in_the_run_report",
    "telemetry.trace_sampling":
        "tests/unit/observability/test_stages.py::test_sampling_is_the_share_of_the_frames_that_is_timed",
    "schema_version": "tests/unit/config/test_load.py::test_an_empty_file_lacks_what_is_required",
    "consumers[].mode": "tests/system/test_thread_consumers.py::test_a_consumer_that_sleeps_in_its_thread_delays_nobody_CON_04",
    "log.level": "tests/unit/observability/test_logs.py::test_levels",
    "log.format": "tests/unit/observability/test_logs.py::test_a_text_line",
    "pools.ControlAck.capacity": "tests/unit/pools/test_waiting.py::test_mem_13_critical_kinds_take_the_reserve_then_the_heap",
    "pools.ControlResult.capacity": "tests/unit/pools/test_waiting.py::test_mem_13_critical_kinds_take_the_reserve_then_the_heap",
    "pools.ExecReport.capacity": "tests/unit/pools/test_waiting.py::test_mem_13_critical_kinds_take_the_reserve_then_the_heap",
    "pools.RiskControl.capacity": "tests/unit/pools/test_waiting.py::test_mem_13_critical_kinds_take_the_reserve_then_the_heap",
    "providers[].kline_intervals": "tests/unit/providers/test_feeds.py::test_binance_names_its_streams_in_the_address",
    "providers[].book.diff_buffer_max": "tests/unit/config/test_effects.py::test_arc_29_diffs_wait_in_a_bounded_buffer",
    "providers[].book.snapshot_timeout_ms":
        "tests/unit/providers/test_snapshots.py::test_a_snapshot_that_is_too_old_or_refused_is_asked_for_again",
    "providers[].connection.connect_timeout_ms":
        "tests/unit/providers/test_session.py::test_an_address_where_nobody_listens_is_a_network_error",
    "providers[].connection.backoff_min_ms":
        "tests/unit/providers/test_backoff.py::test_delays_double_up_to_the_cap_with_full_jitter_BOOK_03",
    "providers[].connection.backoff_max_ms":
        "tests/unit/providers/test_backoff.py::test_delays_double_up_to_the_cap_with_full_jitter_BOOK_03",
    "providers[].connection.max_frame_bytes":
        "tests/unit/providers/test_listener.py::test_parts_past_the_limit_end_the_connection",
    "engine.shutdown_wait_ms":
        "tests/system/test_run_cli.py::test_what_is_still_out_after_the_wait_ends_it_with_3_and_is_named_SHUT_03",
    "providers[].connection.ping_interval_ms":
        "tests/unit/providers/test_connection.py::test_a_muted_socket_is_left_within_30_s_BOOK_02",
    "providers[].connection.pong_timeout_ms":
        "tests/unit/providers/test_connection.py::test_a_muted_socket_is_left_within_30_s_BOOK_02",
    "providers[].connection.heartbeat_timeout_ms":
        "tests/unit/providers/test_connection.py::"
        "test_five_seconds_without_a_heartbeat_begin_a_reconnect_within_10_s_BOOK_02",
    "providers[].rest.limit_share":
        "tests/unit/providers/test_budget.py::test_snapshots_use_at_most_their_share_and_orders_all_of_it_BOOK_07",
    "providers[].book_refresh_interval_s":
        "tests/unit/providers/test_upkeep.py::test_books_are_compared_each_interval_without_interrupting_them_BOOK_21",
    "providers[].stale_after_s":
        "tests/unit/providers/test_upkeep.py::"
        "test_a_book_without_a_diff_for_300_s_is_stale_however_often_it_is_compared_BOOK_18",
    "providers[].instrument_refresh_s":
        "tests/unit/providers/test_upkeep.py::test_instruments_are_read_every_30_minutes_and_only_a_change_is_told_INS_22",
    "providers[].ws_private_endpoint":
        "tests/unit/providers/test_account.py::test_where_the_private_connection_goes_and_what_it_says_first",
    "providers[].credentials.api_key_env":
        "tests/unit/providers/test_signing.py::"
        "test_a_key_comes_from_the_variables_that_are_named_and_is_masked_CFG_04",
    "providers[].credentials.api_secret_env":
        "tests/unit/providers/test_signing.py::"
        "test_a_key_comes_from_the_variables_that_are_named_and_is_masked_CFG_04",
    "providers[].credentials.key_type":
        "tests/unit/providers/test_signing.py::"
        "test_binance_opens_its_user_stream_by_logon_or_by_a_signed_subscription",
    "providers[].rest.timeout_ms": "tests/unit/providers/test_session.py::test_a_bad_answer_is_an_error_of_its_kind",
    "orchestrator.merge_rules[].name":
        "tests/unit/orchestrator/test_rules.py::test_mrg_16_a_rule_of_the_configuration_is_what_windows_go_by",
    "orchestrator.merge_rules[].providers":
        "tests/unit/orchestrator/test_rules.py::test_mrg_16_a_rule_of_the_configuration_is_what_windows_go_by",
    "orchestrator.merge_rules[].window_duration_ms":
        "tests/unit/orchestrator/test_rules.py::test_mrg_16_a_rule_of_the_configuration_is_what_windows_go_by",
    "orchestrator.merge_rules[].window_max_events":
        "tests/unit/orchestrator/test_rules.py::test_mrg_16_a_rule_of_the_configuration_is_what_windows_go_by",
    "orchestrator.merge_rules[].close_on_complete":
        "tests/unit/orchestrator/test_rules.py::test_mrg_16_a_rule_of_the_configuration_is_what_windows_go_by",
    "orchestrator.merge_rules[].merge_key":
        "tests/unit/orchestrator/test_rules.py::test_a_merged_subscription_gets_merged_events_alone_and_only_of_its_rule",
    "orchestrator.merge_rules[].partial_policy":
        "tests/unit/orchestrator/test_rules.py::test_mrg_02_mrg_12_a_rule_that_cannot_be_is_refused",
    "consumers[].subscriptions[].merged":
        "tests/unit/orchestrator/test_rules.py::test_a_consumer_of_the_configuration_names_its_rule",
    "engine.namespace":
        "tests/unit/orders/test_wireid.py::test_ordm_06_every_id_comes_back_or_is_the_journal_s_to_know",
    "engine.state_dir":
        f"{_ORDERS}a_strategy_s_order_is_taken_filled_and_told_TRD_10",
    "providers[].orders.enabled":
        f"{_ORDERS}a_strategy_s_order_is_taken_filled_and_told_TRD_10",
    "providers[].orders.dead_man_s":
        "tests/unit/providers/test_gateway.py::test_the_dead_man_switch_is_renewed_and_taken_off_at_the_end",
    "providers[].orders.on_stop":
        f"{_ORDERS}open_orders_are_cancelled_at_the_end_where_the_configuration_says_so",
    "orders.request_timeout_ms":
        "tests/unit/orders/test_asking.py::test_trd_07_what_is_not_said_has_its_default",
    "orders.dedupe_retention_s":
        f"{_JOURNAL}trd_04_an_ended_order_is_known_until_its_id_is_free",
    "orders.reconcile_timeout_s":
        "tests/unit/orders/test_reconcile.py::test_a_venue_that_cannot_be_asked_keeps_its_orders_held_and_is_asked_again",
    "journal.path":
        f"{_JOURNAL}jrn_06_an_order_is_read_back_as_it_was",
    "journal.durability":
        f"{_JOURNAL}jrn_04_the_disk_is_synced_as_configured",
    "journal.commit_linger_us":
        f"{_JOURNAL}jrn_03_what_comes_while_a_commit_lasts_is_one_commit",
    "journal.queue_max":
        f"{_JOURNAL}jrn_03_a_full_queue_refuses_orders_and_takes_reports",
    "journal.retention_days":
        f"{_JOURNAL}jrn_13_rows_go_after_their_days_and_the_positions_stay",
    "risk.enabled":
        f"{_RISK}risk_switched_off_still_validates_and_holds_the_kill_switch",
    "risk.limits.max_order_qty":
        f"{_RISK}ordm_30_a_limit_at_its_value_and_beside",
    "risk.limits.max_order_notional":
        f"{_RISK}ordm_30_a_limit_at_its_value_and_beside",
    "risk.limits.max_position":
        f"{_RISK}ordm_30_a_limit_at_its_value_and_beside",
    "risk.limits.orders_per_s":
        f"{_RISK}rsk_04_a_hundred_submits_at_one_instant",
    "risk.limits.orders_burst":
        f"{_RISK}rsk_04_a_hundred_submits_at_one_instant",
    "risk.limits.max_open_orders_per_symbol":
        f"{_RISK}ordm_30_orders_open_at_once",
    "risk.limits.price_band":
        f"{_RISK}ordm_30_a_limit_at_its_value_and_beside",
    "risk.limits.order_types":
        f"{_RISK}order_types_are_those_that_all_rules_allow",
    "risk.overrides[].consumer_id":
        f"{_RISK}ordm_30_the_tighter_value_wins_and_says_whose_it_is",
    "risk.overrides[].provider":
        f"{_RISK}ordm_30_the_tighter_value_wins_and_says_whose_it_is",
    "risk.overrides[].symbol":
        f"{_RISK}ordm_30_the_tighter_value_wins_and_says_whose_it_is",
    "risk.overrides[].max_order_qty":
        f"{_RISK}ordm_30_the_tighter_value_wins_and_says_whose_it_is",
    "risk.overrides[].max_order_notional":
        f"{_RISK}ordm_30_the_tighter_value_wins_and_says_whose_it_is",
    "risk.overrides[].max_position":
        f"{_RISK}ordm_30_the_tighter_value_wins_and_says_whose_it_is",
    "risk.overrides[].orders_per_s":
        f"{_RISK}an_override_of_rates_counts_what_falls_under_it",
    "risk.overrides[].orders_burst":
        f"{_RISK}an_override_of_rates_counts_what_falls_under_it",
    "risk.overrides[].max_open_orders_per_symbol":
        f"{_RISK}ordm_30_the_tighter_value_wins_and_says_whose_it_is",
    "risk.overrides[].price_band":
        f"{_RISK}ordm_30_the_tighter_value_wins_and_says_whose_it_is",
    "risk.overrides[].order_types":
        f"{_RISK}order_types_are_those_that_all_rules_allow",
    "risk.circuit_breaker.breaches":
        f"{_RISK}rsk_09_the_breaker_opens_for_its_consumer_and_closes_by_itself_with_the_count_at_zero",
    "risk.circuit_breaker.window_s":
        f"{_RISK}strikes_older_than_the_window_do_not_count",
    "risk.circuit_breaker.open_s":
        f"{_RISK}rsk_09_the_breaker_opens_for_its_consumer_and_closes_by_itself_with_the_count_at_zero",
    "risk.kill_switch.breaker_opens":
        f"{_RISK}rsk_09_the_kill_switch_latches_after_breakers_opened_and_only_a_command_clears_it",
    "risk.kill_switch.window_s":
        f"{_RISK}openings_older_than_the_window_do_not_latch",
    "risk.kill_switch.cancel_open":
        f"{_RISK}rsk_09_the_kill_switch_latches_after_breakers_opened_and_only_a_command_clears_it",
    "reports.enabled": f"{_REPORTER}a_live_engine_has_reports_while_it_runs_unless_they_are_off",
    "reports.symbols": f"{_REPORTER}only_symbols_that_are_chosen_have_a_report",
    "reports.settle_ms": f"{_REPORTER}ticks_are_taken_by_the_clock_until_it_is_stopped",
    "cache.ttl_s": f"{_REPORTER}a_report_lives_as_long_as_is_set",
    "bus.ring_capacity_entries": "tests/unit/runtime/test_reporttap.py::test_bus_18_a_full_tap_loses_trades_and_the_book_comes_back",
    "bus.backend": f"{_STREAMS}a_live_engine_writes_to_the_streams_of_a_configuration_that_has_them",
    "bus.url_env": f"{_STREAMS}a_bus_without_its_address_or_its_package_is_refused_in_one_line",
    "bus.stream_key": f"{_STREAMS}bus_03_one_stream_a_venue_or_one_a_shard",
    "bus.shards": f"{_STREAMS}bus_03_one_stream_a_venue_or_one_a_shard",
    "bus.queue_max_entries": f"{_STREAMS}chk_31_a_frozen_server_holds_nothing_up_and_what_does_not_fit_is_counted",
    "bus.publish_batch": f"{_STREAMS}bus_16_no_more_goes_out_together_than_a_batch",
    "bus.snapshot_levels": f"{_STREAMS}bus_14_a_snapshot_has_no_more_levels_than_it_may",
    "bus.snapshot_interval_ms": f"{_STREAMS}bus_14_a_book_that_changes_is_told_whole_each_interval",
    "bus.snapshot_every_deltas": f"{_STREAMS}bus_14_a_book_is_told_whole_after_so_many_changes",
    "bus.retention_s": f"{_STREAMS}bus_29_entries_are_trimmed_by_age_and_a_stream_by_its_length",
    "bus.maxlen_cap": f"{_STREAMS}bus_29_entries_are_trimmed_by_age_and_a_stream_by_its_length",
    "bus.group": f"{_WORKER}bus_21_group_count_and_waiting_are_as_set",
    "bus.read_count": f"{_WORKER}bus_21_group_count_and_waiting_are_as_set",
    "bus.read_block_ms": f"{_WORKER}bus_21_group_count_and_waiting_are_as_set",
    "bus.claim_idle_ms": f"{_WORKER}bus_25_what_another_left_is_taken_over_once_it_is_idle",
    "bus.max_deliveries": f"{_WORKER}bus_27_an_entry_that_cannot_be_applied_is_tried_and_then_put_aside",
    "bus.max_entry_bytes": f"{_WORKER}bus_26_bad_entries_go_to_the_dead_letters_and_hold_nothing_up",
    "bus.dlq_key": f"{_WORKER}bus_26_bad_entries_go_to_the_dead_letters_and_hold_nothing_up",
    "cache.url_env": f"{_WORKER}rpt_16_reports_live_as_long_as_is_set_and_wait_for_their_server",
    "cache.backend": "tests/system/test_bus.py::test_cli_19_three_workers_write_the_reports_of_a_run",
    "cache.url": f"{_SERVED}cli_21_the_address_is_the_configured_one",
    "mcp.enabled": f"{_SERVED}mcp_enabled_false_serves_no_reports",
    "mcp.transport": f"{_SERVED}a_transport_or_a_cache_that_is_not_for_a_running_engine_is_refused",
    "mcp.host": f"{_SERVING}mcp_13_who_else_may_reach_it_has_to_be_said",
    "mcp.port": f"{_SERVING}a_port_that_is_taken_is_refused_and_named",
    "mcp.deadline_ms": f"{_SERVING}mcp_09_an_answer_that_is_late_is_none",
    "mcp.cache_timeout_ms": f"{_SERVING}mcp_09_a_call_waits_no_longer_than_is_set",
    "mcp.venue_priority": f"{_REPORTER}of_two_venues_the_first_is_meant_unless_it_is_set",
    "mcp.allowed_hosts": f"{_SERVING}mcp_13_hosts_and_origins_that_are_allowed",
    "mcp.cors_origins": f"{_SERVING}mcp_13_hosts_and_origins_that_are_allowed",
    "mcp.auth_token_env": f"{_SERVING}mcp_13_with_a_token_nobody_reads_without",
    "mcp.allow_unauthenticated": f"{_SERVING}mcp_13_who_else_may_reach_it_has_to_be_said",
    "dlq.max_records": "tests/unit/observability/test_dlq.py::test_a_full_queue_gives_up_info_before_warn_before_error_oldest_first",
    "dlq.max_bytes": "tests/unit/observability/test_dlq.py::test_bytes_are_bounded_too",
    "dlq.path": "tests/unit/observability/test_dlq.py::test_the_file_has_a_line_at_once_and_a_final_one_if_folded",
}  # fmt: skip
"""Keys whose effect a test of their own part has seen."""
ELSEWHERE |= dict.fromkeys(CHANGED_SETTINGS, "tests/unit/reports/test_settings.py::test_arc_29_changing_a_setting_changes_a_report") | {
    "reports.slow_period_ms": "tests/unit/reports/test_settings.py::test_arc_29_slow_ticks_are_as_far_apart_as_is_set",
    "reports.fast_period_ms": "tests/unit/reports/test_settings.py::test_arc_29_a_report_is_of_a_multiple_of_the_fast_period",
}


def test_arc_29_no_key_lacks_an_effect() -> None:
    assert set(EFFECTS) | set(RECORDED) | set(ELSEWHERE) == READ_NOW
    assert not set(EFFECTS) & set(ELSEWHERE)


@pytest.mark.parametrize("path", EFFECTS)
def test_arc_29_changing_a_key_changes_what_is_seen(path: str) -> None:
    first, other, look = EFFECTS[path]
    seen = look(path, first)
    assert look(path, first) == seen
    assert look(path, other) != seen


@pytest.mark.replay
@pytest.mark.parametrize("path", RECORDED)
def test_arc_29_changing_a_key_changes_a_replay(path: str, captures: Path) -> None:
    first, other = RECORDED[path]
    assert replayed(path, first, captures) != replayed(path, other, captures)


@pytest.mark.parametrize("path", ELSEWHERE)
def test_arc_29_the_test_of_its_part_is_there(path: str, project_root: Path) -> None:
    file, _, name = ELSEWHERE[path].partition("::")
    assert f"def {name}(" in (project_root / file).read_text(encoding="utf-8")


def test_arc_29_diffs_wait_in_a_bounded_buffer() -> None:
    """``book.diff_buffer_max``: past it the wait begins anew."""
    begun = {}
    for most in (100, 1000):
        config = provider_of("providers[].book.diff_buffer_max", most)
        with Engine(config, ManualClock(START_NS)) as engine:
            feed = engine.open_provider("binance", "binance", book_rules(config.providers[0]))
            engine.carry(feed, feed.guess_instrument("BTCUSDT"))
            for number in range(1, 302):
                frame = (b'{"stream":"btcusdt@depth","data":{"e":"depthUpdate","E":1700000000000,"s":"BTCUSDT","U":%d,'
                         b'"u":%d,"b":[["61000.10","1"]],"a":[]}}' % (number, number))  # fmt: skip
                feed.stream.feed(frame, START_NS, 0)
            begun[most] = feed.stream.buffer_overflows
    assert begun == {100: 3, 1000: 0}
