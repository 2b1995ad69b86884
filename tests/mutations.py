"""QA-09: every planted fault, the mistake it is, and the test that must fail while it is on.

A plant is a call of ``planted("name")`` in the code, compiled into the checks build alone; ENGINE_PLANT chooses one.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutation(NamedTuple):
    """One plant.

    Attributes:
        plant: its name.
        guards: the requirement its test proves.
        mistake: what is wrong while it is on.
        test: the node that must fail.
    """

    plant: str
    guards: str
    mistake: str
    test: str


_DISPATCHER = "tests/unit/dispatcher/test_dispatcher.py::test_"
_REORDER = "tests/unit/dispatcher/test_reorder.py::test_"
_ROUTING = "tests/unit/dispatcher/test_routing.py::test_"
_RUNNER = "tests/unit/consumers/test_runner.py::test_"
_MAILBOX = "tests/unit/consumers/test_mailbox.py::test_"
_BOOKS = "tests/unit/runtime/test_backpressure.py::test_"
_CONTROL = "tests/unit/bus/test_control.py::test_"
_POOLS = "tests/unit/pools/"
_MERGE = "tests/unit/orchestrator/test_merge.py::test_"
_MERGED = "tests/unit/orchestrator/test_merge_content.py::test_"
_FACTS = "tests/replay/test_facts.py::test_facts_equal_the_published_ones"
_CONSUMER_BOOKS = "tests/replay/test_consumer_books.py::test_book_24_a_consumer_holds_the_twins_book_at_every_event"
_TAP = "tests/unit/runtime/test_reporttap.py::test_"
_COMPONENTS = "tests/system/test_components.py::test_arc_04_each_component_is_seen_at_work_from_outside"

MUTATIONS: tuple[Mutation, ...] = (
    # --- components switched off, seen from outside
    Mutation("reorder.never_hold", "ARC-04", "events are not held for a gap", _COMPONENTS),
    Mutation("dispatcher.keep_duplicates", "ARC-04", "repeated events are delivered", _COMPONENTS),
    Mutation("dlq.off", "ARC-04", "dead letters are thrown away", _COMPONENTS),
    Mutation("telemetry.off", "ARC-04", "operators are told nothing", _COMPONENTS),
    Mutation("runner.leak_on_error", "ARC-04", "a batch whose callback raised is never given back", _COMPONENTS),
    # --- speed
    Mutation("orchestrator.python_call", "ARC-11", "the hot path calls into Python for each event",
             "tests/system/test_hot_path.py::test_arc_11_no_event_costs_a_call_into_python"),
    Mutation("libraries.synthetic", "LIB-08", "the standard library's parser reads a synthetic document",
             "tests/unit/bench/test_libraries.py::"
             "test_lib_08_both_json_libraries_read_the_recorded_frames_in_one_run"),
    # --- money
    Mutation("units.through_float", "ARC-19", "money is printed by way of a float",
             "tests/unit/base/test_units.py::test_arc_19_prices_are_exact_in_order_and_one_level_however_spelled"),
    # --- books
    Mutation("ladder.keep_deleted", "BOOK-13", "deleted levels stay in the book",
             f"{_FACTS}[binance_spot_2021_4pairs]"),
    Mutation("ladder.keep_deleted", "BOOK-24", "as above",
             f"{_CONSUMER_BOOKS}[binance_spot_2021_4pairs-150]"),
    Mutation("ladder.no_cut", "BOOK-15", "the book is not cut to the subscribed depth",
             f"{_FACTS}[kraken_v2_btc_eth_d10_20260707]"),
    Mutation("checksum.always", "BOOK-16", "every checksum is 0", f"{_FACTS}[kraken_v2_btc_eth_d10_20260707]"),
    Mutation("binance.no_gap", "BOOK-12", "a missing diff is not noticed",
             "tests/replay/test_facts.py::test_losses_repeats_and_swaps"),
    Mutation("coinbase.no_gap", "BOOK-12", "a missing number is not noticed",
             "tests/unit/providers/coinbase/test_continuity.py::"
             "test_a_gap_voids_every_book_of_that_connection_and_no_other"),
    Mutation("kraken.no_gap", "BOOK-12", "a wrong checksum does not void the book",
             "tests/unit/providers/kraken/test_stream.py::test_a_wrong_checksum_voids_the_book_until_the_next_snapshot"),
    Mutation("simulated.no_gap", "BOOK-12", "a missing number is not noticed",
             "tests/unit/providers/simulated/test_stream.py::"
             "test_a_number_stepped_over_voids_the_book_and_asks_for_a_snapshot_BOOK_12"),
    # --- order
    Mutation("reorder.never_hold", "STR-03", "as above",
             f"{_REORDER}str_03_permuted_inside_150_ms_leaves_in_exact_order"),
    Mutation("reorder.never_hold", "STR-10", "as above",
             f"{_DISPATCHER}str_10_450_interleaved_streams_keep_their_order_through_shutdown"),
    Mutation("dispatcher.drop_late_critical", "STR-08", "a late critical event is dropped like a ticker",
             f"{_DISPATCHER}str_08_an_old_critical_event_arrives_marked_and_an_old_ticker_does_not"),
    Mutation("dispatcher.keep_duplicates", "STR-12", "as above",
             f"{_DISPATCHER}str_12_a_duplicate_is_known_inside_the_horizon_and_late_outside"),
    Mutation("dispatcher.newest_table", "RTE-04", "an event is routed by the newest table, not by that of its version",
             f"{_ROUTING}rte_04_an_event_is_routed_by_the_table_it_was_stamped_with"),
    # --- merge windows
    Mutation("merge.one_more", "MRG-04", "the fragment that fills a window is not its last one",
             f"{_MERGE}mrg_04_the_thousandth_fragment_is_inside_and_the_next_one_opens_another"),
    Mutation("merge.no_timer", "MRG-05", "a window whose time is over waits for the next event",
             f"{_MERGE}mrg_05_the_time_limit_acts_without_a_further_event"),
    Mutation("merge.same_fragment", "MRG-07", "every provider's fragment is that of the first",
             f"{_MERGE}mrg_07_a_complete_window_gives_each_provider_its_own_content_once"),
    Mutation("merge.replace_deltas", "MRG-08", "a book update replaces the one before instead of being folded into it",
             f"{_MERGED}mrg_08_deltas_of_one_provider_are_folded_level_by_level"),
    Mutation("fold.drop_removals", "MRG-08", "removals of levels are left out of what is folded",
             f"{_MERGED}mrg_08_deltas_of_one_provider_are_folded_level_by_level"),
    Mutation("merge.take_late", "MRG-09", "a late fragment opens a window",
             f"{_MERGE}mrg_09_a_late_fragment_is_dropped_and_opens_nothing"),
    Mutation("recycler.keep_fragments", "MRG-17", "fragments do not go back with their merged event",
             f"{_MERGE}mrg_17_after_the_close_the_window_keeps_nothing"),
    # --- consumers
    Mutation("mailbox.critical_last", "CON-02", "critical events do not leave first",
             "tests/unit/consumers/test_mailbox.py::"
             "test_con_02_critical_entries_leave_first_and_each_class_in_order"),
    Mutation("mailbox.no_reserve", "BP-07", "critical events share the places of market data",
             f"{_MAILBOX}bp_07_bp_08_critical_entries_are_never_refused_and_never_the_victim"),
    Mutation("mailbox.no_reserve", "BP-08", "as above",
             f"{_MAILBOX}bp_07_bp_08_critical_entries_are_never_refused_and_never_the_victim"),
    Mutation("fold.first_quantity", "BP-05", "of two quantities of a level the older one stays",
             f"{_BOOKS}bp_05_a_consumer_at_one_percent_of_the_rate_has_the_sources_book_at_every_event"),
    Mutation("mailbox.forget_loss", "RTE-07", "a skipped delta leaves the book as if nothing were missing",
             f"{_BOOKS}rte_07_the_book_is_right_across_route_flips_too"),
    Mutation("mailbox.no_filter", "RTE-06", "market data of an older routing is delivered",
             "tests/unit/consumers/test_flips.py::test_rte_05_rte_06_market_data_of_before_is_skipped_and_critical_is_not"),
    Mutation("recycler.grow", "MEM-12", "an exhausted pool makes more slots",
             f"{_BOOKS}mem_12_an_exhausted_pool_folds_then_asks_to_read_less_then_drops_and_never_stalls"),
    Mutation("throttle.off", "BP-11", "a stream over its rate is not held up",
             "tests/unit/dispatcher/test_throttle.py::test_bp_11_a_burst_passes_then_one_a_token"),
    Mutation("runner.first_failure_only", "CON-12", "only the first of several failures is reported",
             f"{_RUNNER}con_12_every_failure_of_a_batch_of_single_calls_is_reported"),
    Mutation("mailbox.skip_told_once", "RTE-06", "the version filter skips what is told once and never again",
             "tests/unit/consumers/test_flips.py::test_what_is_told_once_is_not_skipped_but_for_its_own_route"),
    Mutation("backlog.drop_kept", "BP-10", "trades that may not be dropped are dropped like any other",
             "tests/unit/runtime/test_never_drop.py::test_bp_10_no_trade_is_missing_while_the_spill_holds_them"),
    # --- commands, who joins and who leaves
    Mutation("control.result_first", "EVT-18", "a result is told before its acknowledgement",
             f"{_CONTROL}evt_18_exactly_one_result_after_the_acknowledgement_of_success_and_none_after_a_refusal"),
    Mutation("control.obey_repeats", "SUB-11", "a repeat within five minutes is obeyed again",
             f"{_CONTROL}sub_11_the_same_message_id_within_five_minutes_gets_the_first_answer_and_changes_nothing"),
    Mutation("switch.on", "CTL-14", "trading is on from the start",
             "tests/unit/runtime/test_commands.py::"
             "test_ctl_14_trading_is_off_until_it_is_switched_on_and_no_route_changes"),
    Mutation("orders.no_consumer_switch", "TRD-13", "a consumer's order does not say how its switch stood when it asked",
             "tests/unit/runtime/test_traces.py::test_trd_13_what_was_asked_for_while_the_switch_was_off_stays_asked_in_vain"),
    Mutation("orders.no_first_switch", "TRD-13", "the switch is not asked when an order is taken",
             "tests/unit/orders/test_desk.py::test_trd_14_what_is_off_is_suppressed_before_anything_is_written"),
    Mutation("orders.no_second_switch", "TRD-13", "the switch is not asked again before an order leaves",
             "tests/unit/orders/test_desk.py::"
             "test_trd_13_what_was_switched_off_while_the_journal_wrote_does_not_go_out"),
    Mutation("bus.keep_left", "SUB-12", "a consumer that left keeps its place on the bus",
             "tests/unit/runtime/test_membership.py::"
             "test_a_place_on_the_bus_that_was_left_takes_nothing_and_is_not_given_again"),
    Mutation("demand.never_let_go", "SUB-09", "a symbol that nobody wants is never let go of",
             "tests/system/test_control.py::test_sub_09_the_last_leaver_lets_a_symbol_go_after_a_while"),
    # --- memory
    Mutation("recycler.keep_fields", "MEM-05", "a slot keeps fields of its last life",
             f"{_POOLS}test_recycler.py::test_mem_05_a_recycled_slot_equals_a_fresh_one"),
    Mutation("recycler.keep_generation", "MEM-10", "an old token reaches the new owner",
             f"{_POOLS}test_recycler.py::test_mem_10_a_second_return_is_refused_and_the_new_owner_unharmed"),
    Mutation("recycler.no_poison", "MEM-11", "a recycled event can still be read in debug",
             f"{_POOLS}test_poison.py::test_mem_11_every_attribute_of_a_recycled_event_raises"),
    Mutation("recycler.grow", "MEM-12", "market data beyond the pool goes to the heap",
             f"{_POOLS}test_waiting.py::test_mem_12_market_data_finds_an_empty_pool_at_once"),
    Mutation("runner.leak_on_error", "MEM-15", "as above", f"{_POOLS}test_balance.py::test_mem_15_every_way_out_returns_the_slot"),
    # --- what operators see
    Mutation("stages.reversed", "ARC-01", "the stages are stamped in the wrong order",
             "tests/unit/observability/test_stages.py::test_a_followed_event_leaves_its_way_in_order"),
    Mutation("stages.never", "ARC-01", "no stage is stamped",
             "tests/unit/observability/test_stages.py::test_a_followed_event_leaves_its_way_in_order"),
    Mutation("telemetry.no_bound", "OBS-01", "the ring grows with what nobody reads",
             "tests/unit/runtime/test_observed.py::"
             "test_obs_01_a_reader_that_never_reads_costs_records_and_nothing_else"),
    Mutation("telemetry.fresh_trace", "OBS-06", "a record gets a trace of its own",
             "tests/unit/runtime/test_observed.py::"
             "test_obs_06_errors_and_telemetry_carry_the_trace_of_the_event_that_caused_them"),
    Mutation("runner.stamp_late", "OBS-07", "the wait in the queue is not measured",
             "tests/unit/runtime/test_observed.py::"
             "test_obs_07_delivery_is_from_arrival_to_callback_with_the_wait_in_the_queue"),
    # --- reports
    Mutation("tap.keep_event", "BUS-16", "the reports hold on to the events of the engine",
             f"{_TAP}bus_16_nothing_of_the_engine_is_held"),
    Mutation("tap.forget_number", "BUS-13", "updates that were folded are not in the rates",
             f"{_TAP}chk_47_books_are_folded_and_every_trade_is_there"),
    Mutation("tap.hide_loss", "BUS-18", "a trade that was lost breaks no chain",
             f"{_TAP}bus_18_a_full_tap_loses_trades_and_the_book_comes_back"),
    Mutation("reader.as_kept", "MCP-08", "a report is as fresh as when it was written",
             "tests/unit/reports/test_reader.py::test_mcp_08_a_report_ages_while_nobody_writes"),
    Mutation("answers.be_patient", "MCP-09", "a cache that stalls is waited for",
             "tests/unit/reports/test_serving.py::"
             "test_mcp_09_a_cache_that_stalls_is_told_within_the_deadline_and_holds_up_nobody"),
    # --- orders
    Mutation("risk.no_concurrency", "ORDM-30", "any number of orders may be open at once",
             "tests/unit/orders/test_risk.py::test_ordm_30_orders_open_at_once"),
    Mutation("risk.free_twice", "RSK-06", "an order's room is freed as often as it is asked for",
             "tests/unit/orders/test_risk.py::test_rsk_06_a_hundred_orders_that_come_to_nothing_leave_room_for_one"),
)  # fmt: skip
