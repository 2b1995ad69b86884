"""One thread waits, another wakes it: a binary signal that costs the waker one system call, and no lock of Python's."""
cimport cython
from cpython.pythread cimport PyThread_type_lock
from libc.stdint cimport int64_t


@cython.final
cdef class Wakeup:
    """Posted once or many times before a wait, it ends one wait. Any thread may post, one thread waits."""
    cdef PyThread_type_lock _lock        # held while nothing is posted
    cdef bint _posted

    cdef int post(self) except -1
    # Gives up the interpreter meanwhile. *timeout_ns* < 0 = as long as it takes. Answers whether it was posted.
    cdef bint wait(self, int64_t timeout_ns) except -1
