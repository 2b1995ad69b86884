"""The keys of what the flat channels list: trades, tickers, candles; and the list of subscriptions."""
from engine.base.jsonwalk cimport Cursor
from engine.providers.rowtext cimport RowTable, RowTexts


cdef enum RowField:
    # Places in ROW_KEYS.
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


cdef enum RowShape:
    # What a row of each channel may hold, and what it must, one bit a RowField; every other key is skipped.
    TRADE_ROW = 0x3F               # all of ROW_PRODUCT .. ROW_TIME
    TICKER_ROW = 0x1FC5            # product, price, and ROW_VOLUME_24H .. ROW_ASK_QTY
    TICKER_NEEDS = 0x1
    CANDLE_ROW = 0x7E001           # product, and all of ROW_START .. ROW_VOLUME


cdef RowTable ROW_KEYS

cdef int add_subscriptions(RowTexts rows, Cursor* c) except -1
