"""What the flat channels list: trades, tickers, candles and subscriptions, still in the frame.

DANGER: spans are offsets into the frame's memory and die with it.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.base.jsonwalk cimport Cursor
from engine.providers.leveltext cimport Span


cdef enum RowField:
    ROW_PRODUCT = 0
    ROW_TRADE_ID = 1
    ROW_PRICE = 2
    ROW_SIZE = 3
    ROW_SIDE = 4
    ROW_TIME = 5
    ROW_VOLUME_24H = 6
    ROW_LOW_24H = 7
    ROW_HIGH_24H = 8
    ROW_BID = 9
    ROW_BID_QTY = 10
    ROW_ASK = 11
    ROW_ASK_QTY = 12
    ROW_START = 13
    ROW_OPEN = 14
    ROW_HIGH = 15
    ROW_LOW = 16
    ROW_CLOSE = 17
    ROW_VOLUME = 18
    ROW_FIELD_COUNT = 19


cdef enum RowShape:
    # What a row of each channel may hold, and what it must, one bit a RowField; every other key is skipped.
    TRADE_ROW = 0x3F               # all of ROW_PRODUCT .. ROW_TIME
    TICKER_ROW = 0x1FC5            # product, price, and ROW_VOLUME_24H .. ROW_ASK_QTY
    TICKER_NEEDS = 0x1
    CANDLE_ROW = 0x7E001           # product, and all of ROW_START .. ROW_VOLUME


cdef struct CoinbaseRow:
    Span product
    Span channel                   # of a subscription: its channel; elsewhere empty
    uint64_t trade_id
    int64_t time_ns                # of a trade; of a candle: its start
    bint is_buy                    # the wire's side, which is the maker's
    int index                      # the stream's symbol index of product
    Span price                     # of a ticker: the last; of a candle: the close
    Span qty
    Span open
    Span high
    Span low
    Span volume
    Span bid                       # an empty span is a field that was not sent, or sent as ""
    Span bid_qty
    Span ask
    Span ask_qty


cdef class RowTexts:
    """A growing list of rows, reused for every frame. Owned by a decoder."""
    cdef CoinbaseRow* rows
    cdef uint32_t count
    cdef uint32_t capacity
    cdef const char* error_field   # what the last error was about, or NULL

    cdef int add_rows(self, Cursor* c, uint32_t allowed, uint32_t needed) except -1
    cdef int add_subscriptions(self, Cursor* c) except -1
    cdef CoinbaseRow* _new(self) except NULL
    cdef int _row(self, Cursor* c, uint32_t allowed, uint32_t needed) except -1
