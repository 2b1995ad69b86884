"""OBS: durations land in the bucket that holds them, and percentiles are those of the sorted list, to 1/16."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.observability.latency import LatencyHistogram

DURATIONS = st.one_of(
    st.integers(0, 100), st.integers(0, 10_000_000), st.integers(0, 2**62), st.sampled_from([2**n for n in range(63)])
)


def filled(durations: list[int]) -> LatencyHistogram:
    histogram = LatencyHistogram()
    for duration_ns in durations:
        histogram.add(duration_ns)
    return histogram


def exact(durations: list[int], share: float) -> int:
    """The percentile of the sorted list: the record that *share* of all lie at or below."""
    return sorted(durations)[max(1, int(share * len(durations) + 0.5)) - 1]


def test_3_us_lands_in_its_bucket() -> None:
    ((edge_ns, count),) = filled([3_000]).buckets()
    assert count == 1
    assert 3_000 <= edge_ns < 3_000 * 17 / 16


@pytest.mark.parametrize("duration_ns", [0, 1, 15, 16, 17, 31, 32, 999, 3_000, 999_999, 10**9, 2**62, 2**63 - 1])
def test_a_bucket_is_at_most_a_sixteenth_wide(duration_ns: int) -> None:
    ((edge_ns, _),) = filled([duration_ns]).buckets()
    assert duration_ns <= edge_ns <= duration_ns + duration_ns // 16


def test_buckets_rise_without_gaps() -> None:
    edges = [edge for edge, _ in filled(list(range(5000))).buckets()]
    assert edges == sorted(set(edges))
    assert edges[:33] == [*list(range(32)), 33]
    for below, above in itertools.pairwise(edges):
        ((found, _),) = filled([below + 1]).buckets()
        assert found == above


@pytest.mark.property
@settings(max_examples=300)
@given(durations=st.lists(DURATIONS, min_size=1, max_size=200), share=st.sampled_from([0.0, 0.5, 0.9, 0.99, 0.999, 1.0]))
def test_percentiles_are_those_of_the_sorted_list(durations: list[int], share: float) -> None:
    histogram = filled(durations)
    wanted = exact(durations, share)
    assert wanted <= histogram.percentile_ns(share) <= min(wanted + wanted // 16, max(durations))
    assert histogram.percentile_ns(1.0) == max(durations)
    assert (histogram.count, histogram.min_ns, histogram.max_ns) == (len(durations), min(durations), max(durations))
    assert sum(count for _, count in histogram.buckets()) == len(durations)
    if sum(durations) < 2**63:
        assert histogram.mean_ns() == sum(durations) // len(durations)


def test_percentiles_of_a_long_tail() -> None:
    rng = Random(7)
    durations = [int(rng.lognormvariate(9, 2)) for _ in range(20_000)]
    histogram = filled(durations)
    for share in (0.5, 0.99, 0.999):
        wanted = exact(durations, share)
        assert wanted <= histogram.percentile_ns(share) <= wanted * 17 / 16


def test_one_record_many_times_is_many_records() -> None:
    one, many = LatencyHistogram(), LatencyHistogram()
    one.add(700, times=5)
    one.add(90_000, 2)
    for duration_ns in [700] * 5 + [90_000] * 2:
        many.add(duration_ns)
    assert one.buckets() == many.buckets()
    assert (one.count, one.mean_ns(), one.percentile_ns(0.5)) == (many.count, many.mean_ns(), many.percentile_ns(0.5))


def test_an_empty_histogram_answers_0() -> None:
    empty = LatencyHistogram()
    assert (empty.count, empty.mean_ns(), empty.percentile_ns(0.99), empty.buckets(), empty.max_ns) == (0, 0, 0, [], 0)


def test_a_sum_beyond_64_bits_stays_a_large_one() -> None:
    histogram = filled([2**62] * 5)
    histogram.add(2**40, times=2**30)
    assert histogram.count == 5 + 2**30
    assert histogram.mean_ns() == (2**63 - 1) // histogram.count
    assert histogram.percentile_ns(1.0) == 2**62


def test_a_duration_that_went_back_counts_as_none() -> None:
    histogram = filled([-5])
    assert histogram.buckets() == [(0, 1)]
    assert histogram.percentile_ns(0.5) == 0
    assert histogram.min_ns == -5
