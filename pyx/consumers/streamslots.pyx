cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from engine.base.ids cimport instrument_keys

from engine.schema.enums import EventType

cdef enum:
    FIRST_ROWS = 32
    TYPE_BITS = 15


cdef str stream_text(uint64_t key):
    """``provider:symbol:Type`` of a stream."""
    provider, symbol = instrument_keys[key >> 32]
    return f"{provider}:{symbol or ''}:{EventType(key & TYPE_BITS).class_name}"


cdef inline uint32_t home(uint64_t key, uint32_t mask) noexcept nogil:
    return <uint32_t>((key * <uint64_t>0x9E3779B97F4A7C15) >> 32) & mask


@cython.final
cdef class StreamSlots:
    """A hash table of streams."""

    def __dealloc__(self):
        free(self._rows)

    cdef StreamSlot* find(self, uint64_t key) noexcept:
        """The slot of a stream, NULL where it has none."""
        cdef uint32_t at
        if self.count == 0:
            return NULL
        at = home(key, self._mask)
        while self._rows[at].key != key:
            if self._rows[at].key == 0:
                return NULL
            at = (at + 1) & self._mask
        return &self._rows[at]

    cdef StreamSlot* of(self, uint64_t key) except NULL:
        """The slot of a stream, made where it has none."""
        cdef StreamSlot* found = self.find(key)
        cdef uint32_t at
        if found != NULL:
            return found
        if self._rows == NULL or 2 * (self.count + 1) > self._mask + 1:
            self._grow()
        at = home(key, self._mask)
        while self._rows[at].key != 0:
            at = (at + 1) & self._mask
        self._rows[at].key = key
        self.count += 1
        return &self._rows[at]

    cdef int _grow(self) except -1:
        cdef uint32_t rows = 2 * (self._mask + 1) if self._rows != NULL else FIRST_ROWS
        cdef StreamSlot* fresh = <StreamSlot*>calloc(rows, sizeof(StreamSlot))
        cdef uint32_t i, at
        if fresh == NULL:
            raise MemoryError("streams of a mailbox")
        for i in range(self._mask + 1 if self._rows != NULL else 0):
            if self._rows[i].key != 0:
                at = home(self._rows[i].key, rows - 1)
                while fresh[at].key != 0:
                    at = (at + 1) & (rows - 1)
                fresh[at] = self._rows[i]
        free(self._rows)
        self._rows = fresh
        self._mask = rows - 1
        return 0
