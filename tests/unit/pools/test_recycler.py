"""MEM-04, MEM-05, MEM-10: one gateway, every field cleared, a second return refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import DoubleRecycleError, MisuseError
from engine.pools.recycler import Recycler, live
from engine.schema.enums import EventType
from tests.fixtures_pools import assert_balanced
from tests.unit.event_kit import (
    BUILT,
    DERIVED,
    SAMPLES,
    attributes_of,
    churn,
    fields_of,
    fill_all,
    leased,
    readable,
    recycler,
)

TRADE = EventType.TRADE


# --- one gateway --------------------------------------------------------------------------------------------


def test_mem_04_statistics_follow_a_known_sequence() -> None:
    pools = recycler(3)
    first, second = leased(pools), leased(pools)
    second.retain()
    assert pools.statistics().pools["Trade"].in_use == 2
    assert [second.release(), first.release(), second.release()] == ["held", "recycled", "recycled"]
    assert first.release() == "refused"
    row = pools.statistics().pools["Trade"]
    assert (row.capacity, row.in_use, row.in_use_peak) == (3, 0, 2)
    assert (row.acquired, row.recycled, row.escaped, row.refused) == (2, 2, 0, 1)
    assert pools.statistics().balanced
    assert pools.statistics().out() == {}


def test_mem_04_the_record_of_a_moment_does_not_change() -> None:
    pools = recycler()
    before = pools.statistics()
    lease = leased(pools)
    assert before.pools["Trade"].in_use == 0
    assert pools.statistics().out() == {"Trade": 1}
    with pytest.raises(AttributeError):
        before.pools["Trade"].in_use = 5  # type: ignore[misc]
    lease.release()


def test_mem_04_nobody_else_touches_a_free_list(project_root: Path) -> None:
    touching = {
        str(path.relative_to(project_root))
        for folder in ("engine", "pyx")
        for path in (project_root / folder).rglob("*.p[xy][dx]")
        if "free_stack" in path.read_text(encoding="utf-8")
    }
    own = {"engine/pools/recycler.pxd", "engine/pools/blocks.pxd", "pyx/pools/recycler.pyx"}
    assert touching - own == {"pyx/bench/poolload.pyx"}, "the slab that the benchmark compares with"
    assert own <= touching


def test_slots_are_reused_and_not_made_anew() -> None:
    pools = recycler(2)
    seen = set()
    for _ in range(50):
        lease = leased(pools)
        seen.add(id(lease.event()))
        lease.release()
    assert len(seen) == 1


def test_a_pool_needs_a_slot_and_a_type() -> None:
    with pytest.raises(MisuseError, match="0 slots"):
        Recycler({TRADE: 0})
    with pytest.raises(MisuseError, match="no pool of Ticker"):
        Recycler({TRADE: 1}).acquire_lease(EventType.TICKER)


def test_every_recycler_that_lives_is_known() -> None:
    pools = recycler()
    assert pools in live()


def test_each_event_has_a_trace_id_of_its_own() -> None:
    pools = recycler(8)
    leases = [leased(pools) for _ in range(8)]
    traces = {lease.event().trace_id for lease in leases}
    assert len(traces) == 8
    assert "00000000-0000-0000-0000-000000000000" not in traces
    for lease in leases:
        lease.release()


# --- every field is cleared ---------------------------------------------------------------------------------


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("event_type", BUILT)
def test_mem_05_a_recycled_slot_equals_a_fresh_one(event_type: EventType, debug: bool) -> None:
    """The fields are read off the class: one that is not told a sample here, or not cleared, fails."""
    cls = BUILT[event_type]
    told = set(fields_of(event_type)) | DERIVED | {"instrument_id"}
    assert set(attributes_of(cls)) <= told, "a property that is no field of as_dict()"
    assert set(fields_of(event_type)) <= set(SAMPLES), "a field without a sample value"

    pools = recycler(1, debug=debug)
    fresh = readable(cls())
    lease = pools.acquire_lease(event_type)
    assert lease is not None
    slot = id(lease.event())
    set_values = fill_all(lease)
    filled = readable(lease.event())
    for name, value in set_values.items():
        assert filled[name] == value, name
        assert filled[name] != fresh[name], f"the sample of {name} cannot show that it was cleared"
    lease.publish()
    assert lease.release() == "recycled"

    again = pools.acquire_lease(event_type)
    assert again is not None
    assert id(again.event()) == slot
    now = readable(again.event())
    assert now.pop("trace_id") not in (fresh.pop("trace_id"), SAMPLES["trace_id"])
    assert now == fresh
    again.release()


def test_mem_05_levels_go_back_to_their_blocks() -> None:
    pools = recycler(1)
    for count in (3, 17, 200, 3):
        lease = pools.acquire_lease(EventType.BOOK_UPDATE)
        assert lease is not None
        lease.fill("bids", [(count - i, 1) for i in range(count)])
        assert len(lease.event().bids) == count
        lease.release()
    blocks = pools.statistics().blocks
    assert [(size, row.acquired, row.recycled) for size, row in blocks.items() if row.acquired] == [
        (16, 2, 2),
        (128, 1, 1),
        (1024, 1, 1),
    ]
    assert [row.in_use_peak for row in blocks.values()] == [1, 1, 1, 0, 0]


# --- a second return ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("debug", [False, True])
def test_mem_10_a_second_return_is_refused_and_the_new_owner_unharmed(debug: bool) -> None:
    pools = recycler(1, debug=debug)
    old = leased(pools, price_raw=1)
    assert old.release() == "recycled"
    new = leased(pools, price_raw=77)
    assert (new.index, new.generation) == (old.index, old.generation + 1)
    for _ in range(5):
        if debug:
            with pytest.raises(DoubleRecycleError, match="Trade slot 0 recycled twice"):
                old.release()
        else:
            assert old.release() == "refused"
    assert new.event().price_raw == 77
    assert pools.outstanding()[0]["refs"] == 1
    row = pools.statistics().pools["Trade"]
    assert (row.in_use, row.refused, row.recycled) == (1, 5, 1)
    assert new.release() == "recycled"


@pytest.mark.parametrize("call", ["event", "publish", "retain"])
def test_mem_10_an_ended_lease_reaches_nothing(call: str) -> None:
    pools = recycler(1)
    old = leased(pools)
    old.release()
    new = pools.acquire_lease(TRADE)
    assert new is not None
    with pytest.raises(MisuseError, match="has ended"):
        getattr(old, call)()
    with pytest.raises(MisuseError, match="has ended"):
        old.fill("price_raw", 666)
    assert new.event().price_raw == 0
    new.release()


def test_mem_10_a_holder_that_returns_twice_harms_no_other() -> None:
    """Two references out: the lease's own, and one that a mailbox holds; the lease gives back once too often."""
    from engine.consumers.inline import InlineRunner
    from engine.consumers.mailbox import Mailbox
    from tests.unit.pipeline_kit import Collector, runner_of

    pools = recycler(1)
    collector = Collector()
    runner: InlineRunner = runner_of(pools, collector)
    lease = leased(pools, price_raw=5)
    lease.retain()
    assert lease.offer_to(runner) == "accepted"
    assert [lease.release(), lease.release(), lease.release()] == ["held", "refused", "refused"]
    assert isinstance(runner.mailbox, Mailbox)
    assert len(runner.mailbox) == 1
    runner.stop()
    assert [event["price_raw"] for event in collector.events] == [5]
    assert pools.statistics().pools["Trade"].refused == 2


