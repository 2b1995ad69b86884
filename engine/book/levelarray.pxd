"""Sorted arrays of levels: finding, merging, moving. Inline only; keys ascending, the best level last."""
from libc.stdint cimport int64_t, uint32_t, uintptr_t
from libc.string cimport memmove

from engine.schema.market cimport Level


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


cdef enum:
    MOVE_SLACK = 9             # a fixed-size move may touch this many levels behind the last one
    WAYPOINTS = 8              # of a side
    FIRST_RANK = 8             # of the first one, at least
    NEAR_LEVELS = 24           # of so few each is near


cdef struct Edit:
    # A level to be put in before the one at a place, or, with quantity 0, the one there to be taken out.
    Level level                # its price as a key
    uint32_t at


cdef struct Waypoint:
    # Where a key was met last. It only says where to look first: the book has moved on since.
    int64_t key
    uint32_t rank              # levels at or better than it, itself included; 0 = none was met


cdef inline uint32_t better_of_eight(const Level* place, int64_t key) noexcept nogil:
    """How many of eight levels have keys >= key, compared at once: no branch depends on where a change falls."""
    return ((place[0].price_raw >= key) + (place[1].price_raw >= key) + (place[2].price_raw >= key)
            + (place[3].price_raw >= key) + (place[4].price_raw >= key) + (place[5].price_raw >= key)
            + (place[6].price_raw >= key) + (place[7].price_raw >= key))


cdef inline uint32_t halve(const Level* levels, uint32_t begin, uint32_t end, int64_t key) noexcept nogil:
    """Place of the first level of [begin, end) whose key is >= key; end when there is none."""
    cdef const Level* place = levels + begin
    cdef uint32_t count = end - begin
    cdef uint32_t half
    while count > 1:
        half = count >> 1
        place += half * (place[half - 1].price_raw < key)
        count -= half
    if count:
        place += place.price_raw < key
    return <uint32_t>(place - levels)


cdef inline uint32_t guess(const Level* levels, uint32_t count, int64_t key, const Waypoint* ways) noexcept nogil:
    """About where a key stands among *count* levels: between the two waypoints around it, as far as prices say."""
    cdef int64_t near_key = levels[count - 1].price_raw
    cdef uint32_t near = 1
    cdef uint32_t i
    cdef double share
    for i in range(WAYPOINTS):
        if ways[i].rank <= near:
            continue                       # none was met, or the book has moved on
        if ways[i].key < key:
            share = (<double>near_key - <double>key) / (<double>near_key - <double>ways[i].key)
            near += <uint32_t>(share * (ways[i].rank - near))
            break
        near_key = ways[i].key
        near = ways[i].rank
    return count - near if near < count else 0


cdef inline uint32_t window(const Level* levels, uint32_t count, int64_t key, const Waypoint* ways) noexcept nogil:
    """Where the eight levels begin, in as few cache lines, among which a key is likely to stand."""
    cdef uint32_t at = guess(levels, count, key, ways)
    at = at - 4 if at > 4 else 0
    cdef uint32_t into_line = <uint32_t>((<uintptr_t>(levels + at) >> 4) & 3)
    return at - into_line if at >= into_line else 0


cdef inline uint32_t find(const Level* levels, uint32_t count, uint32_t end, int64_t key, Waypoint* ways) noexcept nogil:
    """Place of the first of *end* levels of *count* whose key is >= key; *end* when there is none.

    Most changes are among the best eight, or the eight behind the change before. Deeper ones are looked for where prices
    put them, and from there on in steps that double: with hundreds of books in turn each level that is looked at on the
    way is fetched from far, and the next step has to wait for it.
    """
    cdef uint32_t better, at, step, place
    if end >= 8:
        better = better_of_eight(levels + end - 8, key)
        if better < 8:
            return end - better
        end -= 8
    if end <= NEAR_LEVELS:
        return halve(levels, 0, end, key)
    at = window(levels, count, key, ways)
    if at > end - 8:
        at = end - 8
    better = better_of_eight(levels + at, key)
    step = 8
    if better == 8:
        # It is worse than these.
        while at > step and levels[at - step].price_raw >= key:
            at -= step
            step += step
        place = halve(levels, at - step if at > step else 0, at, key)
    elif better:
        place = at + 8 - better
    else:
        at += 8
        while at + step < end and levels[at + step - 1].price_raw < key:
            at += step
            step += step
        place = halve(levels, at, at + step if at + step < end else end, key)
    note(ways, count - place, key)
    return place


