"""Consumers with a thread of their own: isolation, order, release, failures, start and stop."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from engine.consumers.threaded import ThreadRunner
from engine.dispatcher.routing import stream_index
from engine.schema.enums import EventType, UpdateType
from tests.unit.event_kit import leased, recycler
from tests.unit.pipeline_kit import INSTRUMENT_ID, Line

pytestmark = pytest.mark.threads

WITHIN_S = 4.0
BOOK = {stream_index(INSTRUMENT_ID, EventType.BOOK_UPDATE)}
DELTA = {"update_type": UpdateType.DELTA, "folded_count": 1}


class Noting:
    """Notes sequence numbers, threads and identities; tells when *until* events have been seen."""

    def __init__(self, until: int = 1) -> None:
        self.seqs: list[int] = []
        self.story: list[str] = []
        self.threads: set[str] = set()
        self.identities: set[int] = set()
        self.until = until
        self.done = threading.Event()

    def on_start(self, ctx: Any) -> None:
        self.story.append(f"begun in {threading.current_thread().name}")

    def on_batch(self, events: list[Any], ctx: Any) -> None:
        self.threads.add(threading.current_thread().name)
        for event in events:
            self.seqs.append(event.seq_provider)
            self.identities.add(id(event))
        if len(self.seqs) >= self.until:
            self.done.set()

    def on_stop(self, ctx: Any) -> None:
        self.story.append(f"over in {threading.current_thread().name}")


class Blocked:
    """Enters its callback and stays there until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.go = threading.Event()
        self.count = 0

    def on_event(self, event: Any, ctx: Any) -> None:
        self.entered.set()
        assert self.go.wait(WITHIN_S)
        self.count += 1


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    for runner in made.runners:
        if isinstance(getattr(runner, "handler", None), Blocked):
            runner.handler.go.set()
        runner.stop()
    assert made.pools.statistics().out() == {}


def threaded(line: Line, handler: Any, **options: Any) -> Any:
    return line.add(handler, kind=ThreadRunner, **options)


def offer(line: Line, *seqs: int) -> None:
    for seq in seqs:
        line.offer(seq_provider=seq, seq_first=seq)
    line.flush()


def test_ctl_12_callbacks_run_in_the_consumers_own_thread(line: Line) -> None:
    handler = Noting(until=3)
    runner = threaded(line, handler)
    offer(line, 1, 2, 3)
    assert handler.done.wait(WITHIN_S)
    runner.stop()
    name = "engine-consumer-c0"
    assert handler.threads == {name}
    assert handler.story == [f"begun in {name}", f"over in {name}"]
    assert handler.seqs == [1, 2, 3]
    assert runner.state == "stopped"
    assert name not in {thread.name for thread in threading.enumerate()}


def test_con_01_inline_and_threaded_consumers_get_the_same_object(line: Line) -> None:
    inline, other = Noting(), Noting()
    line.add(inline)
    threaded(line, other)
    offer(line, 1)
    assert other.done.wait(WITHIN_S)
    assert inline.identities == other.identities


def test_con_04_a_blocked_consumer_delays_nobody(line: Line) -> None:
    blocked, inline, other = Blocked(), Noting(), Noting(until=10)
    slow = threaded(line, blocked)
    line.add(inline)
    threaded(line, other)
    offer(line, 1)
    assert blocked.entered.wait(WITHIN_S)
    offer(line, *range(2, 11))
    assert inline.seqs == list(range(1, 11))
    assert other.done.wait(WITHIN_S)
    assert slow.statistics()["pinned"] == slow.statistics()["queued"] == 10


def test_mem_21_a_blocked_consumer_pins_its_mailbox_and_what_is_in_hand_and_no_more(line: Line) -> None:
    blocked = Blocked()
    slow = threaded(line, blocked, capacity=16)
    offer(line, 1)
    assert blocked.entered.wait(WITHIN_S)
    offer(line, *range(2, 60))
    statistics = slow.statistics()
    assert statistics["pinned"] == 17
    assert statistics["dropped"] == 42
    assert sum(line.pools.statistics().out().values()) == 17


