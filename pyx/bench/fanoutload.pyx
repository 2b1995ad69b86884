from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free

from engine.base.clock cimport monotonic_ns
from engine.schema.event cimport BOOK_UPDATE, Event, publish
from engine.schema.ports cimport EventPool, FanoutPort

cdef enum:
    BURST = 64


cdef class FanoutLoad:
    """Events handed to the first consumers of a bus.

    Args:
        pool: has a pool of book updates.
        bus: consumers are connected already; their mailboxes hold at least 64 entries.
        consumer_count: consumers of each event, indices 0..
    """

    def __init__(self, EventPool pool not None, FanoutPort bus not None, consumer_count: int):
        cdef uint32_t i
        self._pool = pool
        self._bus = bus
        self._consumer_count = consumer_count
        self._consumers = <uint16_t*>calloc(consumer_count + 1, sizeof(uint16_t))
        if self._consumers == NULL:
            raise MemoryError("consumers")
        for i in range(self._consumer_count):
            self._consumers[i] = <uint16_t>i

    def __dealloc__(self):
        free(self._consumers)

    def run(self, bursts: int) -> tuple[int, int]:
        """*bursts* of 64 events; wall ns of (the fan-out, everything from lease to last release)."""
        cdef PyObject* events[BURST]
        cdef int i
        cdef int64_t n
        cdef int64_t begun_ns = monotonic_ns()
        cdef int64_t started_ns
        cdef int64_t fanout_ns = 0
        cdef int64_t count = bursts
        for n in range(count):
            for i in range(BURST):
                events[i] = self._pool.acquire_nowait(BOOK_UPDATE)
                if events[i] == NULL:
                    raise RuntimeError("the pool ran dry")
                (<Event>events[i]).h.ts_recv_ns = begun_ns
                (<Event>events[i]).h.seq_provider = n * BURST + i
                publish(events[i])
            started_ns = monotonic_ns()
            for i in range(BURST):
                self._bus.fan_out(events[i], self._consumers, self._consumer_count)
            fanout_ns += monotonic_ns() - started_ns
            self._bus.flush()
        return fanout_ns, monotonic_ns() - begun_ns
