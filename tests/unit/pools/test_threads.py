"""MEM-10, MEM-20: threads that take and return slots at the same time."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest

from engine.base.errors import DoubleRecycleError
from engine.pools.lease import Lease
from engine.schema.enums import EventType
from tests.unit.event_kit import leased, recycler

TRADE = EventType.TRADE

pytestmark = pytest.mark.threads


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Run *work* in *count* threads that start together; what one raises fails the test."""
    start = threading.Barrier(count)
    failures: list[BaseException] = []

    def run(number: int) -> None:
        start.wait()
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.usefixtures("shortest_switch")
def test_mem_10_of_eight_threads_that_return_one_lease_one_succeeds(debug: bool) -> None:
    pools = recycler(2, debug=debug)
    for _ in range(40):
        lease = leased(pools)
        outcomes: list[str] = []

        def give_back(_: int, lease: Lease = lease, outcomes: list[str] = outcomes) -> None:
            try:
                outcomes.append(lease.release())
            except DoubleRecycleError:
                outcomes.append("refused")

        in_threads(8, give_back)
        assert sorted(outcomes) == ["recycled"] + ["refused"] * 7
    row = pools.statistics().pools["Trade"]
    assert (row.acquired, row.recycled, row.refused, row.in_use) == (40, 40, 280, 0)
    both = [leased(pools), leased(pools)]
    assert {lease.index for lease in both} == {0, 1}
    for lease in both:
        lease.release()


@pytest.mark.property
@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.usefixtures("shortest_switch")
def test_mem_20_concurrent_acquires_and_returns_never_share_a_slot(debug: bool) -> None:
    pools = recycler(6, debug=debug)
    rounds = 60 if debug else 400
    wrong: list[str] = []

    def work(number: int) -> None:
        rng = random.Random(number)
        for turn in range(rounds):
            lease = pools.acquire_lease(TRADE)
            if lease is None:
                continue
            mine = number * 1_000_000 + turn
            lease.fill("price_raw", mine)
            lease.publish()
            if rng.random() < 0.5:
                lease.retain()
                lease.release()
            if lease.event().price_raw != mine:
                wrong.append(f"slot {lease.index} was shared")
            if lease.release() not in ("recycled", "escaped"):
                wrong.append(f"slot {lease.index} did not come back")

    in_threads(8, work)
    assert wrong == []
    row = pools.statistics().pools["Trade"]
    assert row.acquired == row.recycled + row.escaped
    assert (row.in_use, row.refused) == (0, 0)
    whole: list[Lease] = [leased(pools) for _ in range(6)]
    assert {lease.index for lease in whole} == set(range(6))
    for lease in whole:
        lease.release()
