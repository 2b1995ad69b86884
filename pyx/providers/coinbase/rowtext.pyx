from libc.stdint cimport uint32_t

from engine.base.jsonskip cimport checked_skip
from engine.base.jsonwalk cimport Cursor, WIRE_OK, after_value, next_key, open_array, open_object, string_at, token
from engine.providers.rowtext cimport (READ_ID, READ_NUMBER, READ_SECONDS, READ_SIDE_CAPITALS, READ_TEXT, READ_TIME,
                                       Row, RowTable, RowTexts, add_key)


cdef int _make_table() except -1:
    """The keys of RowField, in its order."""
    cdef Row row
    cdef char* at = <char*>&row
    ROW_KEYS.count = 0
    add_key(&ROW_KEYS, b"product_id", 10, READ_TEXT, <char*>&row.symbol - at)
    add_key(&ROW_KEYS, b"trade_id", 8, READ_ID, <char*>&row.trade_id - at)
    add_key(&ROW_KEYS, b"price", 5, READ_NUMBER, <char*>&row.price - at)
    add_key(&ROW_KEYS, b"size", 4, READ_NUMBER, <char*>&row.qty - at)
    add_key(&ROW_KEYS, b"side", 4, READ_SIDE_CAPITALS, <char*>&row.is_buy - at)
    add_key(&ROW_KEYS, b"time", 4, READ_TIME, <char*>&row.time_ns - at)
    add_key(&ROW_KEYS, b"volume_24_h", 11, READ_NUMBER, <char*>&row.volume - at)
    add_key(&ROW_KEYS, b"low_24_h", 8, READ_NUMBER, <char*>&row.low - at)
    add_key(&ROW_KEYS, b"high_24_h", 9, READ_NUMBER, <char*>&row.high - at)
    add_key(&ROW_KEYS, b"best_bid", 8, READ_NUMBER, <char*>&row.bid - at)
    add_key(&ROW_KEYS, b"best_bid_quantity", 17, READ_NUMBER, <char*>&row.bid_qty - at)
    add_key(&ROW_KEYS, b"best_ask", 8, READ_NUMBER, <char*>&row.ask - at)
    add_key(&ROW_KEYS, b"best_ask_quantity", 17, READ_NUMBER, <char*>&row.ask_qty - at)
    add_key(&ROW_KEYS, b"start", 5, READ_SECONDS, <char*>&row.start_ns - at)
    add_key(&ROW_KEYS, b"open", 4, READ_NUMBER, <char*>&row.open - at)
    add_key(&ROW_KEYS, b"high", 4, READ_NUMBER, <char*>&row.high - at)
    add_key(&ROW_KEYS, b"low", 3, READ_NUMBER, <char*>&row.low - at)
    add_key(&ROW_KEYS, b"close", 5, READ_NUMBER, <char*>&row.price - at)
    return add_key(&ROW_KEYS, b"volume", 6, READ_NUMBER, <char*>&row.volume - at)


_make_table()


cdef int add_subscriptions(RowTexts rows, Cursor* c) except -1:
    """Read ``{channel: [product, ..], ..}`` at the cursor: one row for each product of each channel.

    What is of another shape in there is no channel that we know. A WireCode.
    """
    cdef Row* row
    cdef bint empty = False
    cdef bint more = True
    cdef bint more_products
    cdef const char* key = NULL
    cdef Py_ssize_t length = 0
    cdef const char* p = NULL
    cdef const char* e = NULL
    cdef int code = open_object(c, &empty)
    if code != WIRE_OK or empty:
        return code
    while more:
        code = next_key(c, &key, &length)
        if code != WIRE_OK:
            return code
        more_products = False
        if token(c) == c'[':
            open_array(c, &empty)
            more_products = not empty
        else:
            code = checked_skip(c)
        while code == WIRE_OK and more_products:
            if token(c) == c'"':
                code = string_at(c, c.i, &p, &e)
                if code == WIRE_OK:
                    row = rows.new_row()
                    row.name.start = <uint32_t>(key - c.text)
                    row.name.end = row.name.start + <uint32_t>length
                    row.symbol.start = <uint32_t>(p - c.text)
                    row.symbol.end = <uint32_t>(e - c.text)
                    c.i += 1
            else:
                code = checked_skip(c)
            if code == WIRE_OK:
                code = after_value(c, c']', &more_products)
        if code == WIRE_OK:
            code = after_value(c, c'}', &more)
        if code != WIRE_OK:
            return code
    return WIRE_OK
