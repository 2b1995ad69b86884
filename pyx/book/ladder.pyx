cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memmove

from engine.base.plants cimport planted
from engine.base.units cimport PARSE_OVERFLOW, PARSE_OK, rescale

cdef enum:
    FIRST_CAPACITY = 64
    MOVE_SLACK = 9             # a fixed-size move may touch this many levels behind the last one


cdef extern from *:
    """
    #include <string.h>
    /* Near the best price a move is a few levels: a copy of fixed size has no length to guess wrong. */
    static inline void engine_move8(void *to, const void *from) {
        char held[8 * 16];
        memcpy(held, from, sizeof held);
        memcpy(to, held, sizeof held);
    }
    """
    void engine_move8(void* to, const void* rows) nogil


cdef inline uint32_t find(const BookSide* side, int64_t key) noexcept nogil:
    """Place (from head) of the first level whose key is >= key; count when there is none."""
    cdef const Level* levels = side.levels + side.head
    cdef const Level* place
    cdef uint32_t high = side.count
    cdef uint32_t low = 0
    cdef uint32_t span = 8
    cdef uint32_t middle, better
    # The best eight are compared at once, without a branch that depends on where the change falls.
    if high >= 8:
        place = levels + high - 8
        better = ((place[0].price_raw >= key) + (place[1].price_raw >= key) + (place[2].price_raw >= key)
                  + (place[3].price_raw >= key) + (place[4].price_raw >= key) + (place[5].price_raw >= key)
                  + (place[6].price_raw >= key) + (place[7].price_raw >= key))
        if better < 8:
            return high - better
        high -= 8
    # Changes are the rarer the deeper they lie: from the best on, in steps that double, then halving between two.
    while high > span:
        if levels[high - span].price_raw < key:
            low = high - span + 1
            break
        high -= span
        span += span
    while low < high:
        middle = (low + high) >> 1
        if levels[middle].price_raw < key:
            low = middle + 1
        else:
            high = middle
    return low


cdef inline void move_levels(Level* to, const Level* rows, uint32_t count) noexcept nogil:
    """memmove for levels; both sides have MOVE_SLACK levels of room behind the last one."""
    if count <= 8:
        engine_move8(to, rows)
    else:
        memmove(to, rows, count * sizeof(Level))


cdef uint32_t order_changes(Level* changes, uint32_t count, int side) noexcept nogil:
    """Put published changes best first, each price once with its last value; returns how many are left."""
    cdef uint32_t i, j, kept
    cdef int64_t key
    cdef Level held
    cdef bint sorted_already = True
    for i in range(1, count):
        if key_of(side, changes[i].price_raw) >= key_of(side, changes[i - 1].price_raw):
            sorted_already = False
            break
    if sorted_already:
        return count
    # A stable insertion sort: messages are short and nearly ordered.
    for i in range(1, count):
        held = changes[i]
        key = key_of(side, held.price_raw)
        j = i
        while j > 0 and key_of(side, changes[j - 1].price_raw) < key:
            changes[j] = changes[j - 1]
            j -= 1
        changes[j] = held
    kept = 0
    for i in range(count):
        if i + 1 < count and changes[i + 1].price_raw == changes[i].price_raw:
            continue
        changes[kept] = changes[i]
        kept += 1
    return kept


