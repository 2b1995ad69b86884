from libc.stdint cimport int64_t, uint64_t

from engine.base.plants cimport planted
from engine.providers.checkedstream cimport CheckedContinuity


cdef class NumberContinuity(CheckedContinuity):
    def __cinit__(self):
        self.gap_at_record = []

    cdef int judge(self, bint is_snapshot, bint is_empty, uint64_t number, int conn, int64_t record_index) except -1:
        """Count a message as it came from the wire and tell what to do with it: rules 1 to 4 and 6."""
        if is_snapshot:
            self.snapshots += 1
            self.in_sync = True
            self.conn = conn
            self.last = number
            return VERDICT_REPLACE
        self.updates += 1
        self.empty_updates += is_empty
        if not self.in_sync or conn != self.conn:
            return VERDICT_IGNORE
        if number <= self.last:
            self.repeats += 1
            return VERDICT_IGNORE
        if number != self.last + 1 and not planted(b"simulated.no_gap"):
            self.gaps += 1
            self.missing += number - self.last - 1
            if record_index >= 0:
                self.gap_at_record.append(record_index)
            return VERDICT_GAP
        self.last = number
        return VERDICT_APPLY
