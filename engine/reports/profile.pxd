"""The volume profile: traded quantity by bins of price over a sliding window (D9)."""
cimport cython
from libc.stdint cimport int64_t

from engine.reports.line cimport Line
from engine.reports.wide cimport wide


cdef struct TradeGroup:
    int64_t until_ms           # the end of its cell, which is in it
    int64_t bin
    int64_t count
    int64_t unused
    wide volume


cdef struct Bin:
    int64_t bin
    int64_t count
    wide volume


@cython.final
cdef class VolumeProfile:
    """Owned by one symbol's analytics."""
    cdef Line groups           # trades of one cell of time and one bin, oldest cell first
    cdef Line bins             # occupied ones, ascending
    cdef wide total
    cdef readonly int64_t trade_count
    cdef int64_t span_ms
    cdef int64_t cell_ms
    cdef int64_t expired_ms
    cdef readonly int64_t bin_raw      # width of a bin, price units

    cdef int add(self, int64_t ms, int64_t price_raw, int64_t qty_raw) except -1 nogil
    cdef TradeGroup* _group(self, int64_t until_ms, int64_t bin) except NULL nogil
    cdef void expire(self, int64_t now_ms) noexcept nogil
    cdef bint rescale(self, int64_t price_by, int64_t qty_by) noexcept nogil
    cdef void restart(self, int64_t bin_raw) noexcept nogil
    cdef object area(self)
    cdef wide _volume(self, unsigned int at) noexcept
