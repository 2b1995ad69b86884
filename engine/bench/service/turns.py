"""Two loads in turns: what one adds to the other's p99, or how many times it is."""
from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise

from engine.bench.paired import MAX_AA_SPREAD, Paired
from engine.bench.record import Row
from engine.bench.service.figures import percentile, row

ALLOWED_MS = 1.0
SAMPLES_MIN = 10_000
"""A percentile of two runs is compared from so many on."""


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


def times_p99(
    goal: str, case: str, subject: str, alone: Sequence[Sequence[int]], beside: Sequence[Sequence[int]], share: float,
    voids: Sequence[str], told: str,
) -> Row:  # fmt: skip
    """How a p99 compares with another: within *share* of it, or as much as equal runs differ by.

    Args:
        goal: of the row.
        case: of the row.
        subject: of the row.
        alone: delays in ns of each run of the one; the runs went in turns, one of these first.
        beside: of each run of the other.
        share: of the p99 of the first.
        voids: why the runs prove nothing.
        told: what is to be said first.
    """
    before, after = [[percentile(delays, 0.99) for delays in runs] for runs in (alone, beside)]
    paired = Paired(
        tuple(later / earlier for earlier, later in zip(before, after, strict=False)),
        tuple(later / earlier for earlier, later in pairwise(before)), share,
    )  # fmt: skip
    why = list(voids)
    if paired.aa_spread > MAX_AA_SPREAD:
        why.append(f"equal runs differ by more than {MAX_AA_SPREAD:.0%}")
    fewest = min(map(len, (*alone, *beside)))
    if fewest < SAMPLES_MIN:
        why.append(f"{fewest:,} samples in the shortest run, {SAMPLES_MIN:,} are needed")
    p99s = f"p99 {statistics.median(after) / 1e6:.2f} ms against {statistics.median(before) / 1e6:.2f} ms"
    spread = f"A/A spread {paired.aa_spread:.0%}, {len(after)} pairs"
    return row(
        goal, case, subject, paired.median, "x", "within", paired.tolerance,
        figure_min=min(paired.ratios), figure_max=max(paired.ratios), voided=bool(why),
        note="; ".join([told, f"{p99s}, {spread}", *why]),
    )  # fmt: skip
