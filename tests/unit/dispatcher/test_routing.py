"""RTE-01 to RTE-04, RTE-10: whole tables, one version a change, each event by the table it was stamped with."""

from __future__ import annotations

import threading
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base.ids import instrument_id
from engine.dispatcher.routing import RoutingBoard, RoutingTable, stream_index
from engine.schema.enums import EventType, OrderingMode
from tests.unit.event_kit import recycler
from tests.unit.pipeline_kit import INSTRUMENT_ID, Collector, Line

MS = 1_000_000
TRADES = stream_index(INSTRUMENT_ID, EventType.TRADE)
TICKERS = stream_index(INSTRUMENT_ID, EventType.TICKER)


# --- the table ----------------------------------------------------------------------------------------------


def test_rte_01_the_key_is_provider_symbol_and_type() -> None:
    line = Line()
    other = instrument_id("kraken", "BTC-USDT")
    collectors = [Collector() for _ in range(4)]
    line.add(collectors[0], {TRADES})
    line.add(collectors[1], {TICKERS})
    line.add(collectors[2], {stream_index(other, EventType.TRADE)})
    line.add(collectors[3], {TRADES, TICKERS})
    line.offer(seq_provider=1)
    line.offer(EventType.TICKER, seq_provider=2)
    line.offer(seq_provider=3, instrument_id=other)
    line.offer(seq_provider=4, instrument_id=instrument_id("binance", "ETH-USDT"))
    line.flush()
    assert [collector.seqs() for collector in collectors] == [[1], [2], [3], [1, 2]]


def test_rte_02_a_table_never_changes_once_it_is_out() -> None:
    board = RoutingBoard()
    first = board.current()
    assert isinstance(first, RoutingTable)
    board.set_routes(3, frozenset({TRADES}))
    second = board.current()
    board.set_routes(5, frozenset({TRADES, TICKERS}))
    board.set_routes(3, frozenset())
    assert [table.version for table in (first, second, board.current())] == [1, 2, 4]
    assert first.consumers_of(INSTRUMENT_ID, EventType.TRADE) == []
    assert second.consumers_of(INSTRUMENT_ID, EventType.TRADE) == [3]
    assert board.current().consumers_of(INSTRUMENT_ID, EventType.TRADE) == [5]
    assert second.consumers_of(10**6, EventType.TRADE) == []
    with pytest.raises(AttributeError):
        second.version = 9  # type: ignore[misc]


@pytest.mark.property
@pytest.mark.usefixtures("shortest_switch")
def test_rte_02_readers_during_10000_swaps_see_whole_tables() -> None:
    """A consumer has both streams or none; a reader never sees one of them."""
    board = RoutingBoard()
    torn: list[tuple[list[int], list[int]]] = []
    seen: set[int] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            table = board.current()
            trades = table.consumers_of(INSTRUMENT_ID, EventType.TRADE)
            tickers = table.consumers_of(INSTRUMENT_ID, EventType.TICKER)
            seen.add(table.version)
            if trades != tickers:
                torn.append((trades, tickers))

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(10_000):
        board.set_routes(turn % 7, frozenset({TRADES, TICKERS} if turn % 2 else ()))
        if turn % 100 == 0:
            board.current().consumers_of(INSTRUMENT_ID, EventType.TRADE)
    done.set()
    for thread in threads:
        thread.join()
    assert torn == []
    assert seen


