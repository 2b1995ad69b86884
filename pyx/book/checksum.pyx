from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from engine.base.plants cimport planted
from engine.base.units cimport ENGINE_POW10, likely, unlikely
from engine.book.ladder cimport SIDE_ASK, SIDE_BID, BookSide, Ladder
from engine.schema.market cimport Level

from engine.base.errors import MisuseError

cdef extern from "carryless.h":
    uint64_t engine_join_portable(const char* texts, uint32_t count, uint32_t stride, const uint32_t* moves,
                                  uint32_t* length) noexcept nogil
    uint64_t engine_join_pclmul(const char* texts, uint32_t count, uint32_t stride, const uint32_t* moves,
                                uint32_t* length) noexcept nogil
    bint engine_has_pclmul() noexcept nogil

cdef extern from *:
    """
    #define engine_low_zeros(value) __builtin_ctzll(value)
    """
    int engine_low_zeros(uint64_t value) noexcept nogil

cdef enum:
    POLYNOMIAL = 0x6DB88320            # reflected and without its highest bit, which fits no enum
    TEXT_MAX = 2 * CHECKSUM_LEVELS * 2 * DIGITS_MAX
    EIGHT_DIGITS = 100_000_000

# Slice-by-16: _table[k][b] is the CRC of byte b followed by k zero bytes.
cdef uint32_t[16][256] _table
# _moves[n] is x^(8n - 1): what a register is multiplied with to stand n bytes further on.
cdef uint32_t[TEXT_MAX + 1] _moves
cdef bint _pclmul = engine_has_pclmul()

KERNELS = ("pclmul", "portable")


def choose_kernel(name: str | None = None) -> str:
    """Multiply by one of KERNELS from here on, None = the fastest that this processor has; returns its name.

    Raises:
        MisuseError: it is none of them, or this processor lacks it.
    """
    global _pclmul
    if name is None:
        name = KERNELS[not engine_has_pclmul()]
    if name not in KERNELS or (name == "pclmul" and not engine_has_pclmul()):
        raise MisuseError(f"no kernel {name!r} here", op="book.checksum", hint="portable runs everywhere")
    _pclmul = name == "pclmul"
    return name


cdef int _make_tables() except -1:
    cdef uint32_t i, k, value
    cdef uint32_t polynomial = <uint32_t>POLYNOMIAL | <uint32_t>1 << 31
    for i in range(256):
        value = i
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        _table[0][i] = value
    for k in range(1, 16):
        for i in range(256):
            _table[k][i] = (_table[k - 1][i] >> 8) ^ _table[0][_table[k - 1][i] & 255]
    _moves[0] = <uint32_t>POLYNOMIAL << 1 | 1          # times x it is 1
    for i in range(TEXT_MAX):
        _moves[i + 1] = (_moves[i] >> 8) ^ _table[0][_moves[i] & 255]
    return 0


_make_tables()


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


cdef inline uint32_t step8(uint32_t crc, uint64_t text) noexcept nogil:
    """The register behind eight more bytes, the first one lowest."""
    text ^= crc
    return (_table[7][text & 255] ^ _table[6][(text >> 8) & 255] ^ _table[5][(text >> 16) & 255]
            ^ _table[4][(text >> 24) & 255] ^ _table[3][(text >> 32) & 255] ^ _table[2][(text >> 40) & 255]
            ^ _table[1][(text >> 48) & 255] ^ _table[0][text >> 56])


cdef inline void join(LevelSum* texts, uint32_t count, LevelSum* whole) noexcept nogil:
    """Sum and length of texts one after the other, from those of each."""
    cdef uint64_t sum
    if likely(_pclmul):
        sum = engine_join_pclmul(<const char*>texts, count, sizeof(LevelSum), _moves, &whole.length)
    else:
        sum = engine_join_portable(<const char*>texts, count, sizeof(LevelSum), _moves, &whole.length)
    whole.crc = <uint32_t>(sum >> 32) ^ (_table[3][sum & 255] ^ _table[2][(sum >> 8) & 255]
                                         ^ _table[1][(sum >> 16) & 255] ^ _table[0][(sum >> 24) & 255])


cdef inline uint64_t eight_digits(uint64_t value) noexcept nogil:
    """The digits of a value below 10^8 with leading zeros, one a byte, the first one lowest: all lanes at once."""
    cdef uint64_t lanes, tens
    lanes = value // 10_000
    lanes |= (value - lanes * 10_000) << 32
    tens = ((lanes * 10_486) >> 20) & <uint64_t>0x7F0000007F               # / 100, exact below 10^4
    lanes = tens | (lanes - tens * 100) << 16
    tens = ((lanes * 103) >> 10) & <uint64_t>0x000F000F000F000F            # / 10, exact below 100
    return tens | (lanes - tens * 10) << 8


