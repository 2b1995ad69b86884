cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport INT64_MAX, int64_t, uint32_t
from libc.stdlib cimport calloc, free

from engine.base.clock cimport Clock
from engine.base.ids cimport instrument_keys
from engine.base.plants cimport planted
from engine.base.units cimport unlikely
from engine.observability.stages cimport STAGE_BOOK, STAGE_ORCHESTRATOR, STAGE_WIRE, StageTimer
from engine.orchestrator.window cimport MergeWindow
from engine.schema.event cimport MERGED_EVENT, ORDER_CONTIGUOUS, TYPE_STRIDE, Event, EventHeader, publish, retain
from engine.schema.merged cimport CLOSE_COMPLETE, CLOSE_COUNT, CLOSE_TIME, MergedEvent
from engine.schema.ports cimport EventPool, EventSink, VersionPort

from engine.base.errors import ConfigError
from engine.base.ids import instrument_id
from engine.orchestrator.counts import WindowCounts


@cython.final
cdef class Watch:
    pass


@cython.final
cdef class Orchestrator(EventSink):
    """Between providers and dispatcher: events pass; those of a merge rule's streams are shown to its window as well.

    Args:
        next: where events go on.
        versions: the routing version in force.
        timer: stage times.
        pool: of merged events, and where fragments go back to.
        clock: when a merged event is handed on.
        on_telemetry: called as on_telemetry(kind, **metadata).
    """

    def __init__(self, EventSink next not None, VersionPort versions not None, StageTimer timer not None,
                 EventPool pool not None, Clock clock not None, on_telemetry=None):
        self._next = next
        self._versions = versions
        self._timer = timer
        self._pool = pool
        self._clock = clock
        self._on_telemetry = on_telemetry
        self._watches = {}
        self._windows = {}
        self._next_deadline_ns = INT64_MAX

    def __dealloc__(self):
        free(self._watched)

    # -- the hot path -----------------------------------------------------------------------------------------

    cdef int offer(self, PyObject* event) except -1:
        """Stamp the routing version, once, and pass on."""
        cdef uint32_t index
        if self._timer.on:
            self._timer.mark(STAGE_BOOK)
        (<Event>event).h.routing_version = self._versions.version
        self.passed += 1
        if planted(b"orchestrator.python_call"):
            repr(self)
        if self._timer.on:
            self._timer.mark(STAGE_ORCHESTRATOR)
        if unlikely(self._watched_count != 0):
            index = (<Event>event).h.instrument_id * TYPE_STRIDE + (<Event>event).s.type
            if index < self._watched_count and self._watched[index] != NULL:
                return self._pass_and_show(event, index)
        return self._next.offer(event)

    cdef int _pass_and_show(self, PyObject* event, uint32_t index) except -1:
        """A fragment: on its way like any event, and shared with the windows of its stream."""
        cdef tuple watches = <tuple>self._watched[index]      # ours: a callback may end a rule
        cdef Watch watch
        cdef int outcome
        retain(event, 1)
        try:
            for watch in watches:
                if (<Event>event).h.ts_recv_ns >= watch.window.last_close_ns:
                    (<Event>event).h.in_window = 1
            outcome = self._next.offer(event)
            for watch in watches:
                self._show(watch.window, watch.place, event)
        finally:
            self._pool.release(event)
        return outcome

    cdef int flush(self) except -1:
        return self._next.flush()

    # -- windows ----------------------------------------------------------------------------------------------

    cdef int _show(self, MergeWindow window, uint32_t place, PyObject* event) except -1:
        """Late, the first of a window, one more, or the last."""
        cdef int64_t arrived_ns = (<Event>event).h.ts_recv_ns
        if window.is_open and arrived_ns >= window.deadline_ns:
            self._close(window, CLOSE_TIME, window.deadline_ns)
        if not window.is_in_force:               # a callback has just taken the rule back
            return 0
        if arrived_ns < window.last_close_ns and not planted(b"merge.take_late"):
            return self._late(window, event)
        if not window.is_open:
            window.open(arrived_ns)
            if window.deadline_ns < self._next_deadline_ns:
                self._next_deadline_ns = window.deadline_ns
                if self.on_deadline is not None:
                    self.on_deadline()
        window.take(event, place)
        if window.closes_on_complete and window.is_complete():
            return self._close(window, CLOSE_COMPLETE, arrived_ns)
        if window.count >= window.most + planted(b"merge.one_more"):
            return self._close(window, CLOSE_COUNT, arrived_ns)
        return 0

    cdef int _late(self, MergeWindow window, PyObject* event) except -1:
        cdef const EventHeader* h = &(<Event>event).h
        window.late += 1
        provider, symbol = instrument_keys[h.instrument_id]
        self._tell("late_event.dropped", trace_id=(<Event>event).trace_id, provider=provider, symbol=symbol,
                   event_type=window.rule.event_type.class_name, seq_provider=h.seq_provider,
                   lateness_ms=(window.last_close_ns - h.ts_recv_ns) // 1_000_000, merge_key=window.rule.merge_key)
        return 0

    cdef int _close(self, MergeWindow window, int reason, int64_t close_ns) except -1:
        """Every provider there: one merged event; else nothing, and operators are told who was missing."""
        window.close(close_ns)
        if window.is_complete():
            return self._emit(window, reason)
        window.suppressed += 1
        present, missing = window.present(True), window.present(False)
        window.drop()
        self._tell("merge.suppressed_partial", merge_key=window.rule.merge_key, rule=window.rule.name,
                   missing=missing, present=present)
        return 0

    cdef int _emit(self, MergeWindow window, int reason) except -1:
        cdef PyObject* event = self._pool.acquire_nowait(MERGED_EVENT)
        cdef EventHeader* h
        cdef bint is_whole = False
        try:
            if event != NULL:
                is_whole = window.give(<MergedEvent>event)
        finally:
            window.drop()
            if not is_whole:
                window.discarded += 1
                if event != NULL:
                    self._pool.release(event)
        if not is_whole:
            self._tell("pool.exhausted", pool="MergedEvent" if event == NULL else "BookUpdate", in_use=None,
                       capacity=None, waited_ms=0)
            return 0
        (<MergedEvent>event).m.close_reason = reason
        h = &(<Event>event).h
        h.epoch = 1
        h.ordering = ORDER_CONTIGUOUS
        # It arrives when its window closes: the dwell has a histogram of its own (MRG-15).
        h.ts_recv_ns = (<MergedEvent>event).m.window_close_ns
        h.ts_emit_ns = max(self._clock.now_ns(), h.ts_recv_ns)
        h.routing_version = self._versions.version
        window.emitted += 1
        window.dwell.record(h.ts_recv_ns - window.open_ns, 1)
        publish(event)
        self._timer.begin()
        if self._timer.on:
            self._timer.mark(STAGE_WIRE)
            self._timer.mark(STAGE_BOOK)
            self._timer.mark(STAGE_ORCHESTRATOR)
        self._next.offer(event)
        return 0

    cdef int do_work(self, int64_t now_ns) except -1:
        """Close the windows whose time is over; returns how many, and how many events moved behind."""
        cdef MergeWindow window
        cdef int closed = 0
        cdef int64_t next_ns = INT64_MAX
        if now_ns >= self._next_deadline_ns and not planted(b"merge.no_timer"):
            for window in list(self._windows.values()):
                if window.is_open and now_ns >= window.deadline_ns:
                    self._close(window, CLOSE_TIME, window.deadline_ns)
                    closed += 1
            for window in self._windows.values():
                if window.is_open:
                    next_ns = min(next_ns, window.deadline_ns)
            self._next_deadline_ns = next_ns
        return closed + self._next.do_work(now_ns)

    cdef int relieve(self, int event_type) except -1:
        return self._next.relieve(event_type)

    def deliver(self) -> None:
        """Act on deadlines that have come and deliver what is queued, as the end of a read does."""
        if self._next_deadline_ns != INT64_MAX:
            self.do_work(self._clock.now_ns())
        self.flush()

    def poll(self, now_ns: int) -> int:
        """Act on deadlines up to *now_ns*, here and further on; returns how much happened."""
        return self.do_work(now_ns)

    @property
    def next_deadline_ns(self) -> int | None:
        """When poll() is next needed for a window, or None."""
        return None if self._next_deadline_ns == INT64_MAX else self._next_deadline_ns

    # -- rules ------------------------------------------------------------------------------------------------

    def add_rule(self, rule) -> None:
        """Put a rule in force: windows open from the next fragment on. One that was in force before goes on counting.

        Raises:
            ConfigError: another rule has this name.
        """
        cdef MergeWindow window = self._windows.get(rule.name)
        if window is None:
            window = self._windows[rule.name] = MergeWindow(rule, self._pool)
        elif window.rule != rule:
            raise ConfigError(f"merge rule {rule.name} is there already", op="orchestrator.add_rule")
        window.is_in_force = True
        self._watch()

    def end_rule(self, name: str) -> None:
        """Take a rule out of force; a window that is open is discarded."""
        cdef MergeWindow window = self._windows[name]
        window.is_in_force = False
        self._discard(window)
        self._watch()

    cdef int _watch(self) except -1:
        """The table of streams anew."""
        cdef MergeWindow window
        cdef Watch watch
        cdef uint32_t stream
        cdef uint32_t count
        cdef PyObject** watched = NULL
        watches = {}
        for window in self._windows.values():
            for place, provider in enumerate(window.rule.providers if window.is_in_force else ()):
                watch = Watch()
                watch.window = window
                watch.place = place
                stream = instrument_id(provider, window.rule.symbol) * TYPE_STRIDE + <int>window.rule.event_type
                watches[stream] = (*watches.get(stream, ()), watch)
        count = max(watches, default=-1) + 1
        if count:
            watched = <PyObject**>calloc(count, sizeof(PyObject*))
            if watched == NULL:
                raise MemoryError("merge rules")
            for stream, found in watches.items():
                watched[stream] = <PyObject*>found
        free(self._watched)
        self._watched = watched
        self._watched_count = count
        self._watches = watches
        return 0

    def discard_open(self) -> int:
        """Shutdown: what is in windows is never emitted; returns how many windows (MRG-18)."""
        return sum([self._discard(window) for window in self._windows.values()])

    def _discard(self, MergeWindow window not None) -> int:
        if not window.is_open:
            return 0
        window.is_open = False
        window.discarded += 1
        window.drop()
        return 1

    def windows(self) -> dict[str, MergeWindow]:
        """Windows by rule name."""
        return dict(self._windows)

    def statistics(self) -> dict[str, WindowCounts]:
        """Counts by rule name (MRG-19)."""
        return {name: window.statistics() for name, window in self._windows.items()}

    def _tell(self, str kind not None, **metadata) -> None:
        if self._on_telemetry is not None:
            self._on_telemetry(kind, **metadata)
