"""The full book behind a report, and what each entry changed in it."""
cimport cython
from libc.stdint cimport int64_t, uint32_t

from engine.reports.line cimport Line, line_at
from engine.schema.market cimport Level

cdef enum:
    TOP_LEVELS = 20


cdef enum BookStateC:
    STATE_RESYNCING = 0
    STATE_EMPTY = 1
    STATE_ONE_SIDED = 2
    STATE_NORMAL = 3
    STATE_LOCKED = 4
    STATE_CROSSED = 5


cdef struct Held:
    int64_t key                # the price, negated for asks: the best level is the last
    int64_t qty_raw


cdef struct Touch:
    int64_t price_raw
    int64_t before_raw
    int64_t after_raw
    int64_t side


@cython.final
cdef class DepthBook:
    """Owned by one symbol's analytics; side 0 are bids, 1 asks."""
    cdef Line[2] sides
    cdef Line touches          # levels the entry in hand has changed, in its order
    cdef int64_t[2] deepest_key
    cdef bint is_cut           # loaded from an incomplete snapshot, and no complete one since
    cdef bint is_synced
    cdef bint was_loaded       # ever
    cdef public int price_scale
    cdef public int qty_scale

    cdef int set_level(self, int side, int64_t price_raw, int64_t qty_raw) except -1 nogil
    cdef int64_t quantity(self, int side, int64_t price_raw) noexcept nogil
    cdef int load(self, const Level* levels, uint32_t bids, uint32_t asks, bint complete) except -1 nogil
    cdef int replace(self, const Level* levels, uint32_t bids, uint32_t asks, bint complete) except -1 nogil
    cdef int _replace_side(self, int side, const Level* levels, uint32_t count, bint complete) except -1 nogil
    cdef int _append(self, int side, const Level* levels, uint32_t count) except -1 nogil
    cdef int _touch(self, int side, int64_t price_raw, int64_t before_raw, int64_t after_raw) except -1 nogil
    cdef void lose(self) noexcept nogil
    cdef bint rescale(self, int64_t price_by, int64_t qty_by) noexcept nogil
    cdef int state(self) noexcept nogil
    cdef bint is_truncated(self) noexcept nogil
    cdef list top(self, int side)


cdef inline const Held* best(DepthBook book, int side) noexcept nogil:
    """The best level of a side that has one."""
    return <const Held*>line_at(&book.sides[side], sizeof(Held), book.sides[side].count - 1)
