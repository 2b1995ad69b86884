"""G11, SLO-09: entries a second into a real server; what publishing and reports cost the engine's thread."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter_ns
from typing import cast

import msgspec

from engine.bench.measure import in_turns
from engine.bench.observed import AT_ONCE, TRADE_EVERY, Load, Observed, load_of, resident_kib
from engine.bench.paired import MIN_PAIRS, Paired, paired_ratio
from engine.bench.record import Row
from engine.bench.rig import FRAMES_PER_READ, WrongResultError
from engine.bench.sources import Note, Sources
from engine.bench.streamserver import StreamServer, missing

FRAMES = 16_000
FULL_S = 2.0
"""From so many seconds a figure on, a cycle has all of its frames."""

RATE, CORES = 100_000, 2
LIMIT = 0.10
SLICES = 3
PACED = {FRAMES_PER_READ: 50_000, 1: 4_000}
"""Frames a second by frames a read: neither engine nor publisher is ever behind."""

ONE_BY_ONE_SHARE = 8
"""One frame a read, paced: so many times fewer frames a cycle, so that it does not take longer."""

BACK_TO_BACK = "back to back"
FLAT_KIB = 1024
PAUSE_MS = 600_000
SWITCH_INTERVAL_S = 0.0005
"""As a running service has it."""


def run(sources: Sources, seconds: float, note: Note, sets: tuple[str, ...] = ()) -> Iterator[Row]:
    """Every row; those of the publisher need its server.

    Args:
        sources: of the frames.
        seconds: of measuring; below two the work is smaller.
        note: told what cannot be measured here.
        sets: settings of the engine that is filled up, for a smaller queue.

    Raises:
        WrongResultError: an entry is missing, or the engine's books are wrong.
        ServerFailedError: the server does not start.
    """
    frames = max(400, int(FRAMES * min(1.0, seconds / FULL_S)))
    once = sources.spot().once
    load, thin = load_of(once, frames), load_of(once, frames // ONE_BY_ONE_SHARE)
    lacking = missing()
    if lacking:
        note(f"G11, publishing: needs {lacking}: pip install 'engine[bench]'")
    else:
        with tempfile.TemporaryDirectory() as folder:
            server = StreamServer(Path(folder)).start()
            try:
                yield rate(load, server, seconds)
                yield from beside("G11", "publishing", load, thin, lambda one: one.publish(server.url), server)
                yield from away(load, server, sets)
            finally:
                server.kill()
                server.client.close()
    yield from beside("SLO-09", "reports", load, thin, Observed.report, None)


# -- entries a second ------------------------------------------------------------------------------------------


class Written:
    """The publisher's turns, and the same bytes written by redis-py alone.

    Args:
        load: one cycle of it is written in a turn.
        server: empty of streams.
    """

    def __init__(self, load: Load, server: StreamServer) -> None:
        self.engine = Observed(load)
        self.engine.publish(server.url, has_thread=False)
        self._client = server.client
        self.batch = self.engine.rig.engine.config.bus.publish_batch
        self._keys: list[str] = []
        self._entries: list[tuple[bytes, bytes]] = []
        self.count = 0
        """Entries of one turn."""

    def ours(self) -> float:
        """Feed a cycle, then write it; wall ns an entry of the writing."""
        assert self.engine.publishing is not None
        publisher = self.engine.publishing.publisher
        self.engine.feed_cycle()
        started_ns = perf_counter_ns()
        count = publisher.turn()
        took_ns = perf_counter_ns() - started_ns
        if count < self.engine.feeder.count:
            raise WrongResultError(f"{count} entries were written of {self.engine.feeder.count} frames")
        self._keys = sorted(self.engine.publishing.outgoing.keys)
        self._entries = [entry for key in self._keys for entry in self._kept(key)]
        self._empty(count)
        self.count = count
        return took_ns / count

    def bare(self) -> float:
        """The same entries by pipelines of the client, as many commands each; wall ns an entry."""
        started_ns = perf_counter_ns()
        last = b""
        for begin in range(0, len(self._entries), self.batch):
            with self._client.pipeline(transaction=False) as pipe:
                for key, data in self._entries[begin : begin + self.batch]:
                    pipe.xadd(key, {b"data": data}, minid="1-0", approximate=True)
                last = pipe.execute()[-1]
        took_ns = perf_counter_ns() - started_ns
        if self._client.xinfo_stream(self._keys[-1])["last-generated-id"] != last:
            raise WrongResultError("the last entry is not in its stream")
        self._empty(len(self._entries))
        return took_ns / len(self._entries)

    def _kept(self, key: str) -> Iterator[tuple[bytes, bytes]]:
        """What a stream holds: its last id is that of the last one, and each chain in it is whole."""
        rows = cast("list[tuple[bytes, dict[bytes, bytes]]]", self._client.xrange(key))
        if self._client.xinfo_stream(key)["last-generated-id"] != rows[-1][0]:
            raise WrongResultError(f"{key}: the last entry is not the last one given")
        last: dict[str, int] = {}
        for _, fields in rows:
            told = msgspec.json.decode(fields[b"data"], type=_Link)
            if last.get(told.symbol, told.prev_seq) != told.prev_seq:
                raise WrongResultError(f"{key}: {told.seq} does not follow {last[told.symbol]}")
            last[told.symbol] = told.seq
            yield key.encode(), fields[b"data"]

    def _empty(self, count: int) -> None:
        held = sum(self._client.xlen(key) for key in self._keys)
        if held != count:
            raise WrongResultError(f"{held} entries are in the streams, {count} were written")
        self._client.delete(*self._keys)


class _Link(msgspec.Struct):
    symbol: str
    seq: int
    prev_seq: int


def rate(load: Load, server: StreamServer, seconds: float) -> Row:
    """Entries a second from the queue into the streams, beside the bare client."""
    written = Written(load, server)
    found = in_turns({"ours": written.ours, "bare": written.bare}, seconds)
    written.engine.prove()
    written.engine.close()
    ours = found["ours"]
    return Row(
        "G11", f"{len(load.corpus.symbols)} symbols, one frame in {TRADE_EVERY + 1} a trade", "entries published",
        1e9 / ours.median, "1/s", "at_least", RATE, None,
        "redis-py, pipelined XADD of the same bytes", 1e9 / found["bare"].median, 1e9 / ours.most, 1e9 / ours.least,
        f"pipelined, batches of {written.batch}",
        f"{written.count:,} entries a turn: encoded, sent, every answer read; each found in its stream, chains whole;"
        " wall time, the server on another core",
        cores=CORES,
    )  # fmt: skip


# -- the engine's thread ---------------------------------------------------------------------------------------


def beside(
    goal: str, what: str, load: Load, thin: Load, observe: Callable[[Observed], None], server: StreamServer | None
) -> Iterator[Row]:  # fmt: skip
    """CPU time of the engine's thread an event, with an observer over without: as fast as it goes, then paced."""
    with _engines(load, observe) as (alone, observed):
        for per_read in PACED:
            off, on = (partial(one.back_to_back, per_read) for one in (alone, observed))
            paired = paired_ratio(off, on, MIN_PAIRS, LIMIT, SLICES)
            yield _added(
                goal, what, f"{_reads(per_read)}, {BACK_TO_BACK}", paired, alone, "the fan-out and the tap alone"
            )
        _in_streams(observed, server)
    for per_read, per_s in PACED.items():
        with _engines(load if per_read > 1 else thin, observe) as (alone, observed), _switching():
            off, on = (partial(one.paced, per_read, per_s) for one in (alone, observed))
            paired = paired_ratio(off, on, MIN_PAIRS, LIMIT)
            share = 100 * observed.late / observed.reads
            more = f"waits and the interpreter's lock are inside, as in a loop; {share:.0f} % of the reads late"
            yield _added(goal, what, f"{_reads(per_read)}, {per_s:,}/s", paired, alone, more)
            _in_streams(observed, server)


