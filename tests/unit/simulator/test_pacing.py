"""The market's time against the true one: no drift, and lateness told as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from engine.simulator import pacing
from engine.simulator.pacing import Pacer
from engine.simulator.timeline import Timeline
from engine.simulator.writes import Writes

START_US = 1_700_000_000_000_000


class FakeLoop:
    """Turns that are given by hand; what is scheduled is kept."""

    def __init__(self) -> None:
        self.turn: Callable[[], None] = lambda: None
        self.wait_s = 0.0

    def call_soon(self, callback: Callable[[], None]) -> Any:
        return self.call_later(0.0, callback)

    def call_later(self, wait_s: float, callback: Callable[[], None]) -> Any:
        self.turn, self.wait_s = callback, wait_s
        return self

    def cancel(self) -> None:
        self.turn = lambda: None


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> FakeLoop:
    made = FakeLoop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: made)
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Nanoseconds of the monotonic clock, moved by hand."""
    now_ns = [5_000_000_000]
    monkeypatch.setattr(pacing.time, "monotonic_ns", lambda: now_ns[0])
    return now_ns


def every_ms(timeline: Timeline, ran_us: list[int]) -> None:
    due_us = count(START_US, 1000)

    def run() -> None:
        ran_us.append(timeline.now_us)
        timeline.at(next(due_us), run)

    timeline.at(next(due_us), run)


def test_a_late_turn_shifts_nothing_after_it(loop: FakeLoop, clock: list[int]) -> None:
    timeline, ran_us = Timeline(START_US), []  # type: tuple[Timeline, list[int]]
    pacer = Pacer([timeline], START_US)
    every_ms(timeline, ran_us)
    pacer.start()
    for wait_ns in (1_000_000, 7_000_000, 2_000_000, 1_000_000):
        clock[0] += wait_ns
        loop.turn()
        while not loop.wait_s:
            loop.turn()
    assert timeline.now_us == START_US + 11_000
    assert ran_us == [START_US + ms * 1000 for ms in range(12)]


def test_lateness_is_from_when_a_thing_was_due(loop: FakeLoop, clock: list[int]) -> None:
    timeline = Timeline(START_US)
    pacer = Pacer([timeline], START_US)
    timeline.at(START_US + 1000, lambda: None)
    timeline.at(START_US + 2000, lambda: None)
    pacer.start()
    clock[0] += 2_500_000
    loop.turn()
    assert pacer.lateness.count == 2
    assert pacer.lateness.max_ns == pytest.approx(1_500_000, rel=0.05)
    assert pacer.lateness.min_ns == pytest.approx(500_000, rel=0.05)


def test_a_write_is_told_by_how_far_the_market_had_come_and_when_it_was(
    loop: FakeLoop, clock: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing.time, "time_ns", lambda: clock[0] + 77)
    timelines = [Timeline(START_US), Timeline(START_US)]
    pacer = Pacer(timelines, START_US)
    pacer.wrote(timelines[0])  # while no time passes, none of it counts
    pacer.start()
    began_ns = clock[0] + 77
    clock[0] += 1_800_000
    assert pacer.bring(timelines[0])
    clock[0] += 300_000
    pacer.wrote(timelines[0])
    pacer.wrote(timelines[0])  # no later than the one before, on another socket
    clock[0] += 700_000
    pacer.step()
    pacer.wrote(timelines[1])
    assert pacer.writes() == [
        {"up_to_us": [START_US + 1800], "written_ns": [began_ns + 2_100_000]},
        {"up_to_us": [START_US + 2800], "written_ns": [began_ns + 2_800_000]},
    ]


def test_one_timeline_is_brought_some_way_to_the_present_and_the_others_stay(loop: FakeLoop, clock: list[int]) -> None:
    timelines = [Timeline(START_US), Timeline(START_US)]
    pacer = Pacer(timelines, START_US)
    assert pacer.bring(timelines[0])  # no time passes
    assert timelines[0].now_us == START_US
    pacer.start()
    timelines[0].at(START_US + 1000, lambda: None)
    clock[0] += 3_500_000
    assert not pacer.bring(timelines[0])
    assert [timeline.now_us - START_US for timeline in timelines] == [3000, 0]  # 2 ms from what is due
    assert pacer.bring(timelines[0])
    assert pacer.bring(timelines[1])  # nothing is due there: at once
    assert [timeline.now_us - START_US for timeline in timelines] == [3500, 3500]


def test_the_newest_writes_are_kept() -> None:
    writes = Writes(kept_max=4)
    for number in range(7):
        writes.note(number, number * 10)
    assert writes.told(0) == {"up_to_us": [4, 5, 6], "written_ns": [40, 50, 60]}


def test_the_next_turn_comes_when_the_next_thing_is_due(loop: FakeLoop, clock: list[int]) -> None:
    timelines = [Timeline(START_US), Timeline(START_US)]
    pacer = Pacer(timelines, START_US)
    timelines[0].at(START_US + 50_000, lambda: None)
    timelines[1].at(START_US + 7_300, lambda: None)
    pacer.start()
    loop.turn()
    assert loop.wait_s == 0.008
    timelines[1].advance(START_US + 8_000)
    timelines[0].advance(START_US + 60_000)
    loop.turn()
    assert loop.wait_s == 0.1


def test_who_fell_far_behind_gives_the_sockets_turns_between(loop: FakeLoop, clock: list[int]) -> None:
    timeline, ran_us = Timeline(START_US), []  # type: tuple[Timeline, list[int]]
    pacer = Pacer([timeline], START_US)
    every_ms(timeline, ran_us)
    pacer.start()
    clock[0] += 1_000_000_000
    loop.turn()
    assert (len(ran_us), loop.wait_s) == (4, 0.0)  # the first was due at the start, the others within 2 ms from the next
    loop.turn()
    assert (len(ran_us), loop.wait_s) == (7, 0.0)
    pacer.catch_up()
    assert timeline.now_us == START_US + 1_000_000


def test_a_stopped_pacer_lets_no_time_pass(loop: FakeLoop, clock: list[int]) -> None:
    timeline = Timeline(START_US)
    pacer = Pacer([timeline], START_US)
    pacer.start()
    pacer.stop()
    clock[0] += 1_000_000
    pacer.catch_up()
    loop.turn()
    assert (timeline.now_us, pacer.is_running) == (START_US, False)


def test_catching_up_ends_where_more_falls_due_than_can_be_done(loop: FakeLoop, clock: list[int]) -> None:
    timeline = Timeline(START_US)
    pacer = Pacer([timeline], START_US)
    pacer.start()

    def slow() -> None:
        clock[0] += 2_000_000  # takes 2 ms, comes each ms
        timeline.after(1000, slow)

    timeline.after(1000, slow)
    clock[0] += 100_000_000
    pacer.catch_up()
    assert timeline.now_us == START_US + 100_000


def test_what_has_passed_before_the_start_is_made_good_and_not_late(loop: FakeLoop, clock: list[int]) -> None:
    timeline = Timeline(START_US)
    ran_us: list[int] = []
    every_ms(timeline, ran_us)
    pacer = Pacer([timeline], START_US)
    pacer.start(passed_us=2500)
    assert (ran_us, pacer.lateness.count) == ([START_US, START_US + 1000, START_US + 2000], 0)
    assert pacer.now_us() == START_US + 2500
    clock[0] += 500_000
    loop.turn()
    assert (ran_us[-1], pacer.lateness.count) == (START_US + 3000, 1)
