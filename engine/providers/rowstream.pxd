"""What venues share whose flat channels list rows: trades, tickers and candles are checked, then published."""
from libc.stdint cimport int64_t

from engine.providers.assembler cimport BookAssembler
from engine.providers.rowtext cimport Row, RowTexts
from engine.providers.venuestream cimport VenueStream
from engine.schema.market cimport KlineData


cdef enum RowUse:
    ROWS_TRADES = 0
    ROWS_TICKERS = 1
    ROWS_KLINES = 2


cdef class RowStream(VenueStream):
    """Owned by the provider, used on the engine's loop only. A subclass knows the venue's candle intervals."""
    cdef const char* row_error     # the field that a row was refused for
    cdef const char* begin_field   # what the venue calls a candle's start

    cdef int64_t interval_ns(self, const Row* row, const char* text) except -1
    cdef int check_rows(self, RowTexts rows, int use, const char* text, bint* unknown) except -1
    cdef int publish_trades(self, RowTexts rows, list tapes, bint is_past, const char* text,
                            int64_t ts_recv_ns) except -1
    cdef int publish_tickers(self, RowTexts rows, const char* text, size_t length, int64_t ts_venue_ns,
                             int64_t ts_recv_ns) except -1
    cdef int publish_klines(self, RowTexts rows, const char* text, size_t length, int64_t ts_venue_ns,
                            int64_t ts_recv_ns) except -1
    cdef int _check_row(self, const Row* row, int use, BookAssembler book, const char* text) except -1
    cdef int _read_kline(self, const Row* row, BookAssembler book, const char* text, KlineData* candle) except -1
