"""Price and quantity texts of one message, still in the frame; turned into levels once the scales are known.

Order of keys in a message is not promised, so a level may be read before the symbol that tells its scale.
DANGER: spans are offsets into the frame's memory and die with it.
"""
from libc.stdint cimport int64_t, uint32_t

from engine.base.jsonwalk cimport Cursor, is_space
from engine.schema.market cimport Level


cdef struct Span:
    uint32_t start
    uint32_t end


cdef struct LevelText:
    Span price
    Span qty


cdef class LevelTexts:
    """A growing list of level texts, reused for every message. Owned by a decoder."""
    cdef LevelText* rows
    cdef uint32_t count
    cdef uint32_t capacity

    cdef int _grow(self) except -1
    cdef int add(self, Span price, Span qty) except -1
    cdef int add_pairs(self, Cursor* cursor) except -1


cdef class LevelRaws:
    """Levels as integers: a message's changes and what of them is published. Owned by an assembler's stream."""
    cdef Level* rows
    cdef uint32_t capacity

    cdef int reserve(self, uint32_t count) except -1


cdef int convert(const char* text, const LevelText* rows, uint32_t count, int price_scale, int qty_scale,
                 Level* out, int* widest_price, int* widest_qty) noexcept nogil


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
