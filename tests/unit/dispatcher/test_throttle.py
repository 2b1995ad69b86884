"""BP-11, CTL-13: a token bucket a stream at entry; what finds it empty waits, folded where its type lets it."""

from __future__ import annotations

from typing import Any

import pytest

from engine.dispatcher.routing import stream_index
from engine.schema.enums import EventType, OrderingMode, UpdateType
from engine.schema.fold import SaturationTable
from tests.unit.event_kit import leased, recycler
from tests.unit.pipeline_kit import INSTRUMENT_ID, Collector, Line

MS = 1_000_000
TRADE, TICKER, UPDATE = EventType.TRADE, EventType.TICKER, EventType.BOOK_UPDATE
SNAPSHOT, ACK = EventType.BOOK_SNAPSHOT, EventType.CONTROL_ACK
ALL = {stream_index(INSTRUMENT_ID, event_type) for event_type in EventType}


class Limited(Line):
    """Ten events a second a stream, three saved up."""

    def __init__(self, **rules: Any) -> None:
        self.limited: list[tuple[str, int, Any, int]] = []
        rules = {"rate_per_s": 10, "burst": 3, "on_limited": lambda *what: self.limited.append(what), **rules}
        super().__init__(pools=recycler(1024), rules=rules)
        self.collector = Collector()
        self.add(self.collector, ALL, capacity=1024)

    def give(self, event_type: EventType, *numbers: int, **fields: Any) -> None:
        if event_type is UPDATE:
            fields.setdefault("update_type", UpdateType.DELTA)
        for number in numbers:
            self.offer(event_type, seq_provider=number, folded_count=1, **fields)
        self.flush()

    def after(self, wait_ms: int) -> list[int]:
        """Numbers of what was delivered since, a while later."""
        self.clock.advance(wait_ms * MS)
        self.flush()
        numbers = self.collector.seqs()
        self.collector.events.clear()
        return numbers

    def row(self, event_type: EventType) -> Any:
        return self.dispatcher.statistics()[f"binance:BTC-USDT:{event_type.class_name}"]


def test_bp_11_a_burst_passes_then_one_a_token() -> None:
    line = Limited()
    line.give(TRADE, *range(1, 9))
    assert line.after(0) == [1, 2, 3]
    assert line.after(99) == []
    assert line.after(1) == [4]
    assert line.after(250) == [5, 6]
    assert line.after(1000) == [7, 8]
    assert line.after(10_000) == []
    line.give(TRADE, *range(9, 14))
    assert line.after(0) == [9, 10, 11], "no more than a burst is saved up"
    row = line.row(TRADE)
    assert (row.received, row.routed, row.held, row.throttled, row.dropped_at_entry) == (13, 11, 2, 7, 0)
    assert row.balanced
    line.dispatcher.flush_held()


@pytest.mark.parametrize("stamped_ms", [0, -200, -10_000])
def test_bp_11_an_old_stamp_brings_no_token(stamped_ms: int) -> None:
    line = Limited()
    line.give(TRADE, 1)      # the first event of a stream goes the long way
    stamp_ns = line.clock.now() + stamped_ms * MS
    line.give(TRADE, *range(2, 9), ts_emit_ns=stamp_ns)
    assert line.after(0) == [1, 2, 3]
    assert line.after(100) == [4]
    assert line.after(200) == [5, 6]
    assert line.row(TRADE).throttled == 5
    line.dispatcher.flush_held()


def test_bp_11_an_event_within_its_tokens_goes_by_the_newest_routes() -> None:
    line = Limited()
    line.give(TRADE, 1, 2)
    assert line.after(1000) == [1, 2]
    line.board.set_routes(0, frozenset())
    line.give(TRADE, 3)
    assert line.after(0) == []
    line.board.set_routes(0, frozenset(ALL))
    line.give(TRADE, 4)
    assert line.after(0) == [4]
    assert line.row(TRADE).unrouted == 1


