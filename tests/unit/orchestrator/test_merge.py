"""The windowed merge (MRG-01..19, EVT-19, EVT-51..53) by a clock that stands until it is moved."""

from __future__ import annotations

from typing import Any

import pytest

from engine.base.ids import instrument_id
from engine.dispatcher.routing import stream_index
from engine.schema.enums import CloseReason, EventType, OrderingMode
from tests.unit.event_kit import leased, recycler
from tests.unit.orchestrator.merge_kit import MS, PROVIDERS, SYMBOL, MergeLine, S, merged_stream, rule_of
from tests.unit.pipeline_kit import Collector

THREE = ("binance", "coinbase", "kraken")


# --- passing ------------------------------------------------------------------------------------------------


def test_mrg_01_what_no_rule_covers_passes_at_once_and_all_carries_the_version() -> None:
    line = MergeLine()
    plain = Collector()
    line.add(plain)
    line.offer(seq_provider=1)
    assert line.orchestrator.next_deadline_ns is None
    line.flush()
    assert [event["routing_version"] for event in plain.events] == [line.board.current_version()]
    for provider in PROVIDERS:
        line.fragment(provider)
    line.to(line.clock.now() + 10 * S)
    assert [event["routing_version"] for event in line.merged.events] == [line.board.current_version()]


def test_mrg_01_a_fragment_reaches_who_takes_the_plain_stream_as_well() -> None:
    line = MergeLine()
    plain = Collector()
    line.add(plain, {stream_index(instrument_id("coinbase", SYMBOL), EventType.TICKER)})
    line.fragment("coinbase", 1, last_price_raw=7)
    assert [event["last_price_raw"] for event in plain.events] == [7]
    line.fragment("kraken", 1)
    line.to(line.clock.now() + 10 * S)
    assert line.merged.fragments[0]["coinbase"] == {**plain.events[0]}
    rows = line.dispatcher.statistics()
    assert (rows["coinbase:BTC-USD:Ticker"].routed, rows["coinbase:BTC-USD:Ticker"].merged) == (1, 0)
    assert (rows["kraken:BTC-USD:Ticker"].unrouted, rows["kraken:BTC-USD:Ticker"].merged) == (0, 1)
    assert all(row.balanced for row in rows.values())


# --- opening and closing ------------------------------------------------------------------------------------


def test_mrg_03_a_window_opens_at_the_arrival_of_its_first_fragment() -> None:
    line = MergeLine()
    arrived_ns = line.clock.now()
    assert line.counts.opened == 0
    line.clock.advance(3 * MS)
    line.fragment("coinbase", ts_recv_ns=arrived_ns)
    assert (line.counts.opened, line.counts.open) == (1, 1)
    assert line.orchestrator.next_deadline_ns == arrived_ns + 10 * S
    line.fragment("kraken")
    line.to(arrived_ns + 10 * S)
    assert line.merged.events[0]["window_open_ns"] == arrived_ns


@pytest.mark.parametrize("number", [999, 1000, 1001])
def test_mrg_04_the_thousandth_fragment_is_inside_and_the_next_one_opens_another(number: int) -> None:
    line = MergeLine()
    for i in range(number):
        line.clock.advance(MS)
        line.fragment(PROVIDERS[i % 2], i)
    counts = line.counts
    assert (counts.opened, counts.emitted, counts.open) == {999: (1, 0, 1), 1000: (1, 1, 0), 1001: (2, 1, 1)}[number]
    if number > 999:
        assert line.merged.events[0]["fragment_count"] == 1000
        assert line.merged.events[0]["close_reason"] is CloseReason.COUNT
        assert line.merged.fragments[0]["kraken"]["seq_provider"] == 999
    line.orchestrator.discard_open()


def test_mrg_05_the_time_limit_acts_without_a_further_event() -> None:
    line = MergeLine(rule_of(providers=THREE))
    opened_ns = line.clock.now()
    for provider in THREE:
        line.fragment(provider)
    line.to(opened_ns + 10 * S - 1)
    assert (line.counts.open, line.merged.events) == (1, [])
    line.to(opened_ns + 10 * S)
    assert line.counts.emitted == 1
    event = line.merged.events[0]
    assert (event["window_close_ns"], event["close_reason"]) == (opened_ns + 10 * S, CloseReason.TIME)
    line.fragment("binance", 2)
    line.to(opened_ns + 20 * S)
    assert (line.counts.suppressed, line.counts.open) == (1, 0)
    assert line.orchestrator.next_deadline_ns is None


