"""The Recycler: the one gateway through which events and level blocks leave their pools and come back.

Slots are event objects the pools keep alive. While an event is out, the engine counts its own references in the
slot; whether user code holds it too is read off the Python reference count at the last release: such a slot is
never reused, it escapes to the garbage collector and a new one takes its place.
"""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.base.plants cimport planted
from engine.base.units cimport unlikely
from engine.pools.blocks cimport BLOCK_CLASSES, BlockPool, keep_block
from engine.pools.reset cimport clean
from engine.schema.event cimport CONSUMER_NONE, SLOT_LEASED, TYPE_COUNT, Event, Slot
from engine.schema.market cimport BookEvent
from engine.schema.ports cimport RECYCLED, EventPool

cdef extern from "Python.h":
    Py_ssize_t refcount "Py_REFCNT"(PyObject* target) nogil

cdef enum:
    HELD_BY_POOL = 1           # Python references of an event that only its pool holds


cdef struct Pool:
    PyObject** free_stack      # the slots at rest
    uint32_t free_count
    uint32_t watermark         # with more at rest a slot is simply taken: the lowest count seen, or the reserve, or all
    uint32_t free_low          # lowest free_count seen: the peak use
    uint32_t capacity          # slots, reserve included; 0 = no such pool
    uint32_t reserve           # last slots, for critical kinds only
    uint64_t acquired
    uint64_t recycled
    uint64_t trace_lo          # of trace ids; how many were acquired makes each of them its own
    PyObject** slots           # every slot, one strong reference each
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
    cdef bint _watched               # debug, or somebody waits for what comes back
    cdef uint64_t _trace_hi
    cdef list _escapes               # per consumer index
    cdef dict _types                 # event type -> class
    cdef dict _overflow_events       # id -> critical event from the heap, while it is out
    cdef object _on_problem          # callable(kind, **metadata): telemetry, never raises
    cdef object _waiters             # Patience, once somebody had to wait in acquire()
    cdef int64_t _next_stack_ns      # monotonic: stacks of refused returns are kept once a second at most
    cdef object __weakref__

    cdef inline PyObject* _take(self, Pool* pool) noexcept:
        """A slot of a pool that has one."""
        cdef PyObject* event
        pool.free_count -= 1
        event = pool.free_stack[pool.free_count]
        (<Event>event).s.state = SLOT_LEASED
        self._identify(event, pool)
        return event

    cdef inline void _identify(self, PyObject* event, Pool* pool) noexcept:
        """Count one that leaves, and give it its trace id."""
        pool.acquired += 1
        (<Event>event).h.trace_hi = self._trace_hi
        (<Event>event).h.trace_lo = pool.trace_lo + pool.acquired * <uint64_t>0x9E3779B97F4A7C15

    cdef inline int _recycle(self, PyObject* event, Pool* pool, bint has_levels) noexcept:
        """Put a slot back after its last release. What calls anything is left to another function: this one then needs
        no register saved."""
        cdef Slot* slot = &(<Event>event).s
        if unlikely(refcount(event) > HELD_BY_POOL or slot.care or self._watched):
            return self._put_back_watched(event)
        if has_levels and unlikely(not keep_block(self._blocks, &(<BookEvent>event).b)):
            return self._put_back_watched(event)
        slot.generation += not planted(b"recycler.keep_generation")
        slot.consumer = CONSUMER_NONE
        pool.free_stack[pool.free_count] = event
        pool.free_count += 1
        pool.recycled += 1
        clean(event, has_levels)
        return RECYCLED

    cdef void _set_watermark(self, Pool* pool) noexcept
    cdef PyObject* _acquire_rare(self, int event_type) noexcept
    cdef int _release_rare(self, PyObject* event) noexcept
    cdef PyObject* _note_acquired(self, PyObject* event) noexcept
    cdef int _put_back_watched(self, PyObject* event) noexcept
    cdef int _escape(self, PyObject* event) except -1
    cdef PyObject* _overflow(self, int event_type) noexcept
    cdef PyObject* _from_heap(self, int event_type) noexcept
