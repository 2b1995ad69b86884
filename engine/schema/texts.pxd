"""Texts in fields of a fixed size, as pooled events hold them: UTF-8, ended by a zero byte."""
from libc.string cimport memcpy, memset


cdef inline int _lay(char* place, size_t limit, const char* text, size_t length) noexcept:
    memset(place, 0, limit + 1)
    memcpy(place, text, length)
    return 0


cdef inline int put_text(char* place, size_t limit, str text) except -1:
    """Put *text* into the *limit* + 1 bytes at *place*; one that does not fit is a ValueError."""
    cdef bytes encoded = text.encode()
    if <size_t>len(encoded) > limit:
        raise ValueError(f"{text!r} is longer than {limit} bytes")
    return _lay(place, limit, encoded, len(encoded))


cdef inline int cut_text(char* place, size_t limit, str text) except -1:
    """Put as much of *text* as fits, whole characters only."""
    cdef bytes encoded = text.encode()
    cdef size_t length = len(encoded)
    if length > limit:
        length = limit
        while length and (<unsigned char>(<const char*>encoded)[length] & 0xC0) == 0x80:
            length -= 1
    return _lay(place, limit, encoded, length)
