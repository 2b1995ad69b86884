"""Where the reports look at the engine's flow: a sink that keeps copies, never an event, and never makes anybody wait."""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.base.wakeup cimport Wakeup
from engine.observability.stages cimport StageTimer
from engine.schema.busentry cimport RecordSource
from engine.schema.ports cimport BookSource, EventPool
from engine.schema.record cimport Record, Records


cdef class Behind:
    """A book whose updates are not queued: one snapshot will stand for them."""
    cdef uint64_t folded
    cdef int64_t ts_venue_ns
    cdef int64_t ts_recv_ns
    cdef bint is_broken            # something else was lost as well
    cdef bint is_told              # the break has been handed over


@cython.final
cdef class ReportTap(RecordSource):
    """The engine's thread offers, one other takes; both hold the interpreter's lock while they do."""
    cdef EventPool _pool
    cdef BookSource _books
    cdef StageTimer _timer
    cdef readonly Wakeup wakeup        # posted when half of the room is used
    cdef Records _queued
    cdef Records _taken                # what the taker walks; no offer touches it
    cdef uint32_t _capacity
    cdef uint32_t _books_up_to         # entries from which book updates are folded
    cdef uint32_t _wake_at
    cdef size_t _bytes_max
    cdef dict _behind                  # instrument id: Behind
    cdef readonly uint32_t queued      # entries now
    cdef readonly uint32_t peak        # most entries ever
    cdef readonly uint64_t offered
    cdef readonly uint64_t ignored     # events that make no entry
    cdef readonly uint64_t delivered   # entries handed to the taker, snapshots made here left aside
    cdef readonly uint64_t coalesced   # book updates and tickers that a later entry stands for
    cdef readonly uint64_t dropped     # trades lost
    cdef readonly dict coalesced_of    # by instrument id
    cdef readonly dict dropped_of

    cdef int _take(self, const Record* record) except -1
    cdef int _shed(self, const Record* record) except -1
    cdef int _fold(self, const Record* record, bint is_broken) except -1
    cdef int _mend(self, uint32_t instrument_id, Behind behind) except -1
    # Hand over what is queued, for the taker to walk until it asks again; False = there is nothing.
    cdef bint swap(self) except -1