@cython.final
cdef class Ladder:
    """Two sides of levels; every level the venue told is kept until told otherwise or cut."""

    def __dealloc__(self):
        free(self.sides[0].levels)
        free(self.sides[1].levels)

    cdef int _reserve(self, BookSide* side, uint32_t more) except -1:
        cdef uint32_t capacity
        cdef Level* levels
        more += MOVE_SLACK
        if side.head and side.count + more <= side.capacity - (side.capacity >> 2):
            memmove(side.levels, side.levels + side.head, side.count * sizeof(Level))
            side.head = 0
            return 0
        capacity = side.capacity if side.capacity else FIRST_CAPACITY
        while side.count + more > capacity - (capacity >> 3):
            capacity += capacity >> 1
        levels = <Level*>realloc(side.levels, capacity * sizeof(Level))
        if levels == NULL:
            raise MemoryError(f"book side of {capacity} levels")
        side.levels = levels
        side.capacity = capacity
        memmove(levels, levels + side.head, side.count * sizeof(Level))
        side.head = 0
        return 0

    cdef int apply(self, int side_index, const Level* changes, uint32_t count, uint32_t depth,
                   Level* published, uint32_t* published_count) except -1:
        """Set absolute quantities (0 removes) and write what changed within the best *depth* levels.

        *published* has room for 2 x count levels: a level pushed out of the depth appears as a removal, one that
        comes back into it as an addition. depth 0 publishes everything. In order, best first, once a price.
        """
        cdef BookSide* side = &self.sides[side_index]
        cdef Level* place
        cdef uint32_t i, at, rank
        cdef uint32_t out = 0
        cdef int64_t key, qty
        cdef uint32_t limit = depth if depth else <uint32_t>0xFFFFFFFF
        if side.head + side.count + count + MOVE_SLACK > side.capacity:
            self._reserve(side, count)
        for i in range(count):
            key = key_of(side_index, changes[i].price_raw)
            qty = changes[i].qty_raw
            at = find(side, key)
            place = side.levels + side.head + at
            rank = side.count - at              # levels at or better than this place
            if rank and place.price_raw == key:
                if qty:
                    place.qty_raw = qty
                    if rank <= limit:
                        published[out] = changes[i]
                        out += 1
                    continue
                if planted(b"ladder.keep_deleted"):
                    continue
                move_levels(place, place + 1, rank - 1)
                side.count -= 1
                if rank <= limit:
                    published[out] = changes[i]
                    out += 1
                    if side.count >= limit:     # the next worse level comes into the depth
                        place = side.levels + side.head + side.count - limit
                        published[out].price_raw = key_of(side_index, place.price_raw)
                        published[out].qty_raw = place.qty_raw
                        out += 1
            elif qty:
                move_levels(place + 1, place, rank)
                place.price_raw = key
                place.qty_raw = qty
                side.count += 1
                if rank < limit:
                    published[out] = changes[i]
                    out += 1
                    if side.count > limit:      # the worst published level leaves the depth
                        place = side.levels + side.head + side.count - 1 - limit
                        published[out].price_raw = key_of(side_index, place.price_raw)
                        published[out].qty_raw = 0
                        out += 1
        published_count[0] = order_changes(published, out, side_index) if out > 1 else out
        return 0

    cdef int load(self, int side_index, const Level* levels, uint32_t count) except -1:
        """Replace a side; any order is accepted, a price told twice keeps its last value, 0 is left out."""
        cdef BookSide* side = &self.sides[side_index]
        cdef uint32_t i
        cdef bint best_first = True
        side.count = 0
        side.head = 0
        self._reserve(side, count)
        for i in range(count):
            if levels[i].qty_raw == 0 or (
                    i and key_of(side_index, levels[i].price_raw) >= key_of(side_index, levels[i - 1].price_raw)):
                best_first = False
                break
        if best_first:
            for i in range(count):
                side.levels[count - 1 - i].price_raw = key_of(side_index, levels[i].price_raw)
                side.levels[count - 1 - i].qty_raw = levels[i].qty_raw
            side.count = count
            return 0
        return self._load_unsorted(side_index, levels, count)

    cdef int _load_unsorted(self, int side_index, const Level* levels, uint32_t count) except -1:
        """A stable merge sort by key, then the last value of each price; what ends at 0 is left out."""
        cdef BookSide* side = &self.sides[side_index]
        cdef Level* rows = <Level*>malloc(2 * <size_t>count * sizeof(Level))
        cdef Level* other
        cdef Level* swap
        cdef uint32_t i, left, right, middle, end, out
        cdef uint32_t width = 1
        if rows == NULL:
            raise MemoryError(f"snapshot of {count} levels")
        other = rows + count
        for i in range(count):
            rows[i].price_raw = key_of(side_index, levels[i].price_raw)
            rows[i].qty_raw = levels[i].qty_raw
        while width < count:
            i = 0
            while i < count:
                left, middle, end = i, min(i + width, count), min(i + 2 * width, count)
                right = middle
                out = i
                while out < end:
                    if left < middle and (right >= end or rows[left].price_raw <= rows[right].price_raw):
                        other[out] = rows[left]
                        left += 1
                    else:
                        other[out] = rows[right]
                        right += 1
                    out += 1
                i += 2 * width
            swap = rows
            rows = other
            other = swap
            width *= 2
        for i in range(count):
            if i + 1 < count and rows[i + 1].price_raw == rows[i].price_raw:
                continue
            if rows[i].qty_raw:
                side.levels[side.count] = rows[i]
                side.count += 1
        free(rows if rows < other else other)
        return 0

    cdef uint32_t copy_top(self, int side_index, uint32_t limit, Level* out) noexcept nogil:
        """Copy the best *limit* levels (0 = all), best first, prices as prices; returns how many."""
        cdef const BookSide* side = &self.sides[side_index]
        cdef uint32_t count = side.count if limit == 0 or limit > side.count else limit
        cdef const Level* place = side.levels + side.head + side.count
        cdef uint32_t i
        for i in range(count):
            place -= 1
            out[i].price_raw = key_of(side_index, place.price_raw)
            out[i].qty_raw = place.qty_raw
        return count

    cdef void cut(self, int side_index, uint32_t depth) noexcept nogil:
        """Forget all but the best *depth* levels."""
        cdef BookSide* side = &self.sides[side_index]
        if planted(b"ladder.no_cut"):
            return
        if side.count > depth:
            side.head += side.count - depth
            side.count = depth

    cdef void clear(self) noexcept nogil:
        self.sides[0].count = 0
        self.sides[0].head = 0
        self.sides[1].count = 0
        self.sides[1].head = 0

    cdef int rescale_side(self, int side_index, int price_by, int qty_by, bint commit) noexcept:
        """Multiply by powers of ten; PARSE_OVERFLOW when a level would leave int64. commit False only tries."""
        cdef BookSide* side = &self.sides[side_index]
        cdef uint32_t i
        cdef int64_t price, qty
        cdef Level* place
        for i in range(side.count):
            place = side.levels + side.head + i
            if rescale(place.price_raw, 0, price_by, &price) or rescale(place.qty_raw, 0, qty_by, &qty):
                return PARSE_OVERFLOW
            if commit:
                place.price_raw = price
                place.qty_raw = qty
        return PARSE_OK

    def levels(self, side: int, limit: int = 0) -> list[tuple[int, int]]:
        """(price_raw, qty_raw) of a side (0 bids, 1 asks), best first; limit 0 = all."""
        cdef const BookSide* book_side = &self.sides[<int>side]
        cdef uint32_t count = book_side.count if limit == 0 else min(<uint32_t>limit, book_side.count)
        cdef uint32_t i
        rows = []
        for i in range(count):
            rows.append((key_of(side, book_side.levels[book_side.head + book_side.count - 1 - i].price_raw),
                         book_side.levels[book_side.head + book_side.count - 1 - i].qty_raw))
        return rows

    def set_levels(self, side: int, changes: list[tuple[int, int]], depth: int = 0) -> list[tuple[int, int]]:
        """Apply (price_raw, qty_raw) changes and return what changed within the best *depth* (0 = all)."""
        cdef uint32_t count = len(changes)
        cdef uint32_t out = 0
        cdef Level* room = <Level*>realloc(NULL, (3 * count + 1) * sizeof(Level))
        if room == NULL:
            raise MemoryError(f"{count} changes")
        try:
            for i, (price_raw, qty_raw) in enumerate(changes):
                room[<int>i].price_raw = price_raw
                room[<int>i].qty_raw = qty_raw
            self.apply(side, room, count, depth, room + count, &out)
            return [(room[count + j].price_raw, room[count + j].qty_raw) for j in range(out)]
        finally:
            free(room)

    def replace(self, side: int, levels: list[tuple[int, int]]) -> None:
        """Load a side from (price_raw, qty_raw) pairs in any order."""
        cdef uint32_t count = len(levels)
        cdef Level* room = <Level*>realloc(NULL, (count + 1) * sizeof(Level))
        if room == NULL:
            raise MemoryError(f"{count} levels")
        try:
            for i, (price_raw, qty_raw) in enumerate(levels):
                room[<int>i].price_raw = price_raw
                room[<int>i].qty_raw = qty_raw
            self.load(side, room, count)
        finally:
            free(room)

    def cut_to(self, depth: int) -> None:
        """Forget all but the best *depth* levels of both sides."""
        self.cut(SIDE_BID, depth)
        self.cut(SIDE_ASK, depth)

    @property
    def is_crossed(self) -> bool:
        """Whether best bid >= best ask."""
        return crossed(self)

    def counts(self) -> tuple[int, int]:
        """Levels held: bids, asks."""
        return self.sides[0].count, self.sides[1].count
