"""Price and quantity texts of one message, still in the frame; turned into levels once the scales are known.

Order of keys in a message is not promised, so a level may be read before the symbol that tells its scale.
DANGER: spans are offsets into the frame's memory and die with it.
"""
cimport cython
from libc.stdint cimport int64_t, uint32_t

from engine.base.jsonwalk cimport Cursor, follows, is_space
from engine.schema.market cimport Level


cdef struct Span:
    uint32_t start
    uint32_t end


cdef struct LevelText:
    Span price
    Span qty


@cython.final
cdef class LevelTexts:
    """A growing list of level texts, reused for every message. Owned by a decoder."""
    cdef LevelText* rows
    cdef uint32_t count
    cdef uint32_t capacity

    cdef int _grow(self) except -1
    cdef int add(self, Span price, Span qty) except -1
    cdef int add_pairs(self, Cursor* cursor) except -1
    cdef int _add_pair(self, Cursor* cursor) except -1


@cython.final
cdef class LevelRaws:
    """Levels as integers: a message's changes and what of them is published. Owned by an assembler's stream."""
    cdef Level* rows
    cdef uint32_t capacity

    cdef inline int reserve(self, uint32_t count) except -1:
        """Have room for *count* levels; what stands in ``rows`` stays."""
        return 0 if count <= self.capacity else self._grow(count)

    cdef int _grow(self, uint32_t count) except -1
    cdef int convert_plain(self, Cursor* c, int price_scale, int qty_scale, uint32_t first) except -2


cdef int convert(const char* text, const LevelText* rows, uint32_t count, int price_scale, int qty_scale,
                 Level* out, int* widest_price, int* widest_qty) noexcept nogil


cdef extern from *:
    """
    #include <string.h>
    /* Messages are short: whole fours have no length to guess wrong, as a copy of any length has. */
    static inline void engine_copy_fours(void *to, const void *rows, uint32_t count) {
        for (uint32_t i = 0; i < count; i += 4) memcpy((char *)to + 16 * i, (const char *)rows + 16 * i, 64);
    }
    """
    # Copy *count* levels; up to three more are read and written, so both sides need COPY_SLACK levels more.
    void copy_levels "engine_copy_fours"(Level* to, const Level* rows, uint32_t count) nogil


cdef enum:
    COPY_SLACK = 3


cdef inline bint is_plain_pair(const char* text, const uint32_t* at) noexcept nogil:
    """Whether six or more tokens begin with ``["..","..."]`` without a space: how venues write a level."""
    return follows(text + at[0], b'["') and follows(text + at[2] - 1, b'","') and follows(text + at[4] - 1, b'"]')


cdef inline int span_at(const Cursor* c, uint32_t i, Span* span) noexcept nogil:
    """The span of scalar token i (a string's contents); a WireCode."""
    cdef const char* p = c.text + c.at[i]
    cdef const char* e = c.text + c.at[i + 1]
    while e > p and e[-1] <= 32 and is_space(e[-1]):
        e -= 1
    if e <= p:
        return 1                     # WIRE_NOT_JSON
    if p[0] == c'"':
        if e - p < 2 or e[-1] != c'"':
            return 1
        span.start = c.at[i] + 1
        span.end = <uint32_t>(e - 1 - c.text)
        return 0
    if p[0] == c'{' or p[0] == c'[':
        return 3                     # WIRE_WRONG_TYPE
    span.start = c.at[i]
    span.end = <uint32_t>(e - c.text)
    return 0
