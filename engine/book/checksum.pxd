"""Kraken's CRC32 over the ten best levels of each side, with the digits of unchanged levels kept. Pure."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from engine.book.ladder cimport Ladder

cdef enum:
    CHECKSUM_LEVELS = 10
    DIGITS_MAX = 20


cdef struct LevelDigits:
    int64_t price_raw          # as a key of the ladder
    int64_t qty_raw
    uint8_t price_length
    uint8_t length             # price and quantity together
    char[40] text              # price digits, then quantity digits, leading zeros gone


cdef class BookChecksum:
    """Checksum of one book; remembers the digits of its top. Owned by the book's assembler."""
    cdef LevelDigits[2][CHECKSUM_LEVELS] _top
    cdef uint32_t[2] _count
    cdef int _price_spare              # engine scale minus the venue's precision
    cdef int _qty_spare

    cdef uint32_t of(self, Ladder book) noexcept


cdef uint32_t crc32(const char* text, size_t length, uint32_t crc=*) noexcept nogil
