"""What the channels list: levels; trades, tickers, candles and the venue's status; still in the frame.

DANGER: spans are offsets into the frame's memory and die with it.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.base.jsonwalk cimport Cursor
from engine.providers.leveltext cimport LevelTexts, Span


cdef enum RowField:
    ROW_SYMBOL = 0
    ROW_TIMESTAMP = 1
    ROW_SIDE = 2
    ROW_PRICE = 3
    ROW_QTY = 4
    ROW_TRADE_ID = 5
    ROW_BID = 6
    ROW_BID_QTY = 7
    ROW_ASK = 8
    ROW_ASK_QTY = 9
    ROW_LAST = 10
    ROW_VOLUME = 11
    ROW_LOW = 12
    ROW_HIGH = 13
    ROW_OPEN = 14
    ROW_CLOSE = 15
    ROW_INTERVAL = 16
    ROW_INTERVAL_BEGIN = 17
    ROW_TRADES = 18
    ROW_SYSTEM = 19
    ROW_FIELD_COUNT = 20


cdef enum RowShape:
    # What a row of each channel may hold, and what it must, one bit a RowField; every other key is skipped.
    TRADE_ROW = 0x3F               # all of ROW_SYMBOL .. ROW_TRADE_ID
    TICKER_ROW = 0x3FC3            # symbol, timestamp, and ROW_BID .. ROW_HIGH
    TICKER_NEEDS = 0x1
    OHLC_ROW = 0x7F801             # symbol, and ROW_VOLUME .. ROW_TRADES; its timestamp is deprecated
    OHLC_NEEDS = 0x3F801           # all of them but trades
    STATUS_ROW = 0x80000


cdef struct KrakenRow:
    Span symbol
    int64_t time_ns                # 0 = not sent; of a candle: interval_begin
    uint64_t trade_id
    bint is_buy                    # side, which is the taker's
    int index                      # the stream's symbol index of symbol
    Span price                     # of a ticker: the last; of a candle: the close
    Span qty
    Span open
    Span high
    Span low
    Span volume
    Span bid                       # an empty span is a field that was not sent, or sent as null
    Span bid_qty
    Span ask
    Span ask_qty
    uint64_t interval_min
    uint64_t trade_count
    bint has_trade_count
    Span system


cdef class RowTexts:
    """A growing list of rows, reused for every frame. Owned by a decoder."""
    cdef KrakenRow* rows
    cdef uint32_t count
    cdef uint32_t capacity
    cdef const char* error_field   # what the last error was about, or NULL

    cdef int add_rows(self, Cursor* c, uint32_t allowed, uint32_t needed) except -1
    cdef KrakenRow* _new(self) except NULL
    cdef int _row(self, Cursor* c, uint32_t allowed, uint32_t needed) except -1


cdef int add_levels(Cursor* c, LevelTexts out, const char** error_field) except -1