@contextmanager
def _engines(load: Load, observe: Callable[[Observed], None]) -> Iterator[tuple[Observed, Observed]]:
    """One without an observer, one with it; both are proved and closed."""
    alone, observed = Observed(load), Observed(load)
    alone.settle()
    observe(observed)
    yield alone, observed
    for one in (alone, observed):
        one.prove()
        one.close()


def _in_streams(observed: Observed, server: StreamServer | None) -> None:
    if server is None or observed.publishing is None:
        return
    observed.publishing.stop()
    outgoing = observed.publishing.outgoing
    held = sum(server.client.xlen(key) for key in sorted(outgoing.keys))
    if held != sum(outgoing.written().values()):
        raise WrongResultError(f"{held} entries are in the streams, {outgoing.written()} were written")
    server.client.delete(*outgoing.keys)


def away(load: Load, server: StreamServer, sets: tuple[str, ...]) -> Iterator[Row]:
    """The server frozen, then gone, with the queue full: what that costs, what is kept, what is counted."""
    alone, observed = Observed(load), Observed(load, sets)
    alone.settle()
    observed.publish(server.url)
    tap = observed.tap
    assert tap is not None
    server.client.client_pause(PAUSE_MS, all=True)
    observed.fill()
    before_kib = resident_kib()
    for state, reads in (("frozen (CLIENT PAUSE)", PACED), ("killed", {FRAMES_PER_READ: 0})):
        if state == "killed":
            server.kill()
        for per_read in reads:
            off, on = (partial(one.lasting, per_read) for one in (alone, observed))
            paired = paired_ratio(off, on, MIN_PAIRS, LIMIT, SLICES)
            yield _added(
                "G11", f"publishing, server {state}", f"{_reads(per_read)}, {BACK_TO_BACK}", paired, alone,
                "the queue is full: books are folded, trades lost",
            )  # fmt: skip
    grown_kib = resident_kib() - before_kib
    for one in (alone, observed):
        one.prove(is_stuck=True)
    told = f"{tap.offered:,} events: {tap.queued:,} queued, {tap.coalesced:,} folded, {tap.dropped:,} trades lost"
    case = "server frozen, then killed, queue full"
    yield Row("G11", case, "memory the process took meanwhile", grown_kib, "KiB", "at_most", FLAT_KIB, note=told)
    yield Row("G11", case, "events that are in no count", observed.unaccounted(), "", "at_most", 0, note=told)
    for one in (alone, observed):
        one.close()


def _added(goal: str, what: str, regime: str, paired: Paired, alone: Observed, more: str) -> Row:
    base_ns, frames = alone.typical_ns, alone.feeder.count
    is_short = regime.endswith(BACK_TO_BACK) and frames < AT_ONCE
    if is_short:
        more += f"; {frames:,} frames at once are too few, {AT_ONCE:,} are needed: the caches are cold after each pause"
    return Row(
        goal, f"{len(alone.load.corpus.symbols)} symbols, 3 Cython consumers",
        f"{what} on against off, engine's thread", paired.median, "B/A", "within", paired.tolerance, None, "", None,
        min(paired.ratios), max(paired.ratios), regime,
        f"{base_ns:,.0f} ns a frame without, {base_ns * (paired.median - 1):+,.0f} ns; {more}; CPU time; {paired}",
        is_short or paired.verdict == "void", CORES,
    )  # fmt: skip


def _reads(per_read: int) -> str:
    return "one frame a read" if per_read == 1 else f"{per_read} frames a read"


@contextmanager
def _switching() -> Iterator[None]:
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before_s)
