"""The order of one stream under an injected clock."""

from random import Random

import pytest

from tests.twins.reorder_twin import MS, Arrival, Mode, Released, ReorderTwin


def seqs(released: list[Released]) -> list[int]:
    return [entry.arrival.seq for entry in released]


def feed(twin: ReorderTwin, *numbers: int, now_ms: int = 0) -> list[int]:
    return [seq for number in numbers for seq in seqs(twin.offer(Arrival(number), now_ms * MS))]


@pytest.mark.parametrize("start", [1, 5_000_000_000])
def test_contiguous_in_order_passes_and_a_filled_gap_releases_all(start: int) -> None:
    twin = ReorderTwin(Mode.CONTIGUOUS)
    assert feed(twin, start, start + 1) == [start, start + 1]
    assert feed(twin, start + 4, start + 3) == []
    assert feed(twin, start + 2, now_ms=100) == [start + 2, start + 3, start + 4]
    assert (twin.held_count, twin.counters["gaps"], twin.next_deadline_ns()) == (0, 0, None)


@pytest.mark.parametrize(("now_ms", "expected"), [(149, []), (150, [3, 4]), (151, [3, 4])])
def test_a_gap_goes_on_at_its_deadline(now_ms: int, expected: list[int]) -> None:
    twin = ReorderTwin(Mode.CONTIGUOUS)
    feed(twin, 1, 3)
    feed(twin, 4, now_ms=10)
    assert twin.next_deadline_ns() == 150 * MS
    released = twin.advance(now_ms * MS)
    assert seqs(released) == expected
    assert [entry.gap_before for entry in released] == [True, False][: len(expected)]


def test_no_event_outwaits_its_own_deadline_behind_a_younger_one() -> None:
    twin = ReorderTwin(Mode.CONTIGUOUS)
    feed(twin, 1, 6)
    feed(twin, 3, now_ms=100)
    feed(twin, 9, now_ms=120)
    released = twin.advance(150 * MS)
    assert [(entry.arrival.seq, entry.gap_before, entry.held_ns) for entry in released] == [
        (3, True, 50 * MS),
        (6, True, 150 * MS),
    ]
    assert twin.held_count == 1


def test_overflow_releases_the_lowest_and_loses_none() -> None:
    twin = ReorderTwin(Mode.CONTIGUOUS)
    feed(twin, 1)
    assert feed(twin, *range(10, 410, 2)) == []
    assert feed(twin, 410) == [10]
    assert twin.counters["overflow_released"] == 1
    assert seqs(twin.flush(0)) == list(range(12, 412, 2))


def test_late_and_duplicate_are_told_apart() -> None:
    twin = ReorderTwin(Mode.CONTIGUOUS)
    feed(twin, 1, 3)
    twin.advance(150 * MS)
    assert feed(twin, 3, 1, 2, 2, now_ms=160) == []
    assert (twin.counters["duplicates"], twin.counters["late_dropped"]) == (2, 2)
    feed(twin, 7, 7, now_ms=170)
    assert twin.counters["duplicates"] == 3
    late = twin.offer(Arrival(2, is_critical=True), 180 * MS)
    assert [(entry.arrival.seq, entry.late) for entry in late] == [(2, True)]
    assert twin.offer(Arrival(2, is_critical=True), 190 * MS) == []


def test_the_horizon_bounds_what_counts_as_duplicate() -> None:
    twin = ReorderTwin(Mode.CONTIGUOUS, horizon_ids=10)
    feed(twin, *range(1, 21))
    feed(twin, 11, 10)
    assert (twin.counters["duplicates"], twin.counters["late_dropped"]) == (1, 1)
    feed(twin, 20, now_ms=300_000)
    assert (twin.counters["duplicates"], twin.counters["late_dropped"]) == (1, 2)


def test_range_joins_overlaps_and_drops_what_a_wider_one_passed() -> None:
    twin = ReorderTwin(Mode.RANGE)
    offers = [(1, 4), (8, 9), (11, 12), (4, 7), (10, 10)]
    released = [entry for first, last in offers for entry in twin.offer(Arrival(last, first_id=first), 0)]
    assert seqs(released) == [4, 7, 9, 10, 12]
    assert seqs(twin.offer(Arrival(16, first_id=15), 0)) == []
    assert seqs(twin.offer(Arrival(20, first_id=13), 0)) == [20]
    assert (twin.counters["late_dropped"], twin.counters["gaps"], twin.held_count) == (1, 0, 0)


def test_monotonic_passes_steps_and_equal_numbers_that_do_not_identify() -> None:
    twin = ReorderTwin(Mode.MONOTONIC)
    assert feed(twin, 100, 120, 140, 130, 140) == [100, 120, 140]
    assert (twin.counters["late_dropped"], twin.counters["duplicates"]) == (1, 1)
    times = ReorderTwin(Mode.MONOTONIC, numbers_identify=False)
    arrivals = [Arrival(5, ident="a"), Arrival(5, ident="b"), Arrival(5, ident="a"), Arrival(4, ident="c")]
    assert [len(times.offer(arrival, 0)) for arrival in arrivals] == [1, 1, 0, 0]
    assert (times.counters["duplicates"], times.counters["late_dropped"]) == (1, 1)


def test_none_keeps_the_order_of_arrival() -> None:
    twin = ReorderTwin(Mode.NONE, horizon_ids=3)
    assert feed(twin, 5, 3, 9, 3) == [5, 3, 9]
    assert feed(twin, 10, 5) == [10, 5]
    assert (twin.counters["duplicates"], twin.held_count) == (1, 0)


def test_equal_numbers_leave_by_receive_time() -> None:
    twin = ReorderTwin(Mode.CONTIGUOUS, numbers_identify=False)
    twin.offer(Arrival(1), 0)
    for ident, recv_ns in (("late", 30), ("early", 10), ("middle", 20)):
        twin.offer(Arrival(3, ts_recv_ns=recv_ns, ident=ident), 0)
    released = twin.offer(Arrival(2), 0)
    assert [entry.arrival.ident for entry in released] == [None, "early", "middle", "late"]


def test_a_reset_sets_a_new_baseline_and_lets_what_waits_go() -> None:
    twin = ReorderTwin(Mode.CONTIGUOUS)
    feed(twin, 100, 102)
    assert feed(twin, 1) == []
    assert (seqs(twin.reset(0)), twin.epoch) == ([102], 2)
    assert feed(twin, 1, 2) == [1, 2]
    assert twin.counters["duplicates"] == 0


@pytest.mark.parametrize("seed", range(20))
def test_anything_displaced_inside_the_tolerance_leaves_in_exact_order(seed: int) -> None:
    rng = Random(seed)
    sent = [(number * 10 * MS + rng.randrange(140) * MS, number) for number in range(1, 200)]
    twin = ReorderTwin(Mode.CONTIGUOUS)
    released = twin.offer(Arrival(0), 0)
    for now_ns, number in sorted(sent):
        released += twin.offer(Arrival(number), now_ns)
    assert seqs(released) == list(range(200))
    assert max(entry.held_ns for entry in released) <= 150 * MS