@pytest.mark.property
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 4), st.frozensets(st.sampled_from([TRADES, TICKERS, 16, 17, 4096]), max_size=3)),
        max_size=30,
    )
)
def test_rte_03_the_version_moves_by_one_for_each_real_change(changes: list[tuple[int, frozenset[int]]]) -> None:
    board = RoutingBoard()
    routes: dict[int, frozenset[int]] = {}
    order: list[int] = []
    version = 1
    for consumer, streams in changes:
        if routes.get(consumer, frozenset()) != streams:
            version += 1
            routes[consumer] = streams
            if not streams:
                order.remove(consumer)
            elif consumer not in order:
                order.append(consumer)
        assert board.set_routes(consumer, streams) == version
        assert board.set_routes(consumer, streams) == version, "the same again changes nothing"
        assert board.current_version() == board.current().version == version
        for stream in (TRADES, TICKERS, 16, 17, 4096):
            expected = [consumer for consumer in order if stream in routes[consumer]]
            assert board.current().consumers_of(stream // 16, stream % 16) == expected


def test_consumers_are_served_in_the_order_they_subscribed() -> None:
    served: list[int] = []

    class Noting:
        def __init__(self, number: int) -> None:
            self.number = number

        def on_event(self, event: Any, ctx: Any) -> None:
            served.append(self.number)

    line = Line()
    for number in range(3):
        line.add(Noting(number), ())
    for index in (2, 0, 1):
        line.route(index, {TRADES})
    line.offer(seq_provider=1)
    line.flush()
    assert served == [2, 0, 1]


# --- by the version of the event ----------------------------------------------------------------------------


def held_then(line: Line, change: Any) -> None:
    """2 waits for 1 under the table of now; then the routing changes and 1 comes."""
    for number in (0, 2):
        line.offer(seq_provider=number, ordering=OrderingMode.CONTIGUOUS)
    line.flush()
    change()
    line.offer(seq_provider=1, ordering=OrderingMode.CONTIGUOUS)
    line.flush()


def test_rte_04_an_event_is_routed_by_the_table_it_was_stamped_with() -> None:
    line = Line()
    early, joins = Collector(), Collector()
    line.add(early)
    line.add(joins, ())
    held_then(line, lambda: line.route(1, {TRADES}))
    assert early.seqs() == [0, 1, 2]
    assert joins.seqs() == [1], "2 was stamped before it joined"
    versions = [event["routing_version"] for event in early.events]
    assert versions == [2, 3, 2]


def test_rte_04_less_the_consumers_removed_since() -> None:
    line = Line()
    stays, leaves = Collector(), Collector()
    line.add(stays)
    line.add(leaves)
    held_then(line, lambda: line.route(1, ()))
    assert stays.seqs() == [0, 1, 2]
    assert leaves.seqs() == [0]


@pytest.mark.property
@pytest.mark.parametrize("seed", range(4))
def test_rte_04_under_churn_a_kept_table_of_its_version_routes_each_delivered_event(seed: int) -> None:
    """4 x 4,000 events through gaps and permutations while five consumers come, go and subscribe again."""
    rng = Random(seed)
    line = Line(pools=recycler(1024))
    tables: dict[int, RoutingTable] = {}
    last_left: dict[int, int] = {}
    collectors = [Collector() for _ in range(5)]
    streams = [stream_index(INSTRUMENT_ID, event_type) for event_type in (EventType.TRADE, EventType.TICKER)]

    def change() -> None:
        consumer = rng.randrange(5)
        wanted = frozenset(stream for stream in streams if rng.random() < 0.5)
        before = line.board.current().version
        version = line.route(consumer, wanted)
        assert line.route(consumer, wanted) == version
        assert version in (before, before + 1)
        tables[version] = line.board.current()
        if not wanted and version != before:
            last_left[consumer] = version

    for collector in collectors:
        line.add(collector, (), capacity=4096)
    tables[1] = line.board.current()
    checked = 0
    sent = sorted((number + rng.randrange(60), number) for number in range(1, 2001))
    for turn, (at_ms, number) in enumerate(sent):
        line.clock.set(1_700_000_000_000_000_000 + at_ms * MS)
        if rng.random() < 0.1:
            change()
        if rng.random() < 0.97:
            for event_type in (EventType.TRADE, EventType.TICKER):
                line.offer(event_type, seq_provider=number, ordering=OrderingMode.CONTIGUOUS)
        if turn % 5 == 0:
            line.flush()
    line.dispatcher.flush_held()
    for consumer, collector in enumerate(collectors):
        seen: set[tuple[EventType, int]] = set()
        for event in collector.events:
            table = tables[event["routing_version"]]
            assert consumer in table.consumers_of(INSTRUMENT_ID, event["type"])
            assert (event["type"], event["seq_provider"]) not in seen, "delivered twice"
            seen.add((event["type"], event["seq_provider"]))
            checked += 1
    assert checked > 1000
    assert line.pools.statistics().balanced


def test_a_callback_may_replace_the_table_that_an_event_is_being_routed_by() -> None:
    """A full mailbox is emptied in the middle of a fan-out; its handler changes routes and lets old tables go."""
    line = Line()

    class Replacing(Collector):
        def on_batch(self, events: list[Any], ctx: Any) -> None:
            super().on_batch(events, ctx)
            if not last.seqs():
                for streams in ({TICKERS}, {TRADES, TICKERS}, {TRADES}):
                    line.route(0, streams)
                line.dispatcher.deliver()

    first, last = Replacing(), Collector()
    line.add(first, capacity=16)
    others = [Collector() for _ in range(40)]
    for collector in [*others, last]:
        line.add(collector)
    for number in range(1, 21):
        line.offer(seq_provider=number)
    line.flush()
    for collector in [first, *others, last]:
        assert collector.seqs() == list(range(1, 21))
    assert not line.errors


def test_old_tables_are_forgotten_when_nothing_is_held() -> None:
    line = Line()
    line.add(Collector())
    for turn in range(500):
        line.route(0, {TRADES} if turn % 2 else {TICKERS})
    line.offer(seq_provider=1)
    assert line.board.history_count == line.board.current().version - 1 > 490
    line.flush()
    assert line.board.history_count == 0
    held_then(line, lambda: line.route(0, {TRADES, TICKERS}))
    line.clock.advance(200 * MS)
    line.flush()
    assert line.board.history_count == 0


# --- nobody listens -----------------------------------------------------------------------------------------


def test_rte_10_without_a_subscriber_the_event_goes_back_before_any_fan_out() -> None:
    line = Line(pools=recycler(1))
    line.add(Collector(), {TICKERS})
    for number in range(100):
        line.offer(seq_provider=number)
        assert line.pools.statistics().balanced
    counts = line.dispatcher.statistics()["binance:BTC-USDT:Trade"]
    assert (counts.unrouted, counts.routed) == (100, 0)
    assert line.bus.fanned_out == 0
    assert line.runners[0].mailbox.offered == 0
    assert line.pools.statistics().pools["Trade"].in_use_peak == 1


def test_evt_06_the_orchestrator_stamps_the_version_in_force() -> None:
    line = Line()
    collector = Collector()
    line.add(collector)
    line.offer(seq_provider=1, routing_version=77)
    line.add(Collector(), {TICKERS})
    line.offer(seq_provider=2)
    line.flush()
    assert [event["routing_version"] for event in collector.events] == [2, 3]
    assert line.orchestrator.passed == 2
