"""What a live engine needs beside its sessions: the timer for held events, and stopping by signal."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest
import uvloop

from engine.base.clock import ManualClock, SystemClock
from engine.base.errors import InternalError
from engine.runtime.live import DeadlineTimer, run_on_loop, stopping
from tests.unit.providers.socket_kit import on_loop

NOW_NS = 1_800_000_000_000_000_000


class Dispatcher:
    """Holds one deadline at a time, as the real one tells them."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.next_deadline_ns: int | None = None
        self.on_deadline: Any = None
        self.later: list[int] = []
        self.delivered_ns: list[int] = []
        self.done = asyncio.Event()

    def hold(self, *deadlines_ns: int) -> None:
        self.later = list(deadlines_ns)
        self.next_deadline_ns = self.later.pop(0)
        self.on_deadline()

    def deliver(self) -> None:
        assert self.next_deadline_ns is not None
        self.clock.set(max(self.clock.now(), self.next_deadline_ns))
        self.delivered_ns.append(self.next_deadline_ns)
        self.next_deadline_ns = self.later.pop(0) if self.later else None
        if self.next_deadline_ns is None:
            self.done.set()


def test_the_timer_fires_at_each_deadline_and_rests_where_none_stands() -> None:
    async def main() -> None:
        dispatcher = Dispatcher(ManualClock(NOW_NS))
        timer = DeadlineTimer(dispatcher, dispatcher.clock)  # type: ignore[arg-type]
        for deadlines_ns in ((NOW_NS + 1_000_000, NOW_NS + 2_000_000), (NOW_NS - 5,)):
            dispatcher.done.clear()
            dispatcher.hold(*deadlines_ns)
            assert dispatcher.delivered_ns[-1:] != [deadlines_ns[0]]
            await dispatcher.done.wait()
        assert dispatcher.delivered_ns == [NOW_NS + 1_000_000, NOW_NS + 2_000_000, NOW_NS - 5]
        timer.close()
        assert dispatcher.on_deadline is None

    on_loop(main())


def test_a_nearer_deadline_takes_the_place_of_the_one_that_stood() -> None:
    async def main() -> None:
        dispatcher = Dispatcher(ManualClock(NOW_NS))
        timer = DeadlineTimer(dispatcher, dispatcher.clock)  # type: ignore[arg-type]
        dispatcher.hold(NOW_NS + 3_600_000_000_000)
        dispatcher.hold(NOW_NS + 1_000_000)
        await dispatcher.done.wait()
        assert dispatcher.delivered_ns == [NOW_NS + 1_000_000]
        timer.close()

    on_loop(main())


class Waiting:
    """One deadline that moves on whenever it has come; how often it was looked for in vain."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.on_deadline: Any = None
        self.next_deadline_ns: int | None = None
        self.in_vain = 0
        self.due = asyncio.Event()

    def deliver(self) -> None:
        assert self.next_deadline_ns is not None
        if self.clock.now() < self.next_deadline_ns:
            self.in_vain += 1
            return
        self.next_deadline_ns = None
        self.due.set()


@pytest.mark.parametrize("left_ns", [300_000, 1_400_000, 2_600_000])
def test_a_fraction_of_a_millisecond_is_slept_through(left_ns: int) -> None:
    async def main() -> None:
        stage = Waiting()
        timer = DeadlineTimer(stage, stage.clock)  # type: ignore[arg-type]
        for _ in range(10):
            stage.due.clear()
            stage.next_deadline_ns = stage.clock.now() + left_ns
            stage.on_deadline()
            await stage.due.wait()
        timer.close()
        # The loop's own clock may be a millisecond behind, once each time.
        assert stage.in_vain <= 10

    uvloop.run(main())


def test_a_later_deadline_leaves_the_timer_that_stands() -> None:
    async def main() -> None:
        dispatcher = Dispatcher(ManualClock(NOW_NS))
        timer = DeadlineTimer(dispatcher, dispatcher.clock)  # type: ignore[arg-type]
        dispatcher.hold(NOW_NS + 1_000_000)
        stood = timer._handle
        for number in range(2, 100):
            dispatcher.hold(NOW_NS + number * 1_000_000)
        assert timer._handle is stood
        await dispatcher.done.wait()
        assert dispatcher.delivered_ns == [NOW_NS + 99_000_000]
        timer.close()

    on_loop(main())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_in_order_and_the_same_one_twice_at_once_counts_once(number: signal.Signals) -> None:
    async def main() -> None:
        stopped = asyncio.Event()
        with stopping(stopped.set):
            os.kill(os.getpid(), number)
            await stopped.wait()
            os.kill(os.getpid(), number)
            for _ in range(20):
                await asyncio.sleep(0)

    on_loop(main())


def test_a_second_signal_ends_what_does_not_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runtime.live._SAME_SIGNAL_S", 0.0)

    async def main() -> None:
        first = asyncio.Event()

        async def signalled_twice() -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            await first.wait()
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()

        with pytest.raises(InternalError, match="second signal"), stopping(first.set):
            await signalled_twice()

    on_loop(main())


def test_what_else_cancels_the_task_stays_a_cancellation() -> None:
    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with pytest.raises(asyncio.CancelledError), stopping(lambda: None):
            await asyncio.Event().wait()

    on_loop(main())


def test_a_result_comes_back_from_the_loop() -> None:
    async def answer() -> int:
        return 42

    assert run_on_loop(answer()) == 42
