"""ARC-29: keys whose effect a test of their own part sees, and which test that is."""

from __future__ import annotations

from tests.unit.reports.test_settings import OTHER as CHANGED_SETTINGS

_RISK = "tests/unit/orders/test_risk.py::test_"
_CONTROLS = "tests/unit/orders/test_risk_controls.py::test_"
_JOURNAL = "tests/unit/orders/test_journal.py::test_"
_REPORTER = "tests/unit/runtime/test_reporter.py::test_"
_SERVING = "tests/unit/reports/test_serving.py::test_"
_WORKER = "tests/unit/distribution/test_stream_worker.py::test_"
_LEASES = "tests/unit/distribution/test_coordinator.py::test_dst_"
_SHARING = "tests/unit/distribution/test_sharing.py::test_dst_"
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
        "tests/unit/providers/kraken/test_gateway.py::test_the_dead_man_switch_is_renewed_and_taken_off_at_the_end",
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
        "tests/unit/orders/test_journal_pace.py::test_commits_are_as_far_apart_as_is_set",
    "journal.queue_max":
        f"{_JOURNAL}jrn_03_a_full_queue_refuses_orders_and_takes_reports",
    "journal.retention_days":
        f"{_JOURNAL}jrn_13_rows_go_after_their_days_and_the_positions_stay",
    "risk.enabled":
        f"{_CONTROLS}risk_switched_off_still_validates_and_holds_the_kill_switch",
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
        f"{_CONTROLS}rsk_09_the_breaker_opens_for_its_consumer_and_closes_by_itself_with_the_count_at_zero",
    "risk.circuit_breaker.window_s":
        f"{_CONTROLS}strikes_older_than_the_window_do_not_count",
    "risk.circuit_breaker.open_s":
        f"{_CONTROLS}rsk_09_the_breaker_opens_for_its_consumer_and_closes_by_itself_with_the_count_at_zero",
    "risk.kill_switch.breaker_opens":
        f"{_CONTROLS}rsk_09_the_kill_switch_latches_after_breakers_opened_and_only_a_command_clears_it",
    "risk.kill_switch.window_s":
        f"{_CONTROLS}openings_older_than_the_window_do_not_latch",
    "risk.kill_switch.cancel_open":
        f"{_CONTROLS}rsk_09_the_kill_switch_latches_after_breakers_opened_and_only_a_command_clears_it",
    "reports.enabled": f"{_REPORTER}a_live_engine_has_reports_while_it_runs_unless_they_are_off",
    "reports.workers": f"{_REPORTER}d17_the_same_reports_however_many_share_the_symbols",
    "reports.symbols": f"{_REPORTER}only_symbols_that_are_chosen_have_a_report",
    "reports.settle_ms": f"{_REPORTER}ticks_are_taken_by_the_clock_until_it_is_stopped",
    "cache.ttl_s": f"{_REPORTER}a_report_lives_as_long_as_is_set",
    "bus.ring_capacity_entries": "tests/unit/runtime/test_reporttap.py::test_bus_18_a_full_tap_loses_trades_and_the_book_comes_back",
    "bus.coalesce_span_ms":
        "tests/unit/runtime/test_reporttap.py::test_bus_13_updates_that_are_folded_count_where_they_were_within_a_span",
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
    "bus.coordination.enabled": f"{_SHARING}08_what_was_read_within_two_seconds_is_read_back_and_told_at_once",
    "bus.coordination.node_id_env": "tests/unit/cli/test_worker.py::test_a_node_that_shares_is_named_by_flag_or_variable",
    "bus.coordination.lease_ttl_ms": f"{_LEASES}06_what_cannot_be_renewed_is_given_up_in_time_without_the_server",
    "bus.coordination.lease_renew_ms": f"{_LEASES}06_what_cannot_be_renewed_is_given_up_in_time_without_the_server",
    "bus.coordination.lease_margin_ms": f"{_LEASES}06_what_cannot_be_renewed_is_given_up_in_time_without_the_server",
    "bus.coordination.lease_poll_ms": f"{_LEASES}05_fewer_candidates_and_longer_waits_are_as_set",
    "bus.coordination.rank_wait_ms": f"{_LEASES}05_fewer_candidates_and_longer_waits_are_as_set",
    "bus.coordination.candidates": f"{_LEASES}05_fewer_candidates_and_longer_waits_are_as_set",
    "bus.coordination.heartbeat_ms": f"{_LEASES}03_a_node_lives_while_its_key_does",
    "bus.coordination.heartbeat_ttl_ms": f"{_LEASES}03_a_node_lives_while_its_key_does",
    "bus.coordination.rebalance_ms": f"{_LEASES}11_a_joiner_gets_what_is_its_own_after_a_while",
    "bus.coordination.min_hold_ms": f"{_LEASES}11_sticky_and_hold_are_as_set",
    "bus.coordination.sticky_pct": f"{_LEASES}11_sticky_and_hold_are_as_set",
    "bus.coordination.standby": f"{_SHARING}10_a_warm_standby_only_has_to_claim",
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
