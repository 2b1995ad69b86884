"""STR-04 to STR-16 one by one: what a single stream does at its edges, by a clock that stands until it is moved."""

from __future__ import annotations

import resource
from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.base.ids import instrument_id
from engine.dispatcher.dispatcher import Dispatcher
from engine.dispatcher.routing import stream_index
from engine.schema.enums import EventFlag, EventType, OrderingMode
from tests.unit.event_kit import recycler
from tests.unit.pipeline_kit import INSTRUMENT_ID, Collector, Line

TRACE_ID = "5f0c1d2e-3a4b-5968-7786-a5b4c3d2e1f0"
MS = 1_000_000
CONTIGUOUS = OrderingMode.CONTIGUOUS
KEY = "binance:BTC-USDT:Trade"


def line_with(*, event_type: EventType = EventType.TRADE, **rules: Any) -> tuple[Line, Collector]:
    line = Line(pools=recycler(1024), rules=rules)
    collector = Collector()
    line.add(collector, {stream_index(INSTRUMENT_ID, event_type)}, capacity=2048)
    return line, collector


def feed(line: Line, *numbers: int, event_type: EventType = EventType.TRADE, **fields: Any) -> None:
    for number in numbers:
        line.offer(event_type, seq_provider=number, ordering=CONTIGUOUS, **fields)
        if len(line.runners[0].mailbox) > 500:
            line.flush()
    line.flush()


# --- deadlines ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("after_ms", "delivered"), [(149, [1]), (150, [1, 3, 4]), (151, [1, 3, 4])])
def test_str_05_a_gap_is_awaited_to_its_deadline_and_not_longer(after_ms: int, delivered: list[int]) -> None:
    line, collector = line_with()
    feed(line, 1, 3, 4)
    due_ns = line.clock.now() + 150 * MS
    assert line.dispatcher.next_deadline_ns == due_ns
    line.clock.advance(after_ms * MS)
    moved = line.dispatcher.poll(line.clock.now())
    line.flush()
    assert collector.seqs() == delivered
    assert moved == (1 if len(delivered) > 1 else 0), "4 follows 3 without a gap"
    assert line.dispatcher.flush_overruns == 0
    assert line.dispatcher.next_deadline_ns == (None if len(delivered) > 1 else due_ns)
    line.dispatcher.flush_held()


def test_str_05_each_event_has_a_deadline_of_its_own() -> None:
    """No event waits behind a younger one, and none leaves before its time."""
    line, collector = line_with()
    feed(line, 1, 6)
    line.clock.advance(100 * MS)
    feed(line, 3)
    line.clock.advance(20 * MS)
    feed(line, 9)
    line.clock.advance(30 * MS)
    feed(line)
    assert collector.seqs() == [1, 3, 6]
    line.clock.advance(119 * MS)
    feed(line)
    assert collector.seqs() == [1, 3, 6]
    line.clock.advance(1 * MS)
    feed(line)
    assert collector.seqs() == [1, 3, 6, 9]


@pytest.mark.parametrize(("late_ms", "overruns"), [(0, 0), (50, 0), (51, 1)])
def test_str_05_a_deadline_acted_on_too_late_is_counted(late_ms: int, overruns: int) -> None:
    line, _ = line_with(tolerance_ms=150, overrun_ms=50)
    feed(line, 1, 3)
    line.clock.advance((150 + late_ms) * MS)
    feed(line)
    assert line.dispatcher.flush_overruns == overruns


def test_a_filled_gap_leaves_no_deadline_behind() -> None:
    line, collector = line_with()
    feed(line, 1, 3, 2)
    assert collector.seqs() == [1, 2, 3]
    line.clock.advance(150 * MS)
    assert line.dispatcher.poll(line.clock.now()) == 0
    assert line.dispatcher.next_deadline_ns is None


# --- bounds -------------------------------------------------------------------------------------------------


