"""An engine whose flow is looked at, by the streams' publisher or the reports: what that costs its thread."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter_ns, thread_time_ns

from engine.bench.data.corpus import Corpus
from engine.bench.data.looping import loop
from engine.bench.data.plainbook import Top, opening_books
from engine.bench.endless import IdPlace, cycle_of, with_trades
from engine.bench.feeder import Feeder
from engine.bench.measure import cpu_ns
from engine.bench.rig import FRAMES_PER_READ, Rig, WrongResultError, cython_consumers
from engine.reports.tap import ReportTap
from engine.runtime.publishing import Publishing
from engine.runtime.reporter import Reporter

TRADE_EVERY = 4
AT_ONCE = 4096
"""Frames fed before others may run: a ms, so that what others do to the caches meanwhile is little of it."""

REST_S = 0.001
_TAKEN_WITHIN_S = 60.0


@dataclass(frozen=True)
class Load:
    """Book updates and trades of a few Binance symbols, for ever.

    Attributes:
        opening: best prices by symbol, with which each cycle ends.
    """

    corpus: Corpus
    frames: list[bytes]
    places: list[IdPlace]
    opening: dict[str, Top]


def load_of(once: Corpus, frames: int) -> Load:
    """About *frames* a cycle of the corpus, one in five of them a trade."""
    updates = frames * TRADE_EVERY // (TRADE_EVERY + 1)
    if len(once.frames) > updates:
        corpus = replace(once, frames=once.frames[:updates])
    else:
        corpus = loop(once, max(1, updates // len(once.frames)))
    opening = {symbol: book.top() for symbol, book in opening_books(corpus).items()}
    return Load(corpus, *with_trades(*cycle_of(corpus), TRADE_EVERY), opening)


class Observed:
    """A rig with three Cython consumers and, if there is one, an observer, whose own thread runs.

    Args:
        load: what it is fed.
        sets: settings of the observer.
    """

    def __init__(self, load: Load, sets: Sequence[str] = ()) -> None:
        self.load = load
        self.rig = Rig(load.corpus, cython_consumers(), sets=sets)
        self.feeder = Feeder(load.frames)
        self.feeder.follow_ids(load.places)
        self.tap: ReportTap | None = None
        self.publishing: Publishing | None = None
        self.reporter: Reporter | None = None
        self.late = 0
        """Reads that were more than the time between two late."""
        self.reads = 0
        self.typical_ns = 0.0
        """What the last run cost, CPU ns a frame."""
        self._cycles = 0
        self._folded = 0

    def publish(self, url: str, *, has_thread: bool = True) -> None:
        """Write what passes to the streams of a server.

        Args:
            url: of the server.
            has_thread: False = whoever calls this takes the publisher's turns.
        """
        with _told(self.rig.engine.config.bus.url_env, url):
            self.publishing = Publishing(self.rig.engine, [self.rig.provider()])
        self.tap = self.publishing.tap
        if has_thread:
            self.publishing.start()
            self.settle()

    def report(self) -> None:
        """Make reports of what passes."""
        self.reporter = Reporter(self.rig.engine, [self.rig.provider()])
        (lane,) = self.reporter.lanes
        self.tap = lane.tap
        self.reporter.start()
        self.settle()

    def settle(self) -> None:
        """A first cycle, and until it is taken; from here on nothing may be folded."""
        self.back_to_back(FRAMES_PER_READ)
        if self.tap is not None:
            self._folded = self.tap.coalesced

    # -- what is measured -------------------------------------------------------------------------------------

    def back_to_back(self, frames_per_read: int) -> float:
        """One cycle as fast as it goes; CPU ns a frame. Others run between pieces of some hundred frames."""
        took_ns = 0
        for begin in range(0, self.feeder.count, AT_ONCE):
            took_ns += self._piece_ns(frames_per_read, begin)
            time.sleep(REST_S)
        self._end_cycle()
        return self._cost(took_ns)

    def _piece_ns(self, frames_per_read: int, begin: int) -> int:
        end = min(self.feeder.count, begin + AT_ONCE)
        return cpu_ns(lambda: self.feeder.feed(self.rig.feed.stream, frames_per_read, 0, begin, end))

    def paced(self, frames_per_read: int, rate: int) -> float:
        """One cycle at *rate* frames a second; CPU ns a frame, with what waiting and the interpreter's lock take."""
        gap_ns = frames_per_read * 1_000_000_000 // rate
        feed, stream, count = self.feeder.feed, self.rig.feed.stream, self.feeder.count
        due_ns = perf_counter_ns()
        started_ns = thread_time_ns()
        for begin in range(0, count, frames_per_read):
            left_ns = due_ns - perf_counter_ns()
            time.sleep(max(0, left_ns) / 1e9)
            feed(stream, frames_per_read, 0, begin, min(count, begin + frames_per_read))
            self.late += left_ns < -gap_ns
            self.reads += 1
            due_ns += gap_ns
        took_ns = thread_time_ns() - started_ns
        self._end_cycle()
        return self._cost(took_ns)

    def fill(self) -> None:
        """Feed until books are folded and trades are lost: nobody takes anything.

        Raises:
            WrongResultError: somebody does.
        """
        assert self.tap is not None
        for _ in range(10 + 10 * self.rig.engine.config.bus.queue_max_entries // self.feeder.count):
            if self.tap.dropped > self.feeder.count // 10:
                return
            self.feed_cycle()
        raise WrongResultError(f"the queue does not fill: {self.tap.queued} wait, {self.tap.dropped} were lost")

    def lasting(self, frames_per_read: int) -> float:
        """One cycle as fast as it goes while nobody takes anything; CPU ns a frame."""
        return self._cost(cpu_ns(lambda: self.feed_cycle(frames_per_read)))

    def feed_cycle(self, frames_per_read: int = FRAMES_PER_READ) -> None:
        """One cycle at once; nobody else runs meanwhile."""
        self.rig.play(self.feeder, frames_per_read)
        self._next()

    def _cost(self, took_ns: int) -> float:
        self.typical_ns = took_ns / self.feeder.count
        return self.typical_ns

    # -- that it was done -------------------------------------------------------------------------------------

    def _next(self) -> None:
        self._cycles += 1
        self.feeder.next_cycle()

    def _end_cycle(self) -> None:
        """All of it is taken before the next one begins."""
        self._next()
        if self.tap is None:
            return
        ends_s = time.monotonic() + _TAKEN_WITHIN_S
        while self.tap.queued:
            if time.monotonic() > ends_s:
                raise WrongResultError(f"{self.tap.queued} entries are not taken in {_TAKEN_WITHIN_S:g} s")
            time.sleep(REST_S)

    def unaccounted(self) -> int:
        """Events that are neither queued, handed over, folded, lost nor without an entry."""
        tap = self.tap
        if tap is None:
            return 0
        return tap.offered + tap.tallies - tap.ignored - tap.delivered - tap.queued - tap.coalesced - tap.dropped

    def prove(self, *, is_stuck: bool = False) -> None:
        """Check what the runs came to.

        Args:
            is_stuck: nobody took anything for a while; else nothing may be folded or lost.

        Raises:
            WrongResultError: books or counts are wrong, or the observer did not see all.
        """
        fed = self._cycles * self.feeder.count
        self.rig.prove(fed, self.load.opening)
        tap = self.tap
        if tap is None:
            return
        if tap.offered - tap.ignored < fed or self.unaccounted():
            raise WrongResultError(f"{fed} frames fed, {tap.offered} events seen, {self.unaccounted()} of them nowhere")
        if not is_stuck and (tap.coalesced > self._folded or tap.dropped):
            raise WrongResultError(f"{tap.coalesced - self._folded} entries were folded, {tap.dropped} lost")
        if self.reporter is not None:
            (lane,) = self.reporter.lanes
            counts = lane.worker.statistics().values()
            applied = sum(one["trades"] + one["books"] for one in counts)
            if applied < fed - self._folded or not lane.writes["ok"]:
                raise WrongResultError(f"{applied} entries of {fed} are in the reports")

    def close(self) -> None:
        """End observer and engine."""
        for one in (self.publishing, self.reporter):
            if one is not None:
                one.stop()
        self.rig.close()


def resident_kib() -> int:
    """Memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


@contextmanager
def _told(name: str, value: str) -> Iterator[None]:
    """A variable of the environment, for a while."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
