cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from engine.base.plants cimport planted
from engine.observability.latency cimport STAGE_BOOK, STAGE_ORCHESTRATOR, StageTimer
from engine.schema.event cimport Event
from engine.schema.ports cimport EventSink, VersionPort


@cython.final
cdef class Orchestrator(EventSink):
    """Between providers and dispatcher.

    Args:
        next: where events go on.
        versions: the routing version in force.
        timer: stage times.
    """

    def __init__(self, EventSink next not None, VersionPort versions not None, StageTimer timer not None):
        self._next = next
        self._versions = versions
        self._timer = timer

    cdef int offer(self, PyObject* event) except -1:
        """Stamp the routing version, once, and pass on."""
        if self._timer.on:
            self._timer.mark(STAGE_BOOK)
        (<Event>event).h.routing_version = self._versions.version
        self.passed += 1
        if planted(b"orchestrator.python_call"):
            repr(self)
        if self._timer.on:
            self._timer.mark(STAGE_ORCHESTRATOR)
        return self._next.offer(event)

    cdef int flush(self) except -1:
        return self._next.flush()

    cdef int do_work(self, int64_t now_ns) except -1:
        return self._next.do_work(now_ns)

    cdef int relieve(self, int event_type) except -1:
        return self._next.relieve(event_type)
