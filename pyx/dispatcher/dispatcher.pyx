cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport INT64_MAX, int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset

from engine.base.clock cimport Clock
from engine.base.ids cimport instrument_keys
from engine.base.plants cimport planted
from engine.base.units cimport likely, unlikely
from engine.dispatcher.reorder cimport (JUDGE_DUPLICATE, JUDGE_HOLD, JUDGE_LATE, JUDGE_PASS, JUDGE_RESET, StreamState,
                                        free_stream, front_in_order, judge, lowest, new_stream, next_in_order,
                                        note_emitted, note_late, note_next, pop, push)
from engine.dispatcher.routing cimport RoutingBoard, RoutingTable
from engine.dispatcher.throttle cimport Bucket, Throttle
from engine.observability.latency cimport LatencyHistogram
from engine.observability.stages cimport StageTimer
from engine.schema.event cimport (FLAG_GAP_BEFORE, FLAG_LATE, MERGED_EVENT, ORDER_NONE,
                                  TYPE_STRIDE, Event, EventHeader, is_addressed, is_critical, is_told_once)
from engine.schema.fold cimport SaturationTable
from engine.schema.ports cimport BookSource, EventPool, EventSink, FanoutPort

from engine.dispatcher.counts import StreamCounts
from engine.schema.enums import EventType


