from cpython.list cimport PyList_GET_ITEM, PyList_New, PyList_SET_ITEM
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc

from engine.base.clock cimport Clock
from engine.base.pending cimport pending
from engine.base.plants cimport planted
from engine.base.units cimport unlikely
from engine.consumers.handler cimport Handler
from engine.consumers.mailbox cimport Mailbox
from engine.observability.latency cimport LatencyHistogram
from engine.observability.stages cimport StageTimer
from engine.schema.event cimport CONSUMER_NONE, CONSUMER_UNTOLD, MERGED_EVENT, TYPE_COUNT, Event, Slot
from engine.schema.merged cimport MergedEvent
from engine.schema.ports cimport EventPool, EventSink

import traceback

from engine.base.errors import ConfigError
from engine.consumers.coroutine import BatchRun
from engine.schema.enums import EventType

cdef extern from *:
    """
    /* A list that is emptied by hand keeps its storage: no allocation a batch. Callers own the items' counts. */
    static inline void engine_set_size(PyObject *list, Py_ssize_t n) { Py_SET_SIZE((PyVarObject *)list, n); }
    static inline Py_ssize_t engine_places(PyObject *list) { return ((PyListObject *)list)->allocated; }
    """
    void engine_set_size(PyObject* target, Py_ssize_t n)
    Py_ssize_t engine_places(PyObject* target)

cdef extern from "Python.h":
    Py_ssize_t refcount "Py_REFCNT"(PyObject* target) nogil

cdef enum:
    HELD_BY_POOL = 1
    SHARED_READING_MAX = 4     # after a batch as short as this, releasing it takes no time worth a reading


ctypedef int (*Quiet)(Runner, uint32_t) noexcept     # what raises, as if it did not: see engine.base.pending