cdef inline uint32_t sum_digits(uint64_t value, uint32_t* length) noexcept nogil:
    """The register, begun at 0, behind the decimal digits of *value* without leading zeros; none for 0."""
    cdef uint64_t rest[2]
    cdef uint64_t digits, high
    cdef uint32_t crc
    cdef int groups = 0
    cdef int leading
    while value >= <uint64_t>EIGHT_DIGITS:
        high = value // <uint64_t>EIGHT_DIGITS
        rest[groups] = value - high * <uint64_t>EIGHT_DIGITS
        value = high
        groups += 1
    if value == 0:
        length[0] = 0
        return 0
    digits = eight_digits(value)
    leading = engine_low_zeros(digits) & 56
    # Zero bytes before a text leave a register of 0 as it is.
    crc = step8(0, ((digits | <uint64_t>0x3030303030303030) >> leading) << leading)
    length[0] = <uint32_t>(8 - (leading >> 3) + 8 * groups)
    while groups:
        groups -= 1
        crc = step8(crc, eight_digits(rest[groups]) | <uint64_t>0x3030303030303030)
    return crc


cdef inline bint same_levels(const Level* a, const Level* b, uint32_t count) noexcept nogil:
    cdef int64_t difference = 0
    cdef uint32_t i
    if likely(count == CHECKSUM_LEVELS):
        for i in range(CHECKSUM_LEVELS):
            difference |= (a[i].price_raw ^ b[i].price_raw) | (a[i].qty_raw ^ b[i].qty_raw)
    else:
        for i in range(count):
            difference |= (a[i].price_raw ^ b[i].price_raw) | (a[i].qty_raw ^ b[i].qty_raw)
    return difference == 0


cdef class BookChecksum:
    """CRC32 of a book as Kraken defines it (WebSocket v2 book checksum guide).

    Each level's digits are summed once. A CRC is linear, so the sum of a side is that of its levels, each multiplied
    with the power of x that stands for the digits behind it; only a side that has changed is added up again.

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
        memset(self._parts, 0, sizeof(self._parts))
        self._parts[0].crc = <uint32_t>0xFFFFFFFF
        self._value = 0

    cdef uint32_t of(self, Ladder book) noexcept:
        """Checksum of the book as it stands: asks from the lowest up, then bids from the highest down."""
        cdef const BookSide* side
        cdef const Level* top
        cdef uint32_t count
        cdef LevelSum whole
        cdef bint changed = False
        cdef int s
        for s in (SIDE_ASK, SIDE_BID):
            side = &book.sides[s]
            count = side.count if side.count < CHECKSUM_LEVELS else CHECKSUM_LEVELS
            top = side.levels + side.head + side.count - count
            if count != self._count[s] or not same_levels(top, self._levels[s], count):
                self._renew(s, top, count)
                changed = True
        if changed:
            join(self._parts, 3, &whole)
            self._value = ~whole.crc
        if planted(b"checksum.always"):
            return 0
        return self._value

    cdef int _renew(self, int side, const Level* top, uint32_t count) noexcept:
        """Sum a side again: levels that stood anywhere in it before bring their sums along."""
        cdef LevelSum[CHECKSUM_LEVELS] fresh
        cdef LevelSum[2] halves
        cdef LevelSum* sum
        cdef const LevelSum* held = self._sums[side]
        cdef const Level* place = top + count
        cdef const Level* old = &self._levels[side][0] + self._count[side]
        cdef uint32_t i
        cdef uint32_t left = self._count[side]
        cdef int64_t value
        for i in range(count):
            place -= 1
            sum = &fresh[i]
            while left and old[-1].price_raw > place.price_raw:
                old -= 1
                held += 1
                left -= 1
            if left and old[-1].price_raw == place.price_raw:
                sum[0] = held[0]
                old -= 1
                held += 1
                left -= 1
                if likely(old.qty_raw == place.qty_raw):
                    continue
            else:
                value = place.price_raw if side == SIDE_BID else -place.price_raw
                if unlikely(self._price_spare != 0):
                    value //= ENGINE_POW10[self._price_spare]
                sum.price_crc = sum_digits(<uint64_t>value, &sum.price_length)
            value = place.qty_raw
            if unlikely(self._qty_spare != 0):
                value //= ENGINE_POW10[self._qty_spare]
            halves[0].crc = sum.price_crc
            halves[0].length = sum.price_length
            halves[1].crc = sum_digits(<uint64_t>value, &halves[1].length)
            join(halves, 2, sum)
        memcpy(self._sums[side], fresh, sizeof(fresh))
        memcpy(self._levels[side], top, count * sizeof(Level))
        self._count[side] = count
        join(fresh, count, &self._parts[1 if side == SIDE_ASK else 2])
        return 0

    def value(self, Ladder book not None) -> int:
        """Checksum of *book*, 0 for an empty one."""
        return self.of(book)


def crc32_of(bytes text not None) -> int:
    """CRC-32 of *text*, equal to ``zlib.crc32``."""
    return crc32(text, len(text))
