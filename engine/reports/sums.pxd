"""Sums over a sliding window of time, in buckets of one millisecond."""
cimport cython
from libc.stdint cimport int64_t

from engine.reports.line cimport Line
from engine.reports.wide cimport wide

cdef enum:
    CHANNELS = 3


cdef struct SumBucket:
    int64_t ms
    int64_t unused
    wide[CHANNELS] sums


@cython.final
cdef class TimeSums:
    """Owned by one symbol's analytics; sums of what came within (T - span, T] on the venue's time."""
    cdef Line buckets
    cdef wide[CHANNELS] totals
    cdef int64_t span_ms
    cdef int64_t expired_ms        # buckets up to here have left

    cdef int add(self, int64_t ms, int channel, int64_t amount) except -1 nogil
    cdef void expire(self, int64_t now_ms) noexcept nogil
    cdef void rescale(self, int64_t by) noexcept nogil
    cdef object total(self, int channel)
