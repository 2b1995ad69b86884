cimport cython
from cpython.pythread cimport PyThread_allocate_lock, PyThread_free_lock, PyThread_release_lock, PyThread_type_lock
from libc.stdint cimport int64_t

cdef extern from "pythread.h" nogil:
    ctypedef enum PyLockStatus:
        PY_LOCK_ACQUIRED
    PyLockStatus PyThread_acquire_lock_timed(PyThread_type_lock lock, long long microseconds, int is_interruptible)


@cython.final
cdef class Wakeup:
    """A binary signal from one thread to another."""

    def __cinit__(self):
        self._lock = PyThread_allocate_lock()
        if self._lock == NULL:
            raise MemoryError("lock")
        PyThread_acquire_lock_timed(self._lock, 0, 0)

    def __dealloc__(self):
        if self._lock != NULL:
            if not self._posted:
                PyThread_release_lock(self._lock)
            PyThread_free_lock(self._lock)

    cdef int post(self) except -1:
        # The interpreter's lock is held here and from the end of a wait to the next line: _posted is never stale.
        if not self._posted:
            self._posted = True
            PyThread_release_lock(self._lock)
        return 0

    cdef bint wait(self, int64_t timeout_ns) except -1:
        cdef int64_t timeout_us = -1 if timeout_ns < 0 else (timeout_ns + 999) // 1000
        cdef PyLockStatus status
        with nogil:
            status = PyThread_acquire_lock_timed(self._lock, timeout_us, 0)
        if status != PY_LOCK_ACQUIRED:
            return False
        self._posted = False
        return True

    def wake(self) -> None:
        """End the wait in progress, or the next one; several before a wait count as one."""
        self.post()

    def wait_for(self, timeout_s: float) -> bool:
        """Wait at most *timeout_s*; returns whether it was woken."""
        return self.wait(<int64_t>(timeout_s * 1e9))
