"""The criteria that the running service is held to (SC): ``engine-run run`` on ``engine-run sim``, from outside."""
from __future__ import annotations

from collections.abc import Callable, Iterator

from engine.base.errors import ConfigError
from engine.bench.record import Row
from engine.bench.service import asked, failures, fanout, flips, load, pressure, reports, sustained, trading, windows
from engine.bench.service.figures import FULL_S, PEAK_RATE
from engine.bench.sources import Note

_GROWN_S = 14.0
"""A consumer of one venue's ten symbols has the events that a comparison needs in so long, at the load `normal`."""

PARTS: tuple[Callable[[float], Iterator[Row]], ...] = (
    load.normal,
    load.peak,
    load.disorder,
    load.fan10,
    flips.flips,
    lambda seconds: flips.unnoticed(_each(seconds)),
    windows.windows,
    pressure.burst,
    trading.burst,
    trading.switching,
    trading.duplicates,
    trading.grown,
    lambda seconds: sustained.sustained(_each(seconds)),
    lambda seconds: sustained.sustained(_each(seconds), mode="thread"),
    lambda seconds: asked.clients(_each(seconds)),
    reports.calls,
    reports.stored,
    pressure.fairness,
    fanout.one_at_a_time,
    fanout.efficiency,
    lambda seconds: fanout.allocations(),
    failures.failing,
    lambda seconds: failures.outstanding(),
    lambda seconds: load.grown(max(_GROWN_S, seconds) if seconds >= FULL_S else _each(seconds)),
)


def _each(seconds: float) -> float:
    """Of a comparison, which has many runs: long ones are for long measurements alone."""
    return seconds if seconds >= FULL_S else min(1.0, seconds)


LATER = {
    "SC-22, SC-30, SC-32 in processes": "consumers outside this process are not built",
}
"""What is not among the rows, and why."""


def run(seconds: float, note: Note) -> Iterator[Row]:
    """Every row, *seconds* of load a run; *note* is told what needs a package that is not installed.

    Raises:
        ProcessFailedError: a process did not start, or did not end.
    """
    for part in PARTS:
        try:
            yield from part(seconds)
        except ConfigError as lacking:
            note(f"not measured: {lacking.reason}: {lacking.hint}")
    if seconds >= FULL_S:
        yield from load.grown(seconds, PEAK_RATE)
    for what, why in LATER.items():
        note(f"later: {what}: {why}")
