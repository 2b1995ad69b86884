from libc.stdint cimport INT64_MAX, int64_t, uint32_t
from libc.stdlib cimport free

from engine.base.units cimport NUMBER_CHARS, put_decimal
from engine.reports.line cimport Line, line_at, line_clear, line_drop, line_find, line_insert, line_key
from engine.reports.wide cimport scale_raw

def raw_text(raw: int, scale: int) -> bytes:
    """The shortest plain decimal of raw / 10^scale, raw within 64 bits."""
    cdef char text[NUMBER_CHARS]
    return text[:put_decimal(text, raw, scale)]


cdef class DepthBook:
    """Every level that was told, so that level 21 moves up when a better one goes."""

    def __init__(self, price_scale: int, qty_scale: int):
        self.price_scale = price_scale
        self.qty_scale = qty_scale

    def __dealloc__(self):
        free(self.sides[0].items)
        free(self.sides[1].items)
        free(self.touches.items)

    # -- changes ----------------------------------------------------------------------------------------------

    cdef int set_level(self, int side, int64_t price_raw, int64_t qty_raw) except -1 nogil:
        """An absolute quantity, 0 removes."""
        cdef Line* levels = &self.sides[side]
        cdef int64_t key = price_raw if side == 0 else -price_raw
        cdef uint32_t at = line_find(levels, sizeof(Held), key)
        cdef Held* held = <Held*>line_at(levels, sizeof(Held), at)
        cdef int64_t before_raw
        if at < levels.count and held.key == key:
            before_raw = held.qty_raw
            if before_raw == qty_raw:
                return 0
            if qty_raw:
                held.qty_raw = qty_raw
            else:
                line_drop(levels, sizeof(Held), at)
        else:
            if qty_raw == 0:
                return 0
            before_raw = 0
            held = <Held*>line_insert(levels, sizeof(Held), at)
            if held == NULL:
                with gil:
                    raise MemoryError("book")
            held.key = key
            held.qty_raw = qty_raw
        return self._touch(side, price_raw, before_raw, qty_raw)

    cdef int _touch(self, int side, int64_t price_raw, int64_t before_raw, int64_t after_raw) except -1 nogil:
        cdef Touch* touch = <Touch*>line_insert(&self.touches, sizeof(Touch), self.touches.count)
        if touch == NULL:
            with gil:
                raise MemoryError("book")
        touch.price_raw = price_raw
        touch.before_raw = before_raw
        touch.after_raw = after_raw
        touch.side = side
        return 0

    cdef int load(self, const Level* levels, uint32_t bids, uint32_t asks, bint complete) except -1 nogil:
        """Begin anew with a snapshot, best first."""
        line_clear(&self.sides[0])
        line_clear(&self.sides[1])
        self._append(0, levels, bids)
        self._append(1, levels + bids, asks)
        self.is_cut = not complete
        self.deepest_key[0] = levels[bids - 1].price_raw if bids else INT64_MAX
        self.deepest_key[1] = -levels[bids + asks - 1].price_raw if asks else INT64_MAX
        self.is_synced = True
        self.was_loaded = True
        return 0

    cdef int _append(self, int side, const Level* levels, uint32_t count) except -1 nogil:
        """Put levels, best first, on top of what is there."""
        cdef Held* held
        cdef uint32_t i = count
        while i:
            i -= 1
            held = <Held*>line_insert(&self.sides[side], sizeof(Held), self.sides[side].count)
            if held == NULL:
                with gil:
                    raise MemoryError("book")
            held.key = levels[i].price_raw if side == 0 else -levels[i].price_raw
            held.qty_raw = levels[i].qty_raw
        return 0

    cdef int replace(self, const Level* levels, uint32_t bids, uint32_t asks, bint complete) except -1 nogil:
        """A snapshot of a book in sync: its differences are changes like any (BUS-15)."""
        self._replace_side(0, levels, bids, complete)
        self._replace_side(1, levels + bids, asks, complete)
        if complete:
            self.is_cut = False
        if bids:
            self.deepest_key[0] = min(self.deepest_key[0], levels[bids - 1].price_raw)
        if asks:
            self.deepest_key[1] = min(self.deepest_key[1], -levels[bids + asks - 1].price_raw)
        return 0

    cdef int _replace_side(self, int side, const Level* levels, uint32_t count, bint complete) except -1 nogil:
        cdef Line* held = &self.sides[side]
        cdef Held* here
        cdef int sign = 1 if side == 0 else -1
        cdef int64_t key
        cdef uint32_t i = 0
        cdef uint32_t left = held.count
        if count == 0 and not complete:
            return 0
        # From the best on, level by level: which went, came, or changed.
        while i < count or (complete and left):
            key = sign * levels[i].price_raw if i < count else 0
            here = <Held*>line_at(held, sizeof(Held), left - 1) if left else NULL
            if here != NULL and (i == count or here.key > key):
                self._touch(side, sign * here.key, here.qty_raw, 0)
                left -= 1
            elif here != NULL and here.key == key:
                if here.qty_raw != levels[i].qty_raw:
                    self._touch(side, levels[i].price_raw, here.qty_raw, levels[i].qty_raw)
                left -= 1
                i += 1
            else:
                self._touch(side, levels[i].price_raw, 0, levels[i].qty_raw)
                i += 1
        held.count = left
        return self._append(side, levels, count)

    cdef void lose(self) noexcept nogil:
        """There is no valid book until the next snapshot."""
        line_clear(&self.sides[0])
        line_clear(&self.sides[1])
        self.is_synced = False

    cdef bint rescale(self, int64_t price_by, int64_t qty_by) noexcept nogil:
        """Prices and quantities are at wider scales from here on; False = some do not fit them."""
        cdef Held* held
        cdef uint32_t i
        cdef int side
        cdef bint fits = True
        for side in range(2):
            for i in range(self.sides[side].count):
                held = <Held*>line_at(&self.sides[side], sizeof(Held), i)
                fits &= scale_raw(&held.key, price_by)
                fits &= scale_raw(&held.qty_raw, qty_by)
            if self.deepest_key[side] != INT64_MAX:
                fits &= scale_raw(&self.deepest_key[side], price_by)
        return fits

    # -- what it says -----------------------------------------------------------------------------------------

    cdef int64_t quantity(self, int side, int64_t price_raw) noexcept nogil:
        """What is visible at a price, 0 = nothing."""
        cdef int64_t key = price_raw if side == 0 else -price_raw
        cdef uint32_t at = line_find(&self.sides[side], sizeof(Held), key)
        if at == self.sides[side].count or line_key(&self.sides[side], sizeof(Held), at) != key:
            return 0
        return (<Held*>line_at(&self.sides[side], sizeof(Held), at)).qty_raw

    cdef int state(self) noexcept nogil:
        """A BookStateC (D4)."""
        cdef int64_t bid, ask
        if not self.is_synced:
            return STATE_RESYNCING
        if self.sides[0].count == 0 or self.sides[1].count == 0:
            return STATE_EMPTY if self.sides[0].count + self.sides[1].count == 0 else STATE_ONE_SIDED
        bid = line_key(&self.sides[0], sizeof(Held), self.sides[0].count - 1)
        ask = -line_key(&self.sides[1], sizeof(Held), self.sides[1].count - 1)
        return STATE_NORMAL if bid < ask else STATE_LOCKED if bid == ask else STATE_CROSSED

    cdef bint is_truncated(self) noexcept nogil:
        """Whether some side has fewer than twenty levels within what its snapshots have covered (D5)."""
        cdef int side
        cdef uint32_t count
        if not self.is_cut:
            return False
        for side in range(2):
            count = self.sides[side].count
            if count < TOP_LEVELS or line_key(&self.sides[side], sizeof(Held), count - TOP_LEVELS) < self.deepest_key[side]:
                return True
        return False

    cdef list top(self, int side):
        """(price_raw, qty_raw) of the twenty best, best first."""
        cdef Line* levels = &self.sides[side]
        cdef Held* held
        cdef list found = []
        cdef uint32_t i
        for i in range(min(levels.count, <uint32_t>TOP_LEVELS)):
            held = <Held*>line_at(levels, sizeof(Held), levels.count - 1 - i)
            found.append((held.key if side == 0 else -held.key, held.qty_raw))
        return found
