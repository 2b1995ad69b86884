"""Where the reports look at the engine's flow: a sink that keeps copies, never an event, and never makes anybody wait."""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.base.wakeup cimport Wakeup
from engine.observability.stages cimport StageTimer
from engine.schema.busentry cimport RecordSource
from engine.schema.ports cimport BookSource, EventPool
from engine.schema.record cimport Record, Records


cdef struct Place:
    # What of an instrument is not queued. While it is behind, one snapshot will stand for its book.
    uint64_t coalesced
    uint64_t dropped
    uint64_t folded            # updates since the last that was told of
    int64_t span_from_ns       # time of the first of them
    int64_t ts_venue_ns
    int64_t ts_recv_ns
    bint is_behind
    bint is_broken             # something else was lost as well
    bint is_told               # the break has been handed over


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
    cdef uint32_t _tallies_up_to       # entries from which the rest of the room is for trades alone
    cdef int64_t _span_ns
    cdef uint32_t _wake_at
    cdef size_t _bytes_max
    cdef uint32_t _quick_entries       # up to so many, and
    cdef size_t _quick_bytes           # up to here an entry needs no look at the room; both 0 while somebody is behind
    cdef Place* _places                # by instrument id
    cdef uint32_t _place_count
    cdef uint32_t _behind_count        # of them
    cdef readonly uint32_t queued      # entries now
    cdef readonly uint32_t peak        # most entries ever
    cdef readonly uint64_t offered
    cdef readonly uint64_t ignored     # events that make no entry
    cdef readonly uint64_t delivered   # entries handed to the taker, snapshots made here left aside
    cdef readonly uint64_t coalesced   # book updates and tickers that a later entry stands for
    cdef readonly uint64_t tallies     # entries made here, in excess of what was offered: how many updates a span had
    cdef readonly uint64_t dropped     # trades lost

    cdef int _offer_with_care(self, PyObject* event) except -1
    cdef int _give_back(self, PyObject* event) noexcept
    cdef int _look(self) noexcept
    cdef int _take(self, const Record* record) except -1
    cdef int _shed(self, const Record* record) except -1
    cdef int _fold(self, Place* place, const Record* record) except -1
    cdef void _add(self, Place* place, const Record* record) noexcept
    cdef void _tally(self, Place* place, const Record* latest) noexcept
    cdef int _begin(self, Place* place) except -1
    cdef Place* _place(self, uint32_t instrument_id) except NULL
    cdef int _mend(self, uint32_t instrument_id) except -1
    # Hand over what is queued, for the taker to walk until it asks again; False = there is nothing.
    cdef bint swap(self) except -1
