"""Binance Spot frames: bytes in, fields out. Pure: no book, no clock; numbers stay texts until scales are known.

Source: binance-spot-api-docs, web-socket-streams.md (payloads) and rest-api.md (depth).
"""
cimport cython
from libc.stdint cimport uint32_t, uint64_t

from engine.base.jsonindex cimport JsonIndex
from engine.base.jsonwalk cimport Cursor
from engine.providers.leveltext cimport LevelRaws, LevelTexts, Span


cdef enum BinanceKind:
    BINANCE_IGNORED = 0            # well-formed, of a stream we have no event for
    BINANCE_DEPTH = 1
    BINANCE_PARTIAL_DEPTH = 2      # also the body of GET /api/v3/depth
    BINANCE_BOOK_TICKER = 3
    BINANCE_TRADE = 4
    BINANCE_AGG_TRADE = 5
    BINANCE_TICKER = 6
    BINANCE_KLINE = 7
    BINANCE_REPLY = 8              # answer to a control frame
    BINANCE_REFUSAL = 9            # {"code":..,"msg":..}
    BINANCE_SHUTDOWN = 10


cdef struct BinanceMessage:
    int kind
    Span symbol                    # upper case; of a partial depth: lower case, from the stream name; empty = none
    Span stream                    # stream name of a combined frame
    uint64_t event_ms              # E, 0 where the payload has none
    uint64_t first_id              # U, or f of an aggregate trade
    uint64_t final_id              # u, lastUpdateId, l of an aggregate trade
    uint64_t trade_id              # t or a
    uint64_t time_ms               # T
    bint buyer_is_maker
    Span price                     # p
    Span qty                       # q
    Span bid
    Span bid_qty
    Span ask
    Span ask_qty
    Span last
    Span open
    Span high
    Span low
    Span volume
    Span interval
    Span text                      # of a refusal
    uint64_t reply_id
    uint64_t open_ms
    uint64_t close_ms
    uint64_t trade_count
    bint is_closed


@cython.final
cdef class BinanceDecoder:
    """Decodes one frame at a time. Owned by one stream; the message is valid until the next decode."""
    cdef JsonIndex index
    cdef Cursor cursor
    cdef BinanceMessage message
    cdef bint is_usual             # a diff whose levels are not read yet: by convert_usual(), or else by read_rest()
    cdef LevelTexts bids
    cdef LevelTexts asks
    cdef LevelRaws raws            # where the levels of a usual diff go, bids and then asks; its stream's
    cdef uint32_t bid_count        # so many there are
    cdef uint32_t ask_count
    cdef const char* error_field   # what the last error was about, or NULL
    cdef uint32_t[64] _token       # token of each one-letter key
    cdef uint64_t _seen            # one bit a one-letter key
    cdef uint32_t[64] _kline_token
    cdef uint64_t _kline_seen
    cdef uint32_t _named           # bit per NamedKey seen
    cdef uint32_t[8] _named_token

    cdef int decode(self, const char* text, size_t length) except -1
    cdef bint convert_usual(self, int price_scale, int qty_scale) except -1
    cdef int read_rest(self, size_t length) except -1
    cdef bint _usual_head(self) noexcept
    cdef int _object(self, int depth) except -1
    cdef int _kline_object(self) except -1
    cdef int _finish(self) except -1
    cdef int _trade(self, int kind) except -1
    cdef int _ticker(self) except -1
    cdef int _kline(self) except -1
    cdef int _unused_is_json(self) noexcept
    cdef int _span(self, char key, Span* span) noexcept
    cdef int _symbol(self) noexcept
    cdef int _u64(self, char key, uint64_t* out) noexcept
    cdef int _time(self, char key, uint64_t* out) noexcept
