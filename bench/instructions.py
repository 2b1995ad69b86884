"""Instructions and heap allocations a message, counted by valgrind: figures that no other process disturbs.

    python -m bench.instructions                     every count
    python -m bench.instructions path growth --out FOLDER

One run is short, one long; what the long one counts more, over the messages it has more, is the cost of one.
Start-up, books and warm-up drop out, and so does moving the ids on between cycles, which is counted by itself.
Instructions come from callgrind, allocations (C and Python alike, with ``PYTHONMALLOC=malloc``) from memcheck's total
of heap allocations.
"""
import argparse
import json
import os
import pickle
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bench.data.frames  # noqa: F401 (names the folder of captures)
from bench import jobs
from bench.jobs import Prepared, listened, prepared
from engine.bench.data.corpus import CapturesMissingError, Corpus
from engine.bench.data.frames import load
from engine.bench.data.generated import generated_spot
from engine.bench.data.spread import spread
from engine.bench.measure import cpu_ns
from engine.bench.record import Row, document, save_dated
from engine.bench.rig import Rig, cython_consumers
from engine.bench.sources import one_symbol
from engine.bench.suite_growth import LIMIT, STREAMS
from engine.bench.suite_publishing import LIMIT as OBSERVED_LIMIT
from engine.bench.suite_socket import LIMIT_NS, STRETCH_NS

CYCLES = (3, 9)
"""Cycles of the frames in the short and in the long run."""

WIDE_CYCLES = (1, 2)
"""The same where a cycle has many frames."""

NATIVE_CYCLES = 200
FEW = 10
RESULTS = Path(__file__).parent / "results"
FRAMES = {"spot": "spot", "futures": "futures_sized"}
NOTE = "callgrind, difference of two lengths"

_TOTALS = re.compile(r"^(?:summary|totals):\s+(\d+)", re.MULTILINE)
_HEAP = re.compile(r"total heap usage: ([\d,]+) allocs")


class ValgrindMissingError(Exception):
    """There is no valgrind here; ``apt-get install valgrind``."""


def count(tool: str, job: str, it: Prepared | Corpus, cycles: tuple[int, int] = CYCLES) -> float:
    """What *tool* (``callgrind`` or ``memcheck``) counts a message of *job*.

    Raises:
        ValgrindMissingError: there is no valgrind.
        RuntimeError: a run failed.
    """
    (fewer, per_cycle), (more, _) = (_total(tool, job, it, times) for times in cycles)
    return (more - fewer) / ((cycles[1] - cycles[0]) * per_cycle)


