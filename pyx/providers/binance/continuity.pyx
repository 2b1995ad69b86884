cimport cython
from libc.stdint cimport uint64_t

from engine.base.plants cimport planted


@cython.final
cdef class DiffContinuity:
    def __cinit__(self):
        self.gap_at = []

    cdef int _judge_rest(self, uint64_t first_id, uint64_t final_id) except -1:
        if not self.in_sync:
            if self.first_buffered_id == 0:
                self.first_buffered_id = first_id
            return VERDICT_BUFFER
        if final_id <= self.book_id:
            self.stale_dropped += 1
            return VERDICT_STALE
        if first_id > self.book_id + 1 and not planted(b"binance.no_gap"):
            self.gaps += 1
            self.gap_at.append([self.book_id, first_id])
            self.in_sync = False
            self.first_buffered_id = first_id
            return VERDICT_GAP
        return VERDICT_APPLY

    cdef int judge_snapshot(self, uint64_t last_update_id) noexcept:
        """What to do with a snapshot: rule 3; one that comes while the book is in sync is not needed."""
        self.snapshots += 1
        if self.in_sync:
            self.snapshots_ignored_in_sync += 1
            return SNAPSHOT_IGNORE
        if self.first_buffered_id and last_update_id + 1 < self.first_buffered_id:
            self.snapshots_too_old += 1
            return SNAPSHOT_TOO_OLD
        return SNAPSHOT_TAKE

    cdef void start(self, uint64_t last_update_id) noexcept:
        """The book is the snapshot (rule 5); the buffer is judged anew from here."""
        self.in_sync = True
        self.book_id = last_update_id
        self.first_buffered_id = 0

    cdef void lose(self) noexcept:
        """The book was thrown away for a reason of its own (crossed, overflow, a refused frame)."""
        self.in_sync = False
        self.first_buffered_id = 0
