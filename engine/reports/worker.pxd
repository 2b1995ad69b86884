"""Feeds the analytics, and gives each symbol its ticks at their own time."""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t

from engine.observability.latency cimport LatencyHistogram
from engine.reports.analytics cimport SymbolAnalytics
from engine.reports.tap cimport ReportTap
from engine.reports.text cimport ReportText
from engine.schema.record cimport Record, Records

cdef enum:
    TOGETHER = 64              # reports that are written in one go


cdef struct Due:
    PyObject* state            # a SymbolAnalytics, held by the worker
    PyObject* text             # its ReportText
    int64_t now_ms
    size_t at                  # where its report stands
    size_t size


@cython.final
cdef class ReportWorker:
    """Owned by whoever hands it events, and called on that thread only."""
    cdef object _settings
    cdef object _on_error
    cdef list _states              # SymbolAnalytics or None, by instrument id
    cdef list _composers           # beside them
    cdef list _texts               # those of the composers
    cdef PyObject** _by_place      # the states again; NULL = none
    cdef Due[TOGETHER] _due
    cdef char* _written
    cdef size_t _room
    cdef uint32_t _place_count
    cdef dict _places              # (venue, symbol): instrument id
    cdef dict _past                # (venue, symbol): counts from before it was let go
    cdef dict _lags                # venue: LatencyHistogram
    cdef object _on_report
    cdef object _on_resync
    cdef object _on_change
    cdef int64_t _slow_ms
    cdef int64_t _step_ms          # between ticks: fast ones where reports are told, else slow ones
    cdef int64_t _begun_ms
    cdef readonly object events    # taken so far
    cdef object _node_id
    cdef Records _given
    cdef readonly LatencyHistogram fast    # how long a report took
    cdef readonly LatencyHistogram slow    # how long a slow tick took

    cdef int _hold(self, uint32_t place, SymbolAnalytics state, object composer) except -1
    cdef SymbolAnalytics _held(self, uint32_t place)
    cdef SymbolAnalytics _carried(self, uint32_t place)
    cdef int _walk(self, const Records* records, int64_t now_ns) except -1
    cdef size_t _run(self, const Records* records, size_t place, int64_t now_ns) except? 1 nogil
    cdef int _prepare(self, const Record* record) except -1
    cdef SymbolAnalytics _rescale(self, uint32_t place, const Record* record)
    cdef int64_t _tick(self, SymbolAnalytics state, object composer, int64_t until_ms) except -2
    cdef int _together(self, list places, int64_t until_ms) except -1
    cdef int _tell(self, const Due* due) except -1
    cdef int _change(self, str what, SymbolAnalytics state, ReportText text, str before, str after) except -1
    cdef int _ask(self, SymbolAnalytics state, int64_t now_ms) except -1


