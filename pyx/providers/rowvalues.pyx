from libc.stdint cimport INT64_MAX, int64_t
from libc.string cimport memset

from engine.base.jsonwalk cimport WIRE_BAD_TIME, WIRE_BAD_VALUE, WIRE_MISSING_FIELD, WIRE_OK
from engine.providers.assembler cimport BookAssembler
from engine.providers.leveltext cimport Span
from engine.providers.rowtext cimport Row
from engine.schema.market cimport (TICKER_ASK, TICKER_ASK_QTY, TICKER_BID, TICKER_BID_QTY, TICKER_HIGH, TICKER_LAST,
                                   TICKER_LOW, TICKER_VOLUME, KlineData, TickerData)

cdef enum:
    PRICES = TICKER_LAST | TICKER_BID | TICKER_ASK | TICKER_HIGH | TICKER_LOW


cdef int read_number(BookAssembler book, const char* text, const Span* span, bint is_price, int64_t* out,
                     const char* name, const char** error) except -1:
    error[0] = name
    return book.parse(text, span.start, span.end, is_price, out)


cdef int read_sent(BookAssembler book, const char* text, const Span* span, int field, int64_t* out, const char* name,
                   TickerData* data, const char** error) except -1:
    """Read a TickerField that may not have been sent; ``present`` gains its bit when it was. A WireCode."""
    cdef int code
    if span.start == span.end:
        return WIRE_OK
    code = read_number(book, text, span, field & PRICES != 0, out, name, error)
    if code == WIRE_OK:
        data.present |= field
    return code


cdef int read_trade(const Row* row, BookAssembler book, const char* text, int64_t* price, int64_t* qty,
                    const char** error) except -1:
    cdef int code = read_number(book, text, &row.price, True, price, b"price", error)
    if code == WIRE_OK and price[0] <= 0:
        return WIRE_BAD_VALUE
    code = code or read_number(book, text, &row.qty, False, qty, b"qty", error)
    return WIRE_BAD_VALUE if code == WIRE_OK and qty[0] <= 0 else code


cdef int read_ticker(const Row* row, BookAssembler book, const char* text, TickerData* d,
                     const char** error) except -1:
    cdef int code
    memset(d, 0, sizeof(TickerData))
    code = read_sent(book, text, &row.price, TICKER_LAST, &d.last_price_raw, b"last", d, error) \
        or read_sent(book, text, &row.bid, TICKER_BID, &d.bid_price_raw, b"bid", d, error) \
        or read_sent(book, text, &row.bid_qty, TICKER_BID_QTY, &d.bid_qty_raw, b"bid_qty", d, error) \
        or read_sent(book, text, &row.ask, TICKER_ASK, &d.ask_price_raw, b"ask", d, error) \
        or read_sent(book, text, &row.ask_qty, TICKER_ASK_QTY, &d.ask_qty_raw, b"ask_qty", d, error) \
        or read_sent(book, text, &row.high, TICKER_HIGH, &d.high_24h_raw, b"high", d, error) \
        or read_sent(book, text, &row.low, TICKER_LOW, &d.low_24h_raw, b"low", d, error) \
        or read_sent(book, text, &row.volume, TICKER_VOLUME, &d.volume_24h_raw, b"volume", d, error)
    if code == WIRE_OK and not d.present & (TICKER_LAST | TICKER_BID | TICKER_ASK):
        error[0] = b"last"
        return WIRE_MISSING_FIELD
    return code


cdef int read_candle(const Row* row, BookAssembler book, const char* text, int64_t interval_ns, KlineData* candle,
                     const char** error) except -1:
    """WIRE_BAD_TIME, for which *error* is left as it was: the candle's end does not fit 64 bits."""
    memset(candle, 0, sizeof(KlineData))
    candle.interval_ns = interval_ns
    if row.start_ns > INT64_MAX - interval_ns:
        return WIRE_BAD_TIME
    candle.open_time_ns = row.start_ns
    candle.close_time_ns = row.start_ns + interval_ns
    candle.trade_count = row.trade_count
    candle.has_trade_count = row.has_trade_count
    return read_number(book, text, &row.open, True, &candle.open_raw, b"open", error) \
        or read_number(book, text, &row.high, True, &candle.high_raw, b"high", error) \
        or read_number(book, text, &row.low, True, &candle.low_raw, b"low", error) \
        or read_number(book, text, &row.price, True, &candle.close_raw, b"close", error) \
        or read_number(book, text, &row.volume, False, &candle.volume_raw, b"volume", error)
