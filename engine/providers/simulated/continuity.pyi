from typing_extensions import disjoint_base

from engine.providers.checkedstream import CheckedContinuity

@disjoint_base
class NumberContinuity(CheckedContinuity):
    last: int
    repeats: int
    gaps: int
    missing: int
    gap_at_record: list[int]