def test_str_06_of_201_gapped_events_the_lowest_leaves_and_none_is_lost() -> None:
    line, collector = line_with()
    feed(line, 1)
    feed(line, *range(10, 410, 2))
    assert collector.seqs() == [1]
    feed(line, 5)
    assert collector.seqs() == [1, 5]
    counts = line.dispatcher.statistics()[KEY]
    assert (counts.overflowed, counts.held, counts.late_dropped) == (1, 200, 0)
    assert line.dispatcher.flush_held() == 200
    assert collector.seqs() == [1, 5, *range(10, 410, 2)]


def test_str_07_a_gap_that_stays_open_is_told_and_marked() -> None:
    line, collector = line_with()
    feed(line, 1, 4, 5)
    line.clock.advance(170 * MS)
    feed(line)
    assert collector.seqs() == [1, 4, 5]
    assert [EventFlag.GAP_BEFORE in event["flags"] for event in collector.events] == [False, True, False]
    gap = {"trace_id": collector.events[1]["trace_id"], "stream_key": KEY, "expected": 2, "got": 4, "waited_ms": 170}
    assert line.told == [("ordering.gap", gap)]
    counts = line.dispatcher.statistics()[KEY]
    assert (counts.gaps, counts.held_total) == (1, 2)


# --- late and twice -----------------------------------------------------------------------------------------


def test_str_08_an_old_critical_event_arrives_marked_and_an_old_ticker_does_not() -> None:
    line, tickers = line_with(event_type=EventType.TICKER)
    acks = Collector()
    line.add(acks, {stream_index(INSTRUMENT_ID, EventType.CONTROL_ACK)})
    for event_type in (EventType.TICKER, EventType.CONTROL_ACK):
        feed(line, 5, 6, event_type=event_type)
        line.clock.advance(7 * MS)
        feed(line, 2, event_type=event_type, ts_recv_ns=line.clock.now() - 7 * MS, trace_id=TRACE_ID)
    assert tickers.seqs() == [5, 6]
    assert acks.seqs() == [5, 6, 2]
    assert [EventFlag.LATE in event["flags"] for event in acks.events] == [False, False, True]
    counts = line.dispatcher.statistics()
    assert counts["binance:BTC-USDT:Ticker"].late_dropped == 1
    assert counts["binance:BTC-USDT:ControlAck"].late_delivered == 1
    assert counts["binance:BTC-USDT:ControlAck"].late_dropped == 0
    ((kind, metadata),) = line.told
    assert kind == "late_event.dropped"
    assert metadata == {
        "trace_id": TRACE_ID,
        "provider": "binance",
        "symbol": "BTC-USDT",
        "event_type": "Ticker",
        "seq_provider": 2,
        "lateness_ms": 7,
    }


def test_str_08_a_late_critical_event_is_delivered_once() -> None:
    line, acks = line_with(event_type=EventType.CONTROL_ACK)
    feed(line, 5, 6, 2, 2, 2, event_type=EventType.CONTROL_ACK)
    assert acks.seqs() == [5, 6, 2]
    assert line.dispatcher.statistics()["binance:BTC-USDT:ControlAck"].duplicates == 2


def test_str_08_a_critical_event_passed_over_while_held_is_delivered_late() -> None:
    line, acks = line_with(event_type=EventType.CONTROL_ACK)
    for first, last in ((1, 1), (5, 6), (2, 9)):
        line.offer(EventType.CONTROL_ACK, seq_first=first, seq_provider=last, ordering=OrderingMode.RANGE)
    line.flush()
    assert acks.seqs() == [1, 9, 6]
    assert EventFlag.LATE in acks.events[-1]["flags"]


def test_str_11_only_a_reset_sets_a_new_baseline() -> None:
    line, collector = line_with()
    feed(line, 100, 101)
    feed(line, 1, 2)
    assert collector.seqs() == [100, 101]
    feed(line, 1, 2, epoch=2)
    assert collector.seqs() == [100, 101, 1, 2]
    feed(line, 102)
    assert collector.seqs() == [100, 101, 1, 2], "the old epoch is over"
    assert line.dispatcher.statistics()[KEY].late_dropped == 3


