"""One bounded mailbox a consumer: critical entries leave first, FIFO within critical and within market data."""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from engine.base.units cimport unlikely
from engine.schema.event cimport Event, is_critical
from engine.schema.ports cimport ACCEPTED


@cython.final
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

    cdef inline int put(self, PyObject* event) except -1:
        """ACCEPTED takes the caller's reference; FULL leaves it."""
        if unlikely(is_critical((<Event>event).s.type) or self._tail - self._head >= self.capacity):
            return self._put_rare(event)
        self._market[self._tail & self._mask] = event
        self._tail += 1
        self.offered += 1
        return ACCEPTED

    cdef int _put_rare(self, PyObject* event) except -1
    cdef uint32_t take(self, PyObject** out, uint32_t limit) noexcept
    cdef uint32_t depth(self) noexcept
    cdef int _put_critical(self, PyObject* event) except -1
