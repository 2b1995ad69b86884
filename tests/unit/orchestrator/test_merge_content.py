"""What is in a merged event: kept and copied fragments, and book updates of one provider folded (MRG-08, MEM-09)."""

from __future__ import annotations

from typing import Any

import pytest

import engine
from engine.schema.codec import from_json, to_json
from engine.schema.enums import EventFlag, EventType, UpdateType
from tests.unit.event_kit import recycler
from tests.unit.orchestrator.merge_kit import PROVIDERS, MergeLine, S, merged_stream, rule_of
from tests.unit.pipeline_kit import Keeper

THREE = ("binance", "coinbase", "kraken")


# --- what a consumer does with it ---------------------------------------------------------------------------


def test_mem_09_a_kept_merged_event_and_a_kept_fragment_stay_as_they_were() -> None:
    line = MergeLine(rule_of(close_on_complete=True), pools=recycler(8))
    keeper = Keeper()
    fragments: list[Any] = []

    class Fragments:
        def on_event(self, event: Any, ctx: Any) -> None:
            if event.seq_provider == 2:
                fragments.append(event.fragments[1])

    line.add(keeper, {merged_stream(line.merge_rule)})
    taker = line.add(Fragments(), {merged_stream(line.merge_rule)})
    for provider in PROVIDERS:
        line.fragment(provider, 1, last_price_raw=11)
    line.route(1, set())
    for provider in PROVIDERS:
        line.fragment(provider, 2, last_price_raw=22)
    for number in range(3, 50):
        for provider in PROVIDERS:
            line.fragment(provider, number, last_price_raw=99)
    [kept] = keeper.events
    assert [one.last_price_raw for one in kept.fragments] == [11, 11]
    assert fragments[0].last_price_raw == 22
    statistics = line.pools.statistics()
    assert statistics.balanced
    assert (statistics.pools["MergedEvent"].escaped, statistics.pools["Ticker"].escaped) == (1, 3)
    assert statistics.escapes_by_consumer == (0, 0, 3, 1)     # the third place: consumer 1, the fourth: consumer 2
    assert (line.runners[1].escapes, taker.escapes) == (1, 1)


def test_mem_09_a_kept_fragment_goes_back_if_it_is_let_go_before_its_last_release() -> None:
    line = MergeLine(rule_of(close_on_complete=True))
    keeper = Keeper()
    line.add(keeper, {merged_stream(line.merge_rule)})
    for provider in PROVIDERS:
        line.fragment(provider, 1)
    keeper.events.clear()
    for number in range(2, 100):
        for provider in PROVIDERS:
            line.fragment(provider, number)
        keeper.events.clear()
    assert line.pools.statistics().balanced


def test_evt_02_detach_copies_the_fragments_too() -> None:
    line = MergeLine(rule_of(close_on_complete=True))
    copies: list[Any] = []

    class Detacher:
        def on_ticker(self, event: Any, ctx: Any) -> None:
            copies.append(event.detach())

    line.add(Detacher(), {merged_stream(line.merge_rule)})
    for number in range(1, 40):
        for provider in PROVIDERS:
            line.fragment(provider, number, last_price_raw=number)
    assert [[one.last_price_raw for one in copy.fragments] for copy in copies] == [[n, n] for n in range(1, 40)]
    assert all(one.is_detached for copy in copies for one in copy.fragments)
    assert line.pools.statistics().pools["Ticker"].escaped == 0
    again = from_json(to_json(copies[0]))
    assert isinstance(again, engine.MergedEvent)
    assert (again, again.type, again.merge_id) == (copies[0], EventType.TICKER, copies[0].merge_id)


def test_evt_43_a_kept_merged_event_is_poisoned_in_debug() -> None:
    line = MergeLine(rule_of(close_on_complete=True), pools=recycler(8, debug=True))
    keeper = Keeper()
    line.add(keeper, {merged_stream(line.merge_rule)})
    for provider in PROVIDERS:
        line.fragment(provider)
    for name in ("fragments", "type", "merge_id", "rule", "is_complete"):
        with pytest.raises(engine.UseAfterRecycleError):
            getattr(keeper.events[0], name)
    assert line.pools.statistics().pools["Ticker"].escaped == 0


# --- book updates -------------------------------------------------------------------------------------------


