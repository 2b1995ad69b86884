"""MEM-02, EVT-30: how large a pool is: the floor, or three times what the config can hold, or what was asked for."""

from __future__ import annotations

import pytest

from engine.pools.sizes import FLOORS, RESERVES, PoolStatistics, capacities
from engine.schema.enums import EventType


@pytest.mark.parametrize(
    ("profile", "peak_use", "updates", "snapshots", "acks"),
    [
        ("service", 0, 300, 300, 20),
        ("service", 100, 300, 300, 20),
        ("service", 101, 303, 300, 20),
        ("service", 10_000, 30_000, 300, 20),
        ("throughput", 10_000, 65_536, 4096, 1024),
        ("throughput", 30_000, 90_000, 4096, 1024),
    ],
)
def test_mem_02_auto_is_the_floor_or_three_times_the_use(
    profile: str, peak_use: int, updates: int, snapshots: int, acks: int
) -> None:
    sizes, warnings = capacities(profile, peak_use)
    assert sizes[EventType.BOOK_UPDATE] == sizes[EventType.TRADE] == updates
    assert sizes[EventType.BOOK_SNAPSHOT] == snapshots
    assert sizes[EventType.CONTROL_ACK] == acks
    assert warnings == []
    assert all(sizes[event_type] >= floor for event_type, floor in FLOORS[profile].items())


@pytest.mark.parametrize(("critical_use", "reports"), [(0, 20), (6, 20), (7, 21), (640, 1920)])
def test_mem_02_what_is_told_of_orders_has_three_times_the_use_as_well(critical_use: int, reports: int) -> None:
    sizes, _ = capacities("service", 0, None, critical_use)
    assert {sizes[kind] for kind in (EventType.EXEC_REPORT, EventType.CONTROL_ACK, EventType.CONTROL_RESULT)} == {reports}
    assert (sizes[EventType.TRADE], sizes[EventType.RISK_CONTROL]) == (300, 20)


def test_mem_02_a_smaller_explicit_size_is_taken_and_warned_about() -> None:
    sizes, warnings = capacities("service", 200, {EventType.TRADE: 10, EventType.TICKER: 5000})
    assert (sizes[EventType.TRADE], sizes[EventType.TICKER]) == (10, 5000)
    assert warnings == [
        "pools.Trade.capacity 10 is below 600, the size computed from mailboxes, buffers and windows"
    ]


def test_mem_13_every_critical_type_has_a_reserve() -> None:
    critical = {EventType.EXEC_REPORT, EventType.CONTROL_ACK, EventType.CONTROL_RESULT, EventType.RISK_CONTROL}
    pooled = set(FLOORS["service"]) & critical
    assert pooled == set(RESERVES)
    assert {RESERVES[event_type] for event_type in pooled} == {64}


@pytest.mark.parametrize(
    ("in_use", "acquired", "recycled", "escaped", "balanced"),
    [(0, 5, 5, 0, True), (0, 5, 3, 2, True), (1, 5, 4, 0, False), (0, 5, 4, 0, False)],
)
def test_evt_45_balance(in_use: int, acquired: int, recycled: int, escaped: int, balanced: bool) -> None:
    row = PoolStatistics(
        capacity=8,
        reserve=0,
        in_use=in_use,
        in_use_peak=5,
        acquired=acquired,
        recycled=recycled,
        escaped=escaped,
        overflowed=0,
        refused=0,
        exhausted=0,
    )
    assert row.balanced is balanced