@pytest.mark.parametrize("debug", [False, True])
def test_mem_10_an_overflow_event_returns_once(debug: bool) -> None:
    pools = recycler(1, debug=debug)
    kept = leased(pools, EventType.CONTROL_ACK)
    extra = leased(pools, EventType.CONTROL_ACK, message_id="m-9")
    assert pools.statistics().pools["ControlAck"].overflowed == 1
    assert extra.release() == "recycled"
    if debug:
        with pytest.raises(DoubleRecycleError):
            extra.release()
    else:
        assert extra.release() == "refused"
    assert kept.release() == "recycled"
    row = pools.statistics().pools["ControlAck"]
    assert (row.acquired, row.recycled, row.refused, row.in_use) == (2, 2, 1, 0)


def test_mem_10_a_refused_return_is_told_with_its_stack_once_a_second() -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    pools = recycler(1, on_problem=lambda kind, **metadata: told.append((kind, metadata)))
    lease = leased(pools)
    lease.release()
    for _ in range(3):
        lease.release()
    assert [kind for kind, _ in told] == ["recycler.double_recycle"] * 3
    assert "test_recycler" in told[0][1]["stacks"]
    assert [metadata["stacks"] for _, metadata in told[1:]] == [None, None]
    assert {metadata["pool"] for _, metadata in told} == {"Trade"}


# --- the balance fixture itself -----------------------------------------------------------------------------


@pytest.mark.pools_out
def test_mem_15_the_fixture_of_every_test_sees_what_is_out() -> None:
    pools = recycler()
    churn(pools, TRADE, 10)
    assert_balanced({pools})
    lease = leased(pools)
    with pytest.raises(AssertionError, match=r"still out: {'Trade': 1}"):
        assert_balanced({pools})
    assert lease.release() == "recycled"
    assert_balanced({pools})
