"""INS-10, INS-11: one time that never goes back, whatever the wall clock does."""

from __future__ import annotations

import threading
import time

import pytest

from engine.base.clock import Clock, ManualClock, SystemClock, monotonic_now

HOUR_NS = 3_600_000_000_000


def spin_until(clock: Clock, by_ns: int) -> None:
    """Read the clock until it has moved by *by_ns*."""
    until_ns = clock.now() + by_ns
    while clock.now() < until_ns:
        pass


def test_the_system_clock_is_utc() -> None:
    before_ns = time.time_ns()
    now_ns = SystemClock().now()
    assert before_ns <= now_ns <= time.time_ns()


def test_ins_11_it_never_decreases_and_keeps_the_pace_of_the_monotonic_clock() -> None:
    """Over 30 ms of dense readings: across the moments where it reads the kernel's clock anew."""
    clock = SystemClock()
    clock.now()
    start_mono_ns, start_ns = time.monotonic_ns(), clock.now()
    last_ns, count = start_ns, 0
    while last_ns - start_ns < 30_000_000:
        now_ns = clock.now()
        assert now_ns >= last_ns
        last_ns, count = now_ns, count + 1
        if count % 1000 == 0:
            before_ns = time.monotonic_ns()
            now_ns = clock.now()
            after_ns = time.monotonic_ns()
            elapsed_ns = now_ns - start_ns
            assert before_ns - start_mono_ns - 100_000 <= elapsed_ns <= after_ns - start_mono_ns + 100_000
    assert count > 1000


@pytest.mark.parametrize("stepped_ns", [HOUR_NS, -HOUR_NS])
def test_ins_11_a_wall_clock_stepped_by_an_hour_moves_no_order_and_no_duration(stepped_ns: int) -> None:
    clock = SystemClock()
    before_ns, before_mono_ns = clock.now(), time.monotonic_ns()
    offset_ns = clock.reanchor(before_ns + stepped_ns)
    assert abs(offset_ns - stepped_ns) < 100_000_000
    last_ns = before_ns
    for _ in range(20_000):
        now_ns = clock.now()
        assert now_ns >= last_ns
        last_ns = now_ns
    elapsed_ns, elapsed_mono_ns = last_ns - before_ns, time.monotonic_ns() - before_mono_ns
    assert abs(elapsed_ns - elapsed_mono_ns) < 200_000 + elapsed_mono_ns // 1000


@pytest.mark.parametrize("stepped_ns", [HOUR_NS, -HOUR_NS])
def test_ins_11_an_offset_is_worked_in_at_500_us_a_second(stepped_ns: int) -> None:
    clock, other = SystemClock(), SystemClock()
    clock.reanchor(clock.now() + stepped_ns)
    gap_ns = clock.now() - other.now()
    start_ns = other.now()
    spin_until(other, 40_000_000)
    moved_ns = (clock.now() - other.now()) - gap_ns
    elapsed_ns = other.now() - start_ns
    assert abs(abs(moved_ns) - elapsed_ns // 2000) < 15_000, "20 us of 40 ms, give or take two readings"
    assert (moved_ns > 0) is (stepped_ns > 0)


def test_ins_11_a_small_offset_is_worked_in_whole_and_no_further() -> None:
    clock, other = SystemClock(), SystemClock()
    gap_ns = clock.now() - other.now()
    offset_ns = clock.reanchor(clock.now() + 5_000)
    spin_until(other, 30_000_000)
    assert abs((clock.now() - other.now()) - gap_ns - offset_ns) < 10_000


def test_reanchor_by_itself_reads_the_systems_wall_clock() -> None:
    assert abs(SystemClock().reanchor()) < 50_000_000


def test_ins_11_eight_threads_see_one_order() -> None:
    clock = SystemClock()
    wrong: list[tuple[int, int]] = []

    def read() -> None:
        last_ns = 0
        for _ in range(3000):
            now_ns = clock.now()
            if now_ns < last_ns:
                wrong.append((last_ns, now_ns))
            last_ns = now_ns

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_manual_clock_stands_until_it_is_moved_and_never_goes_back() -> None:
    clock = ManualClock(50)
    assert [clock.now(), clock.now()] == [50, 50]
    clock.advance(7)
    assert clock.now() == 57
    clock.set(40)
    assert clock.now() == 57
    clock.set(60)
    assert clock.now() == 60
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(-1)
    assert ManualClock().now() == 0


def test_durations_come_from_the_monotonic_clock() -> None:
    before_ns = time.monotonic_ns()
    assert before_ns <= monotonic_now() <= time.monotonic_ns()
