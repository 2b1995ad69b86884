"""Latency histograms in ns, log-linear (16 steps an octave, 6 % wide), and the stamps between stages."""
cimport cython
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    SUB_BITS = 4
    BUCKETS = 61 << 4          # 2^4 linear steps for each octave of int64
    SAMPLE_MASK = 63


cdef enum Stage:
    STAGE_WIRE = 0             # frame handed in -> decoded
    STAGE_BOOK = 1             # decoded -> event handed on
    STAGE_ORCHESTRATOR = 2
    STAGE_DISPATCHER = 3       # -> enqueued at the last consumer
    STAGE_MAILBOX = 4          # -> callback started
    STAGE_COUNT = 5


@cython.final
cdef class LatencyHistogram:
    """Counts durations; single writer, readable at any time."""
    cdef uint64_t[BUCKETS] _counts
    cdef readonly uint64_t count
    cdef readonly int64_t max_ns
    cdef readonly int64_t min_ns
    cdef int64_t _sum_ns

    cdef void record(self, int64_t duration_ns, uint64_t times) noexcept nogil


@cython.final
cdef class StageTimer:
    """Times the stages of one frame in every 64: reading the clock five times a frame would cost as much as the
    book. Owned by the runtime; each stage marks when it is done."""
    cdef bint on
    cdef bint waiting                  # enqueued, callback not yet started
    cdef int64_t _last_ns
    cdef uint64_t _frames
    cdef tuple stages                  # LatencyHistogram by Stage

    cdef inline void begin(self) noexcept:
        """A frame starts; every 64th is timed."""
        self._frames += 1
        self.on = (self._frames & SAMPLE_MASK) == 1
        if self.on:
            self._start()

    cdef void _start(self) noexcept
    cdef void mark(self, int stage) noexcept
    cdef void enqueued(self, bint anywhere) noexcept
    cdef void started(self) noexcept
