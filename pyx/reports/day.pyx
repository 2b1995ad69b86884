cimport cython
from libc.stdint cimport INT64_MIN, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from engine.reports.line cimport Line, line_at, line_drop, line_find, line_insert, line_key
from engine.reports.wide cimport scale_raw, wide_add, wide_from, wide_int, wide_of, wide_scale, wide_take

cdef enum:
    MINUTE_MS = 60_000
    DAY_MS = 86_400_000


cdef class DayTrades:
    """First, high, low, last and volume by minute, and over all minutes that start within a day."""

    def __init__(self):
        self.expired_ms = INT64_MIN
        self.newest_ms = INT64_MIN
        self.loaded_ms = INT64_MIN

    def __dealloc__(self):
        free(self.minutes.items)

    cdef int add(self, int64_t ms, uint64_t at, int64_t price_raw, int64_t qty_raw) except -1 nogil:
        """Count a trade; *at* numbers trades in the order they came."""
        cdef int64_t start_ms = ms - ms % MINUTE_MS
        cdef uint32_t place
        cdef Minute* minute
        self.has_any = True
        if ms > self.newest_ms:
            self.newest_ms = ms
        if start_ms <= self.expired_ms or start_ms <= self.loaded_ms:
            return 0
        place = line_find(&self.minutes, sizeof(Minute), start_ms)
        if place == self.minutes.count or line_key(&self.minutes, sizeof(Minute), place) != start_ms:
            minute = <Minute*>line_insert(&self.minutes, sizeof(Minute), place)
            if minute == NULL:
                with gil:
                    raise MemoryError("day")
            memset(minute, 0, sizeof(Minute))
            minute.start_ms = start_ms
            minute.first_ms = minute.last_ms = ms
            minute.first_at = minute.last_at = at
            minute.first_raw = minute.last_raw = minute.high_raw = minute.low_raw = price_raw
            if self.minutes.count == 1:
                self.high_raw = self.low_raw = price_raw
        minute = <Minute*>line_at(&self.minutes, sizeof(Minute), place)
        if ms < minute.first_ms or (ms == minute.first_ms and at < minute.first_at):
            minute.first_ms = ms
            minute.first_at = at
            minute.first_raw = price_raw
        if ms > minute.last_ms or (ms == minute.last_ms and at >= minute.last_at):
            minute.last_ms = ms
            minute.last_at = at
            minute.last_raw = price_raw
        minute.high_raw = max(minute.high_raw, price_raw)
        minute.low_raw = min(minute.low_raw, price_raw)
        self.high_raw = max(self.high_raw, price_raw)
        self.low_raw = min(self.low_raw, price_raw)
        wide_add(&minute.volume, wide_of(qty_raw))
        wide_add(&self.volume, wide_of(qty_raw))
        return 0

    cdef void expire(self, int64_t now_ms) noexcept nogil:
        """Let go the minutes that start a day ago or before; only then are all others looked at."""
        cdef Minute* minute
        cdef uint32_t i
        cdef bint has_gone = False
        if now_ms - DAY_MS > self.expired_ms:
            self.expired_ms = now_ms - DAY_MS
        while self.minutes.count and line_key(&self.minutes, sizeof(Minute), 0) <= self.expired_ms:
            wide_take(&self.volume, (<Minute*>line_at(&self.minutes, sizeof(Minute), 0)).volume)
            line_drop(&self.minutes, sizeof(Minute), 0)
            has_gone = True
        if has_gone:
            for i in range(self.minutes.count):
                minute = <Minute*>line_at(&self.minutes, sizeof(Minute), i)
                self.high_raw = minute.high_raw if i == 0 else max(self.high_raw, minute.high_raw)
                self.low_raw = minute.low_raw if i == 0 else min(self.low_raw, minute.low_raw)

    def minutes_from(self, from_ms: int, until_ms: int) -> list:
        """Minutes that start within [from, until), oldest first, as :meth:`load` takes them."""
        cdef const Minute* minute
        cdef list found = []
        cdef uint32_t i
        for i in range(line_find(&self.minutes, sizeof(Minute), from_ms), self.minutes.count):
            minute = <const Minute*>line_at(&self.minutes, sizeof(Minute), i)
            if minute.start_ms >= until_ms:
                break
            found.append((minute.start_ms, minute.first_ms, minute.first_raw, minute.high_raw, minute.low_raw,
                          minute.last_ms, minute.last_raw, wide_int(minute.volume)))
        return found

    def load(self, minutes: list) -> None:
        """Begin with whole minutes that were counted elsewhere, oldest first; what comes of them is in them already."""
        cdef Minute* minute
        for start_ms, first_ms, first_raw, high_raw, low_raw, last_ms, last_raw, volume in minutes:
            minute = <Minute*>line_insert(&self.minutes, sizeof(Minute), self.minutes.count)
            if minute == NULL:
                raise MemoryError("day")
            memset(minute, 0, sizeof(Minute))
            minute.start_ms = self.loaded_ms = start_ms
            minute.first_ms, minute.first_raw = first_ms, first_raw
            minute.last_ms, minute.last_raw = last_ms, last_raw
            minute.high_raw, minute.low_raw = high_raw, low_raw
            minute.volume = wide_from(volume)
            self.high_raw = high_raw if self.minutes.count == 1 else max(self.high_raw, minute.high_raw)
            self.low_raw = low_raw if self.minutes.count == 1 else min(self.low_raw, minute.low_raw)
            wide_add(&self.volume, minute.volume)
            self.newest_ms = max(self.newest_ms, minute.last_ms)
            self.has_any = True

    cdef bint rescale(self, int64_t price_by, int64_t qty_by) noexcept nogil:
        """Prices and quantities are at wider scales from here on; False = some do not fit them."""
        cdef Minute* minute
        cdef uint32_t i
        cdef bint fits = scale_raw(&self.high_raw, price_by) and scale_raw(&self.low_raw, price_by)
        wide_scale(&self.volume, qty_by)
        for i in range(self.minutes.count):
            minute = <Minute*>line_at(&self.minutes, sizeof(Minute), i)
            fits &= scale_raw(&minute.first_raw, price_by)
            fits &= scale_raw(&minute.last_raw, price_by)
            fits &= scale_raw(&minute.high_raw, price_by)
            fits &= scale_raw(&minute.low_raw, price_by)
            wide_scale(&minute.volume, qty_by)
        return fits
