from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memset

from engine.base.instant cimport parse_rfc3339
from engine.base.jsonskip cimport checked_skip
from engine.base.jsonwalk cimport (Cursor, WIRE_DUPLICATE_KEY, WIRE_MISSING_FIELD, WIRE_OK, WIRE_UNKNOWN_VALUE,
                                   after_value, is_null, next_key, open_array, open_object, same, string_at, u64_at)
from engine.providers.leveltext cimport LevelText, LevelTexts, Span, span_at


cdef extern from *:
    """
    #include <stddef.h>
    /* The keys of RowField, in its order. */
    #define ENGINE_ROW_KEY(text) {text, sizeof(text) - 1}
    static const struct engine_row_key {const char *text; ptrdiff_t length;} ENGINE_ROW_KEYS[] = {
        ENGINE_ROW_KEY("symbol"), ENGINE_ROW_KEY("timestamp"), ENGINE_ROW_KEY("side"), ENGINE_ROW_KEY("price"),
        ENGINE_ROW_KEY("qty"), ENGINE_ROW_KEY("trade_id"), ENGINE_ROW_KEY("bid"), ENGINE_ROW_KEY("bid_qty"),
        ENGINE_ROW_KEY("ask"), ENGINE_ROW_KEY("ask_qty"), ENGINE_ROW_KEY("last"), ENGINE_ROW_KEY("volume"),
        ENGINE_ROW_KEY("low"), ENGINE_ROW_KEY("high"), ENGINE_ROW_KEY("open"), ENGINE_ROW_KEY("close"),
        ENGINE_ROW_KEY("interval"), ENGINE_ROW_KEY("interval_begin"), ENGINE_ROW_KEY("trades"),
        ENGINE_ROW_KEY("system")};
    """
    cdef struct engine_row_key:
        const char* text
        Py_ssize_t length
    const engine_row_key* ENGINE_ROW_KEYS


cdef inline int row_field(const char* key, Py_ssize_t length, uint32_t allowed) noexcept nogil:
    """The RowField of a key, -1 for one that rows of this channel do not have."""
    cdef int field
    for field in range(ROW_FIELD_COUNT):
        if ENGINE_ROW_KEYS[field].length == length and allowed >> field & 1 \
                and memcmp(ENGINE_ROW_KEYS[field].text, key, length) == 0:
            return field
    return -1


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


cdef class RowTexts:
    def __dealloc__(self):
        free(self.rows)

    cdef KrakenRow* _new(self) except NULL:
        cdef uint32_t capacity
        cdef KrakenRow* rows
        if self.count == self.capacity:
            capacity = 2 * self.capacity if self.capacity else 16
            rows = <KrakenRow*>realloc(self.rows, capacity * sizeof(KrakenRow))
            if rows == NULL:
                raise MemoryError(f"{capacity} rows in one frame")
            self.rows = rows
            self.capacity = capacity
        memset(&self.rows[self.count], 0, sizeof(KrakenRow))
        self.count += 1
        return &self.rows[self.count - 1]

    cdef int add_rows(self, Cursor* c, uint32_t allowed, uint32_t needed) except -1:
        """Read the list at the cursor. A WireCode."""
        cdef bint empty = False
        cdef bint more = True
        cdef int code = open_array(c, &empty)
        if code != WIRE_OK or empty:
            return code
        while more:
            code = self._row(c, allowed, needed)
            if code == WIRE_OK:
                code = after_value(c, c']', &more)
            if code != WIRE_OK:
                return code
        return WIRE_OK

    cdef int _row(self, Cursor* c, uint32_t allowed, uint32_t needed) except -1:
        """A trade, a ticker, a candle or a status: a flat object."""
        cdef KrakenRow* row = self._new()
        cdef bint empty = False
        cdef bint more = True
        cdef const char* key = NULL
        cdef Py_ssize_t length = 0
        cdef uint32_t seen = 0
        cdef int field
        cdef int code = open_object(c, &empty)
        if code != WIRE_OK:
            return code
        more = not empty
        while more:
            code = next_key(c, &key, &length)
            if code != WIRE_OK:
                return code
            field = row_field(key, length, allowed)
            if field >= 0:
                if seen >> field & 1:
                    self.error_field = key
                    return WIRE_DUPLICATE_KEY
                seen |= <uint32_t>1 << field
                if needed >> field & 1 or not is_null(c, c.i):
                    code = read_field(c, row, field)
                c.i += 1
            else:
                code = checked_skip(c)
            if code == WIRE_OK:
                code = after_value(c, c'}', &more)
            if code != WIRE_OK:
                self.error_field = key
                return code
        if seen & needed != needed:
            for field in range(ROW_FIELD_COUNT):
                if (needed & ~seen) >> field & 1:
                    self.error_field = ENGINE_ROW_KEYS[field].text
                    break
            return WIRE_MISSING_FIELD
        return WIRE_OK


cdef inline int text_span(const Cursor* c, Span* span) noexcept nogil:
    """The span of the string at the cursor; a number or literal is WIRE_WRONG_TYPE."""
    cdef const char* p = NULL
    cdef const char* e = NULL
    cdef int code = string_at(c, c.i, &p, &e)
    if code == WIRE_OK:
        span.start = <uint32_t>(p - c.text)
        span.end = <uint32_t>(e - c.text)
    return code


cdef int read_field(const Cursor* c, KrakenRow* row, int field) noexcept nogil:
    """Note the value at the cursor as *field* of the row. A WireCode."""
    cdef const char* p = NULL
    cdef const char* e = NULL
    cdef int code
    if field == ROW_SYMBOL:
        return text_span(c, &row.symbol)
    if field == ROW_SYSTEM:
        return text_span(c, &row.system)
    if field == ROW_TRADE_ID:
        return u64_at(c, c.i, &row.trade_id)
    if field == ROW_INTERVAL:
        return u64_at(c, c.i, &row.interval_min)
    if field == ROW_TRADES:
        row.has_trade_count = True
        return u64_at(c, c.i, &row.trade_count)
    if field == ROW_TIMESTAMP or field == ROW_INTERVAL_BEGIN or field == ROW_SIDE:
        code = string_at(c, c.i, &p, &e)
        if code != WIRE_OK:
            return code
        if field != ROW_SIDE:
            return parse_rfc3339(p, e, &row.time_ns)
        row.is_buy = same(p, e, b"buy", 3)
        return WIRE_OK if row.is_buy or same(p, e, b"sell", 4) else WIRE_UNKNOWN_VALUE
    if field == ROW_PRICE or field == ROW_LAST or field == ROW_CLOSE:
        return span_at(c, c.i, &row.price)
    if field == ROW_QTY:
        return span_at(c, c.i, &row.qty)
    if field == ROW_VOLUME:
        return span_at(c, c.i, &row.volume)
    if field == ROW_LOW:
        return span_at(c, c.i, &row.low)
    if field == ROW_HIGH:
        return span_at(c, c.i, &row.high)
    if field == ROW_OPEN:
        return span_at(c, c.i, &row.open)
    if field == ROW_BID:
        return span_at(c, c.i, &row.bid)
    if field == ROW_BID_QTY:
        return span_at(c, c.i, &row.bid_qty)
    if field == ROW_ASK:
        return span_at(c, c.i, &row.ask)
    return span_at(c, c.i, &row.ask_qty)
