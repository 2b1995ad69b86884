"""The plain feed's hot path: a frame is decoded, judged by its number, applied to its book, proven, published."""
from libc.stdint cimport int64_t

from engine.providers.checkedstream cimport CheckedStream
from engine.providers.simulated.wire cimport SimulatedDecoder


cdef class SimulatedStream(CheckedStream):
    """The continuity of its symbols is a NumberContinuity."""
    cdef SimulatedDecoder decoder
    cdef readonly str state            # what the venue said last of itself, None before the first

    cdef int on_frame(self, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1
    cdef int _rows(self, int use, const char* text, size_t length, int64_t ts_recv_ns) except -1
    cdef int _rare(self, const char* text, size_t length, int conn) except -1
    cdef int _refuse(self, int code, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1
    cdef int _book(self, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1
