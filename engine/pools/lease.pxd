"""A token for one event taken off the hot path: it owns references of the engine, never a Python one."""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t

from engine.schema.event cimport Event
from engine.schema.ports cimport EventPool

cdef enum:
    HEAP_INDEX = 0xFFFFFFFF    # slot index of an overflow event


cdef class Lease:
    """Owned by the caller that acquired it; the event behind it is alive while `held` is above 0."""
    cdef EventPool _pool
    cdef PyObject* _event
    cdef readonly int type
    cdef readonly uint32_t index
    cdef readonly uint32_t generation
    cdef readonly int held           # references this lease still has to give back or hand over

    cdef int _need(self, str op) except -1


cdef Lease make_lease(EventPool pool, PyObject* event)
cdef dict row_of(Event event, bint debug, int64_t now_ns)
