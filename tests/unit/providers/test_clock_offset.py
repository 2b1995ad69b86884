"""BOOK-30: how far a venue's clock is from ours."""

from __future__ import annotations

from random import Random

import pytest

from engine.providers.clock_offset import ClockOffset, OffsetSample

MS = 1_000_000


def sample(true_offset_ns: int, there_ns: int, back_ns: int, resolution_ns: int, sent_ns: int = 10**18) -> OffsetSample:
    """What is seen when the question takes *there_ns*, the answer *back_ns*, and the venue cuts its time."""
    told_ns = (sent_ns + there_ns + true_offset_ns) // resolution_ns * resolution_ns
    return OffsetSample(sent_ns, sent_ns + there_ns + back_ns, told_ns, resolution_ns)


@pytest.mark.parametrize("resolution_ns", [1, MS, 1000 * MS])
@pytest.mark.parametrize("true_offset_ns", [0, 2_000 * MS, -2_000 * MS, 37])
def test_the_estimate_is_never_off_by_more_than_it_says(true_offset_ns: int, resolution_ns: int) -> None:
    random = Random(true_offset_ns + resolution_ns)
    for _ in range(200):
        one = sample(
            true_offset_ns, random.randrange(80 * MS), random.randrange(80 * MS), resolution_ns,
            10**18 + random.randrange(10**10),
        )  # fmt: skip
        assert abs(one.offset_ns - true_offset_ns) <= one.error_ns + 1


def test_of_several_round_trips_the_shortest_counts() -> None:
    clock = ClockOffset()
    assert clock.offset_ns == 0
    clock.take([sample(5_000, 90 * MS, 1, MS), sample(5_000, 2 * MS, 2 * MS, MS), sample(5_000, 1, 80 * MS, MS)])
    assert clock.best is not None
    assert clock.best.round_trip_ns == 4 * MS
    assert abs(clock.offset_ns - 5_000) <= MS
    clock.take([])
    assert clock.best.round_trip_ns == 4 * MS
    assert clock.venue_now_ns(7) == 7 + clock.offset_ns