def test_mrg_05_whoever_sets_the_timer_is_told_that_a_window_opened() -> None:
    line = MergeLine()
    told: list[int | None] = []
    line.orchestrator.on_deadline = lambda: told.append(line.orchestrator.next_deadline_ns)
    line.fragment("coinbase")
    line.fragment("kraken")
    assert told == [line.clock.now() + 10 * S]
    line.orchestrator.discard_open()


def test_mrg_06_a_full_window_is_emitted_at_once_and_the_next_fragment_opens_another() -> None:
    line = MergeLine(rule_of(window_max_events=4))
    for i in range(5):
        line.clock.advance(MS)
        line.fragment(PROVIDERS[i % 2], i)
        assert len(line.merged.events) == (1 if i >= 3 else 0)
    assert (line.counts.opened, line.counts.open) == (2, 1)
    line.orchestrator.discard_open()


def test_mrg_07_a_complete_window_gives_each_provider_its_own_content_once() -> None:
    line = MergeLine(rule_of(providers=THREE, event_type=EventType.BOOK_SNAPSHOT))
    opened_ns = line.clock.now()
    sent: dict[str, Any] = {}
    for place, provider in enumerate(THREE, 1):
        line.clock.advance(MS)
        sent[provider] = {"bids": [(100 * place, place)], "asks": [(100 * place + 1, 7 * place)], "seq_provider": place,
                          "price_scale": place, "verified_through_id": 9 * place, "ts_recv_ns": line.clock.now()}  # fmt: skip
        line.fragment(provider, place, **{name: sent[provider][name] for name in sent[provider] if name != "seq_provider"})
    assert line.merged.events == []
    line.to(opened_ns + MS + 10 * S)
    [event], [fragments] = line.merged.events, line.merged.fragments
    assert (event["type"], event["provider"], event["rule"]) == (EventType.BOOK_SNAPSHOT, "merged:btc", "btc")
    assert event["source_providers"] == event["expected_providers"] == THREE
    assert (event["window_open_ns"], event["window_close_ns"]) == (opened_ns + MS, opened_ns + MS + 10 * S)
    assert (event["is_complete"], event["fragment_count"], event["symbol"]) == (True, 3, SYMBOL)
    for provider in THREE:
        for name, value in sent[provider].items():
            assert fragments[provider][name] == value, (provider, name)


def test_mrg_08_the_newest_by_number_wins_and_the_older_is_released_at_once() -> None:
    line = MergeLine()
    for seq in (5, 7, 6):
        line.fragment("coinbase", seq, last_price_raw=seq)
        assert line.out() == {"Ticker": 1}
    line.fragment("kraken", 1)
    line.to(line.clock.now() + 10 * S)
    assert line.merged.fragments[0]["coinbase"]["last_price_raw"] == 7
    assert line.merged.events[0]["fragment_count"] == 4


def test_mrg_08_a_newer_epoch_is_newer_whatever_its_number() -> None:
    line = MergeLine()
    line.fragment("coinbase", 900, epoch=1)
    line.fragment("coinbase", 3, epoch=2)
    line.fragment("coinbase", 950, epoch=1)
    line.fragment("kraken", 1)
    line.to(line.clock.now() + 10 * S)
    assert line.merged.fragments[0]["coinbase"]["seq_provider"] == 3


def test_mrg_09_a_late_fragment_is_dropped_and_opens_nothing() -> None:
    line = MergeLine()
    opened_ns = line.clock.now()
    for provider in PROVIDERS:
        line.fragment(provider)
    closed_ns = opened_ns + 10 * S
    line.to(closed_ns)
    line.fragment("coinbase", 2, ts_recv_ns=closed_ns - 1)
    assert (line.counts.late_fragments, line.counts.opened, line.counts.open) == (1, 1, 0)
    [told] = line.told_of("late_event.dropped")
    assert (told["merge_key"], told["provider"], told["seq_provider"]) == ("BTC-USD:Ticker", "coinbase", 2)
    line.to(closed_ns + 30 * S)
    assert line.counts.suppressed == 0
    row = line.dispatcher.statistics()["coinbase:BTC-USD:Ticker"]
    assert (row.merged, row.unrouted) == (1, 1)