def test_mrg_08_one_update_of_a_provider_is_handed_on_as_it_is() -> None:
    line = MergeLine(rule_of(event_type=EventType.BOOK_UPDATE, close_on_complete=True))
    line.delta("coinbase", 4, [(100, 1), (99, 0)])
    line.delta("kraken", 1, (), [(101, 5)])
    fragment = line.merged.fragments[0]["coinbase"]
    assert (fragment["bids"], fragment["folded_count"], fragment["flags"]) == ([(100, 1), (99, 0)], 1, frozenset())
    assert line.pools.statistics().pools["BookUpdate"].acquired == 2


def test_mrg_08_deltas_of_one_provider_are_folded_level_by_level() -> None:
    line = MergeLine(rule_of(event_type=EventType.BOOK_UPDATE))
    opened_ns = line.clock.now()
    line.delta("coinbase", 4, [(100, 1), (99, 5)], [(101, 3)], first_update_id=40, final_update_id=44)
    line.delta("coinbase", 6, [(100, 0), (98, 2)], first_update_id=50, final_update_id=51, seq_first=5)
    line.delta("coinbase", 7, [], [(101, 8), (99, 1)], first_update_id=52, final_update_id=55, price_scale=0)
    line.delta("kraken", 1, [(7, 7)])
    assert line.out() == {"BookUpdate": 2, "levels[16]": 2}     # of several, the newest alone is held
    line.to(opened_ns + 10 * S)
    fragment = line.merged.fragments[0]["coinbase"]
    assert (fragment["bids"], fragment["asks"]) == ([(100, 0), (99, 5), (98, 2)], [(99, 1), (101, 8)])
    assert (fragment["seq_first"], fragment["seq_provider"], fragment["folded_count"]) == (4, 7, 3)
    assert (fragment["first_update_id"], fragment["final_update_id"]) == (40, 55)
    assert (fragment["flags"], fragment["update_type"]) == ({EventFlag.COALESCED}, UpdateType.DELTA)


def test_mrg_08_a_full_update_replaces_and_deltas_are_laid_on_it() -> None:
    line = MergeLine(rule_of(event_type=EventType.BOOK_UPDATE))
    line.delta("coinbase", 1, [(90, 9)])
    line.delta("coinbase", 2, [(100, 1), (99, 2)], [(101, 1)], update_type=UpdateType.FULL)
    line.delta("coinbase", 3, [(99, 0), (98, 4)])
    line.delta("kraken", 1)
    line.to(line.clock.now() + 10 * S)
    fragment = line.merged.fragments[0]["coinbase"]
    assert (fragment["bids"], fragment["asks"]) == ([(100, 1), (98, 4)], [(101, 1)])
    assert fragment["update_type"] is UpdateType.FULL


def test_mrg_08_a_book_begun_anew_forgets_what_was_before_and_is_marked() -> None:
    line = MergeLine(rule_of(event_type=EventType.BOOK_UPDATE))
    line.delta("coinbase", 1, [(90, 9)], epoch=1)
    line.delta("coinbase", 2, epoch=1, update_type=UpdateType.INVALID)
    line.delta("coinbase", 3, [(91, 1)], epoch=2)
    line.delta("kraken", 1)
    line.delta("kraken", 2, update_type=UpdateType.INVALID)
    line.to(line.clock.now() + 10 * S)
    fragment = line.merged.fragments[0]["coinbase"]
    assert (fragment["bids"], fragment["flags"]) == ([(91, 1)], {EventFlag.AFTER_RESYNC})
    assert line.merged.fragments[0]["kraken"]["update_type"] is UpdateType.INVALID


def test_mrg_08_a_level_that_fits_no_finer_scale_makes_its_provider_missing() -> None:
    line = MergeLine(rule_of(event_type=EventType.BOOK_UPDATE))
    line.delta("coinbase", 1, [(2**62, 1)], price_scale=0)
    line.delta("coinbase", 2, [(5, 1)], price_scale=9)
    line.delta("coinbase", 3, [(5, 1)], price_scale=9)
    line.delta("kraken", 1)
    line.to(line.clock.now() + 10 * S)
    assert line.told_of("merge.suppressed_partial")[0]["missing"] == ("coinbase",)
