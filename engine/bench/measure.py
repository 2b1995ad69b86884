"""Figures of runs taken in turns, so that floor and subject meet the same machine."""
import gc
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter, thread_time_ns

REPEATS_MIN = 5
REPEATS_MAX = 200

Run = Callable[[], float]
"""One run; returns its cost a unit of work, or a negative number for a run that does not count."""


@dataclass(frozen=True)
class Figure:
    """Median, least and most over the repeats."""

    median: float
    least: float
    most: float
    repeats: int

    def less(self, other: "Figure") -> "Figure":
        """What is left when the part that *other* measured is taken off."""
        return Figure(
            self.median - other.median, self.least - other.median, self.most - other.median, self.repeats
        )

    def over(self, units: float) -> "Figure":
        """The same for one of *units*."""
        return Figure(self.median / units, self.least / units, self.most / units, self.repeats)


def figure_of(values: list[float]) -> Figure:
    """Figure of *values*, at least one."""
    return Figure(statistics.median(values), min(values), max(values), len(values))


def in_turns(runs: Mapping[str, Run], seconds: float, repeats_min: int = REPEATS_MIN) -> dict[str, Figure]:
    """Every run once uncounted, then all of them in turns until *seconds* are over, *repeats_min* turns or more.

    Garbage is collected before each run and left on during it.

    Raises:
        ValueError: no runs.
    """
    if not runs:
        raise ValueError("nothing to run")
    costs: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    ends = perf_counter() + seconds
    for turn in range(REPEATS_MAX):
        if turn >= repeats_min and perf_counter() >= ends:
            break
        for name, run in runs.items():
            gc.collect()
            costs[name].append(run())
    return {name: figure_of(values) for name, values in costs.items()}


def cpu_ns(work: Callable[[], object]) -> int:
    """CPU time this thread spends in *work*: other processes on the machine cost it little."""
    started_ns = thread_time_ns()
    work()
    return thread_time_ns() - started_ns
