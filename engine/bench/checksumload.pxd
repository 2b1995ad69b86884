"""Kraken messages, already decoded, on ladders: with the engine's checksum, with the plain one, and without."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from engine.book.checksum cimport BookChecksum
from engine.book.ladder cimport Ladder


cdef struct Change:
    int64_t price_raw
    int64_t qty_raw
    uint32_t expected          # of the message this change ends
    uint8_t book
    uint8_t side
    uint8_t ends               # last change of its message


cdef class ChecksumLoad:
    cdef readonly list ladders
    cdef list _checksums
    cdef Change* _changes
    cdef uint32_t _count
    cdef uint32_t _messages
    cdef uint32_t _depth

    cdef uint32_t _plain(self, Ladder book) noexcept
