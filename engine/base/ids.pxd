"""Names become dense integers once, at start or subscribe; hot paths index arrays instead of hashing strings.

Ids are process-wide, start at 0, are never reused and never leave the process.
"""
cimport cython
from libc.stdint cimport uint32_t, uint64_t

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


@cython.final
cdef class SymbolTable:
    """Venue spelling (bytes on the wire) -> small index. One per stream, read on its thread only."""
    cdef Spelling* _places           # open addressing, at most half full
    cdef uint32_t _mask
    cdef list _names                 # index -> bytes

    cdef int find(self, const char* text, Py_ssize_t length) noexcept
    cdef int _resize(self, uint32_t places) except -1
    cdef void _place(self, bytes name, uint32_t index)
