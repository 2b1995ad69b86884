"""The orchestrator: what no merge rule covers passes at once; all that leaves carries the routing version."""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.base.clock cimport Clock
from engine.observability.stages cimport StageTimer
from engine.orchestrator.window cimport MergeWindow
from engine.schema.ports cimport EventPool, EventSink, VersionPort


@cython.final
cdef class Watch:
    """One provider's place in one window."""
    cdef MergeWindow window
    cdef uint32_t place


@cython.final
cdef class Orchestrator(EventSink):
    """Owned by the runtime, called on the engine's loop by every provider."""
    cdef EventSink _next
    cdef VersionPort _versions
    cdef StageTimer _timer
    cdef EventPool _pool
    cdef Clock _clock
    cdef object _on_telemetry
    cdef PyObject** _watched                 # by stream index: tuple of Watch, borrowed from _watches; NULL = no rule
    cdef uint32_t _watched_count             # 0 while there is no rule
    cdef dict _watches                       # stream index -> tuple of Watch
    cdef dict _windows                       # rule name -> MergeWindow; also of rules no longer in force
    cdef int64_t _next_deadline_ns
    cdef public object on_deadline           # called as on_deadline() when next_deadline_ns has come nearer, or None
    cdef readonly uint64_t passed

    cdef int _pass_and_show(self, PyObject* event, uint32_t index) except -1
    cdef int _show(self, MergeWindow window, uint32_t place, PyObject* event) except -1
    cdef int _late(self, MergeWindow window, PyObject* event) except -1
    cdef int _close(self, MergeWindow window, int reason, int64_t close_ns) except -1
    cdef int _emit(self, MergeWindow window, int reason) except -1
    cdef int _watch(self) except -1