@cython.final
cdef class Dispatcher(EventSink):
    """Orders each stream, removes duplicates, routes by the table each event was stamped with.

    Args:
        pool: where events go back to.
        bus: hands an event to the consumers of its route.
        board: the routing in force.
        clock: for deadlines.
        timer: stage times.
        tolerance_ms: longest hold of an event that waits for a gap (lower = more late drops, higher = longer holds).
        overrun_ms: a deadline acted on later than this is counted.
        buffer_max: events a stream may hold; past it the lowest goes on.
        horizon_ids: numbers a stream remembers to tell a duplicate from a late event; rounded up to a power of two,
            at least 64.
        horizon_s: how long it remembers them at most.
        on_telemetry: called as on_telemetry(kind, **metadata).
        rate_per_s: events of a stream a second that go on at once, critical ones aside; 0 = no limit.
        burst: how many of them a stream may save up.
        table: what may coalesce while it waits.
        books: told where an update is lost.
        on_limited: called as on_limited(stream_key, count, event, waiting) for what found no place to wait.
        on_late: called as on_late(stream_key, event) for market data that is dropped as late; the event is valid until
            it returns.
    """

    def __init__(self, EventPool pool not None, FanoutPort bus not None, RoutingBoard board not None,
                 Clock clock not None, StageTimer timer not None, *, tolerance_ms: int = 150, overrun_ms: int = 50,
                 buffer_max: int = 200, horizon_ids: int = 8192, horizon_s: int = 300, on_telemetry=None,
                 rate_per_s: int = 0, burst: int = 1, SaturationTable table=None, BookSource books=None,
                 on_limited=None, on_late=None):
        self._pool = pool
        self._bus = bus
        self._board = board
        self._clock = clock
        self._timer = timer
        self._rules.tolerance_ns = tolerance_ms * 1_000_000
        self._rules.buffer_max = buffer_max
        self._rules.horizon_ids = max(64, 1 << (horizon_ids - 1).bit_length())
        self._rules.horizon_ns = horizon_s * 1_000_000_000
        self._overrun_ns = overrun_ms * 1_000_000
        self._on_telemetry = on_telemetry
        self._on_late = on_late
        self._merged_types = {}
        self._held_streams = []
        self._next_deadline_ns = INT64_MAX
        self.gap_hold = LatencyHistogram()
        if rate_per_s:
            self._on_limited = on_limited
            self._throttle = Throttle(pool, rate_per_s, burst, buffer_max, table or SaturationTable(),
                                      books or BookSource(), on_coalesced=self._coalesced, on_dropped=self._limited)

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self._stream_count):
            free_stream(self._streams[i])
        free(self._streams)

    cdef StreamState* _stream(self, uint32_t index, PyObject* first) except NULL:
        """State of a stream, made at its first event."""
        cdef uint32_t count
        cdef StreamState** streams
        cdef StreamState* stream
        if index >= self._stream_count:
            count = (index // TYPE_STRIDE + 8) * TYPE_STRIDE
            streams = <StreamState**>realloc(self._streams, count * sizeof(StreamState*))
            if streams == NULL:
                raise MemoryError("streams")
            memset(streams + self._stream_count, 0, (count - self._stream_count) * sizeof(StreamState*))
            self._streams = streams
            self._stream_count = count
        stream = self._streams[index]
        if stream == NULL:
            stream = new_stream(&self._rules)
            if stream == NULL:
                raise MemoryError("stream state")
            self._streams[index] = stream
            if (<Event>first).s.type == MERGED_EVENT:
                self._merged_types[index] = (<Event>first).type
        return stream

    # -- the hot path -----------------------------------------------------------------------------------------

    cdef int offer(self, PyObject* event) except -1:
        """Take an event over; in order it leaves in this call."""
        cdef EventHeader* h = &(<Event>event).h
        cdef uint32_t index = h.instrument_id * TYPE_STRIDE + (<Event>event).s.type
        cdef StreamState* stream
        if likely(index < self._stream_count and self._streams[index] != NULL):
            stream = self._streams[index]
        else:
            stream = self._stream(index, event)
        stream.received += 1
        if h.ordering == ORDER_NONE:
            return self._emit_fresh(event, index, stream)
        if likely(stream.held_count == 0 and stream.started and h.epoch == stream.epoch and next_in_order(stream, h)):
            note_next(stream, h, &self._rules)
            return self._emit_fresh(event, index, stream)
        return self._slow(event, index, stream)

    cdef int _emit_fresh(self, PyObject* event, uint32_t index, StreamState* stream) except -1:
        """Route one event that was stamped just now, and give up our reference."""
        cdef RoutingTable table = self._board.table      # ours until it is used: a callback may replace it
        if unlikely((<Event>event).h.routing_version != table.version or stream.route_version != table.version):
            return self._emit_rare(event, index, stream)
        if stream.bucket != NULL and unlikely(not self._throttle.takes_token(stream.bucket, (<Event>event).h.ts_emit_ns)):
            return self._emit_rare(event, index, stream)
        return self._hand_on(event, stream, stream.consumers, stream.consumer_count)

    cdef int _emit(self, PyObject* event, uint32_t index, StreamState* stream) except -1:
        """The same of an event that may have been held: when its token is taken is for the clock to say."""
        cdef RoutingTable table = self._board.table
        if unlikely((<Event>event).h.routing_version != table.version or stream.route_version != table.version
                    or stream.bucket != NULL):
            return self._emit_rare(event, index, stream)
        return self._hand_on(event, stream, stream.consumers, stream.consumer_count)

    cdef int _emit_rare(self, PyObject* event, uint32_t index, StreamState* stream) except -1:
        """The same where there is no token at hand, or the routing has changed."""
        cdef RoutingTable table = self._board.table
        if self._throttle is not None and not is_critical((<Event>event).s.type) \
                and not is_told_once((<Event>event).s.type):
            stream.bucket = self._throttle.of(index)
            if not self._throttle.admit(event, index, self._clock.now_ns()):
                return self._wake_at(self._throttle.next_ns)
        if (<Event>event).h.routing_version == table.version:
            stream.consumer_count = <uint16_t>table.route(index, &stream.consumers)
            stream.route_version = table.version
        return self._route(event, index, stream)

    cdef int _route(self, PyObject* event, uint32_t index, StreamState* stream) except -1:
        """Hand an event to the consumers by the table it was stamped with."""
        cdef RoutingTable table = self._board.table
        cdef const uint16_t* consumers = NULL
        cdef uint32_t count
        if (<Event>event).h.routing_version != table.version and not planted(b"dispatcher.newest_table"):
            table = self._board.table_of((<Event>event).h.routing_version)
        count = table.route(index, &consumers)
        return self._hand_on(event, stream, consumers, count)

    cdef int _wake_at(self, int64_t deadline_ns) except -1:
        """Something waits for a moment that may be nearer than the one known."""
        if deadline_ns < self._next_deadline_ns:
            self._next_deadline_ns = deadline_ns
            if self.on_deadline is not None:
                self.on_deadline()
        return 0

    cdef int _let_go(self, int64_t now_ns, bint is_last_call) except -1:
        """Hand on what waited for tokens that have come; returns how many events moved."""
        cdef uint32_t index = 0
        cdef int moved = 0
        cdef PyObject* event
        while True:
            event = self._throttle.pop_due(now_ns, is_last_call, &index)
            if event == NULL:
                return moved
            self._route(event, index, self._stream(index, event))
            moved += 1

    cdef int _hand_on(self, PyObject* event, StreamState* stream, const uint16_t* consumers,
                      uint32_t count) except -1:
        if count == 0:
            if is_addressed((<Event>event).s.type) and self.audience is not None:
                return self._address(event, stream)
            if (<Event>event).h.in_window:
                stream.merged += 1
            else:
                stream.unrouted += 1
            self._pool.release(event)
        else:
            stream.routed += 1
            if unlikely(self._timer.on):
                self._timer.routed(event)
            self._bus.fan_out(event, consumers, count)
        if unlikely(self._timer.on):
            self._timer.enqueued()
        return 0

    cdef int _address(self, PyObject* event, StreamState* stream) except -1:
        """Hand a report of an order, or of risk, to whom it is about: no table of streams says who that is."""
        cdef const uint16_t[::1] found
        try:
            found = self.audience(<Event>event)
        except BaseException:
            self._pool.release(event)
            raise
        if found.shape[0] == 0:
            stream.unrouted += 1
            self._pool.release(event)
            return 0
        stream.routed += 1
        self._bus.fan_out(event, &found[0], <uint32_t>found.shape[0])
        return 0

    cdef int flush(self) except -1:
        """The read burst is over: deadlines that came meanwhile, then delivery."""
        if self._next_deadline_ns != INT64_MAX:
            self.do_work(self._clock.now_ns())
        elif self._board.history_count:
            self._board.forget_history()
        return self._bus.flush()

    cdef int relieve(self, int event_type) except -1:
        return self._bus.relieve(event_type)

    # -- out of order -----------------------------------------------------------------------------------------

    cdef int _slow(self, PyObject* event, uint32_t index, StreamState* stream) except -1:
        cdef EventHeader* h = &(<Event>event).h
        cdef int verdict = judge(stream, h, &self._rules)
        cdef int64_t now_ns
        if verdict == JUDGE_DUPLICATE or verdict == JUDGE_LATE or verdict == JUDGE_HOLD:
            self._timer.on = False                # what goes on now is another event
        if verdict == JUDGE_DUPLICATE and not planted(b"dispatcher.keep_duplicates"):
            stream.duplicates += 1
            self._pool.release(event)
            return 0
        if verdict == JUDGE_LATE:
            return self._late(event, stream)
        if verdict == JUDGE_RESET:
            while stream.held_count:
                self._release_lowest(index, stream, self._clock.now_ns())
            note_emitted(stream, h, &self._rules)
            return self._emit(event, index, stream)
        if verdict == JUDGE_HOLD:
            now_ns = self._clock.now_ns()
            if push(stream, h, event, now_ns) != 0:
                raise MemoryError("held events")
            if not stream.is_held:
                stream.is_held = 1
                self._held_streams.append(index)
            self._wake_at(now_ns + self._rules.tolerance_ns)
            if stream.held_count > self._rules.buffer_max:
                stream.overflowed += 1
                self._release_lowest(index, stream, now_ns)
                self._drain(index, stream)
            return 0
        note_emitted(stream, h, &self._rules)
        self._emit(event, index, stream)
        if stream.held_count:
            self._drain(index, stream)
        return 0

    cdef int _drain(self, uint32_t index, StreamState* stream) except -1:
        """Hand on what is held and has become the next in order."""
        cdef PyObject* event
        cdef EventHeader* h
        cdef int64_t now_ns = self._clock.now_ns()
        while front_in_order(stream):
            self.gap_hold.record(now_ns - lowest(stream).arrived_ns, 1)
            event = pop(stream)
            h = &(<Event>event).h
            if h.seq_provider <= stream.last_emitted:
                self._passed_over(event, stream)
                continue
            note_emitted(stream, h, &self._rules)
            self._emit(event, index, stream)
        return 0

    cdef int _release_lowest(self, uint32_t index, StreamState* stream, int64_t now_ns) except -1:
        """Accept the gap: the lowest held event goes on, marked, and what follows it without a gap with it."""
        cdef PyObject* event
        cdef uint64_t expected = stream.last_emitted + 1
        cdef int64_t waited_ns = now_ns - lowest(stream).arrived_ns
        self.gap_hold.record(waited_ns, 1)
        event = pop(stream)
        if (<Event>event).h.seq_provider <= stream.last_emitted:
            return self._passed_over(event, stream)
        if (<Event>event).h.seq_first > expected:
            stream.gaps += 1
            (<Event>event).h.flags |= FLAG_GAP_BEFORE
            self._tell("ordering.gap", trace_id=(<Event>event).trace_id, stream_key=self.stream_key(index),
                       expected=expected, got=(<Event>event).h.seq_first, waited_ms=waited_ns // 1_000_000)
        note_emitted(stream, &(<Event>event).h, &self._rules)
        self._emit(event, index, stream)
        return 0

    cdef int _passed_over(self, PyObject* event, StreamState* stream) except -1:
        """A wider range went past an event while it was held."""
        if judge(stream, &(<Event>event).h, &self._rules) == JUDGE_DUPLICATE:
            stream.duplicates += 1
            self._pool.release(event)
            return 0
        note_late(stream, &(<Event>event).h, &self._rules)
        return self._late(event, stream)

    cdef int _late(self, PyObject* event, StreamState* stream) except -1:
        """Below the watermark and not seen: market data is dropped, critical kinds are delivered and marked."""
        cdef EventHeader* h = &(<Event>event).h
        if is_critical((<Event>event).s.type) and not planted(b"dispatcher.drop_late_critical"):
            stream.late_delivered += 1
            note_late(stream, h, &self._rules)
            h.flags |= FLAG_LATE
            return self._emit(event, h.instrument_id * TYPE_STRIDE + (<Event>event).s.type, stream)
        stream.late_dropped += 1
        provider, symbol = instrument_keys[h.instrument_id]
        self._tell("late_event.dropped", trace_id=(<Event>event).trace_id, provider=provider, symbol=symbol,
                   event_type=(<Event>event).type.class_name, seq_provider=h.seq_provider,
                   lateness_ms=max(0, self._clock.now_ns() - h.ts_recv_ns) // 1_000_000)
        if self._on_late is not None:
            self._on_late(self.stream_key(h.instrument_id * TYPE_STRIDE + (<Event>event).s.type), <Event>event)
        self._pool.release(event)
        return 0

    cdef int do_work(self, int64_t now_ns) except -1:
        """Act on deadlines that have come; returns how many events moved."""
        cdef StreamState* stream
        cdef uint32_t index
        cdef uint32_t i
        cdef int moved = 0
        cdef int64_t due
        cdef int64_t next_ns = INT64_MAX
        if now_ns < self._next_deadline_ns:
            return 0
        kept = []
        for index in self._held_streams:
            stream = self._streams[index]
            while stream.held_count:
                due = INT64_MAX
                for i in range(stream.held_count):
                    due = min(due, lowest(stream)[i].arrived_ns + self._rules.tolerance_ns)
                if due > now_ns:
                    next_ns = min(next_ns, due)
                    break
                if now_ns - due > self._overrun_ns:
                    self.flush_overruns += 1
                # Everything up to the event that has waited long enough goes, in order.
                self._release_lowest(index, stream, now_ns)
                moved += 1
                self._drain(index, stream)
            if stream.held_count:
                kept.append(index)
            else:
                stream.is_held = 0
        self._held_streams = kept
        if self._throttle is not None:
            moved += self._let_go(now_ns, False)
            next_ns = min(next_ns, self._throttle.next_ns)
        self._next_deadline_ns = next_ns
        if next_ns == INT64_MAX:
            self._board.forget_history()
        return moved

    def poll(self, now_ns: int) -> int:
        """Act on deadlines up to *now_ns*; returns how many events moved."""
        return self.do_work(now_ns)

    def deliver(self) -> None:
        """Act on deadlines that have come and deliver what is queued, as the end of a read does."""
        self.flush()

    def flush_held(self) -> int:
        """Shutdown: everything held goes on, in order; returns how many."""
        cdef StreamState* stream
        cdef uint32_t index
        cdef int64_t now_ns = self._clock.now_ns()
        moved = 0
        for index in self._held_streams:
            stream = self._streams[index]
            while stream.held_count:
                self._release_lowest(index, stream, now_ns)
                moved += 1
            stream.is_held = 0
        self._held_streams = []
        if self._throttle is not None:
            moved += self._let_go(now_ns, True)
            self._throttle.tell_rest(now_ns)
        self._next_deadline_ns = INT64_MAX
        self._bus.flush()
        return moved

    @property
    def next_deadline_ns(self) -> int | None:
        """When poll() is next needed, or None."""
        return None if self._next_deadline_ns == INT64_MAX else self._next_deadline_ns

    # -- operators --------------------------------------------------------------------------------------------

    def stream_key(self, index: int) -> str:
        """``provider:symbol:Type`` of a stream index."""
        provider, symbol = instrument_keys[index // TYPE_STRIDE]
        event_type = self._merged_types.get(index) or EventType(index % TYPE_STRIDE)
        return f"{provider}:{symbol or ''}:{event_type.class_name}"

    def statistics(self) -> dict[str, StreamCounts]:
        """Counts of every stream by its key (EVT-08, first equation)."""
        cdef StreamState* stream
        cdef Bucket* bucket
        cdef Bucket none
        memset(&none, 0, sizeof(Bucket))
        found = {}
        for index in range(self._stream_count):
            stream = self._streams[<uint32_t>index]
            if stream != NULL:
                bucket = self._throttle.find(index) if self._throttle is not None else NULL
                if bucket == NULL:
                    bucket = &none
                found[self.stream_key(index)] = StreamCounts(
                    received=stream.received, routed=stream.routed, unrouted=stream.unrouted,
                    merged=stream.merged, duplicates=stream.duplicates, late_dropped=stream.late_dropped,
                    coalesced_at_entry=bucket.coalesced, dropped_at_entry=bucket.dropped,
                    held=stream.held_count + bucket.count, throttled=bucket.throttled,
                    late_delivered=stream.late_delivered, gaps=stream.gaps, held_total=stream.held_total,
                    overflowed=stream.overflowed)
        return found

    def _coalesced(self, index: int, count: int) -> None:
        self._tell("coalescing.applied", stream_key=self.stream_key(index), folded_count=count)

    def _limited(self, index: int, count: int, event, waiting: int) -> None:
        if self._on_limited is not None:
            self._on_limited(self.stream_key(index), count, event, waiting)

    def _tell(self, str kind not None, **metadata) -> None:
        if self._on_telemetry is not None:
            self._on_telemetry(kind, **metadata)
