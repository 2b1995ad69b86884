from typing_extensions import disjoint_base

@disjoint_base
class NumberContinuity:
    in_sync: bool
    conn: int
    last: int
    snapshots: int
    updates: int
    empty_updates: int
    repeats: int
    gaps: int
    missing: int
    gap_at_record: list[int]
    checksum_failed_at_record: list[int]
    def __init__(self) -> None: ...
