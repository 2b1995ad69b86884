cimport cython
from libc.stdint cimport int64_t, uint64_t
from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime, timespec

from pathlib import Path

cdef extern from *:
    """
    #if defined(__x86_64__)
    #include <x86intrin.h>
    #define ENGINE_HAS_TICKS 1
    #define engine_ticks() __rdtsc()
    #else
    #define ENGINE_HAS_TICKS 0
    #define engine_ticks() 0
    #endif
    """
    const bint ENGINE_HAS_TICKS
    uint64_t engine_ticks() noexcept nogil

cdef enum:
    SLEW_ONE_IN = 2000                  # 500 us a second
    SYNC_TICKS = 1 << 21                # below 1 ms at 2.1 GHz and more
    SYNC_TICKS_MAX = 1 << 30            # a rate measured over more has forgotten too much (1 << 31 fits no enum)
    PAIR_TICKS_MAX = 1 << 10            # counter and clock read further apart than this were interrupted


def _kernel_keeps_time_by_ticks() -> bool:
    """Whether the kernel found the tick counter constant, never stopping and alike on all processors."""
    try:
        source = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource").read_text()
    except OSError:
        return False
    return source.strip() == "tsc"


cdef bint _ticks_hold = ENGINE_HAS_TICKS and _kernel_keeps_time_by_ticks()


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

    cdef int64_t mono_ns(self) noexcept:
        return monotonic_ns()

    cdef int64_t at(self, int64_t mono_ns) noexcept:
        return self.now_ns()

    def now(self) -> int:
        """Nanoseconds since 1970 UTC by this clock; never decreasing."""
        return self.now_ns()


@cython.final
cdef class SystemClock(Clock):
    def __cinit__(self):
        self._anchor_mono_ns = monotonic_ns()
        self._anchor_utc_ns = utc_ns()

    cdef int64_t now_ns(self) noexcept:
        return self.at(self.mono_ns())

    cdef int64_t mono_ns(self) noexcept:
        cdef uint64_t since = engine_ticks() - self._synced_ticks
        cdef int64_t now
        if since < self._ticks_valid:
            now = self._synced_mono_ns + <int64_t>((since * self._ns_per_tick) >> 32)
        else:
            now = self._sync()
        if now > self._last_mono_ns:
            self._last_mono_ns = now
        return self._last_mono_ns

    cdef int64_t _sync(self) noexcept:
        """Read the kernel's clock; when it is time, measure the tick rate since the last time and begin anew."""
        cdef uint64_t ticks = engine_ticks()
        cdef int64_t now = monotonic_ns()
        cdef uint64_t since = ticks - self._synced_ticks
        if not _ticks_hold or since < SYNC_TICKS or engine_ticks() - ticks > PAIR_TICKS_MAX:
            return now
        if self._synced_ticks != 0 and since < <uint64_t>SYNC_TICKS_MAX:
            self._ns_per_tick = (<uint64_t>(now - self._synced_mono_ns) << 32) // since
            self._ticks_valid = SYNC_TICKS
        self._synced_ticks = ticks
        self._synced_mono_ns = now
        return now

    cdef int64_t at(self, int64_t mono_ns) noexcept:
        cdef int64_t elapsed_ns = mono_ns - self._anchor_mono_ns
        cdef int64_t now = self._anchor_utc_ns + elapsed_ns
        cdef int64_t allowed
        if self._slew_ns != 0:
            allowed = elapsed_ns // SLEW_ONE_IN
            now += max(-allowed, min(allowed, self._slew_ns))
        if now < self._last_ns:
            return self._last_ns
        self._last_ns = now
        return now

    def reanchor(self, wall_ns: int | None = None) -> int:
        """Aim at the wall clock again, by slewing; returns the offset in ns that is being worked in.

        Args:
            wall_ns: what the wall clock says, ns since 1970 UTC; by default the system's.
        """
        cdef int64_t now = self.now_ns()
        self._anchor_mono_ns = self._last_mono_ns
        self._anchor_utc_ns = now
        self._slew_ns = (utc_ns() if wall_ns is None else <int64_t>wall_ns) - now
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
