cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport INT64_MAX, UINT32_MAX, int64_t, uint32_t, uint64_t

from engine.base.clock cimport monotonic_ns
from engine.base.ids cimport instrument_keys
from engine.base.plants cimport planted
from engine.observability.latency cimport LatencyHistogram
from engine.schema.event cimport Event, uuid_text

from engine.schema.trace import StageTrace
from engine.schema.enums import EventType

STAGE_NAMES = ("wire", "book", "orchestrator", "dispatcher", "mailbox")

cdef enum:
    FOLLOWED_NS_MAX = 1_000_000_000    # an event that was folded or dropped never starts a callback


@cython.final
cdef class StageTimer:
    """
    Args:
        sampling: share of the frames that is timed, 0..1; 0 = none. The clock is read six times for one.
    """

    def __init__(self, sampling: float = 1.0):
        self._period = max(1, round(1 / sampling)) if sampling > 1 / UINT32_MAX else 0
        self._left = 1 if self._period else 0          # 0 wraps: never reached
        self._opened = -1
        self.stages = tuple(LatencyHistogram() for _ in range(STAGE_COUNT))

    cdef void _start(self) noexcept:
        cdef int event_type
        self._left = self._period
        self.on = True
        self._begun_ns = self._last_ns = monotonic_ns()
        if self.waiting:
            for event_type in range(TYPE_COUNT):
                if self._open[event_type].event != NULL \
                        and self._begun_ns - self._open[event_type].begun_ns > FOLLOWED_NS_MAX:
                    self._open[event_type].event = NULL
                    self.waiting -= 1

    cdef void mark(self, int stage) noexcept:
        """A stage of the timed frame is done."""
        cdef int64_t now = monotonic_ns()
        if planted(b"stages.never"):
            return
        (<LatencyHistogram>self.stages[stage]).record(now - self._last_ns, 1)
        self._last_ns = now
        self._done_ns[STAGE_DISPATCHER - stage if planted(b"stages.reversed") else stage] = now

    cdef void routed(self, PyObject* event) noexcept:
        """The timed frame's event has a route: follow it, unless one of its type is under way."""
        cdef EventTrace* trace = &self._open[(<Event>event).s.type]
        if trace.event != NULL:
            return
        trace.event = event
        trace.generation = (<Event>event).s.generation
        trace.instrument_id = (<Event>event).h.instrument_id
        trace.trace_hi = (<Event>event).h.trace_hi
        trace.trace_lo = (<Event>event).h.trace_lo
        trace.begun_ns = self._begun_ns
        trace.done_ns = self._done_ns
        trace.done_ns[<int>STAGE_DISPATCHER] = INT64_MAX    # until it stands in its mailboxes
        trace.routed_ns = monotonic_ns()
        self._opened = (<Event>event).s.type
        self.waiting += 1

    cdef void enqueued(self) noexcept:
        """The timed frame's event stands in its mailboxes, if anybody asked for it: the rest is waiting."""
        self.mark(STAGE_DISPATCHER)
        self.on = False
        if self._opened >= 0:
            self._open[self._opened].done_ns[<int>STAGE_DISPATCHER] = self._last_ns
            self._opened = -1

    cdef void started(self, PyObject** batch, uint32_t count) noexcept:
        """A callback starts with *batch*: the first that a followed event is in ends its way."""
        cdef EventTrace* trace
        cdef int64_t now = 0
        cdef uint32_t i
        for i in range(count):
            trace = &self._open[(<Event>batch[i]).s.type]
            if trace.event != batch[i] or trace.generation != (<Event>batch[i]).s.generation:
                continue
            now = now or monotonic_ns()
            trace.event = NULL
            self.waiting -= 1
            if trace.done_ns[<int>STAGE_DISPATCHER] <= now:
                trace.done_ns[<int>STAGE_MAILBOX] = now
                (<LatencyHistogram>self.stages[STAGE_MAILBOX]).record(now - trace.done_ns[<int>STAGE_DISPATCHER], 1)
                self._last[(<Event>batch[i]).s.type] = trace[0]

    def begin_made(self) -> None:
        """An event starts that comes from no frame."""
        self.begin()
        if self.on:
            self.mark(STAGE_WIRE)

    def histograms(self) -> dict[str, LatencyHistogram]:
        """Stage name -> histogram of the sampled frames."""
        return dict(zip(STAGE_NAMES, self.stages))

    def traces(self) -> list[StageTrace]:
        """The newest whole way of each type of event that was followed."""
        cdef EventTrace* trace
        found = []
        for event_type in EventType:
            trace = &self._last[<int>event_type]
            if trace.begun_ns == 0:
                continue
            provider, symbol = instrument_keys[trace.instrument_id]
            found.append(StageTrace(
                event_type.class_name, provider, symbol, uuid_text(trace.trace_hi, trace.trace_lo),
                {"provider": trace.done_ns[<int>STAGE_BOOK] - trace.begun_ns,
                 "orchestrator": trace.done_ns[<int>STAGE_ORCHESTRATOR] - trace.begun_ns,
                 "dispatcher": trace.routed_ns - trace.begun_ns,
                 "bus": trace.done_ns[<int>STAGE_DISPATCHER] - trace.begun_ns,
                 "consumer": trace.done_ns[<int>STAGE_MAILBOX] - trace.begun_ns}))
        return found
