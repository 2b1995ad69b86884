cimport cython
from libc.stdint cimport INT64_MIN, int64_t, uint32_t
from libc.stdlib cimport calloc, free

from engine.reports.line cimport (Line, line_at, line_clear, line_drop, line_find, line_find_after, line_insert,
                                  line_key)
from engine.reports.wide cimport (scale_raw, wide, wide_add, wide_difference, wide_int, wide_is_below, wide_of,
                                  wide_product, wide_scale, wide_take, wide_times)


cdef bint _push(Line* extremes, int sign, int64_t ms, int64_t visible_raw) noexcept nogil:
    """Add a value to a falling (sign 1) or rising (sign -1) line of extremes; False = there is no memory."""
    cdef Extreme* extreme
    while extremes.count:
        extreme = <Extreme*>line_at(extremes, sizeof(Extreme), extremes.count - 1)
        if sign * extreme.visible_raw > sign * visible_raw:
            break
        extremes.count -= 1
    extreme = <Extreme*>line_insert(extremes, sizeof(Extreme), extremes.count)
    if extreme == NULL:
        return False
    extreme.ms = ms
    extreme.visible_raw = visible_raw
    return True


cdef bint _note_extremes(PriceFills* price, const Fill* fill) noexcept nogil:
    return _push(&price.highs, 1, fill.ms, fill.visible_raw) and _push(&price.lows, -1, fill.ms, fill.visible_raw)


cdef bint _insert(PriceFills* price, int64_t ms, int64_t qty_raw, int64_t visible_raw) noexcept nogil:
    cdef uint32_t at = line_find_after(&price.fills, sizeof(Fill), ms)
    cdef uint32_t i
    cdef Fill* fill = <Fill*>line_insert(&price.fills, sizeof(Fill), at)
    if fill == NULL:
        return False
    fill.ms = ms
    fill.qty_raw = qty_raw
    fill.visible_raw = visible_raw
    wide_add(&price.filled, wide_of(qty_raw))
    wide_add(&price.visible, wide_of(visible_raw))
    if at + 1 == price.fills.count:
        return _note_extremes(price, fill)
    # A late one: what the extremes are follows from the order in time.
    line_clear(&price.highs)
    line_clear(&price.lows)
    for i in range(price.fills.count):
        if not _note_extremes(price, <Fill*>line_at(&price.fills, sizeof(Fill), i)):
            return False
    return True


cdef void _expire(PriceFills* price, int64_t expired_ms) noexcept nogil:
    cdef Fill* fill
    while price.fills.count and line_key(&price.fills, sizeof(Fill), 0) <= expired_ms:
        fill = <Fill*>line_at(&price.fills, sizeof(Fill), 0)
        wide_take(&price.filled, wide_of(fill.qty_raw))
        wide_take(&price.visible, wide_of(fill.visible_raw))
        line_drop(&price.fills, sizeof(Fill), 0)
    while price.highs.count and line_key(&price.highs, sizeof(Extreme), 0) <= expired_ms:
        line_drop(&price.highs, sizeof(Extreme), 0)
    while price.lows.count and line_key(&price.lows, sizeof(Extreme), 0) <= expired_ms:
        line_drop(&price.lows, sizeof(Extreme), 0)


cdef bint _is_iceberg(const PriceFills* price) noexcept nogil:
    """max |v - mean| <= mean / 10, and the fills add up to one and a half times the largest v or more."""
    cdef int64_t count = price.fills.count
    cdef int64_t most = (<Extreme*>line_at(&price.highs, sizeof(Extreme), 0)).visible_raw
    cdef int64_t least = (<Extreme*>line_at(&price.lows, sizeof(Extreme), 0)).visible_raw
    cdef wide above = wide_difference(wide_product(count, most), price.visible)
    cdef wide below = wide_difference(price.visible, wide_product(count, least))
    return not wide_is_below(price.visible, wide_times(above, 10)) \
        and not wide_is_below(price.visible, wide_times(below, 10)) \
        and not wide_is_below(wide_times(price.filled, 2), wide_product(3, most))


cdef bint _rescale_extremes(Line* extremes, int64_t by) noexcept nogil:
    cdef uint32_t i
    cdef bint fits = True
    for i in range(extremes.count):
        fits &= scale_raw(&(<Extreme*>line_at(extremes, sizeof(Extreme), i)).visible_raw, by)
    return fits


