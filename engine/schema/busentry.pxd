"""What carries entries of the report bus: one by itself, with its symbol and its own levels; and a source of many."""
cimport cython
from libc.stdint cimport uint32_t

from engine.schema.market cimport Level, TickerData
from engine.schema.ports cimport EventSink
from engine.schema.record cimport Record, Records


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


cdef class RecordSource(EventSink):
    """A sink that keeps copies of what passes, as records, for one taker."""

    # Hand over what is queued; it stays as it is until the next call. Of the *wanted* instruments the book as it is after
    # the last of them is handed over with the next call, `folded` 0. The interpreter's lock is held throughout.
    cdef const Records* hand_over(self, list wanted) except NULL
