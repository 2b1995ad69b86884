cimport cython
from libc.stdint cimport INT64_MIN, int64_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memset

from engine.reports.line cimport Line, line_at, line_drop, line_find, line_insert, line_key
from engine.reports.wide cimport wide, wide_add, wide_int, wide_of, wide_scale, wide_take


cdef class TimeSums:
    """Running sums of a few channels over a window of *span_ms*; an item enters once and leaves once."""

    def __init__(self, span_ms: int):
        self.span_ms = span_ms
        self.expired_ms = INT64_MIN

    def __dealloc__(self):
        free(self.buckets.items)

    cdef int add(self, int64_t ms, int channel, int64_t amount) except -1 nogil:
        """Count *amount* at *ms*, which is not in the future; late ones find their place, those too late none."""
        cdef uint32_t at
        cdef SumBucket* bucket
        if ms <= self.expired_ms:
            return 0
        at = line_find(&self.buckets, sizeof(SumBucket), ms)
        if at == self.buckets.count or line_key(&self.buckets, sizeof(SumBucket), at) != ms:
            bucket = <SumBucket*>line_insert(&self.buckets, sizeof(SumBucket), at)
            if bucket == NULL:
                with gil:
                    raise MemoryError("window")
            memset(bucket, 0, sizeof(SumBucket))
            bucket.ms = ms
        bucket = <SumBucket*>line_at(&self.buckets, sizeof(SumBucket), at)
        wide_add(&bucket.sums[channel], wide_of(amount))
        wide_add(&self.totals[channel], wide_of(amount))
        return 0

    cdef void expire(self, int64_t now_ms) noexcept nogil:
        """Let go what is exactly the span old, or older."""
        cdef SumBucket* bucket
        cdef int channel
        if now_ms - self.span_ms > self.expired_ms:
            self.expired_ms = now_ms - self.span_ms
        while self.buckets.count and line_key(&self.buckets, sizeof(SumBucket), 0) <= self.expired_ms:
            bucket = <SumBucket*>line_at(&self.buckets, sizeof(SumBucket), 0)
            for channel in range(CHANNELS):
                wide_take(&self.totals[channel], bucket.sums[channel])
            line_drop(&self.buckets, sizeof(SumBucket), 0)

    cdef void rescale(self, int64_t by) noexcept nogil:
        """Amounts are at a wider scale from here on."""
        cdef uint32_t i
        cdef int channel
        for channel in range(CHANNELS):
            wide_scale(&self.totals[channel], by)
            for i in range(self.buckets.count):
                wide_scale(&(<SumBucket*>line_at(&self.buckets, sizeof(SumBucket), i)).sums[channel], by)

    cdef object total(self, int channel):
        return wide_int(self.totals[channel])
