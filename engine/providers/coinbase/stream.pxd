"""Coinbase Advanced Trade's hot path: a frame is decoded, judged by its number, applied to its books, published."""
from libc.stdint cimport int64_t, uint64_t

from engine.providers.assembler cimport BookAssembler
from engine.providers.coinbase.continuity cimport SequenceContinuity
from engine.providers.coinbase.wire cimport CoinbaseDecoder, CoinbaseEvent
from engine.providers.leveltext cimport LevelTexts, Span
from engine.providers.rowtext cimport Row
from engine.providers.tape cimport TradeTape
from engine.providers.venuestream cimport VenueStream
from engine.schema.market cimport KlineData, TickerData


cdef class CoinbaseSymbol:
    """What one product needs besides its book."""
    cdef readonly BookAssembler book
    cdef readonly TradeTape trades
    cdef readonly int conn             # connection that brought the book's last snapshot, -1 = no valid book
    cdef bint may_have_missed          # it has no book, and its snapshot may have been in what was lost
    cdef uint64_t ordinal              # of the last message that went into the book: the venue's number is nobody's
    # -- events as received, ignored ones too
    cdef readonly uint64_t snapshots
    cdef readonly uint64_t updates
    cdef readonly uint64_t empty_updates


cdef class CoinbaseStream(VenueStream):
    cdef CoinbaseDecoder decoder
    cdef list states                   # CoinbaseSymbol by symbol index
    cdef dict _connections             # connection -> SequenceContinuity
    cdef SequenceContinuity _numbers   # of _conn, the connection of the last frame
    cdef int _conn
    cdef LevelTexts _bids              # a product's levels, gathered from several events of a frame
    cdef LevelTexts _asks
    cdef readonly uint64_t heartbeats
    cdef readonly uint64_t errors      # frames in which the venue refuses something
    cdef object on_error               # called as on_error(conn, text)
    cdef object on_subscriptions       # called as on_subscriptions(conn, {channel: [product, ..]})

    cdef int on_frame(self, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1
    cdef int _check(self, const char* text, size_t length) except -1
    cdef int _check_books(self, const char* text, bint* unknown) except -1
    cdef int _read_product(self, int i, const char* text) except -1
    cdef int _check_row(self, Row* row, BookAssembler book, const char* text) except -1
    cdef int _turn_to(self, int conn) except -1
    cdef bint _is_next(self, int conn, int64_t ts_recv_ns) except -1
    cdef int _lose_connection(self, int conn, int reason, int64_t ts_recv_ns) except -1
    cdef int _apply(self, const CoinbaseEvent* event, int64_t ts_recv_ns, int conn) except -1
    cdef int _trades(self, const char* text, int64_t ts_recv_ns) except -1
    cdef int _read_trade(self, const Row* row, BookAssembler book, const char* text, int64_t* price,
                         int64_t* qty) except -1
    cdef int _tickers(self, const char* text, size_t length, int64_t ts_recv_ns) except -1
    cdef int _read_ticker(self, const Row* row, BookAssembler book, const char* text,
                          TickerData* data) except -1
    cdef int _candles(self, const char* text, size_t length, int64_t ts_recv_ns) except -1
    cdef int _read_candle(self, const Row* row, BookAssembler book, const char* text,
                          KlineData* candle) except -1
    cdef int _rare(self, const char* text, int conn) except -1
