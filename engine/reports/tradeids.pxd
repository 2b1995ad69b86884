"""Which trades were seen within a span of time: ids in intervals, as venues number trades without a break."""
cimport cython
from libc.stdint cimport int64_t, uint64_t

from engine.reports.line cimport Line


cdef struct IdRange:
    int64_t first              # as signed numbers, in order
    int64_t last
    int64_t second             # in which all of them came


@cython.final
cdef class TradeIds:
    """Owned by one symbol's analytics. Ids of one second that follow each other take one place."""
    cdef Line ranges
    cdef int64_t span_s
    cdef int64_t swept_s

    cdef int is_new(self, uint64_t trade_id, int64_t now_ns) except -1 nogil
    cdef void _sweep(self, int64_t oldest_s) noexcept nogil
