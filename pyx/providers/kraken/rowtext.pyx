from libc.stdint cimport uint32_t
from libc.string cimport memcmp

from engine.base.jsonskip cimport checked_skip
from engine.base.jsonwalk cimport (Cursor, WIRE_DUPLICATE_KEY, WIRE_MISSING_FIELD, WIRE_OK, after_value, next_key,
                                   open_array, open_object)
from engine.providers.leveltext cimport LevelText, LevelTexts, span_at
from engine.providers.rowtext cimport (READ_COUNT, READ_NUMBER, READ_SIDE, READ_TEXT, READ_TIME, READ_TRADE_COUNT, Row,
                                       RowTable, add_key)


cdef int _make_table() except -1:
    """The keys of RowField, in its order."""
    cdef Row row
    cdef char* at = <char*>&row
    ROW_KEYS.count = 0
    add_key(&ROW_KEYS, b"symbol", 6, READ_TEXT, <char*>&row.symbol - at)
    add_key(&ROW_KEYS, b"timestamp", 9, READ_TIME, <char*>&row.time_ns - at)
    add_key(&ROW_KEYS, b"side", 4, READ_SIDE, <char*>&row.is_buy - at)
    add_key(&ROW_KEYS, b"price", 5, READ_NUMBER, <char*>&row.price - at)
    add_key(&ROW_KEYS, b"qty", 3, READ_NUMBER, <char*>&row.qty - at)
    add_key(&ROW_KEYS, b"trade_id", 8, READ_COUNT, <char*>&row.trade_id - at)
    add_key(&ROW_KEYS, b"bid", 3, READ_NUMBER, <char*>&row.bid - at)
    add_key(&ROW_KEYS, b"bid_qty", 7, READ_NUMBER, <char*>&row.bid_qty - at)
    add_key(&ROW_KEYS, b"ask", 3, READ_NUMBER, <char*>&row.ask - at)
    add_key(&ROW_KEYS, b"ask_qty", 7, READ_NUMBER, <char*>&row.ask_qty - at)
    add_key(&ROW_KEYS, b"last", 4, READ_NUMBER, <char*>&row.price - at)
    add_key(&ROW_KEYS, b"volume", 6, READ_NUMBER, <char*>&row.volume - at)
    add_key(&ROW_KEYS, b"low", 3, READ_NUMBER, <char*>&row.low - at)
    add_key(&ROW_KEYS, b"high", 4, READ_NUMBER, <char*>&row.high - at)
    add_key(&ROW_KEYS, b"open", 4, READ_NUMBER, <char*>&row.open - at)
    add_key(&ROW_KEYS, b"close", 5, READ_NUMBER, <char*>&row.price - at)
    add_key(&ROW_KEYS, b"interval", 8, READ_COUNT, <char*>&row.interval_min - at)
    add_key(&ROW_KEYS, b"interval_begin", 14, READ_TIME, <char*>&row.start_ns - at)
    add_key(&ROW_KEYS, b"trades", 6, READ_TRADE_COUNT, <char*>&row.trade_count - at)
    return add_key(&ROW_KEYS, b"system", 6, READ_TEXT, <char*>&row.name - at)


_make_table()


cdef inline bint in_usual_layout(const Cursor* c) noexcept nogil:
    """Whether the nine tokens of ``{"price":..,"qty":..}`` stand at the cursor, as the venue writes them."""
    cdef const char* text = c.text
    cdef const uint32_t* at = c.at + c.i
    return c.i + 8 < c.n and text[at[0]] == c'{' and text[at[4]] == c',' and text[at[8]] == c'}' \
        and at[2] - at[1] == 7 and memcmp(text + at[1], b'"price":', 8) == 0 \
        and at[6] - at[5] == 5 and memcmp(text + at[5], b'"qty":', 6) == 0


cdef int add_levels(Cursor* c, LevelTexts out, const char** error_field) except -1:
    """Read ``[{"price":..,"qty":..}, ..]`` at the cursor. A WireCode."""
    cdef bint empty = False
    cdef bint more = True
    cdef LevelText* row
    cdef int code = open_array(c, &empty)
    if code != WIRE_OK or empty:
        return code
    while more:
        if out.count == out.capacity:
            out._grow()
        row = &out.rows[out.count]
        if in_usual_layout(c):
            code = span_at(c, c.i + 3, &row.price) or span_at(c, c.i + 7, &row.qty)
            c.i += 9
        else:
            code = read_level(c, row, error_field)
        out.count += 1
        if code == WIRE_OK:
            code = after_value(c, c']', &more)
        if code != WIRE_OK:
            return code
    return WIRE_OK


cdef int read_level(Cursor* c, LevelText* row, const char** error_field) noexcept nogil:
    """One level in any order of keys, with whatever else stands in it."""
    cdef bint empty = False
    cdef bint more = True
    cdef const char* key = NULL
    cdef Py_ssize_t length = 0
    cdef bint has_price = False
    cdef bint has_qty = False
    cdef bint is_price, is_qty
    cdef int code = open_object(c, &empty)
    if code != WIRE_OK:
        return code
    more = not empty
    while more:
        code = next_key(c, &key, &length)
        if code != WIRE_OK:
            return code
        is_price = length == 5 and memcmp(key, b"price", 5) == 0
        is_qty = length == 3 and memcmp(key, b"qty", 3) == 0
        if is_price or is_qty:
            error_field[0] = key
            if (is_price and has_price) or (is_qty and has_qty):
                return WIRE_DUPLICATE_KEY
            code = span_at(c, c.i, &row.price if is_price else &row.qty)
            has_price = has_price or is_price
            has_qty = has_qty or is_qty
            c.i += 1
        else:
            code = checked_skip(c)
        if code == WIRE_OK:
            code = after_value(c, c'}', &more)
        if code != WIRE_OK:
            return code
    if has_price and has_qty:
        return WIRE_OK
    error_field[0] = b"qty" if has_price else b"price"
    return WIRE_MISSING_FIELD
