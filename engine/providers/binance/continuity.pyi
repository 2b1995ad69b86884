from typing import final

@final
class DiffContinuity:
    """The ids of one symbol's diffs, judged by the venue's rule; counts since start."""

    in_sync: bool
    book_id: int
    """The last update in the book; meaningless while it is not in sync."""
    first_buffered_id: int
    """U of the first diff that waits for a snapshot, 0 = none."""
    diffs: int
    applied: int
    overlapping_applied: int
    """Applied diffs that began at or below the book's id."""
    stale_dropped: int
    gaps: int
    gap_at: list[list[int]]
    """[book id, U] of each gap."""
    snapshots: int
    snapshots_too_old: int
    snapshots_ignored_in_sync: int
    stream_breaks: int
    """Diffs whose U is not the u before + 1, over all received."""
    def __init__(self) -> None: ...