def test_what_is_queued_at_the_stop_is_delivered_first(line: Line) -> None:
    blocked = Blocked()
    runner = threaded(line, blocked)
    offer(line, 1)
    assert blocked.entered.wait(WITHIN_S)
    offer(line, 2, 3)
    blocked.go.set()
    runner.stop()
    assert blocked.count == 3


def test_con_02_a_slow_callback_gets_short_batches_for_reports_to_wait_for_and_longer_ones_once_it_is_not(line: Line) -> None:
    class Listing(Blocked):
        def __init__(self) -> None:
            super().__init__()
            self.batches: list[int] = []

        def on_batch(self, events: list[Any], ctx: Any) -> None:
            self.entered.set()
            assert self.go.wait(WITHIN_S)
            self.batches.append(len(events))
            if len(self.batches) == 5:
                runner.batch_within_ns = 10**12

    handler = Listing()
    runner = threaded(line, handler, capacity=64, quantum=16)
    runner.batch_within_ns = 0                               # every callback is too slow for that
    offer(line, 1)
    assert handler.entered.wait(WITHIN_S)
    offer(line, *range(2, 62))
    handler.go.set()
    runner.stop()
    assert handler.batches == [1, 1, 1, 1, 1, 2, 4, 8, 16, 16, 10]


def test_shut_01_a_consumer_that_is_too_slow_to_empty_its_mailbox_still_gets_what_must_not_be_lost(line: Line) -> None:
    class Listing(Blocked):
        def __init__(self) -> None:
            super().__init__()
            self.kinds: list[str] = []

        def on_event(self, event: Any, ctx: Any) -> None:
            super().on_event(event, ctx)
            self.kinds.append(type(event).__name__)

    handler = Listing()
    runner = threaded(line, handler, capacity=64)
    offer(line, 1)
    assert handler.entered.wait(WITHIN_S)
    offer(line, *range(2, 31))
    for _ in range(3):
        lease = leased(line.pools, EventType.CONTROL_ACK)
        lease.publish()
        lease.offer_to(runner)
    offer(line, *range(31, 41))
    runner.drain_within_ns = 0
    runner.ask_to_stop()
    handler.go.set()
    runner.stop()
    assert handler.kinds == ["Trade", *["ControlAck"] * 3]
    assert runner.state == "stopped"
    statistics = runner.statistics()
    assert (statistics["delivered"], statistics["cancelled"], statistics["queued"]) == (4, 39, 0)


def test_shut_03_a_callback_that_does_not_return_is_left_behind_as_stalled(line: Line) -> None:
    blocked = Blocked()
    runner = threaded(line, blocked)
    offer(line, 1)
    assert blocked.entered.wait(WITHIN_S)
    runner.stop(0.01)
    assert runner.state == "stalled"
    assert line.pools.statistics().out() == {"Trade": 1}
    blocked.go.set()


def test_con_12_failures_of_several_threads_are_all_told_with_their_worker(line: Line) -> None:
    class Failing:
        def __init__(self, error: type[BaseException]) -> None:
            self.error = error

        def on_event(self, event: Any, ctx: Any) -> None:
            raise self.error(f"at {event.seq_provider}")

    for error in (ValueError, KeyError, SystemExit):
        threaded(line, Failing(error))
    fine = Noting(until=2)
    threaded(line, fine)
    offer(line, 1, 2)
    assert fine.done.wait(WITHIN_S)
    for runner in line.runners:
        runner.stop()
    told = sorted((who, type(error).__name__, worker) for who, error, _, _, worker in line.errors)
    assert {(who, worker) for who, _, worker in told} == {(f"c{i}", f"engine-consumer-c{i}") for i in range(3)}
    assert [name for who, name, _ in told if who != "c2"] == ["ValueError"] * 2 + ["KeyError"] * 2
    assert {name for who, name, _ in told if who == "c2"} == {"SystemExit"}
    assert fine.seqs == [1, 2]


def test_an_error_of_on_start_ends_the_start() -> None:
    class Unwilling(Noting):
        def on_start(self, ctx: Any) -> None:
            raise RuntimeError("no database")

    with pytest.raises(RuntimeError, match="no database"):
        threaded(Line(), Unwilling())


