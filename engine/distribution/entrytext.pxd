"""Entries of the report bus as JSON text: numbers as short as they go, plain and exact (BUS-06 to BUS-10)."""
cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.schema.market cimport Level
from engine.schema.record cimport Record


@cython.final
cdef class EntryWriter:
    """A growing text that entries are written into. Owned by one thread; the text is valid until the next reset."""
    cdef char* text
    cdef size_t length
    cdef size_t capacity

    cdef int reserve(self, size_t more) except -1 nogil
    cdef int put(self, const char* names, size_t names_length, const Record* entry) except -1 nogil
    cdef void _text(self, const char* text, size_t length) noexcept nogil
    cdef void _number(self, const char* name, size_t length, uint64_t value) noexcept nogil
    cdef void _decimal(self, const char* name, size_t length, int64_t raw, int scale) noexcept nogil
    cdef void _levels(self, const Level* levels, uint32_t count, int price_scale, int qty_scale) noexcept nogil
