"""One event to many mailboxes: the fan-out alone, and the whole delivery."""
from libc.stdint cimport uint16_t, uint32_t

from engine.schema.ports cimport EventPool, FanoutPort


cdef class FanoutLoad:
    cdef EventPool _pool
    cdef FanoutPort _bus
    cdef uint16_t* _consumers
    cdef uint32_t _consumer_count
