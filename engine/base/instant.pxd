"""Times as venues write them, inline only: RFC 3339 text to nanoseconds since 1970 UTC.

``instants.py`` is the same for the surfaces, in Python; a test holds the two together.
"""
from libc.stdint cimport int64_t

from engine.base.jsonwalk cimport WIRE_BAD_TIME, WIRE_OK


cdef extern from *:
    """
    #include <stdint.h>
    static const uint8_t ENGINE_MONTH_DAYS[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    /* Two ASCII digits; above 99 when one of them is none. */
    static inline unsigned int engine_two_digits(const char *p) {
        unsigned int tens = (unsigned char)p[0] - 48u, ones = (unsigned char)p[1] - 48u;
        return tens > 9u || ones > 9u ? 100u : tens * 10u + ones;
    }
    """
    const unsigned char ENGINE_MONTH_DAYS[13]
    unsigned int engine_two_digits(const char* p) nogil


cdef enum:
    INSTANT_MIN_CHARS = 20           # 1970-01-01T00:00:00Z
    FRACTION_MAX_DIGITS = 9
    INSTANT_CHARS = 30               # 1970-01-01T00:00:00.000000000Z


cdef inline int64_t days_from_civil(int64_t year, int64_t month, int64_t day) noexcept nogil:
    """Days from 1970-01-01 to a Gregorian date of a year >= 1.

    Counted in eras of 400 years that begin in March, so that the leap day is the last of its year (Howard Hinnant,
    "chrono-Compatible Low-Level Date Algorithms").
    """
    cdef int64_t shifted = year - 1 if month <= 2 else year
    cdef int64_t era = shifted // 400
    cdef int64_t year_of_era = shifted - era * 400
    cdef int64_t day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468


cdef inline int parse_rfc3339(const char* p, const char* e, int64_t* ns) noexcept nogil:
    """Parse the text [p, e): ``YYYY-MM-DDTHH:MM:SS``, up to nine fractional digits, then ``Z`` or an offset.

    WIRE_OK, or WIRE_BAD_TIME: not such a text, no such moment, or outside 1970..2262. Reads nothing outside [p, e).
    """
    cdef unsigned int century, year, month, day, hour, minute, second, offset_hours, offset_minutes, digit
    cdef int64_t seconds
    cdef int64_t fraction_ns = 0
    cdef int digits = 0
    if e - p < INSTANT_MIN_CHARS or p[4] != c'-' or p[7] != c'-' or p[13] != c':' or p[16] != c':' \
            or (p[10] != c'T' and p[10] != c't' and p[10] != c' '):
        return WIRE_BAD_TIME
    century = engine_two_digits(p)
    year = engine_two_digits(p + 2)
    month = engine_two_digits(p + 5)
    day = engine_two_digits(p + 8)
    hour = engine_two_digits(p + 11)
    minute = engine_two_digits(p + 14)
    second = engine_two_digits(p + 17)
    if century > 99 or year > 99 or month > 12 or hour > 23 or minute > 59 or second > 59:
        return WIRE_BAD_TIME
    year += century * 100
    # One day beyond either edge: an offset may still bring the moment inside.
    if year < 1969 or year > 2263 or month == 0 or day == 0:
        return WIRE_BAD_TIME
    if day > ENGINE_MONTH_DAYS[month] and not (
            month == 2 and day == 29 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)):
        return WIRE_BAD_TIME
    seconds = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
    p += 19
    if p[0] == c'.':
        p += 1
        while p < e:
            digit = <unsigned char>p[0] - <unsigned int>c'0'
            if digit > 9:
                break
            if digits == FRACTION_MAX_DIGITS:
                return WIRE_BAD_TIME
            fraction_ns = fraction_ns * 10 + digit
            digits += 1
            p += 1
        if digits == 0:
            return WIRE_BAD_TIME
        while digits < FRACTION_MAX_DIGITS:
            fraction_ns *= 10
            digits += 1
    if e - p == 1:
        if p[0] != c'Z' and p[0] != c'z':
            return WIRE_BAD_TIME
    elif e - p == 6 and (p[0] == c'+' or p[0] == c'-') and p[3] == c':':
        offset_hours = engine_two_digits(p + 1)
        offset_minutes = engine_two_digits(p + 4)
        if offset_hours > 23 or offset_minutes > 59:
            return WIRE_BAD_TIME
        seconds -= (<int64_t>offset_hours * 3600 + offset_minutes * 60) * (1 if p[0] == c'+' else -1)
    else:
        return WIRE_BAD_TIME
    # 2^63 - 1 ns is 9,223,372,036 s and 854,775,807 ns.
    if seconds < 0 or seconds > 9223372036LL or (seconds == 9223372036LL and fraction_ns > 854_775_807):
        return WIRE_BAD_TIME
    ns[0] = seconds * 1_000_000_000 + fraction_ns
    return WIRE_OK


cdef inline void put_two_digits(char* out, int value) noexcept nogil:
    out[0] = <char>(c'0' + value // 10)
    out[1] = <char>(c'0' + value % 10)


cdef inline void put_rfc3339(char* out, int64_t ns) noexcept nogil:
    """Write the INSTANT_CHARS characters of a time that is not before 1970: nine fractional digits, ``Z``."""
    cdef int64_t seconds = ns // 1_000_000_000
    cdef int64_t fraction_ns = ns - seconds * 1_000_000_000
    cdef int64_t shifted = seconds // 86400 + 719468
    cdef int in_day = <int>(seconds % 86400)
    cdef int64_t era = shifted // 146097
    cdef int64_t day_of_era = shifted - era * 146097
    cdef int64_t year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    cdef int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    cdef int month = <int>((5 * day_of_year + 2) // 153)
    cdef int day = <int>(day_of_year - (153 * month + 2) // 5 + 1)
    cdef int year
    cdef int at
    month = month + 3 if month < 10 else month - 9
    year = <int>(year_of_era + era * 400) + (1 if month <= 2 else 0)
    put_two_digits(out, year // 100)
    put_two_digits(out + 2, year % 100)
    out[4] = out[7] = c'-'
    put_two_digits(out + 5, month)
    put_two_digits(out + 8, day)
    out[10] = c'T'
    put_two_digits(out + 11, in_day // 3600)
    put_two_digits(out + 14, in_day // 60 % 60)
    put_two_digits(out + 17, in_day % 60)
    out[13] = out[16] = c':'
    out[19] = c'.'
    for at in range(28, 19, -1):
        out[at] = <char>(c'0' + fraction_ns % 10)
        fraction_ns //= 10
    out[29] = c'Z'
