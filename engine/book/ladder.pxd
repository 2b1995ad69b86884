"""The assembled book: two flat sorted arrays, best price at the end. Pure: no clock, no socket, no log."""
cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t

from engine.base.units cimport prefetch
from engine.book.levelarray cimport WAYPOINTS, Waypoint
from engine.schema.market cimport Level


cdef enum:
    SIDE_BID = 0
    SIDE_ASK = 1


cdef struct BookSide:
    Level* levels              # keys ascending from head; a key is the price, negated for asks: best is last
    uint32_t head              # first used place; cutting the worst levels off only moves it
    uint32_t count
    uint32_t capacity
    Waypoint[WAYPOINTS] ways   # where deep levels were met last


@cython.final
cdef class Ladder:
    """Levels of one instrument. Owned by its assembler, used on its thread only, lives as long as it."""
    cdef BookSide[2] sides

    cdef int apply(self, int side, const Level* changes, uint32_t count, uint32_t depth,
                   Level* published, uint32_t* published_count) except -1
    cdef int load(self, int side, const Level* levels, uint32_t count) except -1
    cdef int _load_unsorted(self, int side, const Level* levels, uint32_t count) except -1
    cdef uint32_t copy_top(self, int side, uint32_t limit, Level* out) noexcept nogil
    cdef void cut(self, int side, uint32_t depth) noexcept nogil
    cdef void clear(self) noexcept nogil
    cdef int rescale_side(self, int side, int price_by, int qty_by, bint commit) noexcept
    cdef int _reserve(self, BookSide* side, uint32_t more) except -1
    cdef void _survey(self, BookSide* side) noexcept nogil


cdef inline int64_t key_of(int side, int64_t price_raw) noexcept nogil:
    return price_raw if side == SIDE_BID else -price_raw


cdef inline const Level* best(const BookSide* side) noexcept nogil:
    """Best level, its price as a key; only for a side that is not empty."""
    return &side.levels[side.head + side.count - 1]


cdef inline void expect(const BookSide* side, uint32_t depth) noexcept nogil:
    """Changes are about to be applied: fetch the best levels, and the worst that is published."""
    # As numbers: some of these places may lie before the levels, where no pointer may be.
    cdef uintptr_t end = <uintptr_t>side.levels + (<uintptr_t>side.head + side.count) * sizeof(Level)
    prefetch(<const void*>(end - sizeof(Level)))
    prefetch(<const void*>(end - 5 * sizeof(Level)))
    prefetch(<const void*>(end - 8 * sizeof(Level)))
    prefetch(<const void*>(end - depth * sizeof(Level)))
    prefetch(&side.ways[0])
    prefetch(&side.ways[WAYPOINTS // 2])


cdef inline bint crossed(const BookSide* sides) noexcept nogil:
    """Whether best bid >= best ask, of the two sides of a book."""
    return sides[SIDE_BID].count != 0 and sides[SIDE_ASK].count != 0 \
        and best(&sides[SIDE_BID]).price_raw >= -best(&sides[SIDE_ASK]).price_raw
