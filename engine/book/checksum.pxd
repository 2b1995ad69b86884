"""Kraken's CRC32 over the ten best levels of each side, with the sums of unchanged levels kept. Pure."""
from libc.stdint cimport int64_t, uint32_t

from engine.book.ladder cimport BookSide, Ladder
from engine.schema.market cimport Level

cdef enum:
    CHECKSUM_LEVELS = 10
    DIGITS_MAX = 20


cdef struct LevelSum:
    # The register behind the level's digits, begun at 0, and how many digits.
    uint32_t crc
    uint32_t length
    uint32_t price_crc         # of the price's digits alone
    uint32_t price_length


cdef class BookChecksum:
    """Checksum of one book; remembers its top and the sum of each level. Owned by the book's assembler."""
    cdef Level[2][CHECKSUM_LEVELS] _levels     # as the ladder holds them: keys, best last; INT64_MIN where none is
    cdef LevelSum[2][CHECKSUM_LEVELS] _sums    # theirs
    cdef LevelSum[3] _parts                    # all bids, all asks, where the register starts
    cdef uint32_t _value
    cdef int _price_spare                      # engine scale minus the venue's precision
    cdef int _qty_spare

    cdef uint32_t of(self, Ladder book) noexcept
    cdef bint _refresh(self, const BookSide* side, int side_index) noexcept
    cdef int _follow(self, int side_index, const Level* top) noexcept
    cdef int _sum_price(self, int side_index, int64_t key, LevelSum* sum) noexcept
    cdef int _sum_qty(self, int64_t qty_raw, LevelSum* sum) noexcept


cdef uint32_t crc32(const char* text, size_t length, uint32_t crc=*) noexcept nogil
