"""Binance Spot's hot path: a frame is decoded, judged by the id rule, applied to its book, published."""
cimport cython
from libc.stdint cimport int64_t, uint64_t

from engine.pools.frames cimport FrameQueue
from engine.providers.assembler cimport BookAssembler
from engine.providers.binance.continuity cimport DiffContinuity
from engine.providers.binance.crosscheck cimport SecondView
from engine.providers.binance.wire cimport BinanceDecoder, BinanceMessage
from engine.providers.tape cimport TradeTape
from engine.providers.venuestream cimport VenueStream
from engine.schema.ports cimport RawFrame


cdef class BinanceSymbol:
    """What one symbol's streams need besides its book."""
    cdef readonly BookAssembler book
    cdef readonly DiffContinuity continuity
    cdef readonly SecondView second_view
    cdef int price_scale               # scales the second view was last told
    cdef int qty_scale
    cdef readonly FrameQueue waiting   # diffs that wait for a snapshot
    cdef readonly TradeTape trades
    cdef readonly TradeTape aggregates
    cdef int tape_kind                 # the trade stream that is published: the first one seen, else volume doubles


@cython.final
cdef class BinanceStream(VenueStream):
    cdef BinanceDecoder decoder
    cdef list states                   # BinanceSymbol by symbol index
    cdef readonly int diff_buffer_max
    cdef readonly uint64_t buffer_overflows
    cdef readonly bint shutdown_announced
    cdef object on_reply               # called as on_reply(id, refusal text or None)
    cdef object on_shutdown

    cdef int _convert(self, BinanceSymbol state, size_t length) except -1
    cdef int _depth(self, int index, BinanceSymbol state, const char* text, size_t length, int64_t ts_recv_ns,
                    RawFrame* kept) except -1
    cdef int _wait(self, int index, BinanceSymbol state, const char* text, size_t length, int64_t ts_recv_ns,
                   RawFrame* kept, bint is_gap) except -1
    cdef int _replay(self, int index, BinanceSymbol state) except -1
    cdef int _find(self, const char* text) except -2
    cdef int _book_ticker(self, int index, BinanceSymbol state, const char* text, int64_t ts_recv_ns) except -1
    cdef int _trade(self, int index, BinanceSymbol state, const char* text, int64_t ts_recv_ns) except -1
    cdef int _ticker(self, int index, BookAssembler book, const char* text, int64_t ts_recv_ns) except -1
    cdef int _kline(self, int index, BookAssembler book, const char* text, int64_t ts_recv_ns) except -1
    cdef int _rare(self, const char* text, size_t length, int conn) except -1
    cdef int _lose(self, int index, BinanceSymbol state, int reason, int64_t ts_recv_ns) except -1
    cdef int _sync_scales(self, BinanceSymbol state) except -1
