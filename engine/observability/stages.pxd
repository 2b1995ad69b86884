"""The stamps between stages: how long each took, and the way one event of each type went (ARC-01)."""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.schema.event cimport TYPE_COUNT, Event

cdef enum Stage:
    STAGE_WIRE = 0             # frame handed in -> decoded
    STAGE_BOOK = 1             # decoded -> event handed on
    STAGE_ORCHESTRATOR = 2
    STAGE_DISPATCHER = 3       # -> enqueued at the last consumer
    STAGE_MAILBOX = 4          # -> callback started
    STAGE_COUNT = 5


cdef struct EventTrace:
    const void* event          # the event under way; NULL = none
    uint32_t generation        # of its slot
    uint32_t instrument_id
    uint64_t trace_hi
    uint64_t trace_lo
    int64_t begun_ns           # the frame was handed in; all stamps on the monotonic clock
    int64_t[STAGE_COUNT] done_ns
    int64_t routed_ns          # the dispatcher is done, the bus begins


@cython.final
cdef class StageTimer:
    """Times the stages of sampled frames, and follows the first event of each through to a callback.

    At most one event of a type is followed at a time, so what follows them is fixed in size and in cost. Owned by the
    runtime; each stage marks when it is done.
    """
    cdef bint on
    cdef int waiting                   # events followed whose callback has not started
    cdef uint32_t _left                # frames to the next that is timed
    cdef uint32_t _period
    cdef int _opened                   # type of the event on its way to the mailboxes, -1 = none
    cdef int64_t _begun_ns
    cdef int64_t _last_ns
    cdef int64_t[STAGE_COUNT] _done_ns
    cdef EventTrace[TYPE_COUNT] _open
    cdef EventTrace[TYPE_COUNT] _last
    cdef tuple stages                  # LatencyHistogram by Stage

    cdef inline void begin(self) noexcept:
        """A frame starts, or an event that comes from none."""
        self.on = False
        self._left -= 1
        if self._left == 0:
            self._start()

    cdef void _start(self) noexcept
    cdef void mark(self, int stage) noexcept
    cdef void routed(self, PyObject* event) noexcept
    cdef void enqueued(self) noexcept
    cdef void started(self, PyObject** batch, uint32_t count) noexcept

    cdef inline void unfollow(self, PyObject* event) noexcept:
        """No callback will get an event: whether it is followed or not, another may be."""
        cdef EventTrace* trace = &self._open[(<Event>event).s.type]
        if trace.event == event:
            trace.event = NULL
            self.waiting -= 1
