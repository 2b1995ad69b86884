"""Kraken's hot path: a frame is decoded, applied to its books, proven by their checksums, published."""
from libc.stdint cimport int64_t, uint64_t

from engine.providers.assembler cimport BookAssembler
from engine.providers.kraken.continuity cimport ChecksumContinuity
from engine.providers.kraken.wire cimport KrakenDecoder, KrakenEntry
from engine.providers.leveltext cimport Span
from engine.providers.rowstream cimport RowStream
from engine.providers.tape cimport TradeTape


cdef class KrakenSymbol:
    """What one symbol needs besides its book."""
    cdef readonly BookAssembler book
    cdef readonly ChecksumContinuity continuity
    cdef readonly TradeTape trades             # of update frames
    cdef readonly TradeTape past_trades        # of snapshot frames: before the subscription
    cdef readonly bint has_precision           # the venue's decimals are known


cdef class KrakenStream(RowStream):
    cdef KrakenDecoder decoder
    cdef list states                   # KrakenSymbol by symbol index
    cdef list _tapes                   # theirs
    cdef list _past_tapes
    cdef readonly bint verify_checksum
    cdef readonly uint64_t heartbeats
    cdef readonly uint64_t errors      # frames in which the venue refuses something
    cdef readonly str system           # the venue's last status, None before the first
    cdef object on_reply               # called as on_reply(req_id, refusal, is_subscribe, channel, symbol)
    cdef object on_error               # called as on_error(conn, text)
    cdef object on_pong                # called as on_pong(req_id)
    cdef object on_status              # called as on_status(system)
    cdef object on_instruments         # called as on_instruments(frame)

    cdef int on_frame(self, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1
    cdef int _check(self, const char* text, size_t length) except -1
    cdef int _read_levels(self, const KrakenEntry* entry, BookAssembler book, const char* text) except -1
    cdef int _refuse(self, int code, bint is_decoded, const char* text, size_t length, int64_t ts_recv_ns,
                     int conn) except -1
    cdef int _lose(self, int index, int reason, int64_t ts_recv_ns) except -1
    cdef int _book(self, const KrakenEntry* entry, const char* text, int64_t ts_recv_ns, int conn) except -1
    cdef int _rare(self, const char* text, size_t length, int conn) except -1