def test_an_error_of_on_stop_is_the_stops(line: Line) -> None:
    class Unwilling(Noting):
        def on_stop(self, ctx: Any) -> None:
            raise RuntimeError("disk full")

    runner = threaded(line, Unwilling())
    with pytest.raises(RuntimeError, match="disk full"):
        runner.stop()
    runner.stop()


def test_a_replay_keeps_step_with_its_threads(line: Line) -> None:
    handler = Noting()
    threaded(line, handler, in_step=True)
    for seq in range(1, 200):
        offer(line, seq)
        assert handler.seqs[-1] == seq


def test_critical_entries_leave_first_in_a_thread_too_CON_02(line: Line) -> None:
    class Kinds(Blocked):
        def __init__(self) -> None:
            super().__init__()
            self.kinds: list[str] = []

        def on_event(self, event: Any, ctx: Any) -> None:
            self.kinds.append(type(event).__name__)
            super().on_event(event, ctx)

    handler = Kinds()
    runner = threaded(line, handler, quantum=1)
    offer(line, 1)
    assert handler.entered.wait(WITHIN_S)
    offer(line, 2, 3)
    assert leased(line.pools, EventType.CONTROL_ACK, ts_recv_ns=1, message_id="m").offer_to(runner) == "accepted"
    handler.go.set()
    runner.stop()
    assert handler.kinds == ["Trade", "ControlAck", "Trade", "Trade"]


def test_mem_09_a_thread_that_keeps_events_is_named(line: Line) -> None:
    class Keeping(Noting):
        def __init__(self, until: int) -> None:
            super().__init__(until)
            self.kept: list[Any] = []

        def on_batch(self, events: list[Any], ctx: Any) -> None:
            self.kept += events
            super().on_batch(events, ctx)

    handler = Keeping(until=20)
    runner = threaded(line, handler)
    for seq in range(1, 21):
        offer(line, seq)
    assert handler.done.wait(WITHIN_S)
    runner.stop()
    assert runner.statistics()["escapes"] == 20
    assert [event.seq_provider for event in handler.kept] == list(range(1, 21))


@pytest.mark.timeout(60)
def test_mem_20_eight_threads_take_and_return_what_one_line_offers() -> None:
    line = Line(pools=recycler(2048))
    handlers = [Noting(until=20_000) for _ in range(8)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for handler in handlers:
            threaded(line, handler, in_step=False, capacity=64)
        for seq in range(1, 20_001):
            line.offer(seq_provider=seq, seq_first=seq)
            if seq % 16 == 0:
                line.flush()
        for runner in line.runners:
            runner.stop()
    finally:
        sys.setswitchinterval(before)
    for handler, runner in zip(handlers, line.runners, strict=True):
        assert handler.seqs == sorted(set(handler.seqs))
        assert runner.mailbox.offered == 20_000
        assert len(handler.seqs) == 20_000 - runner.mailbox.dropped
    statistics = line.pools.statistics()
    assert statistics.out() == {}


@pytest.mark.timeout(60)
def test_bp_05_bp_15_in_threads_books_fold_under_any_interleaving_and_recover() -> None:
    """Deltas that each set one level of twenty: what a thread rebuilds is what was told, at every event it gets."""
    line = Line(pools=recycler(4096))
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    class Slow:
        def __init__(self) -> None:
            self.levels: dict[int, int] = {}
            self.wrong: list[int] = []
            self.last = 0

        def on_event(self, event: Any, ctx: Any) -> None:
            self.levels.update(event.bids)
            last = self.last = event.seq_provider
            if last > 20 and self.levels != {number % 20 + 1: number for number in range(last - 19, last + 1)}:
                self.wrong.append(last)

    handlers = [Slow() for _ in range(3)]
    try:
        for handler in handlers:
            threaded(line, handler, streams=BOOK, in_step=False, capacity=16)
        for seq in range(1, 10_001):
            line.offer(EventType.BOOK_UPDATE, seq_provider=seq, bids=[(seq % 20 + 1, seq)], **DELTA)
        for runner in line.runners:
            runner.stop()
    finally:
        sys.setswitchinterval(before)
    for handler, runner in zip(handlers, line.runners, strict=True):
        row = runner.statistics()
        assert row["offered"] == row["delivered"] + row["coalesced"] == 10_000
        assert (handler.last, handler.wrong) == (10_000, [])
        assert not runner.mailbox.is_saturated
