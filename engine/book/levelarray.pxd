"""Sorted arrays of levels: finding, merging, moving. Inline only; keys ascending, the best level last."""
from libc.stdint cimport int64_t, uint32_t
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


cdef struct Edit:
    # A level to be put in before the one at a place, or, with quantity 0, the one there to be taken out.
    Level level                # its price as a key
    uint32_t at


cdef inline uint32_t find(const Level* levels, uint32_t count, int64_t key) noexcept nogil:
    """Place of the first of *count* levels whose key is >= key; count when there is none."""
    cdef const Level* place
    cdef uint32_t span = 8
    cdef uint32_t better, half
    # The best eight are compared at once, without a branch that depends on where the change falls.
    if count >= 8:
        place = levels + count - 8
        better = ((place[0].price_raw >= key) + (place[1].price_raw >= key) + (place[2].price_raw >= key)
                  + (place[3].price_raw >= key) + (place[4].price_raw >= key) + (place[5].price_raw >= key)
                  + (place[6].price_raw >= key) + (place[7].price_raw >= key))
        if better < 8:
            return count - better
        count -= 8
    # Changes are the rarer the deeper they lie: from the best on, in steps that double, then halving between two,
    # where either half is as likely: a branch would be guessed wrong every other time.
    place = levels
    while count > span:
        if levels[count - span].price_raw < key:
            place = levels + count - span + 1
            count = span - 1
            break
        count -= span
        span += span
    while count > 1:
        half = count >> 1
        place += half * (place[half - 1].price_raw < key)
        count -= half
    if count:
        place += place.price_raw < key
    return <uint32_t>(place - levels)


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
