"""MEM-11, MEM-22, EVT-43: in debug a recycled event raises wherever it is touched, and leaks name their line."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from engine.base.errors import UseAfterRecycleError
from engine.pools.recycler import Recycler
from engine.schema.enums import EventType
from tests.unit.event_kit import (
    BOOK_TYPES,
    BUILT,
    attributes_of,
    churn,
    fields_of,
    fill_all,
    leased,
    readable,
    recycler,
)

BOOK = EventType.BOOK_UPDATE
BIDS = [(100, 7), (99, 8)]
ASKS = [(101, 9)]


def recycled(event_type: EventType) -> tuple[Recycler, Any]:
    """A kept event of a debug recycler, after its last release."""
    pools = recycler(1, debug=True)
    lease = pools.acquire_lease(event_type)
    assert lease is not None
    fill_all(lease)
    lease.publish()
    event = lease.event()
    assert lease.release() == "escaped"
    return pools, event


def calls_of(event: Any) -> Iterator[tuple[str, Callable[[], object]]]:
    """Every method a consumer can call on an event, by the name it has on the class."""
    given: dict[str, tuple[Any, ...]] = {"fill": ("epoch", 1), "from_dict": ()}
    for name in dir(type(event)):
        if not name.startswith("_") and callable(getattr(type(event), name)) and name != "from_dict":
            yield name, lambda name=name: getattr(event, name)(*given.get(name, ()))


@pytest.mark.parametrize(
    ("event_type", "attribute"),
    [(event_type, name) for event_type, cls in BUILT.items() for name in attributes_of(cls)],
)
def test_mem_11_every_attribute_of_a_recycled_event_raises(event_type: EventType, attribute: str) -> None:
    pools, event = recycled(event_type)
    for _ in range(2):
        with pytest.raises(UseAfterRecycleError):
            getattr(event, attribute)
        churn(pools, event_type, 3)


@pytest.mark.parametrize("event_type", BUILT)
def test_mem_11_every_call_and_assignment_raises(event_type: EventType) -> None:
    _, event = recycled(event_type)
    calls = dict(calls_of(event))
    assert {"detach", "as_dict", "fill"} <= set(calls)
    for call in calls.values():
        with pytest.raises(UseAfterRecycleError):
            call()
    for name in fields_of(event_type):
        with pytest.raises(UseAfterRecycleError):
            setattr(event, name, None)
    for touch in (hash, pickle.dumps, copy.copy, copy.deepcopy, lambda e: e == BUILT[event_type]()):
        with pytest.raises(UseAfterRecycleError):
            touch(event)
    assert repr(event) == f"<{BUILT[event_type].__name__} recycled>"


@pytest.mark.parametrize("event_type", BOOK_TYPES)
def test_mem_11_levels_and_iterators_kept_from_before_raise(event_type: EventType) -> None:
    pools = recycler(1, debug=True)
    lease = leased(pools, event_type, bids=BIDS, asks=ASKS)
    event = lease.event()
    bids, asks, iterator = event.bids, event.asks, iter(event.bids)
    assert next(iterator) == BIDS[0]
    del event
    assert lease.release() == "escaped"
    touches: list[Callable[[], object]] = [
        lambda: len(bids),
        lambda: bids[0],
        lambda: bids[-1],
        lambda: bids[0:1],
        lambda: list(asks),
        lambda: next(iterator),
        lambda: bids == BIDS,
        lambda: repr(bids),
        lambda: (100, 7) in bids,
        lambda: list(reversed(bids)),
        bids.decimals,
        lambda: memoryview(bids),
        lambda: bytes(bids),
    ]
    for touch in touches:
        with pytest.raises(UseAfterRecycleError):
            touch()
    # numpy takes a refused buffer for "no array": it wraps the view itself, and reads no number of it.
    assert np.asarray(asks).dtype == object


@pytest.mark.parametrize("event_type", BOOK_TYPES)
def test_mem_11_memory_behind_a_view_keeps_its_own_data(event_type: EventType) -> None:
    pools = recycler(1, debug=True)
    lease = leased(pools, event_type, bids=BIDS, asks=ASKS)
    view, array = memoryview(lease.event().bids), np.asarray(lease.event().asks)
    assert lease.release() == "escaped"
    churn(pools, event_type, 1000, lambda lease, number: lease.fill("bids", [(number, number)] * 3))
    assert view.tolist() == [list(row) for row in BIDS]
    assert array.tolist() == [list(row) for row in ASKS]
    del view, array
    churn(pools, event_type, 10)
    assert pools.statistics().balanced


def test_mem_11_the_error_tells_where_it_was_acquired_and_where_it_was_recycled() -> None:
    def take(pools: Recycler) -> Any:
        return leased(pools)

    def give_back(lease: Any) -> None:
        lease.release()

    pools = recycler(2, debug=True)
    lease = take(pools)
    event = lease.event()
    give_back(lease)
    churn(pools, EventType.TRADE, 5)
    with pytest.raises(UseAfterRecycleError) as caught:
        _ = event.price_raw
    acquired, _, gone = str(caught.value).partition("recycled at:")
    assert "in take" in acquired.partition("acquired at:")[2]
    assert "in give_back" in gone
    assert "in give_back" not in acquired
    assert caught.value.op == "event.read"
    assert "detach()" in caught.value.hint


def test_mem_11_a_recycler_describes_its_own_events_while_another_lives() -> None:
    first, second = recycler(1, debug=True), recycler(1, debug=True)

    def keep(pools: Recycler) -> Any:
        lease = leased(pools)
        event = lease.event()
        lease.release()
        return event

    def keep_other(pools: Recycler) -> Any:
        lease = leased(pools)
        event = lease.event()
        lease.release()
        return event

    event, other = keep(first), keep_other(second)
    with pytest.raises(UseAfterRecycleError, match=r"in keep\b"):
        _ = event.epoch
    with pytest.raises(UseAfterRecycleError, match="in keep_other"):
        _ = other.epoch


def test_mem_11_the_generation_moves_on() -> None:
    pools = recycler(1, debug=True)
    generations = []
    for _ in range(4):
        lease = leased(pools)
        generations.append(lease.generation)
        lease.release()
    assert generations == [0, 1, 2, 3]


def test_mem_11_an_escaped_event_stays_readable_in_release() -> None:
    pools = recycler(1)
    lease = leased(pools, BOOK, bids=BIDS)
    event = lease.event()
    before = readable(event)
    lease.release()
    churn(pools, BOOK, 1000)
    assert readable(event) == before


@pytest.mark.parametrize("event_type", BUILT)
def test_debug_can_be_switched_while_running(event_type: EventType) -> None:
    """What was poisoned in debug is clean when release uses it again, and the other way round."""
    pools = recycler(3)
    fresh = readable(BUILT[event_type]())
    fresh.pop("trace_id")
    for debug in (True, False, True, True, False):
        pools.set_debug(debug)
        assert pools.debug is debug
        leases = [pools.acquire_lease(event_type) for _ in range(3)]
        for lease in leases:
            assert lease is not None
            now = readable(lease.event())
            now.pop("trace_id")
            assert now == fresh
            fill_all(lease)
            lease.publish()
            lease.release()


# --- leaks --------------------------------------------------------------------------------------------------


def leak_here(pools: Recycler, event_type: EventType) -> Any:
    return leased(pools, event_type, ts_recv_ns=5)


@pytest.mark.parametrize("event_type", [EventType.TRADE, EventType.CONTROL_ACK])
def test_mem_22_what_is_out_is_listed_with_the_line_that_took_it(event_type: EventType) -> None:
    """A planted leak; for the critical type it lies on the heap, past the pool."""
    pools = recycler(1, debug=True)
    filler = leased(pools, event_type) if event_type is EventType.CONTROL_ACK else None
    leak = leak_here(pools, event_type)
    rows = [row for row in pools.outstanding() if "in leak_here" in str(row["acquired_at"])]
    assert len(rows) == 1
    row = rows[0]
    assert row["type"] == event_type.class_name
    assert row["index"] == (None if filler else 0)
    assert (row["refs"], row["holder"], row["ts_recv_ns"]) == (1, "engine", 5)
    assert isinstance(row["age_ns"], int)
    assert row["age_ns"] > 0
    leak.release()
    if filler is not None:
        filler.release()
    assert pools.outstanding() == []


def test_mem_22_the_longest_is_listed_first_and_the_list_is_bounded() -> None:
    pools = recycler(8, debug=True)
    leases = [leased(pools) for _ in range(5)]
    rows = pools.outstanding(3)
    assert [row["index"] for row in rows] == [0, 1, 2]
    for lease in leases:
        lease.release()


def test_mem_22_without_debug_the_age_is_told_by_the_arrival() -> None:
    pools = recycler(8)
    leases = [leased(pools, ts_recv_ns=number) for number in (30, 10, 20)]
    rows = pools.outstanding()
    assert [row["ts_recv_ns"] for row in rows] == [10, 20, 30]
    assert {(row["age_ns"], row["acquired_at"]) for row in rows} == {(None, None)}
    for lease in leases:
        lease.release()
