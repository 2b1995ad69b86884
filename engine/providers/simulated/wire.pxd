"""Frames of the plain feed: bytes in, fields out. Pure: no book, no clock; numbers stay texts until scales are known.

Source: docs/simulator.md, "The plain feed". A frame is an object; a book frame is of one symbol, the flat channels
list rows. The whole frame is decoded before any of it is used.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.base.jsonindex cimport JsonIndex
from engine.base.jsonwalk cimport Cursor
from engine.providers.leveltext cimport LevelTexts, Span
from engine.providers.rowtext cimport RowTexts


cdef enum SimulatedKind:
    SIMULATED_UNKNOWN = 0          # not told, or told twice: it may be any channel's frame
    SIMULATED_IGNORED = 1          # well-formed, of a channel we have no event for
    SIMULATED_BOOK = 2
    SIMULATED_TRADE = 3
    SIMULATED_TICKER = 4
    SIMULATED_KLINE = 5
    SIMULATED_INSTRUMENT = 6       # catalogue data: left whole to symbols.py
    SIMULATED_STATUS = 7
    SIMULATED_HEARTBEAT = 8
    SIMULATED_REPLY = 9


cdef struct SimulatedMessage:
    int kind
    bint is_snapshot               # of a book: type
    Span symbol                    # of a book
    uint64_t number                # of a book: seq
    uint32_t checksum
    int64_t ts_venue_ns            # of a book: time_ns
    bint success                   # of a reply
    Span text                      # of a refusal: why; of a status: the state


cdef class SimulatedDecoder:
    """Decodes one frame at a time. Owned by one stream; what it holds is valid until the next decode."""
    cdef JsonIndex index
    cdef Cursor cursor
    cdef SimulatedMessage message
    cdef LevelTexts bids
    cdef LevelTexts asks
    cdef RowTexts rows             # of the flat channels
    cdef const char* error_field   # what the last error was about, or NULL
    cdef uint32_t _seen            # a bit for each key of ours in the frame
    cdef uint32_t[13] _place       # where the values stand that are read when the channel is known

    cdef int decode(self, const char* text, size_t length) except -1
    cdef int _object(self) except -1
    cdef int _value(self, int key) except -1
    cdef int _list(self, int key) except -1
    cdef int _book(self) except -1
    cdef int _rare(self) except -1
    cdef int _text(self, int key, const char* name) except -1