def test_str_11_a_reset_lets_what_waits_go_first() -> None:
    line, collector = line_with()
    feed(line, 100, 103, 105)
    feed(line, 7, epoch=2)
    assert collector.seqs() == [100, 103, 105, 7]
    assert [event["epoch"] for event in collector.events] == [1, 1, 1, 2]


def test_str_11_the_state_survives_an_empty_buffer_and_a_long_silence() -> None:
    line, collector = line_with()
    feed(line, 5)
    line.clock.advance(3_600_000 * MS)
    feed(line, 4, 6)
    assert collector.seqs() == [5, 6]


def test_str_13_the_same_event_twice_and_an_old_unseen_number_are_counted_apart() -> None:
    line, _ = line_with()
    feed(line, 1, 3)
    line.clock.advance(150 * MS)
    line.flush()
    feed(line, 3, 2)
    counts = line.dispatcher.statistics()[KEY]
    assert (counts.duplicates, counts.late_dropped) == (1, 1)


@pytest.mark.parametrize("horizon_ids", [1, 64, 100, 8192])
def test_str_12_a_duplicate_is_known_inside_the_horizon_and_late_outside(horizon_ids: int) -> None:
    """The horizon is the power of two at or above the setting, 64 at least."""
    horizon = max(64, 1 << (horizon_ids - 1).bit_length())
    line, _ = line_with(horizon_ids=horizon_ids)
    last = horizon + 100
    feed(line, *range(1, last + 1))
    feed(line, last - horizon + 1)
    assert line.dispatcher.statistics()[KEY].duplicates == 1
    feed(line, last - horizon)
    counts = line.dispatcher.statistics()[KEY]
    assert (counts.duplicates, counts.late_dropped) == (1, 1)


def test_str_12_what_is_older_than_the_time_horizon_is_forgotten() -> None:
    """Known for 5 minutes at least, and for twice that at most: one mark a horizon is kept, not a time a number."""
    line, _ = line_with(horizon_s=300)
    minute_ns = 60_000 * MS
    feed(line, 1)
    line.clock.advance(4 * minute_ns)
    feed(line, 2, 1)
    assert line.dispatcher.statistics()[KEY].duplicates == 1
    for number in (3, 4):
        line.clock.advance(6 * minute_ns)
        feed(line, number)
    feed(line, 1)
    counts = line.dispatcher.statistics()[KEY]
    assert (counts.duplicates, counts.late_dropped) == (1, 1)


