"""What the rows of this suite have in common."""
from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.bench.record import Relation, Row
from engine.bench.service.world import Ended

CORES = 2
"""One for the engine, one for the venues; who measures sleeps meanwhile."""
NORMAL_RATE, PEAK_RATE = 1000, 2000
SYMBOLS = 50
CALLBACK_US = 100
FULL_S = 10.0
"""From loads so long on, comparisons have the samples they need, and a latency is the median of three runs."""

RUNS_FULL = 3


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which *share* of them lie; 0 without any."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def waits_alone(written_ns: Sequence[int], started_ns: Sequence[int]) -> list[float]:
    """How long callbacks would wait for one another if each could begin as soon as its event is written, one at a time.

    A callback takes what lies between the starts of two of which the second had to wait, in the median.

    Args:
        written_ns: of each event.
        started_ns: of each callback.
    """
    arrivals, starts = sorted(written_ns), sorted(started_ns)
    took_ns = [
        later - earlier
        for earlier, later, came_ns in zip(starts, starts[1:], arrivals[1:], strict=False)
        if came_ns < earlier
    ]
    a_callback_ns = statistics.median(took_ns) if took_ns else 0.0
    free_ns, waits = 0.0, []
    for came_ns in arrivals:
        start_ns = max(float(came_ns), free_ns)
        free_ns = start_ns + a_callback_ns
        waits.append(start_ns - came_ns)
    return waits


def row(
    goal: str, case: str, subject: str, figure: float, unit: str, relation: Relation, limit: float | None,
    profile: str = "service", **more: Any,
) -> Row:  # fmt: skip
    """A row that needs the cores of this suite, with the profile that ran."""
    return Row(goal, case, subject, figure, unit, relation, limit, cores=CORES, regime=f"profile {profile}", **more)


def lost(ended: Ended) -> int:
    """Events that went to the dead letters on the way or in front of a consumer."""
    pipeline = ended.report["pipeline"]
    return int(pipeline["dropped"] + pipeline["dropped_at_entry"] + pipeline["late_dropped"])


def failure(ended: Ended) -> str:
    """Why a run proves nothing: its counts do not balance, or something was lost (QA-12); empty where it does."""
    if not ended.report["balanced"]:
        return "failed: the counts do not balance"
    return f"failed: {lost(ended)} events lost" if lost(ended) else ""


@dataclass(frozen=True)
class Timed:
    """One run under load: how long each event took from its venue's writing to its callback, and what came of it."""

    delays_ns: Sequence[int]
    ended: Ended
    late_ms: float
    """How late the venues themselves were, p99 since their start."""

    @property
    def p99_ms(self) -> float:
        """Of the delays."""
        return percentile(self.delays_ns, 0.99) / 1e6

    def told(self) -> str:
        """The rest of the distribution, and what else is to be known of it."""
        shares = {"p50": 0.5, "p99.9": 0.999, "max": 1.0}
        found = ", ".join(f"{name} {percentile(self.delays_ns, share) / 1e6:.2f}" for name, share in shares.items())
        seconds = (self.ended.ended_ns - self.ended.began_ns) / 1e9
        received = self.ended.report["pipeline"]["received"]
        return (
            f"{found} ms; {len(self.delays_ns):,} samples, {len(self.delays_ns) / seconds:,.0f}/s, "
            f"{received:,} events in, {lost(self.ended)} lost; the venues' own lateness, before that, "
            f"p99 {self.late_ms:.2f} ms since their start"
        )


def delays_row(goal: str, case: str, runs: Sequence[Timed], limit_ms: float) -> Row:
    """From the venue's writing an event to its callback: the median of the runs' p99, and the rest of that run."""
    ordered = sorted(runs, key=lambda run: run.p99_ms)
    middle = ordered[len(ordered) // 2]
    failed = next(filter(None, (failure(run.ended) for run in runs)), "")
    if not all(run.delays_ns for run in runs):
        failed = "failed: no event was timed"
    return row(
        goal, f"{case}, {len(runs)} run{'s' * (len(runs) > 1)}", "venue's writing to callback, p99", middle.p99_ms,
        "ms", "at_most", limit_ms, figure_min=ordered[0].p99_ms, figure_max=ordered[-1].p99_ms, voided=bool(failed),
        note="; ".join(filter(None, (failed, middle.told()))),
    )  # fmt: skip
