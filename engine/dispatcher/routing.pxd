"""Routing tables: immutable snapshots, replaced by one pointer swap; the version sits inside."""
cimport cython
from libc.stdint cimport uint16_t, uint32_t, uint64_t

from engine.schema.ports cimport VersionPort


@cython.final
cdef class RoutingTable:
    """Stream index (instrument_id * TYPE_STRIDE + type) -> consumer indices. Never changes once built."""
    cdef readonly uint64_t version
    cdef uint32_t _stream_count
    cdef uint32_t* _first            # per stream: place in _consumers
    cdef uint32_t* _count
    cdef uint16_t* _consumers

    cdef inline uint32_t route(self, uint32_t stream, const uint16_t** consumers) noexcept nogil:
        """Consumers of a stream; returns how many."""
        if stream >= self._stream_count:
            return 0
        consumers[0] = self._consumers + self._first[stream]
        return self._count[stream]


cdef class RoutingBoard(VersionPort):
    """Holds the table in force and those that held events may still need. Changed on the engine's loop only."""
    cdef RoutingTable table
    cdef dict _routes                # consumer index -> frozenset of stream indices
    cdef list _order                 # consumer indices in subscription order
    cdef dict _history               # version -> (table, order, routes), until nothing held refers to it
    cdef readonly uint32_t history_count
    cdef dict _left                  # consumer index -> first version without any route of it

    cdef RoutingTable table_of(self, uint64_t version)
    cdef int forget_history(self) except -1
