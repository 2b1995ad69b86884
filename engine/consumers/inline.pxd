"""A consumer whose callbacks run in the engine's loop: lowest latency, and everyone waits while it thinks."""
cimport cython
from libc.stdint cimport int64_t, uint32_t

from engine.consumers.runner cimport Runner


@cython.final
cdef class InlineRunner(Runner):
    """Served at the end of each read. Owned by the runtime; engine's loop only."""
    cdef bint _busy

    cdef int64_t _serve_up_to(self, int64_t mono_ns, uint32_t limit) except -1
