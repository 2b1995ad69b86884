cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memmove, memset

from engine.base.plants cimport planted
from engine.base.units cimport unlikely
from engine.schema.event cimport retain
from engine.schema.ports cimport FULL, EventPool, EventSink, FanoutPort

from engine.base.errors import CapacityError

cdef enum:
    INDEX_MAX = 32767          # slots name a consumer by 16 bits with a sign


@cython.final
cdef class Nobody(EventSink):
    """In the place of a consumer that has left: takes nothing."""

    cdef int offer(self, PyObject* event) except -1:
        return FULL


ctypedef int (*Quiet)(DataBus) noexcept     # what raises, as if it did not: see engine.base.pending


@cython.final
cdef class DataBus(FanoutPort):
    """Fan-out to consumers by index.

    Args:
        pool: where an event goes that no consumer took; who refused it has told why.
    """

    def __init__(self, EventPool pool not None):
        self._pool = pool
        self._consumers = []
        self._nobody = Nobody()

    def __dealloc__(self):
        free(self._sinks)
        free(self._pending)
        free(self._queue)

    def add(self, EventSink consumer not None) -> int:
        """Connect a consumer; returns its index, which is never reused while running."""
        cdef uint32_t capacity
        cdef uint32_t index = len(self._consumers)
        if index > INDEX_MAX:
            raise CapacityError(f"{INDEX_MAX + 1} consumers have joined already", op="bus.add", hint="start the engine anew")
        if index == self._capacity:
            capacity = 2 * self._capacity if self._capacity else 16
            self._sinks = <PyObject**>realloc(self._sinks, capacity * sizeof(PyObject*))
            self._pending = <uint8_t*>realloc(self._pending, capacity)
            self._queue = <uint16_t*>realloc(self._queue, capacity * sizeof(uint16_t))
            if self._sinks == NULL or self._pending == NULL or self._queue == NULL:
                raise MemoryError("consumers")
            memset(self._pending + self._capacity, 0, capacity - self._capacity)
            self._capacity = capacity
        self._consumers.append(consumer)
        self._sinks[index] = <PyObject*>consumer
        return index

    def remove(self, index: int) -> None:
        """A consumer has left, and no route leads to it: its place stays empty."""
        if planted(b"bus.keep_left"):
            return
        self._consumers[index] = self._nobody
        self._sinks[<uint32_t>index] = <PyObject*>self._nobody

    cdef int fan_out(self, PyObject* event, const uint16_t* consumers, uint32_t count) except -1:
        """Offer *event* to each consumer; the caller's reference is the first one's."""
        cdef uint32_t i = 0
        cdef uint16_t index
        if count == 0:
            self._pool.release(event)
            return 0
        if count > 1:
            retain(event, <int>count - 1)
        try:
            while i < count:
                index = consumers[i]
                if unlikely((<EventSink>self._sinks[index]).offer(event) == FULL):
                    self._pool.release(event)
                if unlikely(not self._pending[index]):
                    self._wait(index)
                i += 1
        finally:
            while i < count:               # cancelled half-way: those not reached hold nothing
                self._pool.release(event)
                i += 1
        self._sizes[min(count, BUS_SIZES - 1)] += 1
        return 0

    cdef int _wait(self, uint16_t index) except -1:
        """Note that a consumer has something queued."""
        if self._pending[index]:
            return 0
        self._pending[index] = 1
        if self._queue_count == self._capacity:
            # A callback being served made more: what is served already leaves the queue.
            memmove(self._queue, self._queue + self._queue_head,
                    (self._queue_count - self._queue_head) * sizeof(uint16_t))
            self._queue_count -= self._queue_head
            self._queue_head = 0
        self._queue[self._queue_count] = index
        self._queue_count += 1
        return 0

    @property
    def places(self) -> int:
        """How many have joined: the index of the next one."""
        return len(self._consumers)

    def sizes(self) -> dict[int, int]:
        """How many consumers events were handed to: number -> events, of at least one."""
        return {size: self._sizes[<int>size] for size in range(1, BUS_SIZES) if self._sizes[<int>size]}

    @property
    def fanned_out(self) -> int:
        """Events handed to at least one consumer."""
        return sum(self.sizes().values())

    def wake(self, index: int) -> None:
        """A consumer was offered something outside the fan-out (an acknowledgement): the next flush serves it."""
        self._wait(index)

    cdef int relieve(self, int event_type) except -1:
        """A pool is exhausted: every consumer folds what it can."""
        cdef int freed = 0
        for sink in self._consumers:
            freed += (<EventSink>sink).relieve(event_type)
        return freed

    cdef int flush(self) except -1:
        """Deliver: each consumer with something queued its share, in the order the first event came, until none has."""
        cdef int result
        if self._flushing or self._queue_count == 0:
            return 0
        self._flushing = True
        result = (<Quiet>serve_queue)(self)
        if unlikely(result < 0):
            self._wait(self._serving)     # cancelled: the next flush serves what is left, here and behind it
        if unlikely(self._queue_head < self._queue_count):
            memmove(self._queue, self._queue + self._queue_head,
                    (self._queue_count - self._queue_head) * sizeof(uint16_t))
        self._queue_count -= self._queue_head
        self._queue_head = 0
        self._flushing = False
        return result


cdef int serve_queue(DataBus bus) except -1:
    """Serve until nobody has anything queued; who is being served stands in _serving."""
    cdef PyObject* sink
    cdef int64_t mono_ns = 0
    while bus._queue_head < bus._queue_count:
        bus._serving = bus._queue[bus._queue_head]
        bus._queue_head += 1
        bus._pending[bus._serving] = 0
        sink = bus._sinks[bus._serving]
        mono_ns = (<EventSink>sink).serve(mono_ns)
        if unlikely((<EventSink>sink).has_more):
            bus._wait(bus._serving)
    return 0
