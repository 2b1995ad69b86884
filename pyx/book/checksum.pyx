from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from engine.base.plants cimport planted
from engine.base.units cimport ENGINE_POW10, put_digits
from engine.book.ladder cimport BookSide, Ladder, SIDE_ASK, SIDE_BID
from engine.schema.market cimport Level

# Slice-by-16: _table[k][b] is the CRC of byte b followed by k zero bytes (reflected polynomial 0xEDB88320).
cdef uint32_t[16][256] _table


cdef int _make_table() except -1:
    cdef uint32_t i, k, value
    for i in range(256):
        value = i
        for _ in range(8):
            value = (value >> 1) ^ (<uint32_t>0xEDB88320 if value & 1 else 0)
        _table[0][i] = value
    for k in range(1, 16):
        for i in range(256):
            _table[k][i] = (_table[k - 1][i] >> 8) ^ _table[0][_table[k - 1][i] & 255]
    return 0


_make_table()


cdef uint32_t crc32(const char* text, size_t length, uint32_t crc=0) noexcept nogil:
    """CRC-32 (IEEE 802.3) as zlib computes it; *crc* continues an earlier piece."""
    cdef uint64_t a, b
    cdef uint32_t value = ~crc
    while length >= 16:
        memcpy(&a, text, 8)
        memcpy(&b, text + 8, 8)
        a ^= value
        value = (_table[15][a & 255] ^ _table[14][(a >> 8) & 255] ^ _table[13][(a >> 16) & 255]
                 ^ _table[12][(a >> 24) & 255] ^ _table[11][(a >> 32) & 255] ^ _table[10][(a >> 40) & 255]
                 ^ _table[9][(a >> 48) & 255] ^ _table[8][a >> 56]
                 ^ _table[7][b & 255] ^ _table[6][(b >> 8) & 255] ^ _table[5][(b >> 16) & 255]
                 ^ _table[4][(b >> 24) & 255] ^ _table[3][(b >> 32) & 255] ^ _table[2][(b >> 40) & 255]
                 ^ _table[1][(b >> 48) & 255] ^ _table[0][b >> 56])
        text += 16
        length -= 16
    while length:
        value = _table[0][(value ^ <uint8_t>text[0]) & 255] ^ (value >> 8)
        text += 1
        length -= 1
    return ~value


cdef inline void write_qty(LevelDigits* digits, int spare) noexcept nogil:
    digits.length = digits.price_length + <uint8_t>put_digits(
        digits.text + digits.price_length, <uint64_t>(digits.qty_raw // ENGINE_POW10[spare]))


cdef class BookChecksum:
    """CRC32 of a book as Kraken defines it (WebSocket v2 book checksum guide).

    Args:
        price_spare: decimals the engine holds beyond the venue's price precision.
        qty_spare: the same for quantities. Digits beyond the precision are not part of the text.
    """

    def __init__(self, price_spare: int = 0, qty_spare: int = 0):
        self.set_spare(price_spare, qty_spare)

    def set_spare(self, price_spare: int, qty_spare: int) -> None:
        """Tell the decimals beyond the venue's precision again, after the engine's scale was widened."""
        self._price_spare = price_spare
        self._qty_spare = qty_spare
        self._count[0] = 0
        self._count[1] = 0

    cdef uint32_t of(self, Ladder book) noexcept:
        """Checksum of the book as it stands: asks from the lowest up, then bids from the highest down."""
        cdef char[2 * CHECKSUM_LEVELS * 40 + 8] text
        cdef LevelDigits[CHECKSUM_LEVELS] fresh
        cdef LevelDigits* held
        cdef LevelDigits* digits
        cdef const Level* place
        cdef const BookSide* side
        cdef uint32_t i, j, count, held_count
        cdef size_t length = 0
        cdef int s
        cdef bint moved
        for s in (SIDE_ASK, SIDE_BID):
            side = &book.sides[s]
            count = side.count if side.count < CHECKSUM_LEVELS else CHECKSUM_LEVELS
            held = &self._top[s][0]
            held_count = self._count[s]
            place = side.levels + side.head + side.count
            # In the common case one quantity changed and every price stands where it stood.
            moved = count != held_count
            for i in range(count):
                if moved or place[-1 - <int>i].price_raw != held[i].price_raw:
                    moved = True
                    break
                if place[-1 - <int>i].qty_raw != held[i].qty_raw:
                    held[i].qty_raw = place[-1 - <int>i].qty_raw
                    write_qty(&held[i], self._qty_spare)
            if moved:
                j = 0
                for i in range(count):
                    place -= 1
                    digits = &fresh[i]
                    while j < held_count and held[j].price_raw > place.price_raw:
                        j += 1
                    if j < held_count and held[j].price_raw == place.price_raw:
                        digits[0] = held[j]
                        if digits.qty_raw == place.qty_raw:
                            continue
                    else:
                        digits.price_raw = place.price_raw
                        digits.price_length = <uint8_t>put_digits(
                            digits.text, <uint64_t>((place.price_raw if s == SIDE_BID else -place.price_raw)
                                                    // ENGINE_POW10[self._price_spare]))
                    digits.qty_raw = place.qty_raw
                    write_qty(digits, self._qty_spare)
                memcpy(held, &fresh[0], count * sizeof(LevelDigits))
                self._count[s] = count
            for i in range(count):
                # Fixed-size copies: the next level overwrites what was copied too much.
                memcpy(text + length, held[i].text, 40)
                length += held[i].length
        if planted(b"checksum.always"):
            return 0
        return crc32(text, length)

    def value(self, Ladder book not None) -> int:
        """Checksum of *book*, 0 for an empty one."""
        return self.of(book)


def crc32_of(bytes text not None) -> int:
    """CRC-32 of *text*, equal to ``zlib.crc32``."""
    return crc32(text, len(text))
