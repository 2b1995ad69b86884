"""How long to wait before trying again (BOOK-03)."""

from __future__ import annotations

from random import Random

from engine.providers.backoff import Backoff


def test_delays_double_up_to_the_cap_with_full_jitter_BOOK_03() -> None:
    backoff, same = Backoff(0.5, 30.0, Random(7)), Backoff(0.5, 30.0, Random(7))
    delays = [backoff.next_s() for _ in range(40)]
    assert delays == [same.next_s() for _ in range(40)]
    bounds = [min(30.0, 0.5 * 2.0**attempt) for attempt in range(40)]
    assert all(0 <= delay <= bound for delay, bound in zip(delays, bounds, strict=True))
    assert min(delays[6:]) < 10 < 20 < max(delays[6:])
    backoff.reset()
    assert backoff.next_s() <= 0.5


def test_a_step_back_begins_with_the_first_bound_and_forgets_no_attempt() -> None:
    backoff = Backoff(0.5, 30.0, Random(7))
    for _ in range(10):
        backoff.next_s()
    backoff.step_back()
    assert backoff.next_s() <= 0.5
    assert backoff.next_s() <= 1.0
    assert backoff.attempts == 12
