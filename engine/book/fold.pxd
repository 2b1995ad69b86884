"""Book updates of one stream folded into one, level by level: the quantity said last wins, removals are kept (BP-05).

What each level says is remembered with the number of its update, so updates may come in any order.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.schema.market cimport BookData, Level


cdef enum FoldAnswer:
    FOLD_OK = 0
    FOLD_MEMORY = -1
    FOLD_OVERFLOW = -2             # a level does not fit the finer scale; the fold is of no use any more


cdef struct FoldedLevel:
    int64_t key                    # price of a bid, minus the price of an ask: the best is last
    int64_t qty_raw
    uint64_t seq                   # of the update that says so


cdef struct FoldedSide:
    FoldedLevel* levels            # keys ascending
    uint32_t count
    uint32_t capacity


cdef struct LevelFold:
    FoldedSide[2] sides            # bids, asks
    uint64_t full_seq              # of the newest full update: what was before it says nothing any more
    uint8_t is_full                # there was one: the result is a whole book, without removals
    uint8_t price_scale
    uint8_t qty_scale


cdef void fold_begin(LevelFold* fold, uint8_t price_scale, uint8_t qty_scale) noexcept nogil
cdef void fold_free(LevelFold* fold) noexcept nogil
# Takes *book* in, an update of number *seq* at these scales; the coarser of the two is widened. Answers a FoldAnswer.
cdef int fold_add(LevelFold* fold, const BookData* book, uint64_t seq, uint8_t price_scale,
                  uint8_t qty_scale) noexcept nogil
# Levels that the result has at most.
cdef uint32_t fold_room(const LevelFold* fold) noexcept nogil
# Puts the result into a book event that has that room.
cdef void fold_write(const LevelFold* fold, BookData* out) noexcept nogil
