"""The data bus: one event to the mailboxes of its route, the same object to all, no copy."""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from engine.schema.ports cimport EventPool, EventSink, FanoutPort


cdef enum:
    BUS_SIZES = 257                      # as many consumers as a configuration may have, and none


@cython.final
cdef class Nobody(EventSink):
    pass


@cython.final
cdef class DataBus(FanoutPort):
    """Owned by the runtime, called by the dispatcher only."""
    cdef EventPool _pool
    cdef list _consumers                 # EventSink by consumer index, _nobody where one has left
    cdef EventSink _nobody
    cdef PyObject** _sinks               # the same, borrowed from the list
    cdef uint8_t* _pending               # has something queued
    cdef uint16_t* _queue                # indices with something queued, in the order they got it
    cdef uint32_t _queue_head
    cdef uint32_t _queue_count
    cdef uint32_t _capacity
    cdef uint16_t _serving           # whose turn it is in flush()
    cdef bint _flushing
    cdef uint64_t[BUS_SIZES] _sizes      # events by how many consumers they were handed to; the last place: as many or more

    cdef int _wait(self, uint16_t index) except -1
