"""Time: nanoseconds since 1970 UTC that never go back. Stages hold a Clock; tests and replay pass their own."""
cimport cython
from libc.stdint cimport int64_t, uint64_t


cdef class Clock:
    """Source of now_ns(); owned by the runtime, shared by every stage of one engine."""
    cdef int64_t now_ns(self) noexcept
    # The monotonic clock, read as cheaply as this clock can; for durations, and for at().
    cdef int64_t mono_ns(self) noexcept
    # What now_ns() is at a reading of mono_ns(): one reading, both times.
    cdef int64_t at(self, int64_t mono_ns) noexcept


@cython.final
cdef class SystemClock(Clock):
    """The monotonic clock, anchored to UTC once and slewed towards it, at most 500 us a second.

    Where the kernel itself keeps time by the processor's tick counter, so does this clock between two readings of
    the kernel's, less than a millisecond apart: a system call's fence and arithmetic cost as much as a book update.
    """
    cdef uint64_t _synced_ticks      # counter and monotonic clock, read together
    cdef int64_t _synced_mono_ns
    cdef uint64_t _ns_per_tick       # times 2^32, measured between the last two such readings
    cdef uint64_t _ticks_valid       # readings nearer than this to the last one are extrapolated; 0 = none are
    cdef int64_t _last_mono_ns
    cdef int64_t _anchor_utc_ns
    cdef int64_t _anchor_mono_ns
    cdef int64_t _slew_ns            # still to be worked in, signed
    cdef int64_t _last_ns

    cdef int64_t _sync(self) noexcept


cdef class ManualClock(Clock):
    """Stands until it is moved: the clock of tests and of a replay at recorded time."""
    cdef int64_t _now_ns

    cdef void move_to(self, int64_t now_ns) noexcept


cdef int64_t monotonic_ns() noexcept nogil
