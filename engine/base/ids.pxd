"""Names become dense integers once, at start or subscribe; hot paths index arrays instead of hashing strings.

Ids are process-wide, start at 0, are never reused and never leave the process.
"""
from libc.stdint cimport uint32_t, uint64_t

cdef list provider_names          # provider_id -> name
cdef list symbol_names            # symbol_id -> BASE-QUOTE
cdef list instrument_keys         # instrument_id -> (provider name, symbol or None)


cdef class SymbolTable:
    """Venue spelling (bytes on the wire) -> small index. One per stream, read on its thread only."""
    cdef uint32_t* _slots            # open addressing; 0 = empty, else index + 1
    cdef uint32_t _mask
    cdef list _names                 # index -> bytes
    cdef const char** _text
    cdef Py_ssize_t* _length
    cdef uint32_t _count
    cdef uint32_t _capacity

    cdef int find(self, const char* text, Py_ssize_t length) noexcept
    cdef int _grow(self) except -1


cdef uint64_t hash_text(const char* text, Py_ssize_t length) noexcept nogil
