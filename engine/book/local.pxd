"""A consumer's own book, rebuilt from events."""
from libc.stdint cimport int64_t, uint64_t

from engine.book.ladder cimport Ladder
from engine.schema.market cimport BookEvent


cdef class Book:
    """Owned by a strategy; one instrument at one provider."""
    cdef readonly Ladder ladder
    cdef readonly bint is_valid
    cdef readonly object reason              # BookReason it was lost for, or None
    cdef readonly int price_scale
    cdef readonly int qty_scale
    cdef readonly uint64_t verified_through_id
    cdef int64_t _instrument

    cdef int take(self, BookEvent event) except -1
    cdef int _need_valid(self) except -1
