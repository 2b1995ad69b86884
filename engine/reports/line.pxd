"""A line of structs in one piece of memory, in order: cheap to add to at the new end and to take from at the old one.

Inline only. Every item begins with the int64 it is sorted by, where it is sorted at all; *size* is that of the item.
Whoever holds a line frees it.
"""
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memmove


cdef struct Line:
    char* items                # head items are gone, count follow them
    uint32_t head
    uint32_t count
    uint32_t capacity


cdef inline char* line_at(const Line* line, size_t size, uint32_t at) noexcept nogil:
    """DANGER: dies with the next insertion."""
    return line.items + (<size_t>line.head + at) * size


cdef inline int64_t line_key(const Line* line, size_t size, uint32_t at) noexcept nogil:
    return (<const int64_t*>line_at(line, size, at))[0]


cdef inline char* line_insert(Line* line, size_t size, uint32_t at) noexcept nogil:
    """Room for one more item before place *at*, not cleared; NULL = there is no memory."""
    cdef char* grown
    cdef uint32_t capacity
    if line.head + line.count == line.capacity:
        if line.head > line.capacity >> 1:
            memmove(line.items, line_at(line, size, 0), line.count * size)
            line.head = 0
        else:
            capacity = 2 * line.capacity if line.capacity else 8
            grown = <char*>realloc(line.items, capacity * size)
            if grown == NULL:
                return NULL
            line.items = grown
            line.capacity = capacity
    if at < line.count:
        memmove(line_at(line, size, at + 1), line_at(line, size, at), (line.count - at) * size)
    line.count += 1
    return line_at(line, size, at)


cdef inline void line_drop(Line* line, size_t size, uint32_t at) noexcept nogil:
    """Take one item out."""
    line.count -= 1
    if at == 0:
        line.head += 1
    elif at < line.count:
        memmove(line_at(line, size, at), line_at(line, size, at + 1), (line.count - at) * size)


cdef inline void line_clear(Line* line) noexcept nogil:
    line.head = 0
    line.count = 0


cdef inline uint32_t line_find(const Line* line, size_t size, int64_t key) noexcept nogil:
    """Place of the first item whose key is >= key; count when there is none. The new end is looked at first."""
    cdef uint32_t low = 0
    cdef uint32_t high = line.count
    cdef uint32_t middle
    if high == 0 or line_key(line, size, high - 1) < key:
        return high
    while low < high:
        middle = (low + high) >> 1
        if line_key(line, size, middle) < key:
            low = middle + 1
        else:
            high = middle
    return low


cdef inline uint32_t line_find_after(const Line* line, size_t size, int64_t key) noexcept nogil:
    """Place of the first item whose key is > key."""
    cdef uint32_t at = line_find(line, size, key)
    while at < line.count and line_key(line, size, at) == key:
        at += 1
    return at
