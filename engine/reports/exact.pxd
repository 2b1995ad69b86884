"""Exact fractions of 128-bit integers, rounded once, half to even, and written as a report has them (D0).

Inline only. A denominator is above 0 and at most 10^36; no result here comes near 2^127 (SLO-40 bounds the settings).
"""
from libc.stdint cimport int64_t

from engine.reports.wide cimport wide

cdef enum:
    WIDE_CHARS = 96            # sign, 39 digits, point, zeros of up to 18 + 10 places


cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    typedef __int128 engine_wide;
    typedef unsigned __int128 engine_bare;

    static inline engine_bare engine_bare_of(engine_wide value) {
        return value < 0 ? -(engine_bare)value : (engine_bare)value;
    }

    /* num / den in units of 10^-places, half to even. */
    static inline engine_wide engine_rounded(engine_wide num, engine_wide den, int places) {
        engine_bare by = (engine_bare)den, rest = engine_bare_of(num), whole = rest / by;
        int i;
        rest %= by;
        for (i = 0; i < places; i++) {
            rest *= 10;
            whole = whole * 10 + rest / by;
            rest %= by;
        }
        if (rest > by - rest || (rest == by - rest && (whole & 1)))
            whole++;
        return num < 0 ? -(engine_wide)whole : (engine_wide)whole;
    }

    /* The shortest plain decimal of value / 10^places; returns its length. */
    static inline int engine_put_wide(char *out, engine_wide value, int places) {
        char digits[48];
        engine_bare left = engine_bare_of(value);
        uint64_t low;
        int count = 0, at = 0, i;
        if (left == 0) {
            out[0] = '0';
            return 1;
        }
        while (places > 0 && left % 10 == 0) {
            left /= 10;
            places--;
        }
        while (left > UINT64_MAX) {                 /* from the end */
            digits[count++] = (char)('0' + (int)(left % 10));
            left /= 10;
        }
        for (low = (uint64_t)left; low; low /= 10)
            digits[count++] = (char)('0' + (int)(low % 10));
        while (count <= places)
            digits[count++] = '0';
        if (value < 0)
            out[at++] = '-';
        for (i = count - 1; i >= 0; i--) {
            out[at++] = digits[i];
            if (i == places && i)
                out[at++] = '.';
        }
        return at;
    }

    static inline engine_wide engine_wide_ten(int places) {
        engine_wide value = 1;
        while (places-- > 0)
            value *= 10;
        return value;
    }

    /* weight * (num / den), that clamped to 0..1, in hundredths; num * by may be beyond 128 bits, den * by not. */
    static inline int64_t engine_points(int weight, engine_wide num, engine_wide by, engine_wide den) {
        if (num <= 0)
            return 0;
        if (num >= (den + by - 1) / by)
            return 100 * weight;
        return (int64_t)engine_rounded(num * by * weight, den, 2);
    }
    """
    wide rounded_wide "engine_rounded"(wide num, wide den, int places) noexcept nogil
    int put_wide "engine_put_wide"(char* out, wide value, int places) noexcept nogil
    wide wide_ten "engine_wide_ten"(int places) noexcept nogil
    int64_t points_of "engine_points"(int weight, wide num, wide by, wide den) noexcept nogil
