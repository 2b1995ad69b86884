from typing_extensions import disjoint_base

from engine.providers.checkedstream import CheckedContinuity

@disjoint_base
class ChecksumContinuity(CheckedContinuity):
    depth_levels: int
    ordinal: int
