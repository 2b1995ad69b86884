"""Names become dense integers once, at start or subscribe; hot paths index arrays instead of hashing strings.

Ids are process-wide, start at 0, are never reused and never leave the process.
"""
cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

cdef list provider_names          # provider_id -> name
cdef list symbol_names            # symbol_id -> BASE-QUOTE
cdef list instrument_keys         # instrument_id -> (provider name, symbol or None)


cdef struct Spelling:
    # First and last eight characters, which may overlap: with the length they are all of a text of up to 16.
    uint64_t first
    uint64_t last
    const char* text
    uint32_t length
    uint32_t number                # index + 1, 0 = an empty place


cdef inline void ends_of(const char* text, Py_ssize_t length, Spelling* out) noexcept nogil:
    """The two words of a spelling; a text shorter than eight characters leaves zeros."""
    cdef uint32_t first, last
    if length >= 8:
        memcpy(&out.first, text, 8)
        memcpy(&out.last, text + length - 8, 8)
    elif length >= 4:
        memcpy(&first, text, 4)
        memcpy(&last, text + length - 4, 4)
        out.first = first
        out.last = last
    else:
        out.first = out.last = 0
        memcpy(&out.first, text, length)


cdef inline uint32_t hash_of(const Spelling* spelling) noexcept nogil:
    cdef uint64_t mixed = (spelling.first ^ spelling.length) * <uint64_t>0x9E3779B97F4A7C15
    mixed = (mixed ^ spelling.last) * <uint64_t>0xC2B2AE3D27D4EB4F
    return <uint32_t>(mixed >> 32)


cdef inline bint is_same(const Spelling* a, const Spelling* b) noexcept nogil:
    return a.first == b.first and a.last == b.last and a.length == b.length \
        and (a.length <= 16 or memcmp(a.text, b.text, a.length) == 0)


@cython.final
cdef class SymbolTable:
    """Venue spelling (bytes on the wire) -> small index. One per stream, read on its thread only."""
    cdef Spelling* _places           # open addressing, at most half full
    cdef uint32_t _mask
    cdef list _names                 # index -> bytes

    cdef inline int find(self, const char* text, Py_ssize_t length) noexcept:
        """Index of a spelling, or -1."""
        cdef Spelling wanted
        cdef uint32_t at
        wanted.text = text
        wanted.length = <uint32_t>length
        ends_of(text, length, &wanted)
        at = hash_of(&wanted) & self._mask
        while self._places[at].number:
            if is_same(&self._places[at], &wanted):
                return <int>self._places[at].number - 1
            at = (at + 1) & self._mask
        return -1

    cdef int _resize(self, uint32_t places) except -1
    cdef void _place(self, bytes name, uint32_t index)
