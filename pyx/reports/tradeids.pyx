cimport cython
from libc.stdint cimport INT64_MIN, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free

from engine.reports.line cimport Line, line_at, line_find_after, line_insert

cdef enum:
    SWEEP_S = 60
    NS_PER_S = 1_000_000_000


cdef class TradeIds:
    """Ids accepted within the last *span_s* whole seconds of receive time (BUS-23)."""

    def __init__(self, span_s: int):
        self.span_s = span_s
        self.swept_s = INT64_MIN

    def __dealloc__(self):
        free(self.ranges.items)

    def take(self, trade_id: int, now_ns: int) -> bool:
        """Whether a trade is new; from then on it is not."""
        return bool(self.is_new(trade_id, now_ns))

    cdef int is_new(self, uint64_t trade_id, int64_t now_ns) except -1 nogil:
        cdef int64_t key = <int64_t>(trade_id ^ (<uint64_t>1 << 63))
        cdef int64_t second = now_ns // NS_PER_S
        cdef IdRange* here = NULL
        cdef uint32_t at
        if self.swept_s == INT64_MIN:
            self.swept_s = second
        elif second - self.swept_s >= SWEEP_S:
            self._sweep(second - self.span_s)
            self.swept_s = second
        at = line_find_after(&self.ranges, sizeof(IdRange), key)
        if at:
            here = <IdRange*>line_at(&self.ranges, sizeof(IdRange), at - 1)
            if key <= here.last:
                if second - here.second <= self.span_s:
                    return 0
                self._sweep(second - self.span_s)
                at = line_find_after(&self.ranges, sizeof(IdRange), key)
                here = <IdRange*>line_at(&self.ranges, sizeof(IdRange), at - 1) if at else NULL
            if here != NULL and here.second == second and here.last + 1 == key:
                here.last = key
                return 1
        here = <IdRange*>line_insert(&self.ranges, sizeof(IdRange), at)
        if here == NULL:
            with gil:
                raise MemoryError("trade ids")
        here.first = here.last = key
        here.second = second
        return 1

    cdef void _sweep(self, int64_t oldest_s) noexcept nogil:
        """Forget what came before a second."""
        cdef IdRange* here
        cdef uint32_t i
        cdef uint32_t kept = 0
        for i in range(self.ranges.count):
            here = <IdRange*>line_at(&self.ranges, sizeof(IdRange), i)
            if here.second >= oldest_s:
                (<IdRange*>line_at(&self.ranges, sizeof(IdRange), kept))[0] = here[0]
                kept += 1
        self.ranges.count = kept