cdef class Runner(EventSink):
    """A consumer, wherever it runs (CON-08..12).

    Args:
        consumer_id: its name.
        index: its index on the bus.
        handler: an object with one of on_batch(events, ctx), on_event(event, ctx), on_<event_type>(event, ctx), or a
            Cython Handler; or with the coroutine run(ctx). Optional on_start(ctx), on_stop(ctx).
        context: handed to every call.
        pool, clock, timer: the engine's.
        settings: of its mailbox, see :class:`~engine.consumers.settings.MailboxSettings`.
        quantum: most events a batch (larger = throughput, smaller = evenness).
        weight: batches it gets in a round that others wait in.
        budget_ms: a callback longer than this is reported as slow.
        on_error: called as on_error(consumer_id, error, trace_id, event_id, worker).
        on_slow: called as on_slow(consumer_id, callback_ns, budget_ns).

    Raises:
        ConfigError: the handler has none of these methods.
    """

    def __init__(self, consumer_id: str, index: int, handler, context, EventPool pool not None,
                 Clock clock not None, StageTimer timer not None, *, settings=None, quantum: int = 64,
                 weight: int = 1, budget_ms: int = 50, on_error=None, on_slow=None):
        self.consumer_id = consumer_id
        self.index = index
        self.handler = handler
        self.context = context
        self.mailbox = Mailbox(pool, clock, settings, consumer_id)
        self.state = "starting"
        self.worker = "loop"
        self._pool = pool
        self._clock = clock
        self._timer = timer
        self._quantum = quantum
        self._share = quantum * weight
        self._budget_ns = budget_ms * 1_000_000
        self._on_error = on_error
        self._on_slow = on_slow
        self.delivery = LatencyHistogram()
        self.callback = LatencyHistogram()
        self._batch = <PyObject**>malloc(quantum * sizeof(PyObject*))
        if self._batch == NULL:
            raise MemoryError(f"batch of {quantum}")
        self._list = self._new_list()
        self._choose_shape()

    def __dealloc__(self):
        free(self._batch)

    cdef list _new_list(self):
        cdef list fresh = PyList_New(self._quantum)
        engine_set_size(<PyObject*>fresh, 0)
        return fresh

    def _choose_shape(self) -> None:
        handler = self.handler
        if isinstance(handler, Handler):
            self._shape = SHAPE_CYTHON
            self._cython_handler = handler
            return
        if callable(getattr(handler, "on_batch", None)):
            self._shape = SHAPE_BATCH
            self._call = handler.on_batch
            return
        if callable(getattr(handler, "on_event", None)):
            self._shape = SHAPE_EVENT
            self._call = handler.on_event
            return
        self._by_type = [None] * TYPE_COUNT
        for event_type in EventType:
            self._by_type[int(event_type)] = getattr(handler, f"on_{event_type.name.lower()}", None)
        if any(self._by_type):
            self._shape = SHAPE_TYPED
            return
        if callable(getattr(handler, "run", None)):
            self._run = BatchRun(handler, self.context)
            self._shape = SHAPE_BATCH
            self._call = self._run.on_batch
            return
        raise ConfigError(f"handler {type(handler).__name__} of consumer {self.consumer_id} has no method to call",
                          op="consumers.start",
                          hint="give it on_batch(events, ctx), on_event(event, ctx), on_<event_type>(event, ctx) or the "
                               "coroutine run(ctx)")

    def start(self) -> None:
        """Call on_start(ctx) and begin."""
        raise NotImplementedError(type(self).__name__)

    def stop(self, within_s: float = 5.0) -> None:
        """Deliver what is queued, then call on_stop(ctx). Idempotent.

        Args:
            within_s: wait no longer for a callback of another thread, and what is queued.
        """
        raise NotImplementedError(type(self).__name__)

    def begin(self) -> None:
        """As start(), without waiting for on_start(ctx) where it runs elsewhere."""
        self.start()

    def ask_to_stop(self) -> None:
        """As stop(), without waiting; stop() is called once it has ended."""

    def interrupt(self) -> None:
        """End the callback in hand where that can be done, and call none with what is still queued."""

    @property
    def has_begun(self) -> bool:
        """Whether on_start(ctx) has returned or raised."""
        return self.state != "starting"

    @property
    def has_ended(self) -> bool:
        """Whether no callback runs any more, and none will once stop() is called."""
        return True

    cdef int _begin(self) except -1:
        """Call on_start(ctx), or run a coroutine up to its first batch."""
        if hasattr(self.handler, "on_start"):
            self.handler.on_start(self.context)
        if self._run is not None:
            self._run.start()
        return 0

    cdef int _end(self) except -1:
        """There are no more events: end a coroutine, call on_stop(ctx)."""
        if self._run is not None:
            self._run.stop()
        if hasattr(self.handler, "on_stop"):
            self.handler.on_stop(self.context)
        return 0

    cdef int offer(self, PyObject* event) except -1:
        if unlikely(not self.mailbox.has_room(event)):
            return self._offer_rare(event)
        return self.mailbox.append(event)

    cdef int _offer_rare(self, PyObject* event) except -1:
        """Offer what the mailbox does not just queue."""
        return self.mailbox.put(event)

    cdef int relieve(self, int event_type) except -1:
        return self.mailbox.relieve(event_type)

    cdef int64_t _serve_batch(self, uint32_t count, int64_t mono_ns) except -1:
        """One batch: stamp, call, release. Takes and answers a reading of the clock, as serve()."""
        cdef int64_t started_ns = mono_ns if mono_ns else self._clock.mono_ns()
        cdef int64_t now_ns = self._clock.at(started_ns)
        cdef int64_t ended_ns
        cdef int64_t recv_ns
        cdef uint32_t i = 0
        cdef uint32_t same
        if self._timer.waiting:
            self._timer.started(self._batch, count)
        if not self._on_loop:
            self._in_hands(count, 1)
        self._in_hand = count
        while i < count:                  # events of one read share their arrival: one record for all
            recv_ns = (<Event>self._batch[i]).h.ts_recv_ns
            same = 1
            while i + same < count and (<Event>self._batch[i + same]).h.ts_recv_ns == recv_ns:
                same += 1
            self.delivery.record(0 if planted(b"runner.stamp_late") else now_ns - recv_ns, same)
            i += same
        self.lag_ns = now_ns - recv_ns
        self._called = 0
        if unlikely((<Quiet>call_handler)(self, count) < 0):
            self._cancel(count, started_ns)
        ended_ns = self._clock.mono_ns()
        self._finish(count, ended_ns - started_ns)
        if self._failures is not None:
            self._report()
        return ended_ns if count <= SHARED_READING_MAX else 0

    cdef int _cancel(self, uint32_t count, int64_t started_ns) except -1:
        """The batch was cancelled: nothing stays behind. Raises what is under way."""
        try:
            return pending()
        except BaseException as error:
            forget_locals(error)
            self._finish(count, self._clock.mono_ns() - started_ns)
            raise

    cdef int _finish(self, uint32_t count, int64_t took_ns) except -1:
        """Count a batch, release it, and tell if it was slow."""
        cdef uint32_t i
        self.busy_ns += took_ns
        self.callback.record(took_ns, 1)
        self.delivered += self._called
        self.cancelled += count - self._called
        if not self._on_loop:
            self._in_hands(count, -1)
        for i in range(count):
            if unlikely(refcount(self._batch[i]) > HELD_BY_POOL):
                self._note_kept(self._batch[i])
            if unlikely((<Event>self._batch[i]).s.type == MERGED_EVENT):
                self._note_kept_fragments(<MergedEvent>self._batch[i])
        self._in_hand = 0
        if self._failures is None or not planted(b"runner.leak_on_error"):
            self._pool.release_many(self._batch, count)
        if took_ns > self._budget_ns:
            self.slow_callbacks += 1
            if self._on_slow is not None:
                self._on_slow(self.consumer_id, took_ns, self._budget_ns)
        return 0

    cdef int _in_hands(self, uint32_t count, int by) noexcept:
        """The callback of a thread of its own has a batch in hand, its fragments as well, or has no longer."""
        cdef MergedEvent merged
        cdef uint32_t i
        cdef int j
        for i in range(count):
            (<Event>self._batch[i]).s.hands += by
            if (<Event>self._batch[i]).s.type == MERGED_EVENT:
                merged = <MergedEvent>self._batch[i]
                for j in range(merged.fragments_held):
                    (<Event>merged.fragment_refs[j]).s.hands += by
        return 0

    cdef int _note_kept(self, PyObject* event) noexcept:
        """A reference that was not there before the callback is this consumer's doing, unless the callback of another
        thread has the event in hand: then nobody can tell whose it is."""
        cdef Slot* slot = &(<Event>event).s
        if slot.consumer == CONSUMER_NONE:
            if slot.hands:
                slot.consumer = CONSUMER_UNTOLD
            else:
                slot.consumer = <short>self.index
                self.escapes += 1
        return 0

    cdef int _note_kept_fragments(self, MergedEvent merged) noexcept:
        cdef int i
        for i in range(merged.fragments_held):
            if refcount(merged.fragment_refs[i]) > HELD_BY_POOL:
                self._note_kept(merged.fragment_refs[i])
        return 0

    cdef int _call_handler(self, uint32_t count) except -1:
        """Hand the batch over; a failure is noted, and the next event follows."""
        if self._shape == SHAPE_BATCH:
            return self._call_batch(count)
        if self._shape != SHAPE_CYTHON:
            return self._call_each(count)
        self.invocations += count
        while unlikely((<Quiet>call_cython)(self, count) < 0):
            try:
                pending()
            except Exception as error:
                self._failed(self._batch[self._called - 1], error)
        return 0

    cdef int _call_each(self, uint32_t count) except -1:
        """Python handlers that take one event a call."""
        cdef uint32_t i
        cdef int event_type
        for i in range(count):
            try:
                event_type = (<Event>self._batch[i]).s.type
                if event_type == MERGED_EVENT:
                    event_type = (<Event>self._batch[i]).type          # that of its fragments
                method = self._call if self._shape == SHAPE_EVENT else self._by_type[event_type]
                self._called = i + 1
                if method is not None:
                    self.invocations += 1
                    method(<Event>self._batch[i], self.context)
            except Exception as error:
                self._failed(self._batch[i], error)
        return 0

    cdef int _call_batch(self, uint32_t count) except -1:
        cdef PyObject* events = <PyObject*>self._list
        cdef uint32_t i
        for i in range(count):
            Py_INCREF(<object>self._batch[i])
            PyList_SET_ITEM(<object>events, i, <object>self._batch[i])
        engine_set_size(events, count)
        self.invocations += 1
        self._called = count
        try:
            self._call(self._list, self.context)
        except Exception as error:
            self._failed(self._batch[0], error)
        except BaseException as error:
            forget_locals(error)
            self._empty_list(count)
            raise
        return self._empty_list(count)

    cdef int _empty_list(self, uint32_t count) except -1:
        cdef PyObject* events = <PyObject*>self._list
        cdef uint32_t i
        if refcount(events) > 1 or len(self._list) != <Py_ssize_t>count or engine_places(events) < self._quantum:
            self._list = self._new_list()     # the handler kept or changed it: it is the handler's now
            return 0
        for i in range(count):                # what stands in the list now: the handler may have replaced items
            Py_DECREF(<object>PyList_GET_ITEM(<object>events, i))
        engine_set_size(events, 0)
        return 0

    cdef int _failed(self, PyObject* event, object error) except -1:
        """Note a failure; it is reported once the batch has been released."""
        self.failures += 1
        forget_locals(error)
        if self._failures is None:
            self._failures = []
        if not planted(b"runner.first_failure_only") or not self._failures:
            self._failures.append((error, (<Event>event).trace_id, (<Event>event).event_id))
        return 0

    cdef int _report(self) except -1:
        failures, self._failures = self._failures, None
        if self._on_error is not None:
            for error, trace_id, event_id in failures:
                self._on_error(self.consumer_id, error, trace_id, event_id, self.worker)
        return 0

    def trace_in_hand(self) -> str:
        """The trace of the event whose callback runs, of a batch its first one's, as its errors have it; else empty."""
        if self._in_hand == 0 or self._called == 0:
            return ""
        return (<Event>self._batch[0 if self._shape == SHAPE_BATCH else self._called - 1]).trace_id

    def statistics(self) -> dict[str, int]:
        """Counts of EVT-08's second equation and of the callbacks."""
        cdef Mailbox box = self.mailbox
        return {
            "offered": box.offered, "delivered": self.delivered, "coalesced": box.coalesced,
            "skipped": box.skipped_version + box.skipped_dirty + box.skipped_suspended + self.cancelled,
            "dropped": box.dropped, "queued": box.depth() + self._in_hand, "synthetic": box.synthetic,
            "skipped_version": box.skipped_version, "skipped_dirty": box.skipped_dirty,
            "skipped_suspended": box.skipped_suspended, "cancelled": self.cancelled, "saturations": box.saturations,
            "invocations": self.invocations, "failures": self.failures, "escapes": self.escapes,
            "slow_callbacks": self.slow_callbacks, "busy_ns": self.busy_ns, "lag_ns": self.lag_ns,
            "mailbox_peak": box.peak, "spilled": box.spilled, "pinned": box.depth() + self._in_hand}


cdef int call_handler(Runner runner, uint32_t count) except -1:
    return runner._call_handler(count)


cdef int call_cython(Runner runner, uint32_t count) except -1:
    """A Cython handler for what it was not called for yet."""
    cdef Handler handler = runner._cython_handler
    cdef object context = runner.context
    cdef uint32_t i
    for i in range(runner._called, count):
        runner._called = i + 1
        handler.on_event(<Event>runner._batch[i], context)
    return 0


def forget_locals(error: BaseException) -> None:
    """Empty the frames an exception went through, and those of its causes: their variables hold events."""
    seen = set()
    waiting = [error]
    while waiting:
        error = waiting.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        waiting += [error.__cause__, error.__context__, *getattr(error, "exceptions", ())]
