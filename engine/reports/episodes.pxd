"""Large orders that come and go away from the touch: what spoofing shows by (D10)."""
cimport cython
from libc.stdint cimport int64_t, uint32_t

from engine.reports.depth cimport DepthBook, Touch
from engine.reports.line cimport Line
from engine.reports.wide cimport wide


cdef struct Print:
    int64_t ms
    int64_t qty_raw


cdef struct Episode:
    int64_t key                # the price, negated for asks: nearest the touch is the last
    int64_t open_ms
    int64_t close_ms
    int64_t threshold_raw      # the smallest quantity that is large
    int64_t peak_raw
    int64_t reduction_raw
    Line prints                # while it is open: trades that may be its
    wide filled                # once it is closed


cdef struct Verdict:
    int64_t close_ms
    int64_t price_raw
    int64_t side
    int64_t is_cancel


@cython.final
cdef class Episodes:
    """Owned by one symbol's analytics; side 0 are bids, 1 asks."""
    cdef Line[2] open
    cdef Line[2] closed        # not classified yet; of one price in the order they opened
    cdef Line verdicts
    cdef int64_t threshold_raw     # of the last slow tick; 0 = none
    cdef int64_t window_ms
    cdef int64_t age_max_ms

    cdef int entry_applied(self, DepthBook book, int64_t ms, int state) except -1 nogil
    cdef int _touched(self, DepthBook book, uint32_t at, int64_t ms, bint is_paired,
                      int64_t middle2, int64_t spread) except -1 nogil
    cdef bint _was_large(self, DepthBook book, uint32_t at) noexcept nogil
    cdef int _close(self, int side, uint32_t at, int64_t ms, int64_t left_raw) except -1 nogil
    cdef void _discard(self, int side, uint32_t at) noexcept nogil
    cdef void discard_all(self) noexcept nogil
    cdef int trade(self, int side, int64_t price_raw, int64_t ms, int64_t qty_raw) except -1 nogil
    cdef bint rescale(self, int64_t price_by, int64_t qty_by) noexcept nogil
    cdef dict outcomes(self, int64_t now_ms)
