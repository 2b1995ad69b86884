"""Everything in one results file: the engine's suites, the peers on the same frames, valgrind's counts.

    python -m bench.full                    about forty minutes; bench/results/YYYY-MM-DD-full.json
    python -m bench.full --seconds 0.5 --service-seconds 1 --no-valgrind
"""
import argparse
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import instructions
from bench.data.frames import CapturesMissingError, load
from bench.instructions import RESULTS
from bench.peers import processes
from engine.bench import suites
from engine.bench.record import Row, document, save_dated
from engine.bench.service.figures import FULL_S
from engine.bench.sources import Sources

PEER_GOALS = {"cryptofeed": (10.0, 15.0), "nautilus": (20.0, 30.0)}
COUNTED = ("path", "futures", "growth", "added", "observed")
OURS = "bytes to 3 Python consumers, a message"


def peer_rows(rows: list[Row], seconds: float, notes: list[str]) -> Iterator[Row]:
    """The engine's own G2 figures beside each peer's, on recorded frames."""
    for corpus_name in ("spot", "futures_sized"):
        ours = [r for r in rows if r.goal == "G2" and r.case == corpus_name and r.subject == OURS]
        if not ours:
            continue
        for peer, (limit, stretch) in PEER_GOALS.items():
            try:
                result = processes.run(peer, load(corpus_name), seconds)
            except (processes.PeerMissingError, CapturesMissingError) as missing:
                notes.append(f"G2 on {corpus_name}: {missing}")
                continue
            own = ours[0]
            yield Row(
                "G2", corpus_name, OURS, own.figure, "ns", "times_faster", limit, stretch,
                f"{result.label}, {result.report['path']}", result.ns_per_message, own.figure_min, own.figure_max,
                own.regime,
            )  # fmt: skip


def valgrind_rows(notes: list[str]) -> Iterator[Row]:
    """Instructions and allocations a message."""
    try:
        for name in COUNTED:
            yield from instructions.COUNTS[name]()
    except instructions.ValgrindMissingError as missing:
        notes.append(str(missing))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.full")
    parser.add_argument("--seconds", type=float, default=2.0, help="measuring time a figure")
    parser.add_argument("--service-seconds", type=float, default=FULL_S, help="length of each load of the service suite")
    parser.add_argument("--no-valgrind", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the dated file")
    options = parser.parse_args()
    sources = Sources()
    notes: list[str] = []
    rows: list[Row] = []
    for suite in suites.BUILT:
        seconds = options.service_seconds if suite == suites.SERVICE else options.seconds
        for row in suites.run(suite, sources, seconds, notes.append):
            rows.append(row)
            print(f"{row.goal} {row.subject}, {row.case}: {row.figure:.4g} {row.unit}", flush=True)
    rows += peer_rows(rows, options.seconds, notes)
    if not options.no_valgrind:
        rows += valgrind_rows(notes)
    details = {"frames": sources.line, "notes": notes, "profile": "throughput"}
    details |= {"seconds": options.seconds, "service_seconds": options.service_seconds}
    command = shlex.join(["python", "-m", "bench.full", *sys.argv[1:]])
    print(save_dated(options.out, document("full", rows, command=command, details=details)))


if __name__ == "__main__":
    main()
