"""Kraken's hot path: a frame is decoded, applied to its books, proven by their checksums, published."""
from libc.stdint cimport int64_t

from engine.providers.assembler cimport BookAssembler
from engine.providers.checkedstream cimport CheckedStream, CheckedSymbol
from engine.providers.kraken.wire cimport KrakenDecoder, KrakenEntry
from engine.providers.leveltext cimport Span
from engine.providers.tape cimport TradeTape


cdef class KrakenSymbol(CheckedSymbol):
    """Its trades are of update frames alone; its continuity is a ChecksumContinuity."""
    cdef readonly TradeTape past_trades        # of snapshot frames: before the subscription


cdef class KrakenStream(CheckedStream):
    cdef KrakenDecoder decoder
    cdef list _past_tapes              # of its symbols, by symbol index
    cdef readonly str system           # the venue's last status, None before the first
    cdef object on_reply               # called as on_reply(req_id, refusal, is_subscribe, channel, symbol)
    cdef object on_pong                # called as on_pong(req_id)
    cdef object on_status              # called as on_status(system)

    cdef int on_frame(self, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1
    cdef int _check(self, const char* text, size_t length) except -1
    cdef int _read_levels(self, const KrakenEntry* entry, BookAssembler book, const char* text) except -1
    cdef int _refuse(self, int code, bint is_decoded, const char* text, size_t length, int64_t ts_recv_ns,
                     int conn) except -1
    cdef int _book(self, const KrakenEntry* entry, const char* text, int64_t ts_recv_ns, int conn) except -1
    cdef int _rare(self, const char* text, size_t length, int conn) except -1
