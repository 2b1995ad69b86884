from libc.stdint cimport uint32_t

from engine.base.plants cimport planted
from engine.providers.checkedstream cimport CheckedContinuity


cdef class ChecksumContinuity(CheckedContinuity):
    cdef int judge(self, bint is_snapshot, bint is_empty, int conn) noexcept:
        """Count a message as it came from the wire and tell what to do with it: rules 1, 2 and 5."""
        if is_snapshot:
            self.snapshots += 1
        else:
            self.updates += 1
            self.empty_updates += is_empty
            if not self.in_sync:
                return VERDICT_IGNORE
        self.conn = conn
        return VERDICT_REPLACE if is_snapshot else VERDICT_APPLY

    cdef void start(self, uint32_t longer_side) noexcept:
        """The book is the snapshot (rule 1), at the depth it shows unless a reply told it (rule 6)."""
        self.in_sync = True
        self.ordinal = 0
        if self.depth_levels == 0:
            self.depth_levels = longer_side

    cdef void lose(self) noexcept:
        """The book is void until the next snapshot (rule 5)."""
        self.in_sync = planted(b"kraken.no_gap")
