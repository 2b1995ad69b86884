"""The market's time against the true one: an absolute schedule, and how late what was due came."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from engine.observability.latency import LatencyHistogram
from engine.simulator.timeline import Timeline
from engine.simulator.writes import Writes

_LONGEST_WAIT_S = 0.1
# How far a venue that fell behind its schedule moves before the sockets get a turn again: the frames of as much leave
# together, and whoever sends an order waits for them.
_CATCH_UP_US = 2_000


class Pacer:
    """Advances timelines on the running loop.

    The market's time is its start plus what the monotonic clock has run since: a late timer delays what was due then
    and shifts nothing after it.

    Attributes:
        lateness: from when a thing was due to when it was done.
    """

    def __init__(self, timelines: Sequence[Timeline], start_us: int) -> None:
        self.lateness = LatencyHistogram()
        self._timelines = timelines
        self._start_us = start_us
        self._started_ns = 0
        self._timer: asyncio.Handle | None = None
        self._writes = {timeline: Writes() for timeline in timelines}
        for timeline in timelines:
            timeline.watcher = self._watch

    @property
    def is_running(self) -> bool:
        """Whether time passes."""
        return self._timer is not None

    def start(self, passed_us: int = 0) -> None:
        """Let time pass from the market's start on, whatever the clock shows.

        Args:
            passed_us: how much of it has passed already; what was due until then is done at once, and is not late.
        """
        for timeline in self._timelines:
            timeline.advance(self._start_us + passed_us)
        self._started_ns = time.monotonic_ns() - passed_us * 1000
        self._timer = asyncio.get_running_loop().call_soon(self._on_turn)

    def stop(self) -> None:
        """Let no more time pass."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def catch_up(self) -> None:
        """Bring every timeline to the moment of this call; what falls due meanwhile is not waited for."""
        if self._timer is not None:
            now_us = self.now_us()
            for timeline in self._timelines:
                timeline.advance(now_us)

    def step(self) -> bool:
        """Bring every timeline to the present, or some way towards it; whether all are there."""
        arrived = [self.bring(timeline) for timeline in self._timelines]
        return all(arrived)

    def bring(self, timeline: Timeline) -> bool:
        """Bring one timeline to the present, or some way towards it; whether it is there."""
        if self._timer is None:
            return True
        now_us, due_us = self.now_us(), timeline.next_due_us()
        # From the first thing that is due: where nothing is, nobody waits for anything.
        to_us = now_us if due_us is None else min(now_us, max(timeline.now_us, due_us) + _CATCH_UP_US)
        timeline.advance(to_us)
        return to_us == now_us

    def wrote(self, timeline: Timeline) -> None:
        """What its venue has made so far goes to a socket now."""
        if self._timer is not None:
            self._writes[timeline].note(timeline.now_us, time.monotonic_ns())

    def now_us(self) -> int:
        """The market's time while it runs."""
        return self._start_us + (time.monotonic_ns() - self._started_ns) // 1000

    def writes(self) -> list[dict[str, list[int]]]:
        """Of each timeline: up to where all was written, and when, by the machine's clock."""
        ahead_ns = time.time_ns() - time.monotonic_ns()
        return [self._writes[timeline].told(ahead_ns) for timeline in self._timelines]

    def _watch(self, due_us: int) -> None:
        if self._timer is not None:
            self.lateness.add(max(0, time.monotonic_ns() - self._started_ns - (due_us - self._start_us) * 1000))

    def _on_turn(self) -> None:
        up_to_date = self.step()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._wait_s(), self._on_turn) if up_to_date else loop.call_soon(self._on_turn)

    def _wait_s(self) -> float:
        """Until the next thing is due; the loop's timers count whole milliseconds."""
        due = [due_us for timeline in self._timelines if (due_us := timeline.next_due_us()) is not None]
        if not due:
            return _LONGEST_WAIT_S
        wait_us = min(due) - self.now_us()
        return min(_LONGEST_WAIT_S, max(1, -(-wait_us // 1000)) / 1000)
