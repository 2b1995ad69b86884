"""Runs one consumer: takes batches out of its mailbox, calls its handler, releases for it. Where it runs is a subclass's."""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.base.clock cimport Clock
from engine.consumers.handler cimport Handler
from engine.consumers.mailbox cimport Mailbox
from engine.observability.latency cimport LatencyHistogram
from engine.observability.stages cimport StageTimer
from engine.schema.merged cimport MergedEvent
from engine.schema.ports cimport EventPool, EventSink


cdef enum HandlerShape:
    SHAPE_CYTHON = 0               # cdef on_event of a Handler
    SHAPE_BATCH = 1                # on_batch(events, ctx)
    SHAPE_EVENT = 2                # on_event(event, ctx)
    SHAPE_TYPED = 3                # on_book_update(event, ctx) and the like


cdef class Runner(EventSink):
    """One consumer: mailbox, handler, context, statistics. Owned by the runtime; offered to on the engine's loop."""
    cdef readonly str consumer_id
    cdef readonly int index
    cdef readonly object handler
    cdef readonly object context
    cdef readonly Mailbox mailbox
    cdef readonly str state                  # starting, running, stalled, stopped
    cdef readonly str mode                   # inline, thread
    cdef readonly str worker                 # name of the thread its callbacks run in; "loop" = the engine's
    cdef EventPool _pool
    cdef Clock _clock
    cdef StageTimer _timer
    cdef Handler _cython_handler
    cdef object _call
    cdef object _run                         # the driver of a run(ctx) coroutine, or None
    cdef list _by_type                       # bound methods by event type
    cdef int _shape
    cdef PyObject** _batch
    cdef list _list                          # reused for every batch
    cdef uint32_t _quantum
    cdef uint32_t _share                     # events of one round among others
    cdef bint _on_loop                       # whether callbacks run on the engine's loop
    cdef uint32_t _in_hand                   # events of the batch being served
    cdef uint32_t _called                    # events of the batch in hand whose callback was entered
    cdef list _failures                      # (exception, trace_id, event_id) of the batch in hand, or None
    cdef int64_t _budget_ns
    cdef object _on_error                    # called as on_error(consumer_id, exception, trace_id, event_id, worker)
    cdef object _on_slow                     # called as on_slow(consumer_id, callback_ns, budget_ns)
    cdef readonly uint64_t delivered
    cdef readonly uint64_t cancelled         # taken from the mailbox, but its batch was cancelled before
    cdef readonly uint64_t invocations
    cdef readonly uint64_t failures
    cdef readonly uint64_t escapes
    cdef readonly uint64_t slow_callbacks
    cdef readonly int64_t busy_ns
    cdef readonly int64_t lag_ns             # of the last event served: from its arrival to the start of its callback
    cdef readonly LatencyHistogram delivery  # frame in to callback start
    cdef readonly LatencyHistogram callback

    cdef int _begin(self) except -1
    cdef int _end(self) except -1
    cdef list _new_list(self)
    cdef int _offer_rare(self, PyObject* event) except -1
    cdef int64_t _serve_batch(self, uint32_t count, int64_t mono_ns) except -1
    cdef int _in_hands(self, uint32_t count, int by) noexcept
    cdef int _note_kept(self, PyObject* event) noexcept
    cdef int _note_kept_fragments(self, MergedEvent merged) noexcept
    cdef int _call_handler(self, uint32_t count) except -1
    cdef int _call_each(self, uint32_t count) except -1
    cdef int _call_batch(self, uint32_t count) except -1
    cdef int _cancel(self, uint32_t count, int64_t started_ns) except -1
    cdef int _finish(self, uint32_t count, int64_t took_ns) except -1
    cdef int _empty_list(self, uint32_t count) except -1
    cdef int _failed(self, PyObject* event, object error) except -1
    cdef int _report(self) except -1
