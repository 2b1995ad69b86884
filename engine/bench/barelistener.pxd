"""The floor of the live regime: a picows listener that looks at each frame and does nothing with it."""
from libc.stdint cimport uint64_t
from picows.picows cimport WSFrame, WSListener, WSTransport


cdef class BareListener(WSListener):
    cdef readonly uint64_t frames
    cdef readonly uint64_t reads
    cdef readonly uint64_t byte_count
    cdef readonly object transport
    cdef object _on_lost
