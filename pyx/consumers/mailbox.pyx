cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from engine.base.plants cimport planted
from engine.schema.event cimport Event, is_critical
from engine.schema.ports cimport ACCEPTED, FULL


@cython.final
cdef class Mailbox:
    """Args:
    capacity: market-data entries, at least 16.
    critical_reserve: places for critical entries beside them; past it the ring grows, counted.
    """

    def __init__(self, capacity: int = 256, critical_reserve: int = 64):
        self.capacity = capacity
        self.critical_reserve = critical_reserve
        self._mask = (1 << (max(1, capacity) - 1).bit_length()) - 1
        self._critical_mask = (1 << (max(2, critical_reserve) - 1).bit_length()) - 1
        self._market = <PyObject**>malloc((self._mask + 1) * sizeof(PyObject*))
        self._critical = <PyObject**>malloc((self._critical_mask + 1) * sizeof(PyObject*))
        if self._market == NULL or self._critical == NULL:
            raise MemoryError(f"mailbox of {capacity}")

    def __dealloc__(self):
        free(self._market)
        free(self._critical)

    cdef int _put_rare(self, PyObject* event) except -1:
        if is_critical((<Event>event).s.type):
            return self._put_critical(event)
        self.refused += 1
        return FULL

    cdef int _put_critical(self, PyObject* event) except -1:
        cdef uint32_t count = self._critical_tail - self._critical_head
        cdef uint32_t i
        cdef PyObject** ring
        if count > self._critical_mask:
            ring = <PyObject**>malloc(2 * (self._critical_mask + 1) * sizeof(PyObject*))
            if ring == NULL:
                raise MemoryError("critical mailbox")
            for i in range(count):
                ring[i] = self._critical[(self._critical_head + i) & self._critical_mask]
            free(self._critical)
            self._critical = ring
            self._critical_mask = 2 * self._critical_mask + 1
            self._critical_head = 0
            self._critical_tail = count
        if count >= self.critical_reserve:
            self.critical_overflow += 1
        self._critical[self._critical_tail & self._critical_mask] = event
        self._critical_tail += 1
        self.offered += 1
        return ACCEPTED

    cdef uint32_t take(self, PyObject** out, uint32_t limit) noexcept:
        """Move up to *limit* events out, critical ones first; the caller owes their release."""
        cdef uint32_t n = 0
        cdef uint32_t run
        cdef uint32_t depth = self._tail - self._head
        if depth > self.peak:
            self.peak = depth
        while n < limit and self._critical_head != self._critical_tail and not planted(b"mailbox.critical_last"):
            out[n] = self._critical[self._critical_head & self._critical_mask]
            self._critical_head += 1
            n += 1
        while n < limit and self._head != self._tail:
            run = min(limit - n, self._tail - self._head, self._mask + 1 - (self._head & self._mask))
            memcpy(out + n, self._market + (self._head & self._mask), run * sizeof(PyObject*))
            self._head += run
            n += run
        while n < limit and self._critical_head != self._critical_tail:
            out[n] = self._critical[self._critical_head & self._critical_mask]
            self._critical_head += 1
            n += 1
        return n

    cdef uint32_t depth(self) noexcept:
        return self._tail - self._head + self._critical_tail - self._critical_head

    def __len__(self) -> int:
        return self.depth()
