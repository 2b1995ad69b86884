"""Fills at one price of the resting side, and how much of it was visible before each: what icebergs show by (D11)."""
cimport cython
from libc.stdint cimport int64_t, uint32_t

from engine.reports.line cimport Line
from engine.reports.wide cimport wide


cdef struct Fill:
    int64_t ms
    int64_t qty_raw
    int64_t visible_raw


cdef struct Extreme:
    int64_t ms
    int64_t visible_raw


cdef struct PriceFills:
    Line fills                 # oldest first
    Line highs                 # falling: the first is the largest visible quantity in the window
    Line lows                  # rising
    wide filled
    wide visible


cdef struct FilledPrice:
    int64_t price_raw
    PriceFills* fills


@cython.final
cdef class RestingFills:
    """Owned by one symbol's analytics; side 0 are bids, 1 asks."""
    cdef Line[2] prices        # those with a fill in the window, ascending
    cdef int64_t span_ms
    cdef int64_t expired_ms

    cdef int add(self, int side, int64_t ms, int64_t price_raw, int64_t qty_raw, int64_t visible_raw) except -1 nogil
    cdef bint rescale(self, int64_t price_by, int64_t qty_by) noexcept nogil
    cdef list icebergs(self, int64_t now_ms, uint32_t min_fills)
