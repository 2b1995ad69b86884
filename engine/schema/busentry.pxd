"""An entry of the report bus by itself: a record with its symbol and its own levels."""
cimport cython
from libc.stdint cimport uint32_t

from engine.schema.market cimport Level, TickerData
from engine.schema.record cimport Record


@cython.final
cdef class HeldEntry:
    """An entry with its symbol and its own levels, beyond the event or the text it was made of.

    Belongs to whoever made it; read-only once it is filled, so any thread may read it.
    """
    cdef readonly str venue
    cdef readonly str symbol
    cdef Record r                  # its body is one of the next two
    cdef Level* levels
    cdef TickerData ticker

    cdef int keep_levels(self, const Level* bids, uint32_t bid_count, const Level* asks, uint32_t ask_count) except -1