def test_mrg_09_one_of_the_instant_of_the_close_opens_the_next_window() -> None:
    line = MergeLine(rule_of(window_max_events=2))
    for provider in (*PROVIDERS, *PROVIDERS):
        line.fragment(provider)
    assert (line.counts.late_fragments, line.counts.emitted) == (0, 2)
    assert len({event["merge_id"] for event in line.merged.events}) == 2
    assert line.clock.now() == line.merged.events[1]["window_close_ns"] - 1     # so that their ids differ


def test_mrg_09_an_event_past_the_deadline_closes_the_window_before_it_opens_another() -> None:
    line = MergeLine()
    opened_ns = line.clock.now()
    for provider in PROVIDERS:
        line.fragment(provider, 1)
    line.clock.set(opened_ns + 11 * S)
    line.fragment("coinbase", 2)
    assert line.merged.events[0]["window_close_ns"] == opened_ns + 10 * S
    assert line.merged.fragments[0]["coinbase"]["seq_provider"] == 1
    assert (line.counts.open, line.orchestrator.next_deadline_ns) == (1, opened_ns + 21 * S)
    line.orchestrator.discard_open()


def test_mrg_10_a_window_that_misses_a_provider_is_never_emitted() -> None:
    line = MergeLine(rule_of(providers=THREE))
    line.fragment("kraken")
    line.fragment("binance")
    line.to(line.clock.now() + 10 * S)
    assert (line.merged.events, line.counts.suppressed) == ([], 1)
    assert line.told_of("merge.suppressed_partial") == [
        {"merge_key": "BTC-USD:Ticker", "rule": "btc", "missing": ("coinbase",), "present": ("binance", "kraken")}
    ]


def test_mrg_11_with_one_live_provider_every_window_is_suppressed_and_the_plain_stream_goes_on() -> None:
    line = MergeLine(rule_of(providers=THREE))
    plain = Collector()
    line.add(plain, {stream_index(instrument_id("kraken", SYMBOL), EventType.TICKER)})
    for second in range(60):
        line.fragment("kraken", second)
        line.to(line.clock.now() + S)
    assert (line.counts.suppressed, line.counts.emitted, len(line.merged.events)) == (6, 0, 0)
    assert [told["missing"] for told in line.told_of("merge.suppressed_partial")] == [("binance", "coinbase")] * 6
    assert plain.seqs() == list(range(60))


# --- identity -----------------------------------------------------------------------------------------------


def test_mrg_13_ordinals_go_from_one_in_steps_of_one_and_merge_ids_differ() -> None:
    line = MergeLine(rule_of(window_duration_ms=10))
    for number in range(100):
        for provider in PROVIDERS if number % 3 else PROVIDERS[:1]:
            line.fragment(provider, number)
        line.to(line.clock.now() + 10 * MS)
    assert [event["seq_provider"] for event in line.merged.events] == list(range(1, line.counts.emitted + 1))
    assert len({event["merge_id"] for event in line.merged.events}) == line.counts.emitted == 66
    event = line.merged.events[0]
    assert event["merge_id"] == f"btc:BTC-USD:Ticker:{event['window_open_ns']}"
    assert event["event_id"] == "merged:btc:BTC-USD:Ticker:1.1"


def test_mrg_13_a_second_event_of_one_merge_id_is_a_duplicate() -> None:
    line = MergeLine()
    again = instrument_id("merged:btc", SYMBOL)
    for _ in range(2):
        lease = leased(line.pools, EventType.MERGED_EVENT, OrderingMode.CONTIGUOUS, instrument_id=again, rule="btc",
                       epoch=1, seq_provider=1, seq_first=1, window_open_ns=5, fragments=())  # fmt: skip
        lease.offer_to(line.dispatcher)
    line.flush()
    assert len(line.merged.events) == 1


def test_mrg_14_close_on_complete_emits_as_soon_as_all_are_in() -> None:
    for closes in (True, False):
        line = MergeLine(rule_of(close_on_complete=closes))
        line.fragment("coinbase")
        line.clock.advance(5 * MS)
        line.fragment("kraken")
        assert [event["close_reason"] for event in line.merged.events] == ([CloseReason.COMPLETE] if closes else [])
        if closes:
            assert line.merged.events[0]["window_close_ns"] == line.clock.now()
        line.orchestrator.discard_open()


