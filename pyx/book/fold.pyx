from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memmove

from engine.base.plants cimport planted
from engine.base.units cimport ENGINE_POW10, engine_mul_overflow
from engine.schema.market cimport UPDATE_FULL, BookData, Level

cdef enum:
    FIRST_CAPACITY = 64


cdef void fold_begin(LevelFold* fold, uint8_t price_scale, uint8_t qty_scale) noexcept nogil:
    """Empty, its memory kept."""
    fold.sides[0].count = fold.sides[1].count = 0
    fold.full_seq = 0
    fold.is_full = 0
    fold.price_scale = price_scale
    fold.qty_scale = qty_scale


cdef void fold_free(LevelFold* fold) noexcept nogil:
    free(fold.sides[0].levels)
    free(fold.sides[1].levels)


cdef uint32_t fold_room(const LevelFold* fold) noexcept nogil:
    return fold.sides[0].count + fold.sides[1].count


cdef int _widen(LevelFold* fold, int price_by, int qty_by) noexcept nogil:
    """Multiply what is there by powers of ten."""
    cdef FoldedLevel* level
    cdef uint32_t i
    cdef int side
    for side in range(2):
        for i in range(fold.sides[side].count):
            level = fold.sides[side].levels + i
            if engine_mul_overflow(level.key, ENGINE_POW10[price_by], &level.key) \
                    or engine_mul_overflow(level.qty_raw, ENGINE_POW10[qty_by], &level.qty_raw):
                return FOLD_OVERFLOW
    return FOLD_OK


cdef int _put(FoldedSide* side, int64_t key, int64_t qty_raw, uint64_t seq) noexcept nogil:
    """One level, unless a newer update has spoken of it."""
    cdef uint32_t low = 0
    cdef uint32_t high = side.count
    cdef uint32_t middle, capacity
    cdef FoldedLevel* levels
    while low < high:
        middle = (low + high) >> 1
        if side.levels[middle].key < key:
            low = middle + 1
        else:
            high = middle
    if low < side.count and side.levels[low].key == key:
        if seq >= side.levels[low].seq:
            side.levels[low].qty_raw = qty_raw
            side.levels[low].seq = seq
        return FOLD_OK
    if side.count == side.capacity:
        capacity = 2 * side.capacity if side.capacity else FIRST_CAPACITY
        levels = <FoldedLevel*>realloc(side.levels, capacity * sizeof(FoldedLevel))
        if levels == NULL:
            return FOLD_MEMORY
        side.levels = levels
        side.capacity = capacity
    memmove(side.levels + low + 1, side.levels + low, (side.count - low) * sizeof(FoldedLevel))
    side.levels[low].key = key
    side.levels[low].qty_raw = qty_raw
    side.levels[low].seq = seq
    side.count += 1
    return FOLD_OK


cdef void _forget_before(FoldedSide* side, uint64_t seq) noexcept nogil:
    """Leave out what updates before number *seq* said."""
    cdef uint32_t kept = 0
    cdef uint32_t i
    for i in range(side.count):
        if side.levels[i].seq > seq:
            side.levels[kept] = side.levels[i]
            kept += 1
    side.count = kept


cdef int fold_add(LevelFold* fold, const BookData* book, uint64_t seq, uint8_t price_scale,
                  uint8_t qty_scale) noexcept nogil:
    cdef int64_t price_by = 1
    cdef int64_t qty_by = 1
    cdef int64_t price_raw, qty_raw
    cdef const Level* level
    cdef uint32_t i
    cdef int answer
    if fold.is_full and seq < fold.full_seq:
        return FOLD_OK                     # the full one has replaced it
    if price_scale > fold.price_scale or qty_scale > fold.qty_scale:
        if _widen(fold, max(0, <int>price_scale - fold.price_scale), max(0, <int>qty_scale - fold.qty_scale)) != FOLD_OK:
            return FOLD_OVERFLOW
        fold.price_scale = max(fold.price_scale, price_scale)
        fold.qty_scale = max(fold.qty_scale, qty_scale)
    price_by = ENGINE_POW10[fold.price_scale - price_scale]
    qty_by = ENGINE_POW10[fold.qty_scale - qty_scale]
    if book.update_type == UPDATE_FULL:
        fold.is_full = 1
        fold.full_seq = seq
        _forget_before(&fold.sides[0], seq)
        _forget_before(&fold.sides[1], seq)
    for i in range(book.bid_count + book.ask_count):
        level = book.levels + i
        if engine_mul_overflow(level.price_raw, price_by, &price_raw) \
                or engine_mul_overflow(level.qty_raw, qty_by, &qty_raw):
            return FOLD_OVERFLOW
        if qty_raw == 0 and planted(b"fold.drop_removals"):
            continue
        if i < book.bid_count:
            answer = _put(&fold.sides[0], price_raw, qty_raw, seq)
        else:
            answer = _put(&fold.sides[1], -price_raw, qty_raw, seq)
        if answer != FOLD_OK:
            return answer
    return FOLD_OK


cdef uint32_t _write(const FoldedSide* side, bint is_ask, bint leave_removals_out, Level* out) noexcept nogil:
    cdef uint32_t written = 0
    cdef uint32_t i
    cdef const FoldedLevel* level
    for i in range(side.count):
        level = side.levels + side.count - 1 - i
        if level.qty_raw or not leave_removals_out:
            out[written].price_raw = -level.key if is_ask else level.key
            out[written].qty_raw = level.qty_raw
            written += 1
    return written


cdef void fold_write(const LevelFold* fold, BookData* out) noexcept nogil:
    out.bid_count = _write(&fold.sides[0], False, fold.is_full, out.levels)
    out.ask_count = _write(&fold.sides[1], True, fold.is_full, out.levels + out.bid_count)
