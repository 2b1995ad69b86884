"""MEM-12 to MEM-14, EVT-31 to EVT-33: an exhausted pool never blocks the loop; who may wait, waits to a deadline."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from engine.base.errors import MisuseError, PoolTimeoutError, WrongThreadError
from engine.pools.recycler import Recycler
from engine.schema.enums import EventFlag, EventType
from tests.unit.event_kit import leased, recycler

TRADE = EventType.TRADE
ACK = EventType.CONTROL_ACK


# --- exhaustion ---------------------------------------------------------------------------------------------


def test_mem_12_market_data_finds_an_empty_pool_at_once() -> None:
    """A pool of 1, two holders, and a request for more than there is: an answer each time, no wait."""
    pools = recycler(1)
    lease = leased(pools)
    lease.retain()
    started_ns = time.monotonic_ns()
    assert [pools.acquire_lease(TRADE) for _ in range(1000)] == [None] * 1000
    assert time.monotonic_ns() - started_ns < 100_000_000
    assert pools.statistics().pools["Trade"].exhausted == 1000
    assert [lease.release(), lease.release()] == ["held", "recycled"]
    again = pools.acquire_lease(TRADE)
    assert again is not None
    again.release()


@pytest.mark.parametrize("kind", [EventType.EXEC_REPORT, ACK, EventType.CONTROL_RESULT, EventType.RISK_CONTROL])
@pytest.mark.parametrize("debug", [False, True])
def test_mem_13_critical_kinds_take_the_reserve_then_the_heap(debug: bool, kind: EventType) -> None:
    told: list[dict[str, Any]] = []
    pools = recycler(2, reserve=3, debug=debug, on_problem=lambda what, **metadata: told.append(metadata | {"kind": what}))
    leases = [leased(pools, kind, epoch=number) for number in range(1000)]
    row = pools.statistics().pools[kind.class_name]
    assert (row.capacity, row.reserve, row.in_use, row.in_use_peak) == (5, 3, 1000, 1000)
    assert (row.acquired, row.overflowed, row.exhausted) == (1000, 995, 0)
    flagged = [EventFlag.OVERFLOW_ALLOC in lease.event().flags for lease in leases]
    assert flagged == [False] * 5 + [True] * 995
    assert [lease.event().epoch for lease in leases] == list(range(1000))
    assert [metadata["overflow"] for metadata in told] == list(range(1, 996))
    assert len(pools.outstanding(2000)) == 1000
    assert {lease.release() for lease in reversed(leases)} == {"recycled"}
    row = pools.statistics().pools[kind.class_name]
    assert (row.in_use, row.acquired, row.recycled) == (0, 1000, 1000)


def test_mem_13_a_detached_copy_of_an_overflow_event_is_an_ordinary_one() -> None:
    pools = recycler(1)
    leases = [leased(pools, ACK), leased(pools, ACK)]
    assert EventFlag.OVERFLOW_ALLOC not in leases[1].event().detach().flags
    for lease in leases:
        lease.release()


# --- waiting in a thread ------------------------------------------------------------------------------------


def test_mem_14_the_wait_ends_between_90_and_200_ms_and_says_who_holds() -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    pools = recycler(1, on_problem=lambda kind, **metadata: told.append((kind, metadata)))
    lease = leased(pools)
    started_ns = time.monotonic_ns()
    with pytest.raises(PoolTimeoutError, match="no Trade in 100 ms: 1 of 1 in use, longest: slot 0 of engine") as caught:
        pools.acquire(TRADE)
    assert 90_000_000 <= time.monotonic_ns() - started_ns <= 200_000_000
    error = caught.value
    assert (error.pool, error.in_use, error.capacity) == ("Trade", 1, 1)
    assert error.holder == "slot 0 of engine"
    assert error.code == "unavailable"
    assert told == [("pool.exhausted", {"pool": "Trade", "in_use": 1, "capacity": 1, "waited_ms": 100})]
    lease.release()


def test_mem_14_a_free_slot_is_handed_out_without_waiting() -> None:
    pools = recycler(1)
    lease = pools.acquire(TRADE, timeout_s=0)
    assert lease.event().type is TRADE
    lease.release()


def test_mem_14_a_return_wakes_the_thread_that_waits() -> None:
    pools = recycler(1)
    lease = leased(pools)
    got: list[Any] = []
    asked = threading.Event()

    def wait() -> None:
        asked.set()
        got.append(pools.acquire(TRADE, timeout_s=4))

    thread = threading.Thread(target=wait)
    thread.start()
    assert asked.wait(4)
    while pools.statistics().pools["Trade"].exhausted < 2:  # it has asked, and asked again as a waiter
        thread.join(0.001)
    assert lease.release() == "recycled"
    thread.join(4)
    assert not thread.is_alive()
    assert got[0].index == 0
    got[0].release()


def test_mem_14_waiting_on_the_loop_is_refused() -> None:
    pools = recycler(1)

    async def on_loop() -> None:
        for call in (lambda: pools.acquire(TRADE), lambda: pools.drain(1)):
            with pytest.raises(WrongThreadError, match="event loop"):
                call()

    asyncio.run(on_loop())
    assert pools.statistics().pools["Trade"].acquired == 0


def test_mem_14_there_must_be_such_a_pool() -> None:
    with pytest.raises(MisuseError, match="no pool of Ticker"):
        Recycler({TRADE: 1}).acquire(EventType.TICKER)


# --- waiting in a coroutine ---------------------------------------------------------------------------------


def test_mem_14_a_coroutine_waits_without_holding_its_loop() -> None:
    pools = recycler(1)

    async def main() -> tuple[int, float]:
        lease = leased(pools)
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0)
                ticks += 1

        ticking = asyncio.ensure_future(tick())
        started = time.monotonic()
        with pytest.raises(PoolTimeoutError, match="no Trade in 100 ms"):
            await pools.acquire_async(TRADE)
        took = time.monotonic() - started
        ticking.cancel()
        lease.release()
        return ticks, took

    ticks, took_s = asyncio.run(main())
    assert 0.09 <= took_s <= 0.2
    assert ticks > 10


def test_mem_14_a_return_wakes_every_coroutine_that_waits() -> None:
    pools = recycler(2)

    async def main() -> list[str]:
        leases = [leased(pools), leased(pools)]
        waiting = [asyncio.ensure_future(pools.acquire_async(TRADE, timeout_s=4)) for _ in leases]
        await asyncio.sleep(0)
        assert [lease.release() for lease in leases] == ["recycled"] * 2
        return [lease.release() for lease in await asyncio.gather(*waiting)]

    assert asyncio.run(main()) == ["recycled"] * 2


def test_mem_14_a_return_from_another_thread_wakes_the_coroutine() -> None:
    pools = recycler(1)
    lease = leased(pools)

    async def main() -> str:
        waiting = asyncio.ensure_future(pools.acquire_async(TRADE, timeout_s=4))
        await asyncio.sleep(0)
        thread = threading.Thread(target=lease.release)
        thread.start()
        got = await waiting
        thread.join()
        return str(got.release())

    assert asyncio.run(main()) == "recycled"


# --- waiting for rest ---------------------------------------------------------------------------------------


def test_drain_waits_until_everything_is_back() -> None:
    pools = recycler(2)
    assert pools.drain(0)
    leases = [leased(pools), leased(pools)]
    assert not pools.drain(0.001)
    thread = threading.Thread(target=lambda: [lease.release() for lease in leases])
    thread.start()
    assert pools.drain(4)
    thread.join()
