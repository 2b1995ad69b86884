"""CON-02: one bounded mailbox a consumer: critical entries leave first, each class in its order."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base.clock import ManualClock
from engine.consumers.mailbox import Mailbox
from engine.consumers.settings import MailboxSettings
from engine.schema.enums import EventType
from tests.unit.event_kit import leased, recycler
from tests.unit.pipeline_kit import Blocked, Collector, runner_of

TRADE, ACK = EventType.TRADE, EventType.CONTROL_ACK


def seen_types(collector: Collector) -> list[tuple[str, int]]:
    return [(event["type"].class_name, event["seq_provider"]) for event in collector.events]


def offer(pools: Any, runner: Any, event_type: EventType, number: int) -> str:
    lease = leased(pools, event_type, seq_provider=number)
    answer: str = lease.offer_to(runner)
    if answer == "full":
        assert lease.release() == "recycled"
    return answer


def test_con_02_critical_entries_leave_first_and_each_class_in_order() -> None:
    pools, collector = recycler(64), Collector()
    runner = runner_of(pools, collector, quantum=3)
    for number, event_type in enumerate([TRADE, ACK, TRADE, TRADE, ACK, TRADE, ACK]):
        assert offer(pools, runner, event_type, number) == "accepted"
    runner.deliver()
    assert seen_types(collector) == [
        ("ControlAck", 1), ("ControlAck", 4), ("ControlAck", 6), ("Trade", 0), ("Trade", 2), ("Trade", 3), ("Trade", 5),
    ]  # fmt: skip


@pytest.mark.parametrize("capacity", [1, 16, 17, 100])
def test_con_02_market_data_is_bounded_exactly(capacity: int) -> None:
    pools, blocked = recycler(256), Blocked()
    runner = runner_of(pools, blocked, capacity=capacity)

    def fill() -> None:
        for number in range(capacity + 3):
            assert offer(pools, runner, TRADE, number) == "accepted"
            assert len(runner.mailbox) == min(number + 1, capacity)

    blocked.while_busy(pools, runner, fill)
    assert blocked.seqs() == list(range(3, capacity + 3)), "the oldest have gone"
    assert (runner.mailbox.peak, runner.mailbox.dropped, runner.mailbox.offered) == (capacity, 3, capacity + 4)
    assert offer(pools, runner, TRADE, 1) == "accepted"
    runner.deliver()


def test_bp_07_bp_08_critical_entries_are_never_refused_and_never_the_victim() -> None:
    """Reports first in the queue, then an overflow of market data, then more reports past their reserve."""
    pools, blocked = recycler(2048), Blocked()
    runner = runner_of(pools, blocked, capacity=16, critical_reserve=4)

    def overflow() -> None:
        assert {offer(pools, runner, ACK, number) for number in range(3)} == {"accepted"}
        assert {offer(pools, runner, TRADE, number) for number in range(100)} == {"accepted"}
        assert {offer(pools, runner, ACK, number) for number in range(3, 1000)} == {"accepted"}

    blocked.while_busy(pools, runner, overflow)
    assert runner.mailbox.critical_overflow == 1000 - 4
    assert seen_types(blocked) == [("ControlAck", number) for number in range(1000)] + [
        ("Trade", number) for number in range(84, 100)
    ]


@pytest.mark.property
@given(
    rounds=st.lists(st.lists(st.sampled_from([TRADE, ACK]), max_size=60), max_size=4),
    capacity=st.integers(1, 20),
    reserve=st.integers(0, 8),
    quantum=st.integers(1, 10),
)
def test_con_02_against_two_plain_queues(rounds: list[list[EventType]], capacity: int, reserve: int, quantum: int) -> None:
    pools, blocked = recycler(256, types=(TRADE, ACK)), Blocked()
    runner = runner_of(pools, blocked, capacity=capacity, critical_reserve=reserve, quantum=quantum)
    expected: list[tuple[str, int]] = []

    def play(steps: list[EventType]) -> None:
        critical: list[tuple[str, int]] = []
        market: deque[tuple[str, int]] = deque(maxlen=capacity)
        for number, event_type in enumerate(steps):
            assert offer(pools, runner, event_type, number) == "accepted"
            (critical if event_type is ACK else market).append((event_type.class_name, number))
            assert len(runner.mailbox) == len(critical) + len(market)
        expected.extend([*critical, *market])

    for steps in rounds:
        blocked.while_busy(pools, runner, lambda steps=steps: play(steps))  # type: ignore[misc]
        assert seen_types(blocked) == expected
    runner.stop()
    row = runner.statistics()
    assert row["offered"] == row["delivered"] + row["dropped"]


def test_rings_turn_over_many_times() -> None:
    rng = Random(2)
    pools, collector = recycler(128), Collector()
    runner = runner_of(pools, collector, capacity=10, quantum=7)
    sent = 0
    while sent < 3000:
        for _ in range(rng.randrange(1, 11)):
            if offer(pools, runner, TRADE, sent) == "accepted":
                sent += 1
        runner.deliver()
    assert collector.seqs() == list(range(sent))


def test_rings_turn_over_while_something_is_always_queued() -> None:
    pools, sent = recycler(128), 0

    class Asking(Collector):
        """Is offered as much as it takes: only at the end is its mailbox empty."""

        def on_batch(self, events: list[Any], ctx: Any) -> None:
            super().on_batch(events, ctx)
            send(min(len(events), 3000 - sent))

    def send(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            assert offer(pools, runner, TRADE, sent) == "accepted"
            sent += 1

    collector = Asking()
    runner = runner_of(pools, collector, capacity=10, quantum=4)
    send(7)
    runner.deliver()
    assert collector.seqs() == list(range(3000))


def test_a_mailbox_begins_empty() -> None:
    mailbox = Mailbox(recycler(1), ManualClock(), MailboxSettings(capacity=16, critical_reserve=4))
    assert (len(mailbox), mailbox.capacity, mailbox.critical_reserve, mailbox.offered, mailbox.peak) == (0, 16, 4, 0, 0)
