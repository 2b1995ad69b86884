"""Timing of repeated work. Standard library only: peers get a copy in environments without the engine."""
import gc
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Spread:
    """Nanoseconds a unit of work over the repeats of one measurement."""

    median_ns: float
    min_ns: float
    max_ns: float
    repeats: int
    units: int

    def as_dict(self) -> dict[str, float | int]:
        """For a results file."""
        return asdict(self)


def timed_passes(
    one_pass: Callable[[], int], units_per_pass: int, seconds: float, repeats: int = 5
) -> Spread:
    """Median, least and most ns a unit over *repeats* runs that share *seconds* of timed work.

    *one_pass* returns the nanoseconds of its timed part, so that it can rebuild its state untimed. One
    pass is played first and not counted; garbage is collected before each repeat and left on during it.

    Raises:
        ValueError: nothing to measure (no units, no time, no repeats).
    """
    if units_per_pass < 1 or seconds <= 0 or repeats < 1:
        raise ValueError("timed_passes needs units, seconds and repeats above zero")
    one_pass()
    budget_ns = seconds * 1e9 / repeats
    per_unit: list[float] = []
    units = 0
    for _ in range(repeats):
        gc.collect()
        elapsed_ns = passes = 0
        while elapsed_ns < budget_ns:
            elapsed_ns += one_pass()
            passes += 1
        per_unit.append(elapsed_ns / (passes * units_per_pass))
        units += passes * units_per_pass
    return Spread(statistics.median(per_unit), min(per_unit), max(per_unit), repeats, units)
