"""MEM-09, EVT-42: what user code still refers to is never reused; it escapes, counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.pools.lease import Lease
from engine.schema.enums import EventType
from tests.unit.event_kit import BUILT, churn, fill_all, leased, readable, recycler
from tests.unit.pipeline_kit import Collector, Keeper, runner_of

BOOK = EventType.BOOK_UPDATE
BIDS = [(100, 7), (99, 8), (98, 2**63 - 1)]


def scribble(lease: Lease, number: int) -> None:
    lease.fill("bids", [(-number, number), (-number - 1, number)])
    lease.fill("seq_provider", number)


def keep_event(event: Any) -> tuple[Any, Any]:
    return event, lambda kept: (kept.seq_provider, list(kept.bids))


def keep_levels(event: Any) -> tuple[Any, Any]:
    return event.bids, lambda kept: (11, list(kept))


def keep_memoryview(event: Any) -> tuple[Any, Any]:
    return memoryview(event.bids), lambda kept: (11, [tuple(row) for row in kept.tolist()])


def keep_array(event: Any) -> tuple[Any, Any]:
    return np.asarray(event.bids)[:, :], lambda kept: (11, [tuple(map(int, row)) for row in kept])


def keep_iterator(event: Any) -> tuple[Any, Any]:
    return iter(event.bids), lambda kept: (11, list(kept))


@pytest.mark.parametrize("keep", [keep_event, keep_levels, keep_memoryview, keep_array, keep_iterator])
def test_mem_09_what_is_kept_reads_the_same_after_10000_events(keep: Any) -> None:
    pools = recycler(2)
    lease = leased(pools, BOOK, bids=BIDS, seq_provider=11)
    kept, read = keep(lease.event())
    assert lease.release() == "escaped"
    churn(pools, BOOK, 10_000, scribble)
    assert read(kept) == (11, BIDS)
    statistics = pools.statistics()
    assert statistics.pools["BookUpdate"].escaped == 1
    assert statistics.blocks[16].escaped == 1
    assert statistics.balanced


@pytest.mark.parametrize("event_type", BUILT)
def test_mem_09_every_type_escapes_whole(event_type: EventType) -> None:
    pools = recycler(1)
    lease = pools.acquire_lease(event_type)
    assert lease is not None
    fill_all(lease)
    lease.publish()
    kept = lease.event()
    before = readable(kept)
    assert lease.release() == "escaped"
    churn(pools, event_type, 100)
    assert readable(kept) == before
    assert not kept.is_detached
    with pytest.raises(AttributeError):
        kept.seq_provider = 1


def test_mem_09_the_pool_refills() -> None:
    pools = recycler(2)
    kept = []
    for number in range(20):
        lease = leased(pools, seq_provider=number)
        kept.append(lease.event())
        assert lease.release() == "escaped"
    assert [event.seq_provider for event in kept] == list(range(20))
    row = pools.statistics().pools["Trade"]
    assert (row.capacity, row.escaped, row.in_use) == (2, 20, 0)
    both = [leased(pools), leased(pools)]
    assert pools.acquire_lease(EventType.TRADE) is None
    for lease in both:
        assert lease.release() == "recycled"


def test_mem_09_an_escape_without_levels_is_no_escape_of_a_block() -> None:
    pools = recycler(1)
    leased(pools, BOOK, bids=BIDS).release()
    lease = leased(pools, BOOK)
    kept = lease.event()
    assert lease.release() == "escaped"
    assert list(kept.bids) == []
    assert pools.statistics().balanced
    assert pools.statistics().blocks[16].escaped == 0


def test_mem_09_the_last_look_decides_not_the_first() -> None:
    """A reference that is gone by the last release does no harm."""
    pools = recycler(1)
    lease = leased(pools)
    event = lease.event()
    lease.retain()
    assert lease.release() == "held"
    del event
    assert lease.release() == "recycled"


def test_mem_09_a_detached_copy_is_no_reference() -> None:
    pools = recycler(1)
    lease = leased(pools, BOOK, bids=BIDS)
    copy = lease.event().detach()
    array = np.asarray(copy.bids)
    assert lease.release() == "recycled"
    churn(pools, BOOK, 1000, scribble)
    assert list(copy.bids) == BIDS
    assert array.tolist() == [list(row) for row in BIDS]


def test_mem_09_an_overflow_event_escapes_too() -> None:
    pools = recycler(1)
    held = leased(pools, EventType.CONTROL_ACK)
    lease = leased(pools, EventType.CONTROL_ACK, message_id="kept")
    kept = lease.event()
    assert lease.release() == "escaped"
    assert kept.message_id == "kept"
    held.release()
    assert pools.statistics().pools["ControlAck"].escaped == 1


def test_mem_09_escapes_are_counted_for_the_consumer_that_kept_the_event() -> None:
    """One consumer keeps every event: the others are unharmed, and the count names it."""
    pools = recycler(2)
    keeper, reader = Keeper(), Collector()
    runners = [runner_of(pools, reader, index=0), runner_of(pools, keeper, index=1)]
    for number in range(50):
        lease = leased(pools, seq_provider=number)
        lease.retain()
        for runner in runners:
            assert lease.offer_to(runner) == "accepted"
        for runner in runners:
            runner.deliver()
    assert [event.seq_provider for event in keeper.events] == list(range(50))
    assert [event["seq_provider"] for event in reader.events] == list(range(50))
    statistics = pools.statistics()
    assert statistics.pools["Trade"].escaped == 50
    assert statistics.escapes_by_consumer == (0, 0, 50), "place 0 is outside callbacks"
    assert [runner.escapes for runner in runners] == [0, 50]


def test_mem_09_a_dead_recycler_leaves_kept_events_whole() -> None:
    pools = recycler(1)
    lease = leased(pools, BOOK, bids=BIDS)
    kept = lease.event()
    view = memoryview(kept.asks)
    lease.release()
    del lease, pools
    assert list(kept.bids) == BIDS
    assert view.tolist() == []