def test_bp_11_two_thousand_a_second_leave_at_one_thousand_after_the_burst() -> None:
    line = Limited(rate_per_s=1000, burst=100, buffer_max=100_000)
    for number in range(1, 601):
        line.clock.advance(MS // 2)
        line.give(TRADE, number)
    assert len(line.after(0)) == pytest.approx(100 + 300, abs=2)
    for _ in range(300):
        line.after(1)
    assert line.row(TRADE).held == 0


def test_bp_11_coalescables_wait_folded_and_another_stream_is_untouched() -> None:
    line = Limited()
    line.give(TICKER, *range(1, 9), last_price_raw=7)
    line.give(TRADE, 100)
    assert line.after(0) == [1, 2, 3, 100]
    assert line.after(100) == [8]
    row = line.row(TICKER)
    assert (row.coalesced_at_entry, row.held, row.throttled) == (4, 0, 5)
    assert row.balanced
    assert [told for told in line.told if told[0] == "coalescing.applied"] == [
        ("coalescing.applied", {"stream_key": "binance:BTC-USDT:Ticker", "folded_count": 1})
    ]


def test_bp_11_past_the_buffer_the_oldest_trade_is_a_dead_letter() -> None:
    line = Limited(buffer_max=4)
    line.give(TRADE, *range(1, 11))
    assert line.after(0) == [1, 2, 3]
    assert line.after(10_000) == [7, 8, 9], "a late timer gives no more than a burst"
    assert line.after(100) == [10]
    row = line.row(TRADE)
    assert (row.dropped_at_entry, row.balanced) == (3, True)
    line.dispatcher.flush_held()
    assert [(stream, count, event and event.seq_provider) for stream, count, event, _ in line.limited] == [
        ("binance:BTC-USDT:Trade", 1, 4), ("binance:BTC-USDT:Trade", 2, None),
    ]  # fmt: skip


def test_bp_07_critical_events_take_no_token() -> None:
    line = Limited()
    for number in range(1, 51):
        leased(line.pools, ACK, instrument_id=INSTRUMENT_ID, seq_provider=number, epoch=1).offer_to(line.orchestrator)
    assert line.after(0) == list(range(1, 51))


def test_a_book_waits_as_one_delta_and_a_snapshot_takes_its_place() -> None:
    line = Limited()
    line.give(UPDATE, *range(1, 9), bids=[(100, 1)])
    assert line.after(0) == [1, 2, 3]
    line.give(SNAPSHOT, 9)
    assert line.after(0) == [9], "it does not wait, and what waited is in it"
    line.give(UPDATE, 10)
    assert line.after(10_000) == [10]
    row = line.row(UPDATE)
    assert (row.coalesced_at_entry, row.balanced) == (5, True)


def test_an_invalid_book_does_not_wait() -> None:
    line = Limited()
    line.give(UPDATE, *range(1, 9))
    line.give(UPDATE, 9, update_type=UpdateType.INVALID)
    assert line.after(0) == [1, 2, 3, 9]
    assert line.after(10_000) == []


def test_what_the_table_does_not_let_coalesce_waits_in_full() -> None:
    line = Limited(table=SaturationTable([UPDATE]))
    line.give(TICKER, *range(1, 7))
    assert line.after(10_000) == [1, 2, 3, 4, 5, 6]


def test_the_loop_is_woken_when_the_token_comes() -> None:
    line = Limited()
    woken: list[int] = []
    line.dispatcher.on_deadline = lambda: woken.append(line.dispatcher.next_deadline_ns)  # type: ignore[attr-defined]
    now_ns = line.clock.now()
    line.give(TRADE, 1, 2, 3, 4, 5)
    assert woken == [now_ns + 100 * MS]
    assert line.dispatcher.poll(woken[0]) == 1
    assert line.dispatcher.next_deadline_ns == now_ns + 200 * MS
    line.dispatcher.flush_held()


def test_order_is_kept_where_both_a_gap_and_a_token_are_waited_for() -> None:
    line = Limited()
    for number in (1, 2, 3, 4, 6, 5, 8, 7):
        leased(line.pools, TRADE, OrderingMode.CONTIGUOUS, instrument_id=INSTRUMENT_ID, seq_provider=number,
               seq_first=number, epoch=1).offer_to(line.orchestrator)  # fmt: skip
    seen = [number for _ in range(12) for number in line.after(50)]
    assert seen == [1, 2, 3, 4, 5, 6, 7, 8]


def test_shutdown_lets_all_go_in_order() -> None:
    line = Limited()
    line.give(TRADE, *range(1, 9))
    assert line.dispatcher.flush_held() == 5
    assert line.after(0) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert line.dispatcher.next_deadline_ns is None


def test_events_that_waited_are_routed_by_the_table_they_were_stamped_with() -> None:
    line = Limited()
    line.give(TRADE, *range(1, 6))
    other = Collector()
    line.add(other, ALL)
    line.give(TRADE, 6)
    line.after(10_000)
    assert other.seqs() == [6]
    assert line.board.history_count == 0


def test_without_a_rate_nothing_waits() -> None:
    line = Limited(rate_per_s=0)
    line.give(TRADE, *range(1, 1001))
    assert len(line.after(0)) == 1000
    assert line.row(TRADE).throttled == 0
