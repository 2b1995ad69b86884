"""Instructions and heap allocations a message, counted by valgrind: figures that no other process disturbs.

    python -m bench.instructions                     the full path on the spot frames, both counts
    python -m bench.instructions --frames futures --python --out FILE

One run is short, one long; what the long one counts more, over the messages it has more, is the cost of one.
Start-up, books and warm-up drop out. Instructions come from callgrind, allocations (C and Python alike, with
``PYTHONMALLOC=malloc``) from memcheck's total of heap allocations.
"""
import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import bench.data.frames  # noqa: F401 (names the folder of captures)
from engine.bench.data.corpus import CapturesMissingError
from engine.bench.data.frames import load
from engine.bench.data.generated import generated_spot
from engine.bench.endless import endless
from engine.bench.record import Row, document, save_dated
from engine.bench.rig import Rig, cython_consumers, python_consumers

CYCLES = (3, 9)
"""Cycles of the frames in the short and in the long run."""

_TOTALS = re.compile(r"^(?:summary|totals):\s+(\d+)", re.MULTILINE)
_HEAP = re.compile(r"total heap usage: ([\d,]+) allocs")
RESULTS = Path(__file__).parent / "results"
FRAMES = {"spot": "spot", "futures": "futures_sized"}


class ValgrindMissingError(Exception):
    """There is no valgrind here; ``apt-get install valgrind``."""


def play(frames: str, cycles: int, in_python: bool, walk_only: bool) -> int:
    """What runs below valgrind: *cycles* of the frames through the engine; returns the frames of a cycle."""
    try:
        corpus = load(FRAMES[frames])
    except CapturesMissingError:
        corpus = generated_spot(400)
    feeder = endless(corpus)
    if walk_only:
        feeder.walk(cycles)
        return feeder.count
    rig = Rig(corpus, python_consumers() if in_python else cython_consumers())
    for _ in range(cycles):
        rig.play(feeder)
        feeder.next_cycle()
    return feeder.count


def count(tool: str, frames: str, in_python: bool, walk_only: bool = False) -> float:
    """What *tool* (``callgrind`` or ``memcheck``) counts a message.

    Raises:
        ValgrindMissingError: there is no valgrind.
        RuntimeError: a run failed.
    """
    totals, per_cycle = zip(*(_total(tool, frames, cycles, in_python, walk_only) for cycles in CYCLES), strict=True)
    return (totals[1] - totals[0]) / ((CYCLES[1] - CYCLES[0]) * per_cycle[0])


def _total(tool: str, frames: str, cycles: int, in_python: bool, walk_only: bool) -> tuple[int, int]:
    if shutil.which("valgrind") is None:
        raise ValgrindMissingError("valgrind is missing; install it: apt-get install valgrind")
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder) / "profile"
        command = ["valgrind", f"--tool={tool}"]
        command += [f"--callgrind-out-file={profile}"] if tool == "callgrind" else ["--leak-check=no"]
        command += [sys.executable, "-m", "bench.instructions", "--play", str(cycles), "--frames", frames]
        command += ["--python"] * in_python + ["--walk"] * walk_only
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


def rows(frames: str, in_python: bool) -> list[Row]:
    """Instructions beside those of the bare walk, and allocations.

    Raises:
        ValgrindMissingError: there is no valgrind.
    """
    who = f"bytes to 3 {'Python' if in_python else 'Cython'} consumers, a message"
    instructions = count("callgrind", frames, in_python)
    walk = count("callgrind", frames, in_python, walk_only=True)
    allocations = count("memcheck", frames, in_python)
    case = FRAMES[frames]
    return [
        Row("G1", case, f"instructions: {who}", instructions, "instructions", "shown", None, None,
            "bare simdjson walk", walk, note="callgrind, difference of two lengths"),
        Row("G5", case, f"heap allocations, C and Python: {who}", allocations, "allocations",
            "shown" if in_python else "at_most", None if in_python else 0.01,
            note="memcheck, difference of two lengths"),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.instructions")
    parser.add_argument("--frames", choices=FRAMES, default="spot")
    parser.add_argument("--python", action="store_true", help="consumers in Python")
    parser.add_argument("--walk", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--play", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, nargs="?", const=RESULTS, help="folder of a dated results file")
    options = parser.parse_args()
    if options.play is not None:
        print(play(options.frames, options.play, options.python, options.walk))
        return
    try:
        found = rows(options.frames, options.python)
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
