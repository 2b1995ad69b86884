"""RTE-05..08, CTL-02, SUB-04: what is queued when a consumer's own routes change, judged as it leaves."""

from __future__ import annotations

import time
from typing import Any

import pytest

from engine.dispatcher.routing import RoutingBoard, stream_index
from engine.schema.enums import EventType, UpdateType
from tests.unit.event_kit import leased, recycler
from tests.unit.pipeline_kit import INSTRUMENT_ID, Collector, runner_of

ACK, TRADE, TICKER = EventType.CONTROL_ACK, EventType.TRADE, EventType.TICKER
UPDATE, SNAPSHOT = EventType.BOOK_UPDATE, EventType.BOOK_SNAPSHOT
TRADES, TICKERS = (stream_index(INSTRUMENT_ID, event_type) for event_type in (TRADE, TICKER))


class Flip:
    """A consumer whose routes change while things are queued."""

    def __init__(self, capacity: int = 64, **options: Any) -> None:
        self.pools = recycler(2048)
        self.board = RoutingBoard()
        self.collector = Collector()
        self.runner = runner_of(self.pools, self.collector, capacity=capacity, versions=self.board, **options)

    def offer(self, event_type: EventType, number: int, version: int | None = None, **fields: Any) -> None:
        fields = {"epoch": 1, "instrument_id": INSTRUMENT_ID, **fields}
        stamp = self.board.current_version() if version is None else version
        lease = leased(self.pools, event_type, seq_provider=number, routing_version=stamp, **fields)
        assert lease.offer_to(self.runner) == "accepted"

    def change(self, streams: set[int], removed: tuple[int, ...] = ()) -> None:
        version = self.board.set_routes(0, frozenset(streams))
        self.runner.mailbox.routes_changed(version, removed)

    def seen(self) -> list[tuple[str, int]]:
        """What is delivered by now."""
        self.runner.deliver()
        found = [(event["type"].class_name, event["seq_provider"]) for event in self.collector.events]
        self.collector.events.clear()
        return found


def test_rte_05_rte_06_market_data_of_before_is_skipped_and_critical_is_not() -> None:
    flip = Flip()
    for number in range(1, 6):
        flip.offer(TRADE, number)
        flip.offer(ACK, number)
    flip.change({TRADES, TICKERS})
    flip.offer(TRADE, 6)
    flip.offer(TRADE, 7, version=1)
    flip.offer(ACK, 6, version=1)
    assert flip.seen() == [*(("ControlAck", number) for number in range(1, 7)), ("Trade", 6)]
    row = flip.runner.statistics()
    assert (row["skipped"], row["skipped_version"]) == (6, 6)
    assert row["offered"] == row["delivered"] + row["skipped"]


@pytest.mark.parametrize("told_once", [EventType.INSTRUMENT_UPDATE, EventType.BALANCE_UPDATE])
def test_what_is_told_once_is_not_skipped_but_for_its_own_route(told_once: EventType) -> None:
    flip = Flip()
    flip.offer(told_once, 1)
    flip.offer(TRADE, 1)
    flip.change({TRADES, TICKERS})
    assert flip.seen() == [(told_once.class_name, 1)]
    flip.offer(told_once, 2, version=1)
    flip.change({TRADES}, removed=(stream_index(INSTRUMENT_ID, told_once),))
    assert flip.seen() == []


def test_rte_06_outside_a_flip_nothing_is_skipped() -> None:
    flip = Flip()
    flip.change({TRADES})
    flip.board.set_routes(1, frozenset({TRADES}))
    for number in range(1, 1001):
        flip.offer(TRADE, number)
        if number % 50 == 0:
            assert len(flip.seen()) == 50
    assert flip.runner.statistics()["skipped"] == 0


def test_rte_05_without_the_filter_only_removed_routes_are_purged_sub_04() -> None:
    flip = Flip(has_version_filter=False)
    for number in range(1, 6):
        flip.offer(TRADE, number)
        flip.offer(TICKER, number)
        flip.offer(ACK, number)
    flip.change({TICKERS}, removed=(TRADES,))
    flip.offer(TICKER, 6)
    assert flip.seen() == [*(("ControlAck", n) for n in range(1, 6)), *(("Ticker", n) for n in range(1, 7))]
    flip.change({TRADES, TICKERS})
    flip.offer(TRADE, 9)
    assert flip.seen() == [("Trade", 9)], "subscribed again, it flows again"


def test_an_event_that_was_held_before_the_fan_out_is_skipped_when_it_comes_later() -> None:
    flip = Flip()
    flip.change({TRADES})
    assert flip.seen() == []
    flip.offer(TRADE, 1, version=1)
    assert flip.seen() == [], "the board still knows of the older table"
    assert flip.board.history_count == 1


def test_rte_07_after_a_skipped_delta_nothing_of_the_book_is_delivered_before_a_snapshot() -> None:
    flip = Flip()
    flip.offer(UPDATE, 1, update_type=UpdateType.DELTA)
    flip.change({TRADES})
    flip.offer(UPDATE, 2, update_type=UpdateType.DELTA)
    flip.offer(SNAPSHOT, 3)
    flip.offer(UPDATE, 4, update_type=UpdateType.DELTA)
    assert flip.seen() == [("BookSnapshot", 3), ("BookUpdate", 4)]
    assert flip.runner.statistics()["skipped_dirty"] == 1


@pytest.mark.serial
def test_rte_08_a_thousand_queued_are_skipped_in_constant_time_each() -> None:
    took_ns = {}
    for count in (100, 1000):
        flip = Flip(capacity=1500)
        for number in range(count):
            flip.offer(TRADE, number)
        begun_ns = time.perf_counter_ns()
        flip.change({TICKERS}, removed=(TRADES,))
        changed_ns = time.perf_counter_ns() - begun_ns
        assert flip.seen() == []
        took_ns[count] = time.perf_counter_ns() - begun_ns
        assert changed_ns < 5_000_000
        assert len(flip.runner.mailbox) == 0
    assert took_ns[1000] < 500_000_000
