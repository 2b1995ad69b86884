"""Entries on their way to the streams: numbered, chained, with a snapshot where one is due, as commands of the server."""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.distribution.entrytext cimport EntryWriter
from engine.schema.busentry cimport RecordSource
from engine.schema.market cimport Level
from engine.schema.record cimport Record, Records


@cython.final
cdef class Chain:
    """What one (venue, symbol) has had written."""
    cdef readonly str venue
    cdef str key                   # of its stream
    cdef bytes names               # members that tell the symbol
    cdef bytes head                # of the command, up to what is trimmed
    cdef uint64_t seq              # of the newest entry, or of one that was lost
    cdef bint is_begun             # something has been written
    cdef bint is_broken            # the next entry tells so
    cdef bint has_book
    cdef bint is_changed           # the book, since its last snapshot
    cdef uint32_t deltas           # since then
    cdef int64_t snapshot_ns       # monotonic time of it
    cdef int64_t last_recv_ns
    cdef int64_t book_event_ns     # venue time of the newest update
    cdef uint8_t price_scale
    cdef uint8_t qty_scale
    cdef readonly uint64_t written


@cython.final
cdef class Outgoing:
    """Owned by the thread that writes to the streams."""
    cdef RecordSource _source
    cdef list _chains              # Chain or None, by instrument id
    cdef set _wanted               # instrument ids whose book is to be written whole
    cdef const Records* _records   # handed over; DANGER: until the next taking
    cdef size_t _at                # how far they have been written
    cdef EntryWriter _entry
    cdef EntryWriter _out
    cdef Level* _cut
    cdef uint32_t _levels
    cdef uint32_t _batch
    cdef int64_t _interval_ns
    cdef uint32_t _every
    cdef size_t* _ends             # where the commands of the last batch end in it
    cdef list _sent                # chains of the commands of the last batch
    cdef readonly uint32_t count   # commands in it
    cdef readonly set keys         # streams written to since they were looked at

    cdef int _write(self, Chain chain, const Record* record, bytes trim, int64_t now_ns) except -1
    cdef int _number(self, Chain chain, Record* record) noexcept
    cdef int _snapshot(self, Chain chain, Record* record, int64_t now_ns) noexcept
