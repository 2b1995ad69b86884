cimport cython
from libc.stdint cimport INT64_MIN, int64_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memset

from engine.reports.line cimport Line, line_at, line_clear, line_drop, line_find, line_insert, line_key
from engine.reports.wide cimport (scale_raw, wide, wide_add, wide_int, wide_is_below, wide_of, wide_scale,
                                  wide_take, wide_times)


cdef int64_t _floor_div(int64_t a, int64_t b) noexcept nogil:
    """Floor of a / b for b > 0, whatever the compiler's division does below zero."""
    cdef int64_t quotient = a // b
    return quotient - 1 if quotient * b > a else quotient


cdef class VolumeProfile:
    """Bins of *bin_raw* price units over *span_ms*; what is in the window is in its bin, to the last unit.

    It is looked at and let go at whole multiples of *cell_ms* only, of which the span is one as well: trades between
    two of them come and go together, so they are kept together.
    """

    def __init__(self, span_ms: int, bin_raw: int, cell_ms: int = 1):
        self.span_ms = span_ms
        self.cell_ms = cell_ms
        self.bin_raw = bin_raw
        self.expired_ms = INT64_MIN

    def __dealloc__(self):
        free(self.groups.items)
        free(self.bins.items)

    cdef int add(self, int64_t ms, int64_t price_raw, int64_t qty_raw) except -1 nogil:
        cdef int64_t bin = _floor_div(price_raw, self.bin_raw)
        cdef uint32_t at
        cdef TradeGroup* group
        cdef Bin* found
        if ms <= self.expired_ms:
            return 0
        group = self._group((_floor_div(ms - 1, self.cell_ms) + 1) * self.cell_ms, bin)
        at = line_find(&self.bins, sizeof(Bin), bin)
        if at == self.bins.count or line_key(&self.bins, sizeof(Bin), at) != bin:
            found = <Bin*>line_insert(&self.bins, sizeof(Bin), at)
            if found == NULL:
                with gil:
                    raise MemoryError("profile")
            memset(found, 0, sizeof(Bin))
            found.bin = bin
        found = <Bin*>line_at(&self.bins, sizeof(Bin), at)
        group.count += 1
        found.count += 1
        wide_add(&group.volume, wide_of(qty_raw))
        wide_add(&found.volume, wide_of(qty_raw))
        wide_add(&self.total, wide_of(qty_raw))
        self.trade_count += 1
        return 0

    cdef TradeGroup* _group(self, int64_t until_ms, int64_t bin) except NULL nogil:
        """The group of a cell and a bin; a new one where there is none."""
        cdef uint32_t end = line_find(&self.groups, sizeof(TradeGroup), until_ms + 1)
        cdef uint32_t at = end
        cdef TradeGroup* group
        while at and line_key(&self.groups, sizeof(TradeGroup), at - 1) == until_ms:
            at -= 1
            group = <TradeGroup*>line_at(&self.groups, sizeof(TradeGroup), at)
            if group.bin == bin:
                return group
        group = <TradeGroup*>line_insert(&self.groups, sizeof(TradeGroup), end)
        if group == NULL:
            with gil:
                raise MemoryError("profile")
        memset(group, 0, sizeof(TradeGroup))
        group.until_ms = until_ms
        group.bin = bin
        return group

    cdef void expire(self, int64_t now_ms) noexcept nogil:
        cdef TradeGroup* group
        cdef Bin* found
        cdef uint32_t at
        if now_ms - self.span_ms > self.expired_ms:
            self.expired_ms = now_ms - self.span_ms
        while self.groups.count and line_key(&self.groups, sizeof(TradeGroup), 0) <= self.expired_ms:
            group = <TradeGroup*>line_at(&self.groups, sizeof(TradeGroup), 0)
            at = line_find(&self.bins, sizeof(Bin), group.bin)
            found = <Bin*>line_at(&self.bins, sizeof(Bin), at)
            found.count -= group.count
            wide_take(&found.volume, group.volume)
            wide_take(&self.total, group.volume)
            self.trade_count -= group.count
            if found.count == 0:
                line_drop(&self.bins, sizeof(Bin), at)
            line_drop(&self.groups, sizeof(TradeGroup), 0)

    cdef bint rescale(self, int64_t price_by, int64_t qty_by) noexcept nogil:
        """Prices and quantities are at wider scales from here on; False = a bin's width does not fit its."""
        cdef uint32_t i
        wide_scale(&self.total, qty_by)
        for i in range(self.groups.count):
            wide_scale(&(<TradeGroup*>line_at(&self.groups, sizeof(TradeGroup), i)).volume, qty_by)
        for i in range(self.bins.count):
            wide_scale(&(<Bin*>line_at(&self.bins, sizeof(Bin), i)).volume, qty_by)
        return scale_raw(&self.bin_raw, price_by)

    cdef void restart(self, int64_t bin_raw) noexcept nogil:
        """Begin anew with bins of another width."""
        line_clear(&self.groups)
        line_clear(&self.bins)
        self.total = wide_of(0)
        self.trade_count = 0
        self.bin_raw = bin_raw

    cdef object area(self):
        """(POC bin, lowest included bin, highest included bin); only of a profile that is not empty."""
        cdef uint32_t poc = 0
        cdef uint32_t low, high, at
        cdef wide included
        cdef wide goal = wide_times(self.total, 7)
        cdef bint is_lower
        for at in range(1, self.bins.count):
            if wide_is_below(self._volume(poc), self._volume(at)):
                poc = at
        low = high = poc
        included = self._volume(poc)
        while wide_is_below(wide_times(included, 10), goal):
            if low == 0 or high + 1 == self.bins.count:
                is_lower = low != 0
            else:
                is_lower = not wide_is_below(self._volume(low - 1), self._volume(high + 1))
            if is_lower:
                low -= 1
                wide_add(&included, self._volume(low))
            else:
                high += 1
                wide_add(&included, self._volume(high))
        return (line_key(&self.bins, sizeof(Bin), poc), line_key(&self.bins, sizeof(Bin), low),
                line_key(&self.bins, sizeof(Bin), high))

    cdef wide _volume(self, uint32_t at) noexcept:
        return (<Bin*>line_at(&self.bins, sizeof(Bin), at)).volume

    def volumes(self) -> dict:
        """Traded quantity by bin."""
        return {line_key(&self.bins, sizeof(Bin), at): wide_int(self._volume(at)) for at in range(self.bins.count)}
