from libc.stdint cimport int64_t
from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime, timespec

cdef enum:
    SLEW_PER_SECOND_NS = 500_000


cdef int64_t monotonic_ns() noexcept nogil:
    """The monotonic clock, in ns from an arbitrary start: for durations and deadlines."""
    cdef timespec ts
    clock_gettime(CLOCK_MONOTONIC, &ts)
    return <int64_t>ts.tv_sec * 1_000_000_000 + ts.tv_nsec


cdef int64_t utc_ns() noexcept nogil:
    cdef timespec ts
    clock_gettime(CLOCK_REALTIME, &ts)
    return <int64_t>ts.tv_sec * 1_000_000_000 + ts.tv_nsec


cdef class Clock:
    cdef int64_t now_ns(self) noexcept:
        return 0

    def now(self) -> int:
        """Nanoseconds since 1970 UTC by this clock; never decreasing."""
        return self.now_ns()


cdef class SystemClock(Clock):
    def __cinit__(self):
        self._anchor_mono_ns = monotonic_ns()
        self._anchor_utc_ns = utc_ns()

    cdef int64_t now_ns(self) noexcept:
        cdef int64_t elapsed_ns = monotonic_ns() - self._anchor_mono_ns
        cdef int64_t now = self._anchor_utc_ns + elapsed_ns
        cdef int64_t allowed
        if self._slew_ns != 0:
            allowed = elapsed_ns // 1_000_000_000 * SLEW_PER_SECOND_NS \
                + elapsed_ns % 1_000_000_000 * SLEW_PER_SECOND_NS // 1_000_000_000
            now += max(-allowed, min(allowed, self._slew_ns))
        if now < self._last_ns:
            return self._last_ns
        self._last_ns = now
        return now

    def reanchor(self) -> int:
        """Aim at the wall clock again, by slewing; returns the offset in ns that is being worked in."""
        cdef int64_t now = self.now_ns()
        self._anchor_mono_ns = monotonic_ns()
        self._anchor_utc_ns = now
        self._slew_ns = utc_ns() - now
        return self._slew_ns


cdef class ManualClock(Clock):
    def __cinit__(self, int64_t now_ns=0):
        self._now_ns = now_ns

    cdef int64_t now_ns(self) noexcept:
        return self._now_ns

    cdef void move_to(self, int64_t now_ns) noexcept:
        if now_ns > self._now_ns:
            self._now_ns = now_ns

    def set(self, int64_t now_ns) -> None:
        """Move to *now_ns*; an earlier instant is ignored, as a Clock never goes back."""
        self.move_to(now_ns)

    def advance(self, int64_t by_ns) -> None:
        """Move forward by *by_ns*.

        Raises:
            ValueError: by_ns is negative.
        """
        if by_ns < 0:
            raise ValueError(f"advance by {by_ns} ns: a clock never goes back")
        self._now_ns += by_ns


def monotonic_now() -> int:
    """The monotonic clock in ns, for durations only."""
    return monotonic_ns()
