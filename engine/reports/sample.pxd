"""Order statistics of a sample that changes: the quantities that percentiles are taken of."""
cimport cython
from libc.stdint cimport int64_t, uint32_t

from engine.reports.line cimport Line

cdef enum:
    BLOCK_VALUES = 256


cdef struct Block:
    int64_t last               # the largest of its values
    uint32_t count
    int64_t* values


cdef struct Sampled:
    int64_t ms
    int64_t value


@cython.final
cdef class Sample:
    """Owned by one symbol's analytics."""
    cdef Line blocks           # ascending, none empty
    cdef Line arrivals         # oldest first

    cdef int add(self, int64_t ms, int64_t value) except -1
    cdef int drop_oldest(self) except -1
    cdef int expire(self, int64_t oldest_ms, uint32_t most) except -1
    cdef bint rescale(self, int64_t by) noexcept nogil
    cdef int64_t at_rank(self, uint32_t rank) noexcept
    cdef object percentile(self, uint32_t percent)
