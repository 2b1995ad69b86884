"""A token bucket a stream, at the end of the dispatcher's ordering: what finds it empty waits, folded where it can be.

In order and without duplicates, so that what waits can be folded. A snapshot or an invalid book does not wait: it
stands for any number of updates, and takes the place of those that do.
"""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.schema.fold cimport SaturationTable
from engine.schema.ports cimport BookSource, EventPool


cdef struct Bucket:
    int64_t full_ns            # when it is full again, were nothing taken
    PyObject** waiting         # row; what leaves only moves its head
    uint32_t head
    uint32_t count
    uint32_t room
    uint8_t is_listed
    uint64_t throttled         # events that had to wait
    uint64_t coalesced
    uint64_t dropped
    uint64_t coalesced_told
    uint64_t dropped_told
    int64_t coalesced_told_ns
    int64_t dropped_told_ns


@cython.final
cdef class Throttle:
    """Owned by the dispatcher, engine's loop only; owns what waits."""
    cdef EventPool _pool
    cdef SaturationTable _table
    cdef BookSource _books
    cdef object _on_coalesced, _on_dropped
    cdef int64_t _gap_ns                 # between tokens
    cdef int64_t _slack_ns               # a whole burst less one token
    cdef uint32_t _waiting_max           # a stream
    cdef Bucket** _buckets               # by stream index; made at a stream's first event
    cdef uint32_t _bucket_count
    cdef list _listed                    # indices of streams with something waiting
    cdef readonly int64_t next_ns        # when the next token comes that something waits for

    cdef Bucket* find(self, uint32_t index) noexcept
    cdef inline bint takes_token(self, Bucket* bucket, int64_t now_ns) noexcept:
        """Take a token where there is one and nothing waits. *now_ns* may lie a little back: that is the stricter."""
        if bucket.count or bucket.full_ns - now_ns > self._slack_ns:
            return False
        bucket.full_ns = max(bucket.full_ns, now_ns) + self._gap_ns
        return True

    cdef Bucket* of(self, uint32_t index) except NULL
    cdef bint admit(self, PyObject* event, uint32_t index, int64_t now_ns) except -1
    cdef int _wait(self, PyObject* event, uint32_t index, Bucket* bucket, int64_t now_ns) except -1
    cdef bint _fold_in(self, PyObject* event, Bucket* bucket) except -1
    cdef int _push(self, PyObject* event, Bucket* bucket) except -1
    cdef int _supersede(self, Bucket* bucket) except -1
    cdef int _bury(self, PyObject* event, uint32_t index, Bucket* bucket, int64_t now_ns) except -1
    cdef PyObject* pop_due(self, int64_t now_ns, bint is_last_call, uint32_t* index) except? NULL
    cdef int _tell(self, uint32_t index, Bucket* bucket, int64_t now_ns, bint now, object event) except -1
