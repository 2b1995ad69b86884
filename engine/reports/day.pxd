"""Twenty-four hours of trades in UTC minutes (D15)."""
cimport cython
from libc.stdint cimport int64_t, uint64_t

from engine.reports.line cimport Line
from engine.reports.wide cimport wide


cdef struct Minute:
    int64_t start_ms
    int64_t first_ms           # of the first and the last trade: by venue time, then by arrival
    uint64_t first_at
    int64_t first_raw
    int64_t last_ms
    uint64_t last_at
    int64_t last_raw
    int64_t high_raw
    int64_t low_raw
    int64_t unused
    wide volume


@cython.final
cdef class DayTrades:
    """Owned by one symbol's analytics."""
    cdef Line minutes
    cdef wide volume
    cdef int64_t high_raw
    cdef int64_t low_raw
    cdef int64_t expired_ms        # minutes that start here or before have left
    cdef int64_t newest_ms         # of all trades
    cdef bint has_any              # ever
    cdef int64_t loaded_ms         # minutes that start here or before are as they were loaded

    cdef int add(self, int64_t ms, uint64_t at, int64_t price_raw, int64_t qty_raw) except -1 nogil
    cdef void expire(self, int64_t now_ms) noexcept nogil
    cdef bint rescale(self, int64_t price_by, int64_t qty_by) noexcept nogil
