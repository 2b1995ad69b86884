"""Events of one stream into the dispatcher, in a given order of their numbers."""
from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from engine.schema.ports cimport EventPool, EventSink

cdef enum:
    SLOTS = 1024               # events in turn; more than a late event can lie behind


cdef class OrderLoad:
    cdef EventPool _pool
    cdef EventSink _sink
    cdef PyObject* _events[SLOTS]
    cdef uint32_t* _order
    cdef uint32_t _count
    cdef uint64_t _next_seq
