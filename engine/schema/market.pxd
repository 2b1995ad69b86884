"""Market-data events: books, trades, tickers, klines, instruments."""
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.schema.event cimport Event


cdef enum BookReasonC:
    REASON_NONE = 0
    REASON_INITIAL = 1
    REASON_REFRESH = 2
    REASON_GAP = 3
    REASON_CHECKSUM = 4
    REASON_STALENESS = 5
    REASON_RECONNECT = 6
    REASON_CROSSED = 7
    REASON_DIVERGENCE = 8
    REASON_OVERFLOW = 9
    REASON_DIRTY = 10
    REASON_REQUESTED = 11
    REASON_COUNT = 12


cdef enum UpdateTypeC:
    UPDATE_DELTA = 1
    UPDATE_FULL = 2
    UPDATE_INVALID = 3


cdef enum TradeSideC:
    TRADE_SIDE_NONE = 0
    TRADE_SIDE_BUY = 1
    TRADE_SIDE_SELL = 2


cdef enum TickerField:
    # Bits of TickerData.present: what the venue sent; nothing else is invented.
    TICKER_LAST = 1
    TICKER_BID = 2
    TICKER_BID_QTY = 4
    TICKER_ASK = 8
    TICKER_ASK_QTY = 16
    TICKER_OPEN = 32
    TICKER_HIGH = 64
    TICKER_LOW = 128
    TICKER_VOLUME = 256


cdef struct Level:
    int64_t price_raw
    int64_t qty_raw


cdef struct BookData:
    Level* levels              # bids best first, then asks best first; owned by the event
    uint32_t capacity          # levels that fit
    uint32_t bid_count
    uint32_t ask_count
    uint32_t depth_levels      # published per side, 0 = all
    uint64_t first_update_id
    uint64_t final_update_id
    uint64_t verified_through_id
    uint32_t checksum
    uint8_t has_update_ids
    uint8_t has_checksum
    uint8_t verified           # the checksum was compared and agreed
    uint8_t update_type        # BookUpdate only
    uint8_t reason             # of a snapshot, or why a book became invalid
    uint8_t block_class        # pool class of levels, 255 = plain heap


cdef struct TradeData:
    uint64_t trade_id
    int64_t price_raw
    int64_t qty_raw
    uint32_t match_count
    uint8_t side


cdef struct TickerData:
    int64_t last_price_raw
    int64_t bid_price_raw
    int64_t bid_qty_raw
    int64_t ask_price_raw
    int64_t ask_qty_raw
    int64_t open_24h_raw
    int64_t high_24h_raw
    int64_t low_24h_raw
    int64_t volume_24h_raw
    uint32_t present


cdef struct KlineData:
    int64_t interval_ns
    int64_t open_time_ns
    int64_t close_time_ns      # exclusive end
    int64_t open_raw
    int64_t high_raw
    int64_t low_raw
    int64_t close_raw
    int64_t volume_raw
    uint64_t trade_count
    uint32_t revision
    uint8_t has_trade_count
    uint8_t is_closed


cdef class BookEvent(Event):
    """What BookSnapshot and BookUpdate share: levels and the ids that prove them."""
    cdef BookData b
    cdef int exports               # buffers user code has of the levels: while any is out, they stay where they are

    cdef int may_move_levels(self) except -1
    cdef int _fill_levels(self, list bids, list asks) except -1


@cython.final
cdef class BookSnapshot(BookEvent):
    pass


@cython.final
cdef class BookUpdate(BookEvent):
    pass


@cython.final
cdef class Trade(Event):
    cdef TradeData t


@cython.final
cdef class Levels:
    """Read-only view of one side of a book event; holds the event, so its slot is never reused under it."""
    cdef BookEvent _event
    cdef bint _asks
    cdef Py_ssize_t[2] _shape
    cdef Py_ssize_t[2] _strides

    cdef Level* _first(self) noexcept
    cdef Py_ssize_t _count(self) noexcept
