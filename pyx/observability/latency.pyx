cimport cython
from libc.stdint cimport INT64_MAX, int64_t, uint64_t

from engine.base.units cimport engine_add_overflow, engine_mul_overflow

cdef extern from *:
    """
    static inline int engine_bit_length(uint64_t v) { return 64 - __builtin_clzll(v); }
    """
    int engine_bit_length(uint64_t value) nogil


cdef inline int bucket_of(int64_t duration_ns) noexcept nogil:
    cdef uint64_t value = <uint64_t>duration_ns if duration_ns > 0 else 0
    cdef int shift
    if value < (1 << SUB_BITS):
        return <int>value
    shift = engine_bit_length(value) - SUB_BITS - 1
    return ((shift + 1) << SUB_BITS) + <int>((value >> shift) & ((1 << SUB_BITS) - 1))


cdef inline int64_t upper_edge(int bucket) noexcept nogil:
    """Largest duration of a bucket."""
    cdef int shift = (bucket >> SUB_BITS) - 1
    if shift < 0:
        return bucket
    return <int64_t>(((<uint64_t>((1 << SUB_BITS) + (bucket & ((1 << SUB_BITS) - 1)) + 1)) << shift) - 1)


@cython.final
cdef class LatencyHistogram:
    """Durations in ns. No bucket rounds a sub-millisecond duration to 0; the relative width is 1/16."""

    def __cinit__(self):
        self.min_ns = INT64_MAX

    cdef void record(self, int64_t duration_ns, uint64_t times) noexcept nogil:
        cdef int64_t added = 0
        self._counts[bucket_of(duration_ns)] += times
        self.count += times
        if engine_mul_overflow(duration_ns, <int64_t>times, &added) \
                or engine_add_overflow(self._sum_ns, added, &self._sum_ns):
            self._sum_ns = INT64_MAX       # arrivals without a time lie half a century back: the mean says so
        if duration_ns > self.max_ns:
            self.max_ns = duration_ns
        if duration_ns < self.min_ns:
            self.min_ns = duration_ns

    def add(self, duration_ns: int, times: int = 1) -> None:
        """Record a duration *times* times."""
        self.record(duration_ns, times)

    def percentile_ns(self, share: float) -> int:
        """Duration below which *share* (0..1) of the records lie, to the width of its bucket; 0 when empty."""
        cdef uint64_t wanted = max(1, <uint64_t>(share * self.count + 0.5))
        cdef uint64_t seen = 0
        cdef int i
        if self.count == 0:
            return 0
        for i in range(BUCKETS):
            seen += self._counts[i]
            if seen >= wanted:
                return min(upper_edge(i), self.max_ns)
        return self.max_ns

    def mean_ns(self) -> int:
        """Mean duration; 0 when empty, too small once the sum of all is beyond 64 bits."""
        return self._sum_ns // <int64_t>self.count if self.count else 0

    def buckets(self) -> list[tuple[int, int]]:
        """(upper edge in ns, count) of every bucket that was hit."""
        return [(upper_edge(i), self._counts[<int>i]) for i in range(BUCKETS) if self._counts[<int>i]]
