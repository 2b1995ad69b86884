from libc.stdint cimport INT64_MAX, int64_t, uint32_t
from libc.string cimport memset

from engine.base.jsonwalk cimport WIRE_BAD_TIME, WIRE_BAD_VALUE, WIRE_MISSING_FIELD, WIRE_OK, WIRE_UNKNOWN_VALUE
from engine.providers.assembler cimport BookAssembler
from engine.providers.kraken.rowtext cimport KrakenRow
from engine.providers.leveltext cimport Span
from engine.schema.market cimport (TICKER_ASK, TICKER_ASK_QTY, TICKER_BID, TICKER_BID_QTY, TICKER_HIGH, TICKER_LAST,
                                   TICKER_LOW, TICKER_VOLUME, KlineData, TickerData)

from engine.providers.kraken import manifest

cdef enum:
    PRICES = TICKER_LAST | TICKER_BID | TICKER_ASK | TICKER_HIGH | TICKER_LOW

cdef object intervals_min = frozenset(manifest.KLINE_INTERVALS_MIN.values())


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


cdef int read_trade(const KrakenRow* row, BookAssembler book, const char* text, int64_t* price, int64_t* qty,
                    const char** error) except -1:
    cdef int code = read_number(book, text, &row.price, True, price, b"price", error)
    if code == WIRE_OK and price[0] <= 0:
        return WIRE_BAD_VALUE
    code = code or read_number(book, text, &row.qty, False, qty, b"qty", error)
    return WIRE_BAD_VALUE if code == WIRE_OK and qty[0] <= 0 else code


cdef int read_ticker(const KrakenRow* row, BookAssembler book, const char* text, TickerData* d,
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


cdef int read_candle(const KrakenRow* row, BookAssembler book, const char* text, KlineData* candle,
                     const char** error) except -1:
    memset(candle, 0, sizeof(KlineData))
    if row.interval_min not in intervals_min:
        error[0] = b"interval"
        return WIRE_UNKNOWN_VALUE
    candle.interval_ns = <int64_t>row.interval_min * 60_000_000_000
    if row.time_ns > INT64_MAX - candle.interval_ns:
        error[0] = b"interval_begin"
        return WIRE_BAD_TIME
    candle.open_time_ns = row.time_ns
    candle.close_time_ns = row.time_ns + candle.interval_ns
    candle.trade_count = row.trade_count
    candle.has_trade_count = row.has_trade_count
    return read_number(book, text, &row.open, True, &candle.open_raw, b"open", error) \
        or read_number(book, text, &row.high, True, &candle.high_raw, b"high", error) \
        or read_number(book, text, &row.low, True, &candle.low_raw, b"low", error) \
        or read_number(book, text, &row.price, True, &candle.close_raw, b"close", error) \
        or read_number(book, text, &row.volume, False, &candle.volume_raw, b"volume", error)
