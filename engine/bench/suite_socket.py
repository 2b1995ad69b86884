"""G8: one frame per socket read over loopback; what the engine adds to a bare picows listener."""
import asyncio
import statistics
from collections.abc import Iterator
from time import thread_time_ns
from typing import IO

import picows
import uvloop

from engine.bench.barelistener import BareListener
from engine.bench.children import sending
from engine.bench.paired import MAX_AA_SPREAD, MIN_PAIRS
from engine.bench.record import Row, cores_allowed
from engine.bench.rig import Rig, WrongResultError, cython_consumers
from engine.bench.sources import Played, Sources
from engine.providers.listener import FrameListener

RATE_PER_S = 8_000
"""125 microseconds between frames: many times what a read costs, so nearly every read brings one."""

SINGLE_SHARE_MIN = 0.95
CORES = 2
RUNS_PER_ROUND = 4
SLICES = 3
"""Rounds of a pair: shorter runs, of whose costs the median counts."""

LIMIT_NS, STRETCH_NS = 400, 250


def run(sources: Sources, seconds: float, rate: int = RATE_PER_S) -> Iterator[Row]:
    """The row: *seconds* of traffic in all runs together, at least an eighth of a second each.

    Raises:
        WrongResultError: frames are missing, or books are wrong.
    """
    played = sources.spot()
    runs = RUNS_PER_ROUND * SLICES * MIN_PAIRS + 2
    count = min(len(played.corpus.frames), int(rate * max(0.125, seconds / 4 / SLICES)))
    with sending(played.corpus.frames[:count], rate, runs) as (url, answers):
        yield _row(Receiver(played, count, url, answers), rate)


class Receiver:
    """This process's end: every call is one connection and all its frames.

    Args:
        played: books before and after.
        count: frames of it that are sent.
        url: where they come from.
        answers: the sender says there, after each connection, how many went late.
    """

    def __init__(self, played: Played, count: int, url: str, answers: IO[str]) -> None:
        self._played = played
        self._count = count
        self._answers = answers
        self._url = url
        self.name = played.name
        self.late = 0
        self.frames = 0
        self.reads = 0

    def bare(self) -> float:
        """CPU ns a frame of a listener that does nothing."""
        return uvloop.run(self._bare())

    def full(self) -> float:
        """CPU ns a frame of the whole engine."""
        return uvloop.run(self._full())

    async def _bare(self) -> float:
        gone = asyncio.Event()
        listener = BareListener(gone.set)
        await picows.ws_connect(lambda: listener, self._url)
        cost = await self._take(listener, gone)
        self._check(listener.frames, listener.reads)
        return cost

    async def _full(self) -> float:
        gone = asyncio.Event()
        rig = Rig(self._played.corpus, cython_consumers())
        stream, clock = rig.feed.stream, rig.engine.clock
        listener = FrameListener(stream, clock, 0, on_lost=lambda lost: gone.set())
        await picows.ws_connect(lambda: listener, self._url, enable_auto_pong=False)
        cost = await self._take(listener, gone)
        self._check(listener.frames, listener.reads)
        whole = self._count == len(self._played.corpus.frames)
        rig.prove(self._count, self._played.tops if whole else rig.tops())
        rig.close()
        return cost

    async def _take(self, listener: BareListener | FrameListener, gone: asyncio.Event) -> float:
        started_ns = thread_time_ns()
        listener.send(b"go")
        await gone.wait()
        cost = (thread_time_ns() - started_ns) / self._count
        self.late += int(self._answers.readline())
        return cost

    def _check(self, frames: int, reads: int) -> None:
        if frames != self._count:
            raise WrongResultError(f"{frames} frames of {self._count} came over the socket")
        self.frames += frames
        self.reads += reads


def _row(receiver: Receiver, rate: int) -> Row:
    receiver.bare()
    receiver.full()
    bare: list[float] = []
    added: list[float] = []
    aa_ratios: list[float] = []
    for _ in range(MIN_PAIRS):
        rounds = [(receiver.bare(), receiver.full(), receiver.bare(), receiver.bare()) for _ in range(SLICES)]
        before, with_engine, first, second = (statistics.median(costs) for costs in zip(*rounds, strict=True))
        bare.append(before)
        added.append(with_engine - before)
        aa_ratios.append(second / first)
    aa_spread = max(aa_ratios) - min(aa_ratios)
    reads_share = receiver.reads / receiver.frames
    note = (
        f"{rate} frames a second offered by a process of its own, {receiver.late} sent late;"
        f" {reads_share:.3f} reads a frame; {MIN_PAIRS} pairs of {SLICES} rounds, A/A spread"
        f" {aa_spread:.1%} of the bare listener"
    )
    if cores_allowed() < CORES:
        note += f"; needs {CORES} cores, {cores_allowed()} there"
    return Row(
        "G8", receiver.name, "CPU the engine adds, a message", statistics.median(added), "ns", "at_most",
        LIMIT_NS, STRETCH_NS, "bare picows listener", statistics.median(bare), min(added), max(added),
        "one frame per read, loopback", note, reads_share < SINGLE_SHARE_MIN or aa_spread > MAX_AA_SPREAD, CORES,
    )  # fmt: skip
