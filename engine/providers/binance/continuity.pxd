"""Binance's rule for a local order book, and nothing else.

Source: binance-spot-api-docs, web-socket-streams.md, "How to manage a local order book correctly":

1. Buffer the events of the diff stream; remember U of the first one.
2. Get a depth snapshot.
3. If its lastUpdateId is less than that first U, it is too old: get another. (U - 1 joins exactly: the next event
   begins right after the snapshot, so only an id below U - 1 is refused.)
4. Drop buffered events with u <= lastUpdateId.
5. The book is the snapshot; its id is lastUpdateId; apply the rest of the buffer, then the live events.
6. An event with u <= book id is ignored; one with U > book id + 1 means that events were missed: start over.
7. Otherwise each level is set to its new absolute quantity, and book id := u.
"""
cimport cython
from libc.stdint cimport uint64_t


cdef enum Verdict:
    VERDICT_APPLY = 0
    VERDICT_STALE = 1
    VERDICT_GAP = 2
    VERDICT_BUFFER = 3


cdef enum SnapshotVerdict:
    SNAPSHOT_TAKE = 0
    SNAPSHOT_TOO_OLD = 1
    SNAPSHOT_IGNORE = 2


@cython.final
cdef class DiffContinuity:
    """The ids of one symbol. Owned by its stream, used on its thread only."""
    # Every diff touches these, so they share a cache line.
    cdef readonly bint in_sync
    cdef readonly uint64_t book_id
    cdef uint64_t _prev_final_id
    cdef readonly uint64_t diffs
    cdef readonly uint64_t applied
    # -- what is rarely needed
    cdef readonly uint64_t first_buffered_id     # U of the first buffered diff, 0 = none
    # -- further counts since start
    cdef readonly uint64_t overlapping_applied   # U <= book id < u
    cdef readonly uint64_t stale_dropped
    cdef readonly uint64_t gaps
    cdef readonly list gap_at                    # [book id, U] of each
    cdef readonly uint64_t snapshots
    cdef readonly uint64_t snapshots_too_old
    cdef readonly uint64_t snapshots_ignored_in_sync
    cdef readonly uint64_t stream_breaks         # U that is not the previous u + 1, over all received

    cdef inline int received(self, uint64_t first_id, uint64_t final_id) noexcept:
        """Count a diff as it came from the wire, before any rule."""
        self.diffs += 1
        if first_id != self._prev_final_id + 1 and self.diffs > 1:
            self.stream_breaks += 1
        self._prev_final_id = final_id
        return 0

    cdef inline int judge(self, uint64_t first_id, uint64_t final_id) except -1:
        """What to do with a diff: rules 1, 4, 6 and 7. A gap takes the book out of sync; the diff is buffered."""
        if self.in_sync and final_id > self.book_id and first_id <= self.book_id + 1:
            return VERDICT_APPLY
        return self._judge_rest(first_id, final_id)

    cdef inline void applied_through(self, uint64_t first_id, uint64_t final_id) noexcept:
        """A diff went into the book (rule 7)."""
        self.applied += 1
        if first_id <= self.book_id:
            self.overlapping_applied += 1
        self.book_id = final_id

    cdef int _judge_rest(self, uint64_t first_id, uint64_t final_id) except -1
    cdef int judge_snapshot(self, uint64_t last_update_id) noexcept
    cdef void start(self, uint64_t last_update_id) noexcept
    cdef void lose(self) noexcept
