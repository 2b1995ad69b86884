"""What the channels list: levels, and the keys of trades, tickers, candles and the venue's status."""
from engine.base.jsonwalk cimport Cursor
from engine.providers.leveltext cimport LevelTexts
from engine.providers.rowtext cimport RowTable


cdef enum RowField:
    # Places in ROW_KEYS.
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


cdef enum RowShape:
    # What a row of each channel may hold, and what it must, one bit a RowField; every other key is skipped.
    TRADE_ROW = 0x3F               # all of ROW_SYMBOL .. ROW_TRADE_ID
    TICKER_ROW = 0x3FC3            # symbol, timestamp, and ROW_BID .. ROW_HIGH
    TICKER_NEEDS = 0x1
    OHLC_ROW = 0x7F801             # symbol, and ROW_VOLUME .. ROW_TRADES; its timestamp is deprecated
    OHLC_NEEDS = 0x3F801           # all of them but trades
    STATUS_ROW = 0x80000


cdef RowTable ROW_KEYS


cdef int add_levels(Cursor* c, LevelTexts out, const char** error_field) except -1
