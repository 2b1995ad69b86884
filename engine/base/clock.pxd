"""Time: nanoseconds since 1970 UTC that never go back. Stages hold a Clock; tests and replay pass their own."""
from libc.stdint cimport int64_t


cdef class Clock:
    """Source of now_ns(); owned by the runtime, shared by every stage of one engine."""
    cdef int64_t now_ns(self) noexcept


cdef class SystemClock(Clock):
    """The monotonic clock, anchored to UTC once and slewed towards it, at most 500 us a second."""
    cdef int64_t _anchor_utc_ns
    cdef int64_t _anchor_mono_ns
    cdef int64_t _slew_ns            # still to be worked in, signed
    cdef int64_t _last_ns


cdef class ManualClock(Clock):
    """Stands until it is moved: the clock of tests and of a replay at recorded time."""
    cdef int64_t _now_ns

    cdef void move_to(self, int64_t now_ns) noexcept


cdef int64_t monotonic_ns() noexcept nogil
