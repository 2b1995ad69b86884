from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from engine.base.jsonwalk cimport WIRE_BAD_VALUE, WIRE_OK, WIRE_UNKNOWN_VALUE
from engine.providers.assembler cimport BookAssembler
from engine.providers.binance.wire cimport BinanceMessage
from engine.providers.quotechecks cimport candle_holds, ticker_holds
from engine.schema.market cimport (TICKER_ASK, TICKER_ASK_QTY, TICKER_BID, TICKER_BID_QTY, TICKER_HIGH, TICKER_LAST,
                                   TICKER_LOW, TICKER_OPEN, TICKER_VOLUME, KlineData, TickerData)

from engine.providers.binance.manifest import KLINE_INTERVALS_S


cdef int read_book_ticker(const BinanceMessage* m, BookAssembler book, const char* text, TickerData* d) except -1:
    cdef int code
    memset(d, 0, sizeof(TickerData))
    while True:
        price_scale = book.price_scale
        qty_scale = book.qty_scale
        code = book.parse(text, m.bid.start, m.bid.end, True, &d.bid_price_raw) \
            or book.parse(text, m.bid_qty.start, m.bid_qty.end, False, &d.bid_qty_raw) \
            or book.parse(text, m.ask.start, m.ask.end, True, &d.ask_price_raw) \
            or book.parse(text, m.ask_qty.start, m.ask_qty.end, False, &d.ask_qty_raw)
        if code != WIRE_OK:
            return code
        if price_scale == book.price_scale and qty_scale == book.qty_scale:
            d.present = TICKER_BID | TICKER_BID_QTY | TICKER_ASK | TICKER_ASK_QTY
            return WIRE_OK


cdef int read_ticker(const BinanceMessage* m, BookAssembler book, const char* text, TickerData* d,
                     const char** error) except -1:
    cdef int code
    while True:
        price_scale = book.price_scale
        qty_scale = book.qty_scale
        code = read_book_ticker(m, book, text, d) \
            or book.parse(text, m.last.start, m.last.end, True, &d.last_price_raw) \
            or book.parse(text, m.open.start, m.open.end, True, &d.open_24h_raw) \
            or book.parse(text, m.high.start, m.high.end, True, &d.high_24h_raw) \
            or book.parse(text, m.low.start, m.low.end, True, &d.low_24h_raw) \
            or book.parse(text, m.volume.start, m.volume.end, False, &d.volume_24h_raw)
        if code != WIRE_OK:
            return code
        if price_scale == book.price_scale and qty_scale == book.qty_scale:
            break
    d.present |= TICKER_LAST | TICKER_OPEN | TICKER_HIGH | TICKER_LOW | TICKER_VOLUME
    error[0] = b"c"
    return WIRE_OK if ticker_holds(d) else WIRE_BAD_VALUE


cdef int read_candle(const BinanceMessage* m, BookAssembler book, const char* text, KlineData* candle,
                     const char** error) except -1:
    cdef int code
    memset(candle, 0, sizeof(KlineData))
    seconds = KLINE_INTERVALS_S.get(text[m.interval.start:m.interval.end].partition(b"@")[0])
    if seconds is None:
        error[0] = b"i"
        return WIRE_UNKNOWN_VALUE
    while True:
        price_scale = book.price_scale
        qty_scale = book.qty_scale
        code = book.parse(text, m.open.start, m.open.end, True, &candle.open_raw) \
            or book.parse(text, m.high.start, m.high.end, True, &candle.high_raw) \
            or book.parse(text, m.low.start, m.low.end, True, &candle.low_raw) \
            or book.parse(text, m.last.start, m.last.end, True, &candle.close_raw) \
            or book.parse(text, m.volume.start, m.volume.end, False, &candle.volume_raw)
        if code != WIRE_OK:
            return code
        if price_scale == book.price_scale and qty_scale == book.qty_scale:
            break
    candle.interval_ns = <int64_t>seconds * 1_000_000_000
    candle.open_time_ns = venue_ns(m.open_ms)
    # T is the last instant inside the candle; ours is the exclusive end.
    candle.close_time_ns = venue_ns(m.close_ms) + (1000 if m.close_ms >= <uint64_t>MICROSECONDS_FROM else 1_000_000)
    candle.trade_count = m.trade_count
    candle.has_trade_count = 1
    candle.is_closed = m.is_closed
    error[0] = b"k"
    return WIRE_OK if candle_holds(candle) else WIRE_BAD_VALUE
