"""One bounded mailbox a consumer: critical entries leave first, FIFO within critical and within market data.

What a queue in need does costs nothing while it is not: `put` compares the depth with `_limit`, which is 0 while the
mailbox is saturated, and `take` looks at each entry only while `_careful`. Losses are made good when entries leave, so
that whatever is queued in between needs no looking after.
"""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.base.units cimport unlikely
from engine.consumers.backlog cimport Backlog
from engine.schema.event cimport Event, is_critical
from engine.schema.ports cimport ACCEPTED, BookSource, VersionPort


@cython.final
cdef class Mailbox(Backlog):
    """Market data, critical entries beside it, and what of both a consumer gets. Owned by its runner."""
    cdef PyObject** _critical            # ring that grows: a critical event is never refused
    cdef uint32_t _critical_mask
    cdef uint32_t _critical_head
    cdef uint32_t _critical_tail
    cdef readonly uint32_t critical_reserve
    cdef BookSource _books
    cdef VersionPort _versions
    # -- after the consumer's routes changed
    cdef bint _has_version_filter
    cdef uint64_t _flip_version          # 0 = nothing stamped before a change can come any more
    # -- counts since start
    cdef readonly uint64_t skipped_version
    cdef readonly uint64_t skipped_dirty
    cdef readonly uint64_t synthetic     # snapshots made here, in offered as well
    cdef readonly uint32_t peak
    cdef readonly uint64_t critical_overflow   # critical entries past the reserve

    cdef inline bint has_room(self, PyObject* event) noexcept:
        """Whether put() would do no more than queue it."""
        return not is_critical((<Event>event).s.type) and self._tail - self._head < self._limit

    cdef inline int put(self, PyObject* event) except -1:
        """ACCEPTED and COALESCED take the caller's reference; FULL leaves it, and everything else is done here."""
        if unlikely(not self.has_room(event)):
            return self._put_rare(event)
        return self.append(event)

    cdef inline int append(self, PyObject* event) noexcept:
        """put() where has_room() said so."""
        self._market[self._tail & self._mask] = event
        self._tail += 1
        self.offered += 1
        return ACCEPTED

    cdef inline uint32_t depth(self) noexcept:
        return self.market_depth() + self._critical_tail - self._critical_head

    cdef int64_t take(self, PyObject** out, uint32_t limit) except -1
    cdef int accept_from(self, uint64_t version) except -1
    cdef int _put_rare(self, PyObject* event) except -1
    cdef int _put_critical(self, PyObject* event) except -1
    cdef int64_t _take_careful(self, PyObject** out, uint32_t n, uint32_t limit) except -1
    cdef PyObject* _mended(self, PyObject* event) except? NULL
    cdef bint _is_cut_off(self, PyObject* event) noexcept