cdef void _free_fills(PriceFills* price) noexcept nogil:
    free(price.fills.items)
    free(price.highs.items)
    free(price.lows.items)
    free(price)


cdef class RestingFills:
    """Count, sums and extremes for each price that was hit within *span_ms*."""

    def __init__(self, span_ms: int):
        self.span_ms = span_ms
        self.expired_ms = INT64_MIN

    def __dealloc__(self):
        cdef uint32_t i
        for side in range(2):
            for i in range(self.prices[side].count):
                _free_fills((<FilledPrice*>line_at(&self.prices[side], sizeof(FilledPrice), i)).fills)
            free(self.prices[side].items)

    cdef int add(self, int side, int64_t ms, int64_t price_raw, int64_t qty_raw, int64_t visible_raw) except -1 nogil:
        cdef Line* prices = &self.prices[side]
        cdef uint32_t at
        cdef FilledPrice* found
        if ms <= self.expired_ms:
            return 0
        at = line_find(prices, sizeof(FilledPrice), price_raw)
        if at == prices.count or line_key(prices, sizeof(FilledPrice), at) != price_raw:
            found = <FilledPrice*>line_insert(prices, sizeof(FilledPrice), at)
            if found != NULL:
                found.price_raw = price_raw
                found.fills = <PriceFills*>calloc(1, sizeof(PriceFills))
                if found.fills == NULL:
                    line_drop(prices, sizeof(FilledPrice), at)
                    found = NULL
            if found == NULL:
                with gil:
                    raise MemoryError("fills")
        found = <FilledPrice*>line_at(prices, sizeof(FilledPrice), at)
        if not _insert(found.fills, ms, qty_raw, visible_raw):
            with gil:
                raise MemoryError("fills")
        return 0

    cdef bint rescale(self, int64_t price_by, int64_t qty_by) noexcept nogil:
        """Prices and quantities are at wider scales from here on; False = some do not fit them."""
        cdef FilledPrice* price
        cdef Fill* fill
        cdef uint32_t i, j
        cdef int side
        cdef bint fits = True
        for side in range(2):
            for i in range(self.prices[side].count):
                price = <FilledPrice*>line_at(&self.prices[side], sizeof(FilledPrice), i)
                fits &= scale_raw(&price.price_raw, price_by)
                wide_scale(&price.fills.filled, qty_by)
                wide_scale(&price.fills.visible, qty_by)
                for j in range(price.fills.fills.count):
                    fill = <Fill*>line_at(&price.fills.fills, sizeof(Fill), j)
                    fits &= scale_raw(&fill.qty_raw, qty_by)
                    fits &= scale_raw(&fill.visible_raw, qty_by)
                fits &= _rescale_extremes(&price.fills.highs, qty_by)
                fits &= _rescale_extremes(&price.fills.lows, qty_by)
        return fits

    cdef list icebergs(self, int64_t now_ms, uint32_t min_fills):
        """(side, price_raw, fills, filled_raw, largest visible_raw) of each price that shows one: bids first, ascending."""
        cdef list found = []
        cdef Line* prices
        cdef FilledPrice* here
        cdef FilledPrice* to
        cdef uint32_t i, kept
        cdef int side
        if now_ms - self.span_ms > self.expired_ms:
            self.expired_ms = now_ms - self.span_ms
        for side in range(2):
            prices = &self.prices[side]
            kept = 0
            for i in range(prices.count):
                here = <FilledPrice*>line_at(prices, sizeof(FilledPrice), i)
                _expire(here.fills, self.expired_ms)
                if here.fills.fills.count == 0:
                    _free_fills(here.fills)
                    continue
                to = <FilledPrice*>line_at(prices, sizeof(FilledPrice), kept)
                to[0] = here[0]
                kept += 1
                if here.fills.fills.count >= min_fills and _is_iceberg(here.fills):
                    found.append((side, to.price_raw, to.fills.fills.count, wide_int(to.fills.filled),
                                  (<Extreme*>line_at(&to.fills.highs, sizeof(Extreme), 0)).visible_raw))
            prices.count = kept
        return found
