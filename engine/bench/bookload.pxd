"""Random level changes on one ladder, with what a consumer reads after each, without Python in the loop."""
from libc.stdint cimport int64_t, uint32_t

from engine.book.ladder cimport Ladder


cdef class BookLoad:
    cdef readonly Ladder ladder
    cdef int64_t* _price
    cdef int64_t* _quantity
    cdef int* _side
    cdef uint32_t _count
