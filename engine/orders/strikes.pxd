"""How often something happened lately: the memory of a circuit breaker, and of the kill switch about breakers."""
cimport cython
from libc.stdint cimport int64_t, uint32_t


@cython.final
cdef class Strikes:
    """The instants of the last *limit* strikes. Owned by risk."""
    cdef int64_t* _at                    # ring
    cdef uint32_t _limit
    cdef uint32_t _next
    cdef readonly uint32_t count
    cdef int64_t _window_ns

    # Whether this strike is one too many: then all are forgotten.
    cdef bint strike(self, int64_t now_ns) noexcept
    cdef void forget(self) noexcept