@pytest.mark.property
@pytest.mark.parametrize("count", [150_000, pytest.param(10_000_000, marks=[pytest.mark.soak])])
def test_str_12_memory_stays_flat_over_unique_numbers(count: int) -> None:
    """10,000,000 numbers before a release, 150,000 in every run; steps of 3, so that the bitmap is cleared too."""
    line, _ = line_with()
    line.route(0, ())

    def run(first: int, last: int) -> int:
        for number in range(first, last):
            line.offer(seq_provider=number * 3, ordering=OrderingMode.MONOTONIC, ts_recv_ns=number)
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024

    before_kib = run(1, count // 10)
    after_kib = run(count // 10, count)
    assert after_kib - before_kib < max(1024, before_kib // 50)
    counts = line.dispatcher.statistics()[KEY]
    assert (counts.received, counts.unrouted, counts.duplicates) == (count - 1, count - 1, 0)


# --- counts -------------------------------------------------------------------------------------------------


def test_str_15_the_gap_histogram_counts_exactly_what_waited() -> None:
    line, _ = line_with()
    feed(line, 1, 2, 3)
    assert line.dispatcher.gap_hold.count == 0
    feed(line, 5, 6)
    line.clock.advance(30 * MS)
    feed(line, 4, 7)
    hold = line.dispatcher.gap_hold
    assert (hold.count, hold.min_ns, hold.max_ns) == (2, 30 * MS, 30 * MS)


def test_str_16_shutdown_flushes_in_order() -> None:
    line, collector = line_with()
    feed(line, 1, 9, 4, 6)
    assert line.dispatcher.flush_held() == 3
    assert collector.seqs() == [1, 4, 6, 9]
    assert line.dispatcher.statistics()[KEY].held == 0
    assert line.dispatcher.next_deadline_ns is None


def test_evt_08_the_first_equation_holds_at_every_moment() -> None:
    line, _ = line_with()
    rng = Random(5)
    for turn in range(2000):
        line.offer(seq_provider=1 + turn // 2 + rng.choice([0, 0, 0, 1, 3, -4 if turn > 20 else 0]), ordering=CONTIGUOUS)
        line.clock.advance(rng.choice([0, 1, 20]) * MS)
        line.flush()
        assert line.dispatcher.statistics()[KEY].balanced
    line.dispatcher.flush_held()


# --- many streams -------------------------------------------------------------------------------------------


@pytest.mark.property
def test_str_10_450_interleaved_streams_keep_their_order_through_shutdown() -> None:
    """Repeated numbers with other arrival times, a wall clock stepped both ways, a flush in the middle of it."""
    rng = Random(10)
    line = Line(pools=recycler(4096))
    collector: list[tuple[int, int]] = []

    class Noting:
        def on_batch(self, events: list[Any], ctx: Any) -> None:
            collector.extend((event.instrument_id, event.seq_provider) for event in events)

    instruments = [instrument_id("kraken", f"C{number}-USD") for number in range(450)]
    line.add(Noting(), {stream_index(instrument, EventType.TRADE) for instrument in instruments}, capacity=8192)
    steps = [
        (number * 5 + rng.randrange(140), number, instrument)
        for instrument in instruments
        for number in range(1, 31)
        for _ in range(2 if rng.random() < 0.05 else 1)
    ]
    steps = [(0, 0, instrument) for instrument in instruments] + sorted(steps)
    start_ns = line.clock.now()
    for turn, (at_ms, number, instrument) in enumerate(steps):
        line.clock.set(start_ns + at_ms * MS)
        stepped_ns = rng.choice([0, 3_600_000 * MS, -3_600_000 * MS])
        line.offer(
            instrument_id=instrument,
            seq_provider=number,
            ordering=CONTIGUOUS,
            ts_recv_ns=line.clock.now() + stepped_ns + turn,
        )
        if turn % 50 == 0:
            line.flush()
    line.dispatcher.flush_held()
    by_stream: dict[int, list[int]] = {}
    for instrument, number in collector:
        by_stream.setdefault(instrument, []).append(number)
    assert by_stream == {instrument: list(range(31)) for instrument in instruments}
    doubled = len(steps) - 450 * 31
    assert sum(counts.duplicates for counts in line.dispatcher.statistics().values()) == doubled > 0


def test_streams_of_other_types_and_symbols_do_not_touch_each_other() -> None:
    line, _ = line_with()
    other = instrument_id("kraken", "BTC-USD")
    feed(line, 1, 3)
    feed(line, 7, 8, instrument_id=other)
    feed(line, 2, event_type=EventType.TICKER)
    counts = line.dispatcher.statistics()
    assert {key: (row.held, row.received) for key, row in counts.items()} == {
        KEY: (1, 2),
        "binance:BTC-USDT:Ticker": (0, 1),
        "kraken:BTC-USD:Trade": (0, 2),
    }
    line.dispatcher.flush_held()


def test_the_key_of_a_stream_names_it() -> None:
    line, _ = line_with()
    assert isinstance(line.dispatcher, Dispatcher)
    assert line.dispatcher.stream_key(stream_index(INSTRUMENT_ID, EventType.BOOK_UPDATE)) == "binance:BTC-USDT:BookUpdate"
    assert line.dispatcher.stream_key(stream_index(0, EventType.CONTROL_ACK)) == "engine::ControlAck"
