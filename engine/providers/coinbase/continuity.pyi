from typing_extensions import disjoint_base

@disjoint_base
class SequenceContinuity:
    started: bool
    messages: int
    last: int
    sequence_gaps: int
    messages_missing: int
    gap_at_record: list[int]
    def __init__(self) -> None: ...
