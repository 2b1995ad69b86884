"""Two ways of doing one thing, compared by interleaved runs. Standard library only.

The runs go A B A A, A B A A, ..: every A B pair has an A A pair beside it in time, so the spread of the
A A ratios is the noise of this machine at this time, and no drift is taken for a difference. A run that is short can be
done in slices: a pair is then several rounds of A B A A and its costs their medians, so that what meets one slice
alone, another process or an interrupt, is no part of it.
"""
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

MIN_PAIRS = 5
MAX_AA_SPREAD = 0.25
"""A comparison in which equal runs differ by more than this proves nothing."""

DEFAULT_LIMIT = 0.10

Verdict = Literal["holds", "fails", "void"]


@dataclass(frozen=True)
class Paired:
    """Outcome of ``paired_ratio``.

    Attributes:
        ratios: cost of B over cost of A, pair by pair.
        aa_ratios: the same for two runs of A.
        limit: share by which B may cost more.
    """

    ratios: tuple[float, ...]
    aa_ratios: tuple[float, ...]
    limit: float

    @property
    def median(self) -> float:
        """Median of the pairwise ratios."""
        return statistics.median(self.ratios)

    @property
    def aa_spread(self) -> float:
        """Highest less lowest A A ratio."""
        return max(self.aa_ratios) - min(self.aa_ratios)

    @property
    def tolerance(self) -> float:
        """The limit or the A A spread, whichever is larger."""
        return max(self.limit, self.aa_spread)

    @property
    def verdict(self) -> Verdict:
        """``void`` when A A alone spreads too far, else whether B costs at most A plus the tolerance."""
        if self.aa_spread > MAX_AA_SPREAD:
            return "void"
        return "holds" if self.median <= 1 + self.tolerance else "fails"

    def as_dict(self) -> dict[str, Any]:
        """For a results file, derived figures included."""
        derived = {"median": self.median, "aa_spread": self.aa_spread, "verdict": self.verdict}
        return {**asdict(self), **derived}

    def __str__(self) -> str:
        return (
            f"B/A {self.median:.3f} over {len(self.ratios)} pairs "
            f"({min(self.ratios):.3f}-{max(self.ratios):.3f}), A/A spread {self.aa_spread:.1%}, "
            f"limit {self.limit:.0%}: {self.verdict}"
        )


def paired_ratio(
    fn_a: Callable[[], float],
    fn_b: Callable[[], float],
    pairs: int = MIN_PAIRS,
    limit: float = DEFAULT_LIMIT,
    slices: int = 1,
) -> Paired:
    """Run *fn_a* and *fn_b* in turns; each returns the cost of one run (ns, instructions, CPU time).

    One run of each goes first and is not counted. *slices*: rounds of A B A A whose medians make a pair.

    Raises:
        ValueError: fewer than ``MIN_PAIRS`` pairs, no slice, or a cost that is not above zero.
    """
    if pairs < MIN_PAIRS:
        raise ValueError(f"a comparison needs at least {MIN_PAIRS} pairs, not {pairs}")
    if slices < 1:
        raise ValueError(f"a pair needs at least 1 slice, not {slices}")
    fn_a()
    fn_b()
    ratios: list[float] = []
    aa_ratios: list[float] = []
    for _ in range(pairs):
        rounds = [(fn_a(), fn_b(), fn_a(), fn_a()) for _ in range(slices)]
        first, second, again, last = (statistics.median(costs) for costs in zip(*rounds, strict=True))
        ratios.append(_ratio(first, second))
        aa_ratios.append(_ratio(again, last))
    return Paired(tuple(ratios), tuple(aa_ratios), limit)


def _ratio(first: float, second: float) -> float:
    if first <= 0 or second <= 0:
        raise ValueError(f"costs must be above zero, not {first} and {second}")
    return second / first
