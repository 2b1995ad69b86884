from libc.stdint cimport INT64_MIN, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove, memset

from engine.base.plants cimport planted
from engine.base.units cimport ENGINE_POW10, likely, unlikely
from engine.book.ladder cimport SIDE_ASK, SIDE_BID, BookSide, Ladder, key_of
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
    """Sum and length of texts, the last one first and so on, from those of each."""
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


cdef inline bint same_levels(const Level* a, const Level* b) noexcept nogil:
    cdef int64_t difference = 0
    cdef int i
    for i in range(CHECKSUM_LEVELS):
        difference |= (a[i].price_raw ^ b[i].price_raw) | (a[i].qty_raw ^ b[i].qty_raw)
    return difference == 0


cdef int pad(const BookSide* side, Level* room) noexcept nogil:
    """A side of fewer levels than count, as one of ten: behind its worst stands nothing."""
    cdef int none = CHECKSUM_LEVELS - <int>side.count
    cdef int i
    for i in range(none):
        room[i].price_raw = INT64_MIN
        room[i].qty_raw = 0
    for i in range(none, CHECKSUM_LEVELS):
        room[i] = side.levels[side.head + i - none]
    return 0


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
        cdef int i
        memset(self._levels, 0, sizeof(self._levels))
        for i in range(CHECKSUM_LEVELS):
            self._levels[0][i].price_raw = INT64_MIN
            self._levels[1][i].price_raw = INT64_MIN
        memset(self._sums, 0, sizeof(self._sums))
        memset(self._parts, 0, sizeof(self._parts))
        self._parts[2].crc = <uint32_t>0xFFFFFFFF
        self._value = 0

    cdef uint32_t of(self, Ladder book) noexcept:
        """Checksum of the book as it stands: asks from the lowest up, then bids from the highest down."""
        cdef LevelSum whole
        cdef bint changed = self._refresh(&book.sides[SIDE_BID], SIDE_BID)
        changed |= self._refresh(&book.sides[SIDE_ASK], SIDE_ASK)
        if changed:
            join(self._parts, 3, &whole)
            self._value = ~whole.crc
        if planted(b"checksum.always"):
            return 0
        return self._value

    cdef inline bint _refresh(self, const BookSide* side, int side_index) noexcept:
        """Follow a side; whether any of its ten best moved."""
        cdef Level[CHECKSUM_LEVELS] room
        cdef const Level* top = room
        if likely(side.count >= CHECKSUM_LEVELS):
            top = side.levels + side.head + side.count - CHECKSUM_LEVELS
        else:
            pad(side, room)
        if same_levels(top, self._levels[side_index]):
            return False
        self._follow(side_index, top)
        join(self._sums[side_index], CHECKSUM_LEVELS, &self._parts[side_index])
        return True

    cdef int _follow(self, int side_index, const Level* top) noexcept:
        """Make of the kept levels those of *top*, from the best on; a level that only moves keeps its sum."""
        cdef Level* held = self._levels[side_index]
        cdef LevelSum* sums = self._sums[side_index]
        cdef int at = CHECKSUM_LEVELS - 1
        while at >= 0:
            if held[at].price_raw > top[at].price_raw:        # gone: what is worse moves up
                memmove(held + 1, held, at * sizeof(Level))
                memmove(sums + 1, sums, at * sizeof(LevelSum))
                held[0].price_raw = INT64_MIN
                held[0].qty_raw = 0
                memset(sums, 0, sizeof(LevelSum))
                continue
            if held[at].price_raw != top[at].price_raw:       # new: what is worse moves down
                memmove(held, held + 1, at * sizeof(Level))
                memmove(sums, sums + 1, at * sizeof(LevelSum))
                held[at] = top[at]
                self._sum_price(side_index, top[at].price_raw, &sums[at])
                self._sum_qty(top[at].qty_raw, &sums[at])
            elif held[at].qty_raw != top[at].qty_raw:
                held[at].qty_raw = top[at].qty_raw
                self._sum_qty(top[at].qty_raw, &sums[at])
            at -= 1
        return 0

    cdef int _sum_price(self, int side_index, int64_t key, LevelSum* sum) noexcept:
        cdef int64_t value = key_of(side_index, key)
        if unlikely(self._price_spare != 0):
            value //= ENGINE_POW10[self._price_spare]
        sum.price_crc = sum_digits(<uint64_t>value, &sum.price_length)
        return 0

    cdef int _sum_qty(self, int64_t qty_raw, LevelSum* sum) noexcept:
        """The quantity's digits behind those of the price."""
        cdef LevelSum[2] halves
        if unlikely(self._qty_spare != 0):
            qty_raw //= ENGINE_POW10[self._qty_spare]
        halves[0].crc = sum_digits(<uint64_t>qty_raw, &halves[0].length)
        halves[1].crc = sum.price_crc
        halves[1].length = sum.price_length
        join(halves, 2, sum)
        return 0

    def value(self, Ladder book not None) -> int:
        """Checksum of *book*, 0 for an empty one."""
        return self.of(book)


def crc32_of(bytes text not None) -> int:
    """CRC-32 of *text*, equal to ``zlib.crc32``."""
    return crc32(text, len(text))
