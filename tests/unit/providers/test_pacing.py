"""BOOK-06: how fast control frames and connects may follow each other."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from engine.providers.pacing import Pacer, SlidingWindow


def test_a_window_lets_so_many_through_in_any_stretch() -> None:
    window = SlidingWindow(3, 10.0)
    for at_s in (0.0, 1.0, 2.0):
        assert window.wait_s(at_s) == 0.0
        window.note(at_s)
    assert window.wait_s(2.0) == 8.0
    assert window.wait_s(9.5) == 0.5
    assert window.wait_s(10.0) == 0.0
    window.note(10.0)
    assert window.wait_s(10.0) == 1.0


def test_a_spare_place_is_kept() -> None:
    window = SlidingWindow(3, 10.0)
    for at_s in (0.0, 1.0):
        window.note(at_s)
    assert window.wait_s(2.0) == 0.0
    assert window.wait_s(2.0, spare=1) == 8.0
    window.note(2.0)
    assert window.wait_s(3.0, spare=1) == 8.0


def most_within(times_s: list[float], within_s: float) -> int:
    return max(sum(start <= one < start + within_s - 1e-9 for one in times_s) for start in times_s)


@pytest.mark.parametrize("seed", range(5))
def test_no_second_holds_more_than_the_venue_allows_pongs_included_BOOK_06(seed: int) -> None:
    random = Random(seed)
    pacer = Pacer(0.25, SlidingWindow(5, 1.0))
    now_s, sent, control = 0.0, [], []
    next_pong_s = random.uniform(0.0, 2.0)
    for _ in range(400):
        now_s += pacer.wait_s(now_s) if random.random() < 0.8 else random.uniform(0.0, 0.4)
        if now_s >= next_pong_s:
            pacer.answered(now_s)
            sent.append(now_s)
            next_pong_s = now_s + random.uniform(1.0, 3.0)
        if pacer.wait_s(now_s) == 0.0:
            pacer.sent(now_s)
            sent.append(now_s)
            control.append(now_s)
    assert len(control) > 100
    assert most_within(sent, 1.0) <= 5
    gaps = [later - earlier for earlier, later in pairwise(control)]
    assert min(gaps) >= 0.25 - 1e-9
