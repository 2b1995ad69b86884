from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from engine.base.clock cimport monotonic_ns
from engine.schema.event cimport BOOK_UPDATE, Event, EventHeader, publish, retain
from engine.schema.ports cimport EventPool, EventSink


cdef class OrderLoad:
    """A stream of events that have no route: what the dispatcher does with them before routing is its order.

    Args:
        pool: has a pool of at least 1024 book updates.
        sink: the dispatcher.
        instrument_id: of the stream.
        order: the numbers 0..n-1 in the order they arrive; none more than 1023 places late.
    """

    def __init__(self, EventPool pool not None, EventSink sink not None, instrument_id: int, order):
        cdef uint32_t i
        self._pool = pool
        self._sink = sink
        self._count = len(order)
        self._next_seq = 1
        self._order = <uint32_t*>calloc(self._count + 1, sizeof(uint32_t))
        if self._order == NULL:
            raise MemoryError(f"order of {self._count}")
        for i in range(self._count):
            self._order[i] = order[i]
        for i in range(SLOTS):
            self._events[i] = pool.acquire_nowait(BOOK_UPDATE)
            if self._events[i] == NULL:
                raise RuntimeError("the pool ran dry")
            (<Event>self._events[i]).h.instrument_id = instrument_id
            (<Event>self._events[i]).h.epoch = 1
            (<Event>self._events[i]).h.flags = 0
            (<Event>self._events[i]).h.routing_version = 0

    def __dealloc__(self):
        free(self._order)

    @property
    def count(self) -> int:
        """Events in one run."""
        return self._count

    def run(self, ordering: int, routing_version: int) -> int:
        """Offer every event once, numbers running on from the last run; returns wall ns.

        Args:
            ordering: OrderingMode of the stream.
            routing_version: in force.
        """
        cdef EventHeader* h
        cdef PyObject* event
        cdef uint32_t i
        cdef uint64_t base = self._next_seq
        cdef uint8_t mode = ordering
        cdef uint64_t version = routing_version
        cdef int64_t started_ns = monotonic_ns()
        for i in range(self._count):
            event = self._events[i & (SLOTS - 1)]
            # One reference more than the sink takes over: the event is ours again afterwards.
            retain(event, 1)
            h = &(<Event>event).h
            h.seq_provider = base + self._order[i]
            h.seq_first = h.seq_provider
            h.ordering = mode
            h.routing_version = version
            h.ts_recv_ns = started_ns
            self._sink.offer(event)
        self._next_seq = base + self._count
        return monotonic_ns() - started_ns

    def close(self) -> None:
        """Give the events back; the load is used up."""
        cdef uint32_t i
        for i in range(SLOTS):
            if self._events[i] != NULL:
                publish(self._events[i])
                self._pool.release(self._events[i])
                self._events[i] = NULL
