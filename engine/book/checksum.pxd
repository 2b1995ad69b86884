"""Kraken's CRC32 over the ten best levels of each side, with the sums of unchanged levels kept. Pure."""
from libc.stdint cimport int64_t, uint32_t

from engine.book.ladder cimport Ladder
from engine.schema.market cimport Level

cdef enum:
    CHECKSUM_LEVELS = 10
    DIGITS_MAX = 20


cdef struct LevelSum:
    # The register behind the level's digits, begun at 0, and how many digits; joined as they stand in memory.
    uint32_t crc
    uint32_t length
    uint32_t price_crc         # of the price's digits alone
    uint32_t price_length


cdef class BookChecksum:
    """Checksum of one book; remembers its top and the sum of each level. Owned by the book's assembler."""
    cdef Level[2][CHECKSUM_LEVELS] _levels     # as the ladder holds them: keys, best last
    cdef LevelSum[2][CHECKSUM_LEVELS] _sums    # best first
    cdef uint32_t[2] _count
    cdef LevelSum[3] _parts                    # where the register starts, all asks, all bids
    cdef uint32_t _value
    cdef int _price_spare                      # engine scale minus the venue's precision
    cdef int _qty_spare

    cdef uint32_t of(self, Ladder book) noexcept
    cdef int _renew(self, int side, const Level* top, uint32_t count) noexcept


cdef uint32_t crc32(const char* text, size_t length, uint32_t crc=*) noexcept nogil
