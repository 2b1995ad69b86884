"""The dispatcher: dedupe, order, route, hand to the bus. One instance an engine, on the engine's loop."""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from engine.base.clock cimport Clock
from engine.dispatcher.reorder cimport OrderRules, StreamState
from engine.dispatcher.routing cimport RoutingBoard
from engine.dispatcher.throttle cimport Throttle
from engine.observability.latency cimport LatencyHistogram
from engine.observability.stages cimport StageTimer
from engine.schema.ports cimport EventPool, EventSink, FanoutPort


@cython.final
cdef class Dispatcher(EventSink):
    """Owned by the runtime; owns every stream's order and the events it holds back."""
    cdef EventPool _pool
    cdef FanoutPort _bus
    cdef RoutingBoard _board
    cdef Clock _clock
    cdef StageTimer _timer
    cdef OrderRules _rules
    cdef Throttle _throttle                  # None = streams are not limited
    cdef StreamState** _streams              # by stream index; made at a stream's first event
    cdef uint32_t _stream_count
    cdef dict _merged_types                  # stream index of merged events -> EventType of their fragments
    cdef list _held_streams                  # stream indices with something held
    cdef int64_t _next_deadline_ns
    cdef int64_t _overrun_ns
    cdef object _on_telemetry, _on_limited, _on_late
    cdef public object audience              # called as audience(event): an array of the consumers an addressed event goes to
    cdef public object on_deadline           # called as on_deadline() when next_deadline_ns has come nearer, or None
    cdef readonly uint64_t flush_overruns
    cdef readonly LatencyHistogram gap_hold

    cdef int _slow(self, PyObject* event, uint32_t index, StreamState* stream) except -1
    cdef int _emit(self, PyObject* event, uint32_t index, StreamState* stream) except -1
    cdef int _emit_rare(self, PyObject* event, uint32_t index, StreamState* stream) except -1
    cdef int _emit_fresh(self, PyObject* event, uint32_t index, StreamState* stream) except -1
    cdef int _route(self, PyObject* event, uint32_t index, StreamState* stream) except -1
    cdef int _wake_at(self, int64_t deadline_ns) except -1
    cdef int _let_go(self, int64_t now_ns, bint is_last_call) except -1
    cdef int _hand_on(self, PyObject* event, StreamState* stream, const uint16_t* consumers, uint32_t count) except -1
    cdef int _address(self, PyObject* event, StreamState* stream) except -1
    cdef int _drain(self, uint32_t index, StreamState* stream) except -1
    cdef int _release_lowest(self, uint32_t index, StreamState* stream, int64_t now_ns) except -1
    cdef StreamState* _stream(self, uint32_t index, PyObject* first) except NULL
    cdef int _late(self, PyObject* event, StreamState* stream) except -1
    cdef int _passed_over(self, PyObject* event, StreamState* stream) except -1
