"""Feeds the analytics from events, and gives each symbol its slow ticks at their own time."""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t

from engine.reports.analytics cimport SymbolAnalytics
from engine.schema.event cimport Event


cdef struct Fed:
    PyObject* state            # a SymbolAnalytics, held by the worker
    PyObject* event            # DANGER: alive as long as the list it came in


@cython.final
cdef class ReportWorker:
    """Owned by whoever hands it events, and called on that thread only."""
    cdef object _settings
    cdef object _on_error
    cdef list _states              # SymbolAnalytics or None, by instrument id
    cdef list _composers           # beside them
    cdef dict _places              # (venue, symbol): instrument id
    cdef set _ignored              # instrument ids that nobody wants carried
    cdef object _on_report
    cdef object _on_unknown
    cdef int64_t _slow_ms
    cdef int64_t _step_ms          # between ticks: fast ones where reports are told, else slow ones
    cdef int64_t _begun_ms
    cdef readonly object events    # taken so far
    cdef readonly object skipped   # fast ticks that were due together with a later one
    cdef object _node_id
    cdef Fed* _batch
    cdef uint32_t _count
    cdef uint32_t _capacity

    cdef SymbolAnalytics _rescale(self, uint32_t place, Event event)
    cdef int _apply(self) except -1
    cdef bint _learn(self, Event event, uint32_t place) except -1
    cdef int _tick(self, SymbolAnalytics state, object composer, int64_t until_ms) except -1


cdef int feed(SymbolAnalytics state, Event event) except -1 nogil