def test_mrg_15_dwell_is_in_a_histogram_of_its_own_and_not_in_the_delivery() -> None:
    line = MergeLine()
    for _ in range(3):
        for provider in PROVIDERS:
            line.fragment(provider)
        line.to(line.clock.now() + 10 * S)
    dwell = line.orchestrator.windows()["btc"].dwell
    held = [event["window_close_ns"] - event["window_open_ns"] for event in line.merged.events]
    assert (dwell.count, dwell.count * dwell.mean_ns()) == (3, sum(held))
    assert line.runners[0].delivery.max_ns < S


def test_mrg_16_different_parameters_for_one_key_are_separate_rules() -> None:
    line = MergeLine(rule_of("long"))
    short = rule_of("short", window_duration_ms=1000)
    line.orchestrator.add_rule(short)
    other = type(line.merged)()
    line.add(other, {merged_stream(short)})
    for number in range(21):
        for provider in PROVIDERS:
            line.fragment(provider, number)
        line.to(line.clock.now() + S)
    assert {event["window_close_ns"] - event["window_open_ns"] for event in line.merged.events} == {10 * S}
    assert {event["window_close_ns"] - event["window_open_ns"] for event in other.events} == {S}
    assert (len(line.merged.events), len(other.events)) == (2, 21)
    line.orchestrator.discard_open()


# --- memory -------------------------------------------------------------------------------------------------


def test_mrg_17_after_the_close_the_window_keeps_nothing() -> None:
    line = MergeLine(rule_of(providers=THREE))
    for provider in THREE[:2]:
        line.fragment(provider)
    assert line.out() == {"Ticker": 2}
    line.to(line.clock.now() + 10 * S)
    assert line.out() == {}
    for provider in THREE:
        line.fragment(provider, 2)
    line.clock.advance(10 * S)
    line.orchestrator.poll(line.clock.now())
    assert line.out() == {"Ticker": 3, "MergedEvent": 1}    # in the mailbox
    line.flush()
    assert line.out() == {}


def test_mrg_18_shutdown_discards_what_is_open() -> None:
    line = MergeLine()
    for provider in PROVIDERS:
        line.fragment(provider)
    assert line.orchestrator.discard_open() == 1
    line.to(line.clock.now() + 60 * S)
    assert (line.counts.discarded, line.counts.open, line.merged.events, line.out()) == (1, 0, [], {})


def test_mrg_19_opened_is_the_sum_of_what_became_of_the_windows() -> None:
    line = MergeLine(rule_of(window_max_events=5, window_duration_ms=1000))
    for number in range(200):
        line.clock.advance((number * 37 % 900) * MS)
        line.fragment(PROVIDERS[number * number % 3 % 2], number)
        if number % 40 == 39:
            line.orchestrator.discard_open()
    line.fragment("kraken", 999)
    counts = line.counts
    assert counts.opened == counts.emitted + counts.suppressed + counts.discarded + counts.open
    assert min(counts.emitted, counts.suppressed, counts.discarded, counts.open) > 0
    assert counts.fragments == 201
    line.orchestrator.discard_open()


def test_a_pool_without_a_slot_discards_the_window_and_says_so() -> None:
    line = MergeLine(pools=recycler(2))
    lent = [line.pools.acquire_lease(EventType.MERGED_EVENT) for _ in range(2)]
    for provider in PROVIDERS:
        line.fragment(provider)
    line.to(line.clock.now() + 10 * S)
    assert (line.counts.discarded, line.told_of("pool.exhausted")[0]["pool"]) == (1, "MergedEvent")
    assert line.out() == {"MergedEvent": 2}
    for lease in lent:
        assert lease is not None
        lease.release()
    for provider in PROVIDERS:
        line.fragment(provider, 2)
    line.to(line.clock.now() + 10 * S)
    assert line.merged.events[0]["seq_provider"] == 1


def test_a_rule_taken_back_discards_its_window_and_goes_on_counting_when_it_is_back() -> None:
    line = MergeLine(rule_of(close_on_complete=True))
    for number in range(2):
        for provider in PROVIDERS:
            line.fragment(provider, number)
    line.fragment("coinbase", 8)
    line.orchestrator.end_rule("btc")
    assert (line.counts.discarded, line.out()) == (1, {})
    line.fragment("coinbase", 9)
    assert (line.counts.opened, line.orchestrator.next_deadline_ns is None) == (3, False)
    line.orchestrator.add_rule(line.merge_rule)
    for provider in PROVIDERS:
        line.fragment(provider, 10)
    assert [event["seq_provider"] for event in line.merged.events] == [1, 2, 3]
