"""One bounded mailbox a consumer: critical entries leave first, FIFO within critical and within market data."""
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t


cdef class Mailbox:
    """Holds one reference to each queued event. Owned by its runner; filled and emptied on the engine's loop."""
    cdef PyObject** _market              # ring
    cdef uint32_t _mask
    cdef uint32_t _head                  # counts on; the place is head & mask
    cdef uint32_t _tail
    cdef PyObject** _critical            # ring that grows: a critical event is never refused
    cdef uint32_t _critical_mask
    cdef uint32_t _critical_head
    cdef uint32_t _critical_tail
    cdef readonly uint32_t capacity      # market data
    cdef readonly uint32_t critical_reserve
    cdef readonly uint64_t offered
    cdef readonly uint64_t refused       # offers answered FULL
    cdef readonly uint32_t peak
    cdef readonly uint64_t critical_overflow   # critical entries past the reserve

    cdef int put(self, PyObject* event) except -1
    cdef uint32_t take(self, PyObject** out, uint32_t limit) noexcept
    cdef uint32_t depth(self) noexcept
    cdef int _put_critical(self, PyObject* event) except -1
