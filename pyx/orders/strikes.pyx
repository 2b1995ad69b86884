cimport cython
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc, free


@cython.final
cdef class Strikes:
    """Args:
    limit: strikes that are too many, from 1.
    window_ns: within how long.
    """

    def __cinit__(self, limit: int, window_ns: int):
        self._limit = limit
        self._window_ns = window_ns
        self._at = <int64_t*>calloc(self._limit, sizeof(int64_t))
        if self._at == NULL:
            raise MemoryError("strikes")

    def __dealloc__(self):
        free(self._at)

    cdef bint strike(self, int64_t now_ns) noexcept:
        cdef uint32_t place = self._next
        cdef int64_t since_ns
        self._at[place] = now_ns
        self._next = place + 1 if place + 1 < self._limit else 0
        if self.count < self._limit:
            self.count += 1
        # Once the ring is full, the next place to be written holds the oldest.
        since_ns = now_ns - self._at[self._next]
        if self.count < self._limit or since_ns > self._window_ns:
            return False
        self.forget()
        return True

    cdef void forget(self) noexcept:
        self.count = self._next = 0