def _total(tool: str, job: str, it: Prepared | Corpus, cycles: int) -> tuple[int, int]:
    if shutil.which("valgrind") is None:
        raise ValgrindMissingError("valgrind is missing; install it: apt-get install valgrind")
    with tempfile.TemporaryDirectory() as folder:
        profile, frames = Path(folder) / "profile", Path(folder) / "frames"
        frames.write_bytes(pickle.dumps(it))
        command = ["valgrind", f"--tool={tool}"]
        command += [f"--callgrind-out-file={profile}"] if tool == "callgrind" else ["--leak-check=no"]
        command += [sys.executable, "-m", jobs.__name__, job, str(cycles), str(frames)]
        surroundings = {**os.environ, "PYTHONHASHSEED": "0"}
        surroundings["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        if tool == "memcheck":
            surroundings["PYTHONMALLOC"] = "malloc"
        done = subprocess.run(command, env=surroundings, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
        if tool == "callgrind":
            found = _TOTALS.search(profile.read_text())
        else:
            found = _HEAP.search(done.stderr)
    if found is None:
        raise RuntimeError(f"{tool} printed no total: {done.stderr[-2000:]}")
    return int(found[1].replace(",", "")), int(done.stdout.splitlines()[-1])


def corpus_of(name: str) -> Corpus:
    """Recorded frames, or without captures those of the seeded market."""
    try:
        return load(name)
    except CapturesMissingError:
        return generated_spot(400)


def path_rows(frames: str, in_python: bool = False) -> Iterator[Row]:
    """The full path: instructions beside those of the bare walk, and allocations.

    Raises:
        ValgrindMissingError: there is no valgrind.
    """
    who = f"bytes to 3 {'Python' if in_python else 'Cython'} consumers, a message"
    job = jobs.python.__name__ if in_python else jobs.full.__name__
    case = FRAMES[frames]
    it = prepared(corpus_of(case))
    instructions = count("callgrind", job, it) - count("callgrind", jobs.ids.__name__, it)
    walk = count("callgrind", jobs.walk.__name__, it)
    yield Row("G1", case, f"instructions: {who}", instructions, "instructions", "shown", None, None,
              "bare simdjson walk", walk, note=NOTE)  # fmt: skip
    allocations = count("memcheck", job, it)
    yield Row("G5", case, f"heap allocations, C and Python: {who}", allocations, "allocations",
              "shown" if in_python else "at_most", None if in_python else 0.01,
              note="memcheck, difference of two lengths")  # fmt: skip


def growth_rows(streams: int = STREAMS, few: int = FEW) -> Iterator[Row]:
    """G10 in instructions: the same frames over *streams* symbols, against one and against *few*.

    Raises:
        ValgrindMissingError: there is no valgrind.
    """
    one = one_symbol(corpus_of("spot"))
    (symbol,) = one.symbols
    costs = {}
    for symbols in (1, few, streams):
        it = prepared(spread(one, symbol, symbols))
        times = streams // symbols
        cycles = (WIDE_CYCLES[0] * times, WIDE_CYCLES[1] * times)
        # As many cycles of both: over few messages the cost of a run itself shows.
        ids = count("callgrind", jobs.ids.__name__, it, cycles)
        costs[symbols] = count("callgrind", jobs.full.__name__, it, cycles) - ids
    for fewer in (1, few):
        note = f"{costs[streams]:,.0f} against {costs[fewer]:,.0f} instructions a message, as many messages; {NOTE}"
        yield Row("G10", "the same frames over N symbols", f"{streams} streams against {fewer}, instructions",
                  costs[streams] / costs[fewer], "B/A", "within", LIMIT, note=note)  # fmt: skip


def observed_rows() -> Iterator[Row]:
    """G11 and SLO-09 in instructions: what the tap of the streams and of the reports adds to the engine's thread.

    Raises:
        ValgrindMissingError: there is no valgrind.
    """
    it = prepared(corpus_of("spot"))
    ids = count("callgrind", jobs.ids.__name__, it)
    alone = count("callgrind", jobs.full.__name__, it) - ids
    beside = count("callgrind", jobs.observed.__name__, it) - ids
    for goal, what in (("G11", "publishing"), ("SLO-09", "reports")):
        yield Row(goal, "spot, 3 Cython consumers", f"{what} on against off, engine's thread, instructions",
                  beside / alone, "B/A", "within", OBSERVED_LIMIT,
                  note=f"{beside:,.0f} against {alone:,.0f} instructions a message: the tap is the same; {NOTE}")  # fmt: skip


def added_rows() -> Iterator[Row]:
    """G8 in instructions: what the engine adds to a bare picows listener, one frame a read over loopback.

    Its nanoseconds are not measured: they are these instructions at what one takes the engine in this run, fed from
    memory with one frame a read.

    Raises:
        ValgrindMissingError: there is no valgrind.
    """
    corpus = corpus_of("spot")
    it, over_socket = prepared(corpus), listened(corpus, CYCLES[1])
    bare = count("callgrind", jobs.bare.__name__, over_socket)
    added = count("callgrind", jobs.listener.__name__, over_socket) - bare
    regime = "one frame per read, loopback"
    yield Row("G8", "spot", "instructions the engine adds, a message", added, "instructions", "shown", None, None,
              "bare picows listener and the sender", bare, regime=regime,
              note=f"{NOTE}; the sender stands in the same thread, each frame waits until the one before has been taken;"
              " the kernel's are not counted")  # fmt: skip
    from_memory = count("callgrind", jobs.single.__name__, it) - count("callgrind", jobs.ids.__name__, it)
    took_ns = native_ns(it)
    ns_each = took_ns / from_memory
    yield Row("G8", "spot", "instructions the engine adds, at this run's ns each", added * ns_each, "ns", "at_most",
              LIMIT_NS, STRETCH_NS, regime=regime,
              note=f"computed, not timed: {added:,.0f} x {ns_each:.4f} ns; fed from memory, one frame a read, the engine"
              f" takes {took_ns:.1f} ns and {from_memory:,.0f} instructions a message")  # fmt: skip


def native_ns(it: Prepared, cycles: int = NATIVE_CYCLES) -> float:
    """CPU ns a message of the job ``single``, without valgrind: the median of *cycles*."""
    feeder = it.feeder
    rig = Rig(it.corpus, cython_consumers())
    costs = []
    for _ in range(cycles):
        costs.append(cpu_ns(lambda: rig.play(feeder, 1)) / feeder.count)
        feeder.next_cycle()
    rig.close()
    return statistics.median(costs)


COUNTS: dict[str, Callable[[], Iterator[Row]]] = {
    "path": lambda: path_rows("spot"),
    "futures": lambda: path_rows("futures"),
    "python": lambda: path_rows("spot", in_python=True),
    "growth": growth_rows,
    "added": added_rows,
    "observed": observed_rows,
}
"""By the name the command line has for them."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.instructions")
    parser.add_argument("counts", nargs="*", metavar="|".join(COUNTS), help="default: all")
    parser.add_argument("--out", type=Path, nargs="?", const=RESULTS, help="folder of a dated results file")
    options = parser.parse_args()
    if unknown := set(options.counts) - set(COUNTS):
        parser.error(f"no count {', '.join(sorted(unknown))}")
    try:
        found = [row for name in options.counts or COUNTS for row in COUNTS[name]()]
    except ValgrindMissingError as missing:
        print(f"skipped: {missing}")
        return
    command = shlex.join(["python", "-m", "bench.instructions", *sys.argv[1:]])
    result: dict[str, Any] = document("instructions", found, command=command)
    print(json.dumps(result["rows"], indent=1))
    if options.out is not None:
        print(save_dated(options.out, result))


if __name__ == "__main__":
    main()
