"""Kraken WebSocket v2 frames: bytes in, fields out. Pure: no book, no clock; numbers stay texts until scales are
known.

Source: docs.kraken.com, spot-websocket-v2 (channels, replies) and guides/websockets. The wire writes numbers bare; in
quotes they mean the same. One frame holds any number of entries; the whole frame is decoded before any is used.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.base.jsonindex cimport JsonIndex
from engine.base.jsonwalk cimport Cursor
from engine.providers.leveltext cimport LevelTexts, Span
from engine.providers.rowtext cimport RowTexts


cdef enum KrakenKind:
    KRAKEN_UNKNOWN = 0             # not told, or told twice: it may be any channel's frame
    KRAKEN_IGNORED = 1             # well-formed, of a channel or method we have no event for
    KRAKEN_BOOK = 2
    KRAKEN_TRADE = 3
    KRAKEN_TICKER = 4
    KRAKEN_OHLC = 5
    KRAKEN_STATUS = 6
    KRAKEN_INSTRUMENT = 7          # catalogue data: left whole to symbols.py
    KRAKEN_HEARTBEAT = 8
    KRAKEN_REPLY = 9               # answer to subscribe or unsubscribe
    KRAKEN_PONG = 10
    KRAKEN_REFUSAL = 11            # {"Error":..}: of the connection, not of a request


cdef struct KrakenMessage:
    int kind
    bint is_snapshot               # type
    int64_t ts_venue_ns            # timestamp beside channel, 0 = not sent
    # -- of a reply
    bint is_subscribe              # else unsubscribe
    bint success
    bint has_req_id
    uint64_t req_id
    uint64_t depth_levels          # granted to a book, 0 = not told
    Span channel
    Span symbol
    Span text                      # of a refusal


cdef struct KrakenEntry:
    # What a book frame tells of one symbol.
    Span symbol
    uint32_t first_bid             # places in bids and asks
    uint32_t bid_count
    uint32_t first_ask
    uint32_t ask_count
    uint32_t checksum
    int64_t ts_venue_ns            # timestamp, 0 = not sent
    int index                      # the stream's symbol index of symbol


cdef class KrakenDecoder:
    """Decodes one frame at a time. Owned by one stream; what it holds is valid until the next decode."""
    cdef JsonIndex index
    cdef Cursor cursor
    cdef KrakenMessage message
    cdef KrakenEntry* entries
    cdef uint32_t entry_count
    cdef uint32_t _entry_capacity
    cdef LevelTexts bids           # of all entries
    cdef LevelTexts asks
    cdef RowTexts rows             # of the flat channels
    cdef const char* error_field   # what the last error was about, or NULL
    cdef uint32_t _named           # bit per NAMED_ key seen
    cdef uint32_t[12] _named_token

    cdef int decode(self, const char* text, size_t length) except -1
    cdef int _object(self) except -1
    cdef int _channel(self) except -1
    cdef int _data(self) except -1
    cdef int _finish(self) except -1
    cdef int _named_text(self, int name, Span* span) noexcept
    cdef int _entries(self) except -1
    cdef int _entry(self) except -1
