from typing_extensions import disjoint_base

@disjoint_base
class ChecksumContinuity:
    in_sync: bool
    conn: int
    depth_levels: int
    ordinal: int
    snapshots: int
    updates: int
    empty_updates: int
    checksum_failed_at_record: list[int]
    def __init__(self) -> None: ...
