# distutils: language = c++
from libc.stdint cimport uint32_t, uint64_t

from engine.base.jsonwalk cimport Cursor


cdef extern from "jsonindex_shim.h" namespace "engine_json":
    cdef cppclass Index:
        pass
    Index* create(size_t capacity) noexcept
    void destroy(Index* self) noexcept
    int c_scan "engine_json::scan"(Index* self, const char* text, size_t length) noexcept
    const uint32_t* positions(Index* self) noexcept
    uint32_t count(Index* self) noexcept
    const char* message(int code) noexcept
    const char* version() noexcept
    bint c_walk "engine_json::walk"(Index* self, const char* text, size_t length, size_t capacity,
                                    uint64_t* seen) noexcept


cdef class JsonIndex:
    def __cinit__(self):
        self._index = create(1 << 16)
        if self._index == NULL:
            raise MemoryError("simdjson index of 64 KiB")

    def __dealloc__(self):
        if self._index != NULL:
            destroy(<Index*>self._index)

    cdef int scan(self, const char* text, size_t length, Cursor* cursor) noexcept:
        """Index a document; 0, or simdjson's error code. The text is read in place and needs no padding."""
        cdef int code = c_scan(<Index*>self._index, text, length)
        if code == 0:
            cursor.text = text
            cursor.at = positions(<Index*>self._index)
            cursor.n = count(<Index*>self._index)
            cursor.i = 0
        return code

    cdef bint walk(self, const char* text, size_t length, size_t capacity, uint64_t* seen) noexcept:
        """Visit every field with simdjson's own on-demand walk; needs 64 readable bytes after length."""
        return c_walk(<Index*>self._index, text, length, capacity, seen)

    def is_json(self, bytes document not None) -> bool:
        """Whether simdjson's own on-demand walk accepts the whole document (an object)."""
        cdef uint64_t seen = 0
        cdef bytes padded = document + b"\0" * 64
        return self.walk(padded, len(document), len(padded), &seen)


def simdjson_version() -> str:
    """Version of the simdjson library compiled in."""
    return version().decode()


def scan_error(int code) -> str:
    """simdjson's text for an error code of a scan."""
    return message(code).decode()
