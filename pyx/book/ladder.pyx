cimport cython
from libc.stdint cimport INT64_MIN, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memmove, memset

from engine.base.plants cimport planted
from engine.base.units cimport PARSE_OVERFLOW, PARSE_OK, likely, rescale
from engine.book.levelarray cimport FIRST_RANK, MOVE_SLACK, WAYPOINTS, Edit, find, move_levels, note, sort_levels, splice

cdef enum:
    FIRST_CAPACITY = 64
    EDITS_MAX = 64             # made at a time


cdef const Level* best_first(const Level* changes, uint32_t* count, int side, Level* room) noexcept nogil:
    """The changes best first, each price once with its last value: themselves, or in the second half of *room*."""
    cdef Level* rows
    cdef Level* out = room + count[0]
    cdef uint32_t i
    cdef uint32_t kept = 0
    cdef bint ordered = True
    for i in range(1, count[0]):
        if key_of(side, changes[i].price_raw) >= key_of(side, changes[i - 1].price_raw):
            ordered = False
            break
    if likely(ordered):
        return changes
    for i in range(count[0]):
        room[i].price_raw = -key_of(side, changes[i].price_raw)
        room[i].qty_raw = changes[i].qty_raw
    rows = sort_levels(room, out, count[0])
    for i in range(count[0]):
        if i + 1 < count[0] and rows[i + 1].price_raw == rows[i].price_raw:
            continue
        out[kept].price_raw = key_of(side, -rows[i].price_raw)
        out[kept].qty_raw = rows[i].qty_raw
        kept += 1
    count[0] = kept
    return out


cdef inline int64_t edge_of(const BookSide* side, uint32_t limit) noexcept nogil:
    """Key of the worst of the best *limit* levels; while there are not that many, below every key."""
    return INT64_MIN if side.count <= limit else side.levels[side.head + side.count - limit].price_raw


cdef uint32_t move_edge(const BookSide* side, int side_index, uint32_t limit, int64_t old_edge, Level* published,
                        uint32_t count, Level* room_end) noexcept nogil:
    """Tell what the published depth lost or won at its worse end, and nothing beyond it; returns the new count.

    *published* holds what changed, best first, wherever it lies, and has room up to *room_end* for as much again.
    """
    cdef const Level* levels = side.levels + side.head
    cdef int64_t edge = edge_of(side, limit)
    cdef int64_t seen_from = max(edge, old_edge)
    cdef uint32_t kept = count
    cdef uint32_t i, at, beyond
    cdef int64_t key
    cdef Level* spare
    while kept and key_of(side_index, published[kept - 1].price_raw) < seen_from:
        kept -= 1
    if edge == old_edge:
        return kept
    if edge < old_edge:
        # It reaches deeper: what stands there now is told, be it new or not.
        at = side.count - limit if side.count > limit else 0
        i = at
        while i < side.count and levels[i].price_raw < old_edge:
            i += 1
        while i > at:
            i -= 1
            published[kept].price_raw = key_of(side_index, levels[i].price_raw)
            published[kept].qty_raw = levels[i].qty_raw
            kept += 1
        return kept
    # It reaches less deep: what stood there is told as removed, and so is what was removed there.
    beyond = count - kept
    spare = room_end - beyond
    memcpy(spare, published + kept, beyond * sizeof(Level))
    at = side.count - limit
    i = 0
    while True:
        while i < beyond and spare[i].qty_raw:
            i += 1                         # still in the book, and met there
        key = levels[at - 1].price_raw if at else INT64_MIN
        if i < beyond and key_of(side_index, spare[i].price_raw) > key:
            key = key_of(side_index, spare[i].price_raw)
            i += 1
        else:
            at -= 1
        if key < old_edge or key == INT64_MIN:
            return kept
        published[kept].price_raw = key_of(side_index, key)
        published[kept].qty_raw = 0
        kept += 1


cdef uint32_t apply_one(BookSide* side, int side_index, const Level* change, uint32_t limit,
                        Level* published) noexcept nogil:
    """A message of one level: what it pushes out of the depth, or lets into it, always comes behind it."""
    cdef Level* levels = side.levels + side.head
    cdef int64_t key = key_of(side_index, change.price_raw)
    cdef int64_t qty = change.qty_raw
    cdef uint32_t at = find(levels, side.count, side.count, key, side.ways)
    cdef uint32_t rank = side.count - at        # levels at or better than this place
    cdef Level* place = levels + at
    if rank and place.price_raw == key:
        if qty == 0:
            if planted(b"ladder.keep_deleted"):
                return 0
            move_levels(place, place + 1, rank - 1)
            side.count -= 1
        else:
            place.qty_raw = qty
        if rank > limit:
            return 0
        published[0] = change[0]
        if qty or side.count < limit:
            return 1
        place = levels + side.count - limit     # the next worse level comes into the depth
        published[1].qty_raw = place.qty_raw
    elif qty:
        move_levels(place + 1, place, rank)
        place.price_raw = key
        place.qty_raw = qty
        side.count += 1
        if rank >= limit:
            return 0
        published[0] = change[0]
        if side.count <= limit:
            return 1
        place = levels + side.count - 1 - limit # the worst published level leaves the depth
        published[1].qty_raw = 0
    else:
        return 0
    published[1].price_raw = key_of(side_index, place.price_raw)
    return 2


