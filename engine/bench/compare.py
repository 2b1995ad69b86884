"""Figures against those of an earlier file: worse only beyond the noise of both."""
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from engine.bench.paired import DEFAULT_LIMIT, MAX_AA_SPREAD
from engine.bench.record import Row

Verdict = Literal["worse", "holds", "void", "gone"]


@dataclass(frozen=True)
class Compared:
    """One row beside the same row of the earlier file.

    Attributes:
        ratio: new figure over old, or old over new where more is better: above 1 is worse. 0 where there is no earlier
            or later figure.
        tolerance: how much worse still holds: 10 %, or the spread of equal runs in either file if that is larger.
    """

    row: Row
    ratio: float
    tolerance: float
    verdict: Verdict

    def __str__(self) -> str:
        what = ", ".join(filter(None, (self.row.goal, self.row.subject, self.row.case, self.row.regime)))
        if self.verdict == "gone":
            return f"{what}: not measured now"
        return f"{what}: {self.ratio:.2f}x the earlier figure, tolerance {self.tolerance:.0%}: {self.verdict}"


def compare(now: Iterable[Row], before: Iterable[Row]) -> list[Compared]:
    """Every row of *before* that has a figure, judged; rows that are new are left out.

    A spread of equal runs above 25 % voids the comparison of that row.
    """
    by_key = {row.key: row for row in now}
    found = []
    for old in before:
        new = by_key.get(old.key)
        if new is None:
            found.append(Compared(old, 0.0, 0.0, "gone"))
        elif old.figure > 0:
            spread = max(old.spread, new.spread)
            tolerance = max(DEFAULT_LIMIT, spread)
            ratio = _worse_by(new, old)
            worse = ratio > 1 + tolerance
            verdict: Verdict = "void" if spread > MAX_AA_SPREAD else "worse" if worse else "holds"
            found.append(Compared(new, ratio, tolerance, verdict))
    return found


def _worse_by(new: Row, old: Row) -> float:
    if new.relation == "at_least":
        return old.figure / new.figure if new.figure else float("inf")
    return new.figure / old.figure
