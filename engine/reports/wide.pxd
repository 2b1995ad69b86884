"""128-bit integers: sums and products of prices and quantities, which wrap at no size that 64 bits of each can make."""
from libc.stdint cimport int64_t, uint64_t

from engine.base.units cimport engine_mul_overflow


cdef extern from *:
    """
    #include <stdint.h>
    typedef __int128 engine_wide;
    static inline engine_wide engine_wide_of(int64_t value) { return (engine_wide)value; }
    static inline engine_wide engine_wide_product(int64_t a, int64_t b) { return (engine_wide)a * b; }
    static inline engine_wide engine_wide_times(engine_wide a, int64_t b) { return a * b; }
    static inline engine_wide engine_wide_less(engine_wide a, engine_wide b) { return a - b; }
    static inline void engine_wide_add(engine_wide *sum, engine_wide more) { *sum += more; }
    static inline void engine_wide_take(engine_wide *sum, engine_wide less) { *sum -= less; }
    static inline void engine_wide_scale(engine_wide *sum, int64_t by) { *sum *= by; }
    static inline int engine_wide_is_below(engine_wide a, engine_wide b) { return a < b; }
    static inline int64_t engine_wide_high(engine_wide value) { return (int64_t)(value >> 64); }
    static inline uint64_t engine_wide_low(engine_wide value) { return (uint64_t)value; }
    """
    ctypedef struct wide "engine_wide":
        pass
    wide wide_of "engine_wide_of"(int64_t value) nogil
    wide wide_product "engine_wide_product"(int64_t a, int64_t b) nogil
    wide wide_times "engine_wide_times"(wide a, int64_t b) nogil
    wide wide_difference "engine_wide_less"(wide a, wide b) nogil
    void wide_add "engine_wide_add"(wide* sum, wide more) nogil
    void wide_take "engine_wide_take"(wide* sum, wide less) nogil
    void wide_scale "engine_wide_scale"(wide* sum, int64_t by) nogil
    bint wide_is_below "engine_wide_is_below"(wide a, wide b) nogil
    int64_t wide_high "engine_wide_high"(wide value) nogil
    uint64_t wide_low "engine_wide_low"(wide value) nogil


cdef inline object wide_int(wide value):
    """As a Python integer."""
    cdef int64_t high = wide_high(value)
    cdef uint64_t low = wide_low(value)
    if high == 0:
        return low
    return (<object>high << 64) + low


cdef inline wide wide_from(object value) except *:
    """Of a Python integer that is not negative."""
    cdef wide found = wide_of(<int64_t>(value >> 62))
    wide_scale(&found, <int64_t>1 << 62)
    wide_add(&found, wide_of(<int64_t>(value & ((1 << 62) - 1))))
    return found


cdef inline bint scale_raw(int64_t* value, int64_t by) noexcept nogil:
    """Take a number to a wider scale; False = it does not fit 64 bits there, and is left as it was."""
    cdef int64_t scaled
    if engine_mul_overflow(value[0], by, &scaled):
        return False
    value[0] = scaled
    return True
