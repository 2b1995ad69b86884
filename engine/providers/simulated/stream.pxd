"""The plain feed's hot path: a frame is decoded, judged by its number, applied to its book, proven, published."""
from libc.stdint cimport int64_t, uint64_t

from engine.providers.assembler cimport BookAssembler
from engine.providers.rowstream cimport RowStream
from engine.providers.simulated.continuity cimport NumberContinuity
from engine.providers.simulated.wire cimport SimulatedDecoder
from engine.providers.tape cimport TradeTape


cdef class SimulatedSymbol:
    """What one symbol needs besides its book."""
    cdef readonly BookAssembler book
    cdef readonly NumberContinuity continuity
    cdef readonly TradeTape trades
    cdef readonly bint has_precision           # the venue's decimals are known


cdef class SimulatedStream(RowStream):
    cdef SimulatedDecoder decoder
    cdef list states                   # SimulatedSymbol by symbol index
    cdef list _tapes                   # theirs
    cdef readonly bint verify_checksum
    cdef readonly uint64_t heartbeats
    cdef readonly uint64_t errors      # replies that refuse something
    cdef readonly str state            # what the venue said last of itself, None before the first
    cdef object on_error               # called as on_error(conn, text)
    cdef object on_instruments         # called as on_instruments(frame)

    cdef int on_frame(self, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1
    cdef int _rows(self, int use, const char* text, size_t length, int64_t ts_recv_ns) except -1
    cdef int _rare(self, const char* text, size_t length, int conn) except -1
    cdef int _refuse(self, int code, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1
    cdef int _lose(self, int index, int reason, int64_t ts_recv_ns) except -1
    cdef int _book(self, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1
