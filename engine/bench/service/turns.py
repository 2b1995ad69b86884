"""Two loads in turns: what one adds to the other's p99, in ms or as a share, whichever allows more."""
from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise

from engine.bench.paired import MAX_AA_SPREAD
from engine.bench.record import Row
from engine.bench.service.figures import percentile, row
from engine.bench.service.load import SAMPLES_MIN

ALLOWED_MS = 1.0


def added_p99(
    goal: str, case: str, subject: str, alone: Sequence[Sequence[int]], beside: Sequence[Sequence[int]], share: float,
    void: str,
) -> Row:  # fmt: skip
    """What is added to a p99: at most 1 ms, or *share* of it, or as much as equal runs differ by.

    Args:
        goal: of the row.
        case: of the row.
        subject: of the row.
        alone: delays in ns of each run without what is added; the runs went in turns, one of these first.
        beside: of each run with it.
        share: of the p99 alone.
        void: why the runs prove nothing; empty where they do.
    """
    before, after = [[percentile(delays, 0.99) / 1e6 for delays in runs] for runs in (alone, beside)]
    middle = statistics.median(before)
    spread = max((abs(later - earlier) for earlier, later in pairwise(before)), default=0.0)
    added = [later - earlier for earlier, later in zip(before, after, strict=False)]
    voids = [void] if void else []
    if spread > max(ALLOWED_MS, MAX_AA_SPREAD * middle):
        voids.append("equal runs differ too much")
    fewest = min(map(len, (*alone, *beside)))
    if fewest < SAMPLES_MIN:
        voids.append(f"{fewest:,} samples in the shortest run, {SAMPLES_MIN:,} are needed")
    told = f"p99 {statistics.median(after):.2f} ms against {middle:.2f} ms, A/A spread {spread:.2f} ms"
    return row(
        goal, case, subject, statistics.median(added), "ms", "at_most", max(ALLOWED_MS, share * middle, spread),
        figure_min=min(added), figure_max=max(added), voided=bool(voids),
        note="; ".join([told, f"{len(added)} pairs", *voids]),
    )  # fmt: skip