cdef uint32_t apply_many(BookSide* side, int side_index, const Level* changes, uint32_t count, uint32_t limit,
                         Level* published) noexcept nogil:
    """A message of several levels in one pass from the best price on; levels move once, not once a change."""
    cdef Edit[EDITS_MAX] edits
    cdef Level* levels = side.levels + side.head
    cdef Level* room_end = published + 2 * count
    cdef int64_t old_edge = edge_of(side, limit)
    cdef uint32_t at = side.count
    cdef uint32_t edit_count = 0
    cdef uint32_t out = 0
    cdef uint32_t i
    cdef int64_t key, qty
    cdef bint exists
    changes = best_first(changes, &count, side_index, published)
    for i in range(count):
        key = key_of(side_index, changes[i].price_raw)
        qty = changes[i].qty_raw
        at = find(levels, side.count, at, key, side.ways)
        exists = at < side.count and levels[at].price_raw == key
        if exists and qty:
            levels[at].qty_raw = qty
        elif exists != (qty != 0) and not (exists and planted(b"ladder.keep_deleted")):
            if edit_count == EDITS_MAX:
                side.count = splice(levels, side.count, edits, edit_count)
                edit_count = 0
            edits[edit_count].at = at
            edits[edit_count].level.price_raw = key
            edits[edit_count].level.qty_raw = qty
            edit_count += 1
        else:
            continue                       # removes what is not there
        published[out] = changes[i]
        out += 1
    if edit_count:
        side.count = splice(levels, side.count, edits, edit_count)
    return move_edge(side, side_index, limit, old_edge, published, out, room_end)


@cython.final
cdef class Ladder:
    """Two sides of levels; every level the venue told is kept until told otherwise or cut."""

    def __dealloc__(self):
        free(self.sides[0].levels)
        free(self.sides[1].levels)

    cdef int _reserve(self, BookSide* side, uint32_t more) except -1:
        cdef uint32_t capacity
        cdef uint32_t wanted
        cdef Level* levels
        more += MOVE_SLACK
        if side.head and side.count + more <= side.capacity - (side.capacity >> 2):
            memmove(side.levels, side.levels + side.head, side.count * sizeof(Level))
            side.head = 0
            return 0
        # Half as much again where a side grows; a snapshot, which tells its size, a quarter more than it needs.
        wanted = side.count + more
        capacity = max(<uint32_t>FIRST_CAPACITY, side.capacity + (side.capacity >> 1), wanted + (wanted >> 2))
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
        cdef uint32_t limit = depth if depth else <uint32_t>0xFFFFFFFF
        if side.head + side.count + count + MOVE_SLACK > side.capacity:
            self._reserve(side, count)
        if count == 1:
            published_count[0] = apply_one(side, side_index, changes, limit, published)
        elif count:
            published_count[0] = apply_many(side, side_index, changes, count, limit, published)
        else:
            published_count[0] = 0
        return 0

    cdef int load(self, int side_index, const Level* levels, uint32_t count) except -1:
        """Replace a side; any order is accepted, a price told twice keeps its last value, 0 is left out."""
        cdef BookSide* side = &self.sides[side_index]
        cdef uint32_t i
        cdef bint best_first = True
        side.count = 0
        side.head = 0
        if count + MOVE_SLACK > side.capacity:
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
        else:
            self._load_unsorted(side_index, levels, count)
        self._survey(side)
        return 0

    cdef void _survey(self, BookSide* side) noexcept nogil:
        """Set the waypoints anew: each in the middle of the ranks that it stands for."""
        cdef uint32_t i, rank
        memset(side.ways, 0, sizeof(side.ways))
        for i in range(WAYPOINTS):
            rank = (FIRST_RANK + FIRST_RANK // 2) << i
            if rank <= side.count:
                note(side.ways, rank, side.levels[side.head + side.count - rank].price_raw)

    cdef int _load_unsorted(self, int side_index, const Level* levels, uint32_t count) except -1:
        """As load, for levels in any order."""
        cdef BookSide* side = &self.sides[side_index]
        cdef Level* room = <Level*>malloc(2 * <size_t>count * sizeof(Level))
        cdef Level* rows
        cdef uint32_t i
        if room == NULL:
            raise MemoryError(f"snapshot of {count} levels")
        for i in range(count):
            room[i].price_raw = key_of(side_index, levels[i].price_raw)
            room[i].qty_raw = levels[i].qty_raw
        rows = sort_levels(room, room + count, count)
        for i in range(count):
            if i + 1 < count and rows[i + 1].price_raw == rows[i].price_raw:
                continue
            if rows[i].qty_raw:
                side.levels[side.count] = rows[i]
                side.count += 1
        free(room)
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
        if commit:
            self._survey(side)
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
        return crossed(self.sides)

    def counts(self) -> tuple[int, int]:
        """Levels held: bids, asks."""
        return self.sides[0].count, self.sides[1].count
