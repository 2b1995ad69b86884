"""128-bit integers: quantities and sums of money at any scale, exact; what does not fit is told, never wrapped (RSK-08)."""
from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    """
    typedef __int128 engine_wide;
    #define engine_wide_add(a, b, out) __builtin_add_overflow((engine_wide)(a), (engine_wide)(b), (out))
    #define engine_wide_sub(a, b, out) __builtin_sub_overflow((engine_wide)(a), (engine_wide)(b), (out))
    #define engine_wide_mul(a, b, out) __builtin_mul_overflow((engine_wide)(a), (engine_wide)(b), (out))
    #define engine_wide_of(high, low) ((engine_wide)(((unsigned __int128)(unsigned long long)(high) << 64) | (low)))
    #define engine_wide_high(a) ((long long)((unsigned __int128)(a) >> 64))
    #define engine_wide_low(a) ((unsigned long long)(a))
    """
    ctypedef long long wide "engine_wide"
    # Whether the result does not fit; then *out is not to be read.
    bint wide_add "engine_wide_add"(wide a, wide b, wide* out) nogil
    bint wide_sub "engine_wide_sub"(wide a, wide b, wide* out) nogil
    bint wide_mul "engine_wide_mul"(wide a, wide b, wide* out) nogil
    wide wide_of "engine_wide_of"(int64_t high, uint64_t low) nogil
    int64_t wide_high "engine_wide_high"(wide a) nogil
    uint64_t wide_low "engine_wide_low"(wide a) nogil


cdef inline object to_int(wide value):
    return (<object>wide_high(value) << 64) | wide_low(value)


cdef inline int from_int(object value, wide* out) except -1:
    """Raises OverflowError for what 128 bits do not hold."""
    out[0] = wide_of(value >> 64, value & 0xFFFF_FFFF_FFFF_FFFF)
    return 0
