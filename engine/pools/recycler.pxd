"""The Recycler: the one gateway through which events and level blocks leave their pools and come back.

Slots are event objects the pools keep alive. While an event is out, the engine counts its own references in the
slot; whether user code holds it too is read off the Python reference count at the last release: such a slot is
never reused, it escapes to the garbage collector and a new one takes its place.
"""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.pools.blocks cimport BLOCK_CLASSES, BlockPool
from engine.schema.event cimport TYPE_COUNT
from engine.schema.ports cimport EventPool


cdef struct Pool:
    PyObject** slots           # every slot, one strong reference each
    uint32_t* free_stack       # indices of the slots at rest
    uint32_t free_count
    uint32_t free_low          # lowest free_count seen: the peak use
    uint32_t capacity          # slots, reserve included; 0 = no such pool
    uint32_t reserve           # last slots, for critical kinds only
    uint64_t acquired
    uint64_t recycled
    uint64_t escaped
    uint64_t overflowed        # taken from the heap past capacity
    uint64_t overflow_out
    uint64_t overflow_peak
    uint64_t refused           # second recycles
    uint64_t exhausted


@cython.final
cdef class Recycler(EventPool):
    """Owned by the runtime, shared by all stages of one engine; every call under the GIL, none blocks."""
    cdef Pool[TYPE_COUNT] _pools
    cdef BlockPool[BLOCK_CLASSES] _blocks
    cdef bint _debug
    cdef uint64_t _trace_hi
    cdef uint64_t _trace_lo
    cdef list _escapes               # per consumer index
    cdef dict _types                 # event type -> class
    cdef dict _overflow_events       # id -> critical event from the heap, while it is out
    cdef object _on_problem          # callable(kind, **metadata): telemetry, never raises
    cdef object _waiters             # Patience, once somebody had to wait in acquire()
    cdef int64_t _next_stack_ns      # monotonic: stacks of refused returns are kept once a second at most
    cdef object __weakref__

    cdef int _put_back(self, PyObject* event) noexcept
    cdef int _escape(self, PyObject* event) except -1
    cdef PyObject* _overflow(self, int event_type) noexcept
