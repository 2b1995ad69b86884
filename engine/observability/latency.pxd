"""Latency histograms in ns, log-linear (16 steps an octave, 6 % wide)."""
cimport cython
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    SUB_BITS = 4
    BUCKETS = 61 << 4          # 2^4 linear steps for each octave of int64


@cython.final
cdef class LatencyHistogram:
    """Counts durations; single writer, readable at any time."""
    cdef uint64_t[BUCKETS] _counts
    cdef readonly uint64_t count
    cdef readonly int64_t max_ns
    cdef readonly int64_t min_ns
    cdef int64_t _sum_ns

    cdef void record(self, int64_t duration_ns, uint64_t times) noexcept nogil
