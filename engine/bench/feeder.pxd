"""Frames in native memory, fed as reads of a chosen size; and consumers that read two fields, without Python."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.base.jsonindex cimport JsonIndex
from engine.consumers.handler cimport Handler
from engine.schema.event cimport Event


cdef struct IdPlace:
    size_t at                  # first digit in the text
    uint32_t digits
    uint64_t step              # added for the next cycle


cdef class Feeder:
    cdef char* _text
    cdef size_t* _start
    cdef size_t* _length
    cdef uint32_t _count
    cdef size_t _bytes
    cdef JsonIndex _index
    cdef IdPlace* _ids                   # two a frame once follow_ids was called


cdef class TwoFields(Handler):
    """Reads two fields of each event; keeps sums so that the reads cannot be left out."""
    cdef readonly uint64_t events
    cdef readonly uint64_t first_sum     # may wrap: read only so that the reads cannot be left out
    cdef readonly uint64_t second_sum

    cdef int on_event(self, Event event, object ctx) except -1
