from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memset

from engine.base.instant cimport parse_rfc3339
from engine.base.jsonskip cimport checked_skip
from engine.base.jsonwalk cimport (Cursor, WIRE_BAD_NUMBER, WIRE_BAD_TIME, WIRE_BAD_VALUE, WIRE_DUPLICATE_KEY,
                                   WIRE_MISSING_FIELD, WIRE_OK, WIRE_UNKNOWN_VALUE, after_value, is_null, next_key,
                                   open_array, open_object, same, string_at, token, u64_at)
from engine.providers.leveltext cimport span_at

cdef enum:
    SECONDS_MAX = 9_223_371_600    # of a candle's start: its end, too, must fit 64 bits of nanoseconds


cdef extern from *:
    """
    #include <stddef.h>
    /* The keys of RowField, in its order. */
    #define ENGINE_ROW_KEY(text) {text, sizeof(text) - 1}
    static const struct engine_row_key {const char *text; ptrdiff_t length;} ENGINE_ROW_KEYS[] = {
        ENGINE_ROW_KEY("product_id"), ENGINE_ROW_KEY("trade_id"), ENGINE_ROW_KEY("price"), ENGINE_ROW_KEY("size"),
        ENGINE_ROW_KEY("side"), ENGINE_ROW_KEY("time"), ENGINE_ROW_KEY("volume_24_h"), ENGINE_ROW_KEY("low_24_h"),
        ENGINE_ROW_KEY("high_24_h"), ENGINE_ROW_KEY("best_bid"), ENGINE_ROW_KEY("best_bid_quantity"),
        ENGINE_ROW_KEY("best_ask"), ENGINE_ROW_KEY("best_ask_quantity"), ENGINE_ROW_KEY("start"),
        ENGINE_ROW_KEY("open"), ENGINE_ROW_KEY("high"), ENGINE_ROW_KEY("low"), ENGINE_ROW_KEY("close"),
        ENGINE_ROW_KEY("volume")};
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


cdef class RowTexts:
    def __dealloc__(self):
        free(self.rows)

    cdef CoinbaseRow* _new(self) except NULL:
        cdef uint32_t capacity
        cdef CoinbaseRow* rows
        if self.count == self.capacity:
            capacity = 2 * self.capacity if self.capacity else 16
            rows = <CoinbaseRow*>realloc(self.rows, capacity * sizeof(CoinbaseRow))
            if rows == NULL:
                raise MemoryError(f"{capacity} rows in one frame")
            self.rows = rows
            self.capacity = capacity
        memset(&self.rows[self.count], 0, sizeof(CoinbaseRow))
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
        """A trade, a ticker or a candle: a flat object."""
        cdef CoinbaseRow* row = self._new()
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

    cdef int add_subscriptions(self, Cursor* c) except -1:
        """Read ``{channel: [product, ..], ..}`` at the cursor: one row for each product of each channel.

        What is of another shape in there is no channel that we know. A WireCode.
        """
        cdef CoinbaseRow* row
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
                        row = self._new()
                        row.channel.start = <uint32_t>(key - c.text)
                        row.channel.end = row.channel.start + <uint32_t>length
                        row.product.start = <uint32_t>(p - c.text)
                        row.product.end = <uint32_t>(e - c.text)
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


cdef int read_field(const Cursor* c, CoinbaseRow* row, int field) noexcept nogil:
    """Note the scalar at the cursor as *field* of the row. A WireCode."""
    cdef const char* p = NULL
    cdef const char* e = NULL
    cdef uint64_t number = 0
    cdef int code
    if field == ROW_TRADE_ID:
        code = u64_at(c, c.i, &row.trade_id)
        return WIRE_BAD_VALUE if code == WIRE_BAD_NUMBER else code
    if field == ROW_START:
        code = u64_at(c, c.i, &number)
        if code == WIRE_OK and number > <uint64_t>SECONDS_MAX:
            code = WIRE_BAD_TIME
        row.time_ns = <int64_t>number * 1_000_000_000 if code == WIRE_OK else 0
        return code
    if field == ROW_TIME or field == ROW_SIDE or field == ROW_PRODUCT:
        code = string_at(c, c.i, &p, &e)
        if code != WIRE_OK:
            return code
        if field == ROW_TIME:
            return parse_rfc3339(p, e, &row.time_ns)
        if field == ROW_PRODUCT:
            row.product.start = <uint32_t>(p - c.text)
            row.product.end = <uint32_t>(e - c.text)
            return WIRE_OK
        row.is_buy = same(p, e, b"BUY", 3)
        return WIRE_OK if row.is_buy or same(p, e, b"SELL", 4) else WIRE_UNKNOWN_VALUE
    if field == ROW_PRICE or field == ROW_CLOSE:
        return span_at(c, c.i, &row.price)
    if field == ROW_SIZE:
        return span_at(c, c.i, &row.qty)
    if field == ROW_VOLUME_24H or field == ROW_VOLUME:
        return span_at(c, c.i, &row.volume)
    if field == ROW_LOW_24H or field == ROW_LOW:
        return span_at(c, c.i, &row.low)
    if field == ROW_HIGH_24H or field == ROW_HIGH:
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
