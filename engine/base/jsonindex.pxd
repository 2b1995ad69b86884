"""simdjson's structural index of one document. The only module that links simdjson; others cimport it."""
from libc.stdint cimport uint64_t

from engine.base.jsonwalk cimport Cursor


cdef class JsonIndex:
    """Scans frames; the positions stay valid until the next scan.

    Owned by one stream, used on that stream's thread only, lives as long as it.
    """
    cdef void* _index

    cdef int scan(self, const char* text, size_t length, Cursor* cursor) noexcept
    cdef bint walk(self, const char* text, size_t length, size_t capacity, uint64_t* seen) noexcept
