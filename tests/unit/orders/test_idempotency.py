"""TRD-02 to TRD-05, ORDM-05: an id is one order's, whoever asks at once, until its retention is over."""

from __future__ import annotations

import sys
import threading
import tracemalloc

import pytest

from engine.base.clock import ManualClock
from engine.orders.idempotency import TakenIds
from tests.unit.orders.kit import NS, START_NS

HOUR_NS = 3600 * NS
THREADS = 32


class Order:
    """Something to hold an id."""


def ids() -> tuple[TakenIds[Order], ManualClock]:
    clock = ManualClock(START_NS)
    return TakenIds(clock, HOUR_NS), clock


def test_trd_03_a_second_claim_gets_the_first_ones_order() -> None:
    taken, _ = ids()
    first = Order()
    assert taken.claim(("mm1", "1"), first) is None
    assert taken.claim(("mm1", "1"), Order()) is first
    assert taken.find(("mm1", "1")) is first


def test_trd_02_two_consumers_equal_ids_are_two_orders() -> None:
    taken, _ = ids()
    assert taken.claim(("mm1", "1"), Order()) is None
    assert taken.claim(("mm2", "1"), Order()) is None
    assert len(taken) == 2


def test_ordm_05_what_was_suppressed_or_rejected_frees_its_id_and_no_other() -> None:
    taken, _ = ids()
    first, second = Order(), Order()
    taken.claim(("mm1", "1"), first)
    taken.release(("mm1", "1"), second)
    assert taken.claim(("mm1", "1"), second) is first
    taken.release(("mm1", "1"), first)
    assert taken.claim(("mm1", "1"), second) is None


def test_trd_04_refused_at_59_minutes_and_free_at_61() -> None:
    taken, clock = ids()
    first = Order()
    taken.claim(("mm1", "1"), first)
    clock.advance(10 * HOUR_NS)
    assert taken.claim(("mm1", "1"), Order()) is first
    taken.note_end(("mm1", "1"), first)
    clock.advance(59 * 60 * NS)
    assert taken.claim(("mm1", "1"), Order()) is first
    clock.advance(2 * 60 * NS)
    second = Order()
    assert taken.claim(("mm1", "1"), second) is None
    clock.advance(HOUR_NS)
    assert taken.claim(("mm1", "1"), Order()) is second


def test_an_end_long_ago_is_told_after_a_restart() -> None:
    taken, clock = ids()
    first = Order()
    taken.claim(("mm1", "1"), first)
    taken.note_end(("mm1", "1"), first, clock.now() - HOUR_NS + 1)
    assert taken.claim(("mm1", "1"), Order()) is first
    clock.advance(1)
    assert taken.claim(("mm1", "1"), Order()) is None


def test_an_id_behind_a_thousand_that_are_due_is_free_too() -> None:
    taken, clock = ids()
    orders = [Order() for _ in range(1000)]
    for number, order in enumerate(orders):
        taken.claim(("mm1", str(number)), order)
        taken.note_end(("mm1", str(number)), order)
    clock.advance(HOUR_NS)
    assert taken.claim(("mm1", "999"), Order()) is None
    assert len(taken) == 1


@pytest.mark.threads
def test_trd_04_of_32_threads_one_gets_an_id() -> None:
    taken, clock = ids()
    rounds = 200
    old = {number: Order() for number in range(rounds)}
    for number, order in old.items():
        # Half of the ids were another order's whose retention is over the moment they are asked for.
        if number % 2:
            taken.claim(("mm1", str(number)), order)
            taken.note_end(("mm1", str(number)), order)
    clock.advance(HOUR_NS)
    start = threading.Barrier(THREADS)
    got: list[tuple[int, Order]] = []
    told: list[tuple[int, Order]] = []

    def run() -> None:
        start.wait(4)
        for number in range(rounds):
            mine = Order()
            first = taken.claim(("mm1", str(number)), mine)
            (got if first is None else told).append((number, mine if first is None else first))

    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=run) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(4)
    finally:
        sys.setswitchinterval(before_s)
    assert sorted(number for number, _ in got) == list(range(rounds))
    winners = dict(got)
    assert len(told) == rounds * (THREADS - 1)
    assert all(winners[number] is first for number, first in told)


@pytest.mark.soak
def test_trd_05_memory_is_flat_over_a_million_orders() -> None:
    taken, clock = ids()
    tracemalloc.start()
    try:
        sizes = []
        for number in range(1_000_000):
            order = Order()
            key = ("mm1", str(number))
            taken.claim(key, order)
            taken.note_end(key, order)
            clock.advance(NS)
            if number % 100_000 == 99_999:
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert len(taken) <= 3601
    assert max(sizes) <= 1.05 * sizes[0]
