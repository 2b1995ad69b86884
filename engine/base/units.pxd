"""Unit arithmetic, inline everywhere: decimal text <-> scaled integers. No module of its own, no state.

A decimal text follows INS-06: ``-?(0|[1-9][0-9]*)(\\.[0-9]+)?``. Its raw value at *scale* is the text times
10^scale as int64; digits beyond the scale must be zeros, else the answer is PARSE_WIDEN.
"""
from libc.stdint cimport UINT64_MAX, int64_t, uint64_t
from libc.string cimport memcpy

from engine.base.plants cimport planted


cdef extern from *:
    """
    #define engine_likely(condition) __builtin_expect(!!(condition), 1)
    #define engine_unlikely(condition) __builtin_expect(!!(condition), 0)
    #define engine_prefetch(place) __builtin_prefetch(place)
    """
    # Which way a branch nearly always goes, so that the code of the other way stands aside.
    bint likely "engine_likely"(bint condition) nogil
    bint unlikely "engine_unlikely"(bint condition) nogil
    # Fetch the cache line of a place that will be read soon; any address is allowed.
    void prefetch "engine_prefetch"(const void* place) nogil


cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    static const int64_t ENGINE_POW10[19] = {
        1LL, 10LL, 100LL, 1000LL, 10000LL, 100000LL, 1000000LL, 10000000LL, 100000000LL, 1000000000LL,
        10000000000LL, 100000000000LL, 1000000000000LL, 10000000000000LL, 100000000000000LL,
        1000000000000000LL, 10000000000000000LL, 100000000000000000LL, 1000000000000000000LL};
    static inline int engine_mul_overflow(int64_t a, int64_t b, int64_t *out) {
        return __builtin_mul_overflow(a, b, out);
    }
    static inline int engine_add_overflow(int64_t a, int64_t b, int64_t *out) {
        return __builtin_add_overflow(a, b, out);
    }
    /* Eight characters as digit values: what is no digit becomes a byte above 9. */
    static inline uint64_t engine_digits(const char *p) {
        uint64_t w;
        memcpy(&w, p, 8);
        return w ^ 0x3030303030303030ULL;
    }
    /* The same for the last 1..8 characters before end; what stands before them counts as 0. Reads [end - 8, end). */
    static inline uint64_t engine_last_digits(const char *end, int length) {
        int before = 64 - 8 * length;
        return engine_digits(end - 8) >> before << before;
    }
    /* Non-zero if a byte is above 9. */
    static inline uint64_t engine_not_digits(uint64_t digits) {
        return ((digits + 0x7676767676767676ULL) | digits) & 0x8080808080808080ULL;
    }
    /* Value of eight digits, the first character in the low byte (every target is little-endian). */
    static inline uint64_t engine_eight_digits(uint64_t digits) {
        digits = digits * 10 + (digits >> 8);
        return ((digits & 0x000000FF000000FFULL) * 0x000F424000000064ULL
                + ((digits >> 16) & 0x000000FF000000FFULL) * 0x0000271000000001ULL) >> 32;
    }
    /* An integer text of 1..16 digits; 0 if it is anything else. Reads [end - 16, end). */
    static inline int engine_integer(const char *end, int length, uint64_t *value) {
        uint64_t low = length < 8 ? engine_last_digits(end, length) : engine_digits(end - 8);
        uint64_t high = length > 8 ? engine_last_digits(end - 8, length - 8) : 0;
        if (engine_unlikely((engine_not_digits(low) | engine_not_digits(high)) != 0)) return 0;
        *value = engine_eight_digits(high) * 100000000ULL + engine_eight_digits(low);
        return 1;
    }
    /* A text of 1..8 digits, a dot and 8 digits, without a leading zero, as an integer of scale (0..8) decimals; 0 if it
       is anything else, which may still be a decimal, or has other digits than zeros past the scale. Reads nothing
       before floor. */
    static inline int engine_eight_decimals(const char *floor, const char *p, const char *end, int scale,
                                            int64_t *value) {
        int64_t length = end - p;
        uint64_t low, high;
        int spare = 4 * (8 - scale);                       /* half the bits past the scale: shifted twice, as 64 may be */
        if (engine_unlikely(length < 10 || length > 17 || end - floor < 17 || end[-9] != '.')) return 0;
        if (engine_unlikely((*p == '0') & (length != 10))) return 0;
        low = engine_digits(end - 8);
        high = engine_last_digits(end - 9, (int)length - 9);
        if (engine_unlikely((engine_not_digits(low) | engine_not_digits(high)) != 0)) return 0;
        if (engine_unlikely(low >> (32 - spare) >> (32 - spare) != 0)) return 0;
        *value = (int64_t)(engine_eight_digits(high) * (uint64_t)ENGINE_POW10[scale]
                           + engine_eight_digits(low << spare << spare));
        return 1;
    }
    /* Up to 16 characters ending at end, digits with at most one dot, as one integer without a branch on any of
       them: the window is two words, what stands before the text becomes '0', the dot is shifted out.
       Returns 0 if it is anything else. Reads [end - 16, end). */
    static inline int engine_window(const char *end, int length, uint64_t *value, int *decimals) {
        const uint64_t zeros = 0x3030303030303030ULL, ones = 0x0101010101010101ULL, tops = 0x8080808080808080ULL;
        uint64_t lo, hi, x, below;
        int spare = 16 - length, at;
        memcpy(&lo, end - 16, 8);
        memcpy(&hi, end - 8, 8);
        if (spare >= 8) {
            lo = zeros;
            below = spare == 16 ? ~0ULL : (1ULL << (8 * (spare - 8))) - 1;
            hi = (hi & ~below) | (zeros & below);
        } else {
            below = (1ULL << (8 * spare)) - 1;
            lo = (lo & ~below) | (zeros & below);
        }
        *decimals = 0;
        x = hi ^ 0x2E2E2E2E2E2E2E2EULL;
        x = (x - ones) & ~x & tops;
        if (x) {
            at = __builtin_ctzll(x) & ~7;                  /* bit of the dot's byte */
            below = (1ULL << at) - 1;
            hi = (hi & ~((below << 8) | 0xFF)) | ((hi & below) << 8) | (lo >> 56);
            lo = (lo << 8) | 0x30;
            *decimals = 7 - (at >> 3);
        } else {
            x = lo ^ 0x2E2E2E2E2E2E2E2EULL;
            x = (x - ones) & ~x & tops;
            if (x) {
                at = __builtin_ctzll(x) & ~7;
                below = (1ULL << at) - 1;
                lo = (lo & ~((below << 8) | 0xFF)) | ((lo & below) << 8) | 0x30;
                *decimals = 15 - (at >> 3);
            }
        }
        lo ^= zeros;
        hi ^= zeros;
        if (engine_not_digits(lo) | engine_not_digits(hi)) return 0;
        *value = engine_eight_digits(lo) * 100000000ULL + engine_eight_digits(hi);
        return 1;
    }
    """
    const int64_t ENGINE_POW10[19]
    bint engine_mul_overflow(int64_t a, int64_t b, int64_t* out) nogil
    bint engine_add_overflow(int64_t a, int64_t b, int64_t* out) nogil
    bint engine_integer(const char* end, int length, uint64_t* value) nogil
    bint engine_eight_decimals(const char* floor, const char* p, const char* end, int scale, int64_t* value) nogil
    bint engine_window(const char* end, int length, uint64_t* value, int* decimals) nogil


cdef enum ParseCode:
    PARSE_OK = 0
    PARSE_WIDEN = 1          # non-zero digits beyond the scale; *out holds the scale that fits
    PARSE_OVERFLOW = 2       # outside int64, or more than 18 decimals
    PARSE_MALFORMED = 3      # not a decimal text


cdef enum:
    SCALE_MAX = 18
    NUMBER_CHARS = 48        # that any decimal text of ours fits into


cdef inline int parse_decimal_slow(const char* p, const char* end, int scale, int64_t* out) noexcept nogil:
    """Any decimal text, every check: the meaning of parse_decimal, without its fast path."""
    cdef bint negative = False
    cdef int64_t value = 0
    cdef int decimals = 0
    cdef int needed = 0
    cdef unsigned int digit
    cdef bint overflow = False
    if p < end and p[0] == c'-':
        negative = True
        p += 1
    if p >= end or p[0] < c'0' or p[0] > c'9':
        return PARSE_MALFORMED
    if p[0] == c'0' and p + 1 < end and p[1] != c'.':
        return PARSE_MALFORMED
    while p < end and c'0' <= p[0] <= c'9':
        digit = p[0] - c'0'
        if engine_mul_overflow(value, 10, &value) or engine_add_overflow(value, digit, &value):
            overflow = True
        p += 1
    if p < end:
        if p[0] != c'.' or p + 1 >= end:
            return PARSE_MALFORMED
        p += 1
        while p < end:
            if p[0] < c'0' or p[0] > c'9':
                return PARSE_MALFORMED
            digit = p[0] - c'0'
            decimals += 1
            if decimals <= scale:
                if engine_mul_overflow(value, 10, &value) or engine_add_overflow(value, digit, &value):
                    overflow = True
            elif digit != 0:
                needed = decimals
            p += 1
    if needed > SCALE_MAX or overflow:
        return PARSE_OVERFLOW
    if needed:
        out[0] = needed
        return PARSE_WIDEN
    while decimals < scale:
        if engine_mul_overflow(value, 10, &value):
            return PARSE_OVERFLOW
        decimals += 1
    out[0] = -value if negative else value
    return PARSE_OK


cdef inline int parse_decimal(const char* floor, const char* p, const char* end, int scale,
                              int64_t* out) noexcept nogil:
    """Parse the text [p, end) at *scale* into out; returns a ParseCode. Reads nothing before *floor*."""
    cdef Py_ssize_t length = end - p
    cdef uint64_t value, kept
    cdef int decimals
    if likely(scale <= 8 and engine_eight_decimals(floor, p, end, scale, out)):
        return PARSE_OK                    # the form of most texts
    if length > 16 or length < 1 or end - floor < 16 or (p[0] == c'0' and length > 1 and p[1] != c'.') \
            or p[0] == c'.' or end[-1] == c'.' or not engine_window(end, <int>length, &value, &decimals):
        return parse_decimal_slow(p, end, scale, out)
    if decimals == scale:
        out[0] = <int64_t>value
        return PARSE_OK
    if decimals < scale:
        # 16 digits and 10^2 stay inside int64; beyond that the slow way checks.
        if scale - decimals > 2 and engine_mul_overflow(<int64_t>value, ENGINE_POW10[scale - decimals], out):
            return PARSE_OVERFLOW
        out[0] = <int64_t>value * ENGINE_POW10[scale - decimals]
        return PARSE_OK
    kept = value // <uint64_t>ENGINE_POW10[decimals - scale]
    if kept * <uint64_t>ENGINE_POW10[decimals - scale] != value:
        return parse_decimal_slow(p, end, scale, out)
    out[0] = <int64_t>kept
    return PARSE_OK


cdef inline int parse_u64_slow(const char* p, const char* end, uint64_t* out) noexcept nogil:
    """Any unsigned integer text, every check."""
    cdef uint64_t value = 0
    cdef unsigned int digit
    cdef Py_ssize_t length = end - p
    if length <= 0 or (p[0] == c'0' and length > 1):
        return PARSE_MALFORMED
    while p < end:
        digit = <unsigned char>p[0] - <unsigned int>c'0'
        if digit > 9:
            return PARSE_MALFORMED
        if value > (UINT64_MAX - digit) // 10:
            return PARSE_OVERFLOW
        value = value * 10 + digit
        p += 1
    out[0] = value
    return PARSE_OK


cdef inline int parse_u64(const char* floor, const char* p, const char* end, uint64_t* out) noexcept nogil:
    """Parse a non-negative integer text [p, end) into out; PARSE_OK, PARSE_OVERFLOW or PARSE_MALFORMED."""
    cdef Py_ssize_t length = end - p
    if likely(1 <= length <= 16 and end - floor >= 16 and (p[0] != c'0' or length == 1)
              and engine_integer(end, <int>length, out)):
        return PARSE_OK
    return parse_u64_slow(p, end, out)


cdef inline int rescale(int64_t raw, int from_scale, int to_scale, int64_t* out) noexcept nogil:
    """Raw at a wider scale; PARSE_OVERFLOW when it leaves int64. to_scale must not be below from_scale."""
    if engine_mul_overflow(raw, ENGINE_POW10[to_scale - from_scale], out):
        return PARSE_OVERFLOW
    return PARSE_OK


cdef inline int put_digits(char* out, uint64_t value) noexcept nogil:
    """Write value as decimal digits without leading zeros, nothing for 0; returns the count (<= 20)."""
    cdef char[20] reverse
    cdef int n = 0
    cdef int i
    while value:
        reverse[n] = c'0' + <char>(value % 10)
        value //= 10
        n += 1
    for i in range(n):
        out[i] = reverse[n - 1 - i]
    return n


cdef inline int put_decimal(char* out, int64_t raw, int scale) noexcept nogil:
    """The shortest plain decimal of raw / 10^scale; returns its length, at most NUMBER_CHARS."""
    cdef char digits[NUMBER_CHARS]
    cdef uint64_t value = <uint64_t>raw
    cdef int at = 0
    cdef int count, whole
    if raw < 0:
        out[0] = c"-"
        at = 1
        value = 0 - value
    if value == 0:
        out[0] = c"0"
        return 1
    while scale > 0 and value % 10 == 0:
        value //= 10
        scale -= 1
    count = put_digits(digits, value)
    whole = count - scale
    if whole <= 0:
        out[at] = c"0"
        out[at + 1] = c"."
        at += 2
        while whole < 0:
            out[at] = c"0"
            at += 1
            whole += 1
        memcpy(out + at, digits, count)
        return at + count
    memcpy(out + at, digits, whole)
    at += whole
    if scale:
        out[at] = c"."
        memcpy(out + at + 1, digits + whole, scale)
        at += 1 + scale
    return at


cdef inline str format_decimal(int64_t raw, int scale):
    """Exactly *scale* decimals: raw 110 at scale 2 is ``1.10``."""
    cdef bint negative = raw < 0
    cdef str digits = str(raw if not negative else -<object>raw)
    if planted(b"units.through_float"):
        return f"{raw / 10 ** scale:.{scale}f}"
    if scale:
        if len(digits) <= scale:
            digits = "0" * (scale + 1 - len(digits)) + digits
        digits = digits[:-scale] + "." + digits[-scale:]
    return "-" + digits if negative else digits
