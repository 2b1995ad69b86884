"""What the flat channels list: trades, tickers, candles and the like, still in the frame, read by a table of keys.

Every venue lists flat objects, each with keys of its own; a venue's table says which key stands for what. An empty
span is a field that was not sent, or sent as null or "".
DANGER: spans are offsets into the frame's memory and die with it.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.base.jsonwalk cimport WIRE_BAD_TIME, WIRE_OK, Cursor, u64_at
from engine.providers.leveltext cimport Span


cdef enum:
    ROW_KEYS_MAX = 32
    NANOSECONDS_MAX = 9_223_371_600_000_000_000    # an hour's candle that begins then ends within 64 bits


cdef enum RowReader:
    # How the value of a key is read. Offsets are of these types: Span, uint64_t, int64_t.
    READ_NUMBER = 0                # a number, in quotes or not: a Span
    READ_TEXT = 1                  # a string: a Span
    READ_COUNT = 2                 # an unsigned integer
    READ_ID = 3                    # the same; what is none is a bad value, no bad number
    READ_TIME = 4                  # RFC 3339 to nanoseconds
    READ_SECONDS = 5               # whole seconds to nanoseconds
    READ_NANOSECONDS = 6
    READ_SIDE = 7                  # buy or sell
    READ_SIDE_CAPITALS = 8         # BUY or SELL
    READ_TRADE_COUNT = 9           # as READ_COUNT, and noted as sent


cdef struct RowKey:
    const char* text
    Py_ssize_t length
    int reader                     # a RowReader
    Py_ssize_t offset              # of its field in Row


cdef struct RowTable:
    # A venue's keys; in the sets of keys that its channels have, each is a bit of its place.
    int count
    RowKey[ROW_KEYS_MAX] keys


cdef struct Row:
    Span symbol
    Span name                      # of a subscription: its channel; of a status: the state
    int64_t time_ns                # 0 = not sent
    int64_t start_ns               # of a candle
    uint64_t trade_id
    bint is_buy                    # the side as the wire has it
    int index                      # the stream's symbol index of symbol
    Span price                     # of a ticker: the last; of a candle: the close
    Span qty
    Span open
    Span high
    Span low
    Span volume
    Span bid
    Span bid_qty
    Span ask
    Span ask_qty
    Span interval
    uint64_t interval_min
    uint64_t trade_count
    bint has_trade_count


cdef class RowTexts:
    """A growing list of rows, reused for every frame. Owned by a decoder, which gives it its venue's table."""
    cdef const RowTable* table
    cdef Row* rows
    cdef uint32_t count
    cdef uint32_t capacity
    cdef const char* error_field   # what the last error was about, or NULL

    cdef int add_rows(self, Cursor* c, uint32_t allowed, uint32_t needed) except -1
    cdef Row* new_row(self) except NULL
    cdef int _row(self, Cursor* c, uint32_t allowed, uint32_t needed) except -1


cdef inline int nanoseconds_at(const Cursor* c, uint32_t i, int64_t* out) noexcept nogil:
    """Token i as a time in integer nanoseconds since 1970; a WireCode."""
    cdef uint64_t number = 0
    cdef int code = u64_at(c, i, &number)
    if code == WIRE_OK:
        if number > <uint64_t>NANOSECONDS_MAX:
            return WIRE_BAD_TIME
        out[0] = <int64_t>number
    return code


cdef inline int add_key(RowTable* table, const char* text, Py_ssize_t length, int reader, Py_ssize_t offset) except -1:
    """Append a key to a table that is being made."""
    if table.count == ROW_KEYS_MAX:
        raise OverflowError("a table of keys is full")
    table.keys[table.count].text = text
    table.keys[table.count].length = length
    table.keys[table.count].reader = reader
    table.keys[table.count].offset = offset
    table.count += 1
    return 0