cdef inline void note(Waypoint* ways, uint32_t rank, int64_t key) noexcept nogil:
    """A key was met at a rank: each waypoint stands for ranks up to twice as far as the one before."""
    cdef uint32_t i = 0
    while i < WAYPOINTS - 1 and rank >> i >= 2 * FIRST_RANK:
        i += 1
    ways[i].key = key
    ways[i].rank = rank


cdef inline void move_levels(Level* to, const Level* rows, uint32_t count) noexcept nogil:
    """memmove for the best levels; both sides have MOVE_SLACK levels of room behind the last one."""
    if count <= 8:
        engine_move8(to, rows)
    else:
        memmove(to, rows, count * sizeof(Level))


cdef inline uint32_t splice(Level* levels, uint32_t count, const Edit* edits, uint32_t edit_count) noexcept nogil:
    """Make *edits*, best first, in an array with room for them and MOVE_SLACK; returns how many levels it has then.

    A level moves once, by as many places as levels came in below it less those that went: what stands between one
    that came and one that went does not move at all. Levels that move down go lowest first, levels that move up
    highest first, so that none is written over before it has moved.
    """
    cdef uint32_t i = edit_count
    cdef uint32_t lowest, j
    cdef Py_ssize_t shift = 0              # of the levels above the edits made so far
    cdef Py_ssize_t by
    while i:
        i -= 1
        if edits[i].level.qty_raw == 0:
            shift -= 1
            move_between(levels, count, edits, i, shift)
        elif shift < 0:
            levels[edits[i].at + shift] = edits[i].level
            shift += 1
            move_between(levels, count, edits, i, shift)
        else:
            # Levels move up from here to the removal that makes room for all that came in, or to the best level.
            lowest = i
            shift = 1
            while i:
                shift += 1 if edits[i - 1].level.qty_raw else -1
                if shift == 0:
                    break
                i -= 1
            by = shift if shift else 1
            for j in range(i, lowest + 1):
                move_between(levels, count, edits, j, by)
                if edits[j].level.qty_raw:
                    by -= 1
                    levels[edits[j].at + by] = edits[j].level
                else:
                    by += 1
            if shift == 0:
                i -= 1
    return <uint32_t>(count + shift)


cdef inline void move_between(Level* levels, uint32_t count, const Edit* edits, uint32_t i,
                              Py_ssize_t by) noexcept nogil:
    """Move what stands between an edit and the next better one."""
    cdef Level* start = levels + edits[i].at + (edits[i].level.qty_raw == 0)
    if i == 0:
        move_levels(start + by, start, <uint32_t>(levels + count - start))
    elif by and levels + edits[i - 1].at != start:
        memmove(start + by, start, <size_t>(levels + edits[i - 1].at - start) * sizeof(Level))


cdef inline Level* sort_levels(Level* rows, Level* spare, uint32_t count) noexcept nogil:
    """Sort by price_raw, ascending and stable, with as much room again; returns which of the two it ended in."""
    cdef Level* swap
    cdef uint32_t i, left, right, middle, end, out
    cdef uint32_t width = 1
    while width < count:
        i = 0
        while i < count:
            left, middle, end = i, min(i + width, count), min(i + 2 * width, count)
            right = middle
            out = i
            while out < end:
                if left < middle and (right >= end or rows[left].price_raw <= rows[right].price_raw):
                    spare[out] = rows[left]
                    left += 1
                else:
                    spare[out] = rows[right]
                    right += 1
                out += 1
            i += 2 * width
        swap = rows
        rows = spare
        spare = swap
        width *= 2
    return rows
