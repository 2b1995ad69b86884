"""Coinbase Advanced Trade frames: bytes in, fields out. Pure: no book, no clock; numbers stay texts until scales
are known.

Source: docs.cdp.coinbase.com, Advanced Trade WebSocket channels. One frame holds any number of events, and level2
any number of products; the whole frame is decoded before any of it is used.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.base.jsonindex cimport JsonIndex
from engine.base.jsonwalk cimport Cursor
from engine.providers.leveltext cimport LevelTexts, Span
from engine.providers.rowtext cimport RowTexts


cdef enum CoinbaseKind:
    COINBASE_IGNORED = 0           # well-formed, of a channel we have no event for; its number counts all the same
    COINBASE_L2 = 1
    COINBASE_TRADES = 2
    COINBASE_TICKER = 3            # ticker and ticker_batch
    COINBASE_CANDLES = 4
    COINBASE_HEARTBEATS = 5
    COINBASE_SUBSCRIPTIONS = 6
    COINBASE_ERROR = 7             # {"type":"error","message":..}


cdef struct CoinbaseMessage:
    int kind
    bint has_sequence
    uint64_t sequence              # sequence_num
    int64_t ts_venue_ns            # timestamp, 0 where there is none
    Span text                      # of an error


cdef struct CoinbaseEvent:
    bint is_snapshot
    Span product                   # level2 only: elsewhere each row names its own
    uint32_t first_bid             # level2: places in bids and asks
    uint32_t bid_count
    uint32_t first_ask
    uint32_t ask_count
    uint32_t first_row             # elsewhere: places in rows
    uint32_t row_count
    # -- the stream's own, 0 after decoding
    int index                      # symbol index of product
    bint is_read                   # its levels stand in its book's scratch
    bint is_first                  # the first of its product in this frame
    bint replaces                  # of the first: the product's events have a snapshot among them


cdef class CoinbaseDecoder:
    """Decodes one frame at a time. Owned by one stream; what it holds is valid until the next decode."""
    cdef JsonIndex index
    cdef Cursor cursor
    cdef CoinbaseMessage message
    cdef CoinbaseEvent* events
    cdef uint32_t event_count
    cdef uint32_t _event_capacity
    cdef LevelTexts bids           # of all events
    cdef LevelTexts asks
    cdef RowTexts rows             # of all events
    cdef const char* error_field   # what the last error was about, or NULL

    cdef int decode(self, const char* text, size_t length) except -1
    cdef int _envelope(self) except -1
    cdef int _events(self) except -1
    cdef int _event(self) except -1
    cdef int _updates(self) except -1
