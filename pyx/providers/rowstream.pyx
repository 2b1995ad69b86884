from libc.stdint cimport int64_t, uint32_t

from engine.base.jsonwalk cimport WIRE_BAD_TIME, WIRE_BAD_VALUE, WIRE_OK, WIRE_UNKNOWN_VALUE
from engine.providers.assembler cimport BookAssembler
from engine.providers.quotechecks cimport candle_holds, ticker_holds
from engine.providers.rowtext cimport Row, RowTexts
from engine.providers.rowvalues cimport read_candle, read_ticker, read_trade
from engine.providers.tape cimport TradeTape
from engine.providers.venuestream cimport VenueStream
from engine.schema.market cimport TRADE_SIDE_BUY, TRADE_SIDE_SELL, KlineData, TickerData


cdef class RowStream(VenueStream):
    """Base of the streams of venues whose flat channels list rows of lower-case keys, oldest first."""

    cdef int64_t interval_ns(self, const Row* row, const char* text) except -1:
        """Interval of a candle; 0 for one that the venue does not have."""
        raise NotImplementedError(type(self).__name__)

    cdef int check_rows(self, RowTexts rows, int use, const char* text, bint* unknown) except -1:
        """Find the rows' symbols and read every number, widening scales where it must. A WireCode.

        *unknown* is set by a row whose symbol is not ours; the others count all the same.
        """
        cdef Row* row
        cdef uint32_t i
        cdef int code
        for i in range(rows.count):
            row = &rows.rows[i]
            row.index = self.find(text, &row.symbol)
            if row.index < 0:
                unknown[0] = True
                continue
            code = self._check_row(row, use, <BookAssembler>self.books[row.index], text)
            if code != WIRE_OK:
                return code
        return WIRE_OK

    cdef int _check_row(self, const Row* row, int use, BookAssembler book, const char* text) except -1:
        cdef TickerData ticker
        cdef KlineData candle
        cdef int64_t price = 0
        cdef int64_t qty = 0
        if use == ROWS_TRADES:
            return read_trade(row, book, text, &price, &qty, &self.row_error)
        if use == ROWS_TICKERS:
            return read_ticker(row, book, text, &ticker, &self.row_error)
        return self._read_kline(row, book, text, &candle)

    cdef int _read_kline(self, const Row* row, BookAssembler book, const char* text, KlineData* candle) except -1:
        cdef int64_t interval_ns = self.interval_ns(row, text)
        self.row_error = b"interval"
        if interval_ns == 0:
            return WIRE_UNKNOWN_VALUE
        cdef int code = read_candle(row, book, text, interval_ns, candle, &self.row_error)
        if code == WIRE_BAD_TIME:
            self.row_error = self.begin_field
        return code

    cdef int publish_trades(self, RowTexts rows, list tapes, bint is_past, const char* text,
                            int64_t ts_recv_ns) except -1:
        """Trades with the taker's side; *tapes* by symbol index count them, and those that are past only count."""
        cdef Row* row
        cdef BookAssembler book
        cdef int64_t price = 0
        cdef int64_t qty = 0
        cdef uint32_t i
        for i in range(rows.count):
            row = &rows.rows[i]
            if row.index < 0:
                continue
            book = <BookAssembler>self.books[row.index]
            read_trade(row, book, text, &price, &qty, &self.row_error)
            (<TradeTape>tapes[row.index]).add(row.trade_id, price, qty, row.is_buy, book.price_scale, book.qty_scale)
            if not is_past:
                self.publish_trade(row.index, row.trade_id, TRADE_SIDE_BUY if row.is_buy else TRADE_SIDE_SELL, price,
                                   qty, 1, row.time_ns, ts_recv_ns)
        return 0

    cdef int publish_tickers(self, RowTexts rows, const char* text, size_t length, int64_t ts_venue_ns,
                             int64_t ts_recv_ns) except -1:
        """Tickers at their own time, else at that of their frame; an impossible one is dead-lettered."""
        cdef Row* row
        cdef TickerData data
        cdef uint32_t i
        for i in range(rows.count):
            row = &rows.rows[i]
            if row.index < 0:
                continue
            read_ticker(row, <BookAssembler>self.books[row.index], text, &data, &self.row_error)
            if not ticker_holds(&data):
                self.reject(WIRE_BAD_VALUE, b"last", text, length)
                continue
            self.publish_ticker(row.index, &data, row.time_ns if row.time_ns else ts_venue_ns, ts_recv_ns)
        return 0

    cdef int publish_klines(self, RowTexts rows, const char* text, size_t length, int64_t ts_venue_ns,
                            int64_t ts_recv_ns) except -1:
        """Candles, oldest first as they come: there is no closed flag, a newer one closes the one before."""
        cdef Row* row
        cdef KlineData candle
        cdef uint32_t i
        for i in range(rows.count):
            row = &rows.rows[i]
            if row.index < 0:
                continue
            self._read_kline(row, <BookAssembler>self.books[row.index], text, &candle)
            if not candle_holds(&candle):
                self.reject(WIRE_BAD_VALUE, b"data", text, length)
                continue
            self.publish_kline(row.index, &candle, True, row.time_ns if row.time_ns else ts_venue_ns, ts_recv_ns)
        return 0
