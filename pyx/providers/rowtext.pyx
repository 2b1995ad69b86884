from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memset

from engine.base.instant cimport parse_rfc3339
from engine.base.jsonskip cimport checked_skip
from engine.base.jsonwalk cimport (Cursor, WIRE_BAD_NUMBER, WIRE_BAD_TIME, WIRE_BAD_VALUE, WIRE_DUPLICATE_KEY,
                                   WIRE_MISSING_FIELD, WIRE_OK, WIRE_UNKNOWN_VALUE, after_value, is_null, next_key,
                                   open_array, open_object, same, string_at, u64_at)
from engine.providers.leveltext cimport Span, span_at

cdef enum:
    SECONDS_MAX = 9_223_371_600    # of a candle's start: its end, too, must fit 64 bits of nanoseconds


cdef inline int key_of(const RowTable* table, const char* key, Py_ssize_t length, uint32_t allowed) noexcept nogil:
    """The place of a key in the table, -1 for one that rows of this channel do not have."""
    cdef int place
    for place in range(table.count):
        if table.keys[place].length == length and allowed >> place & 1 \
                and memcmp(table.keys[place].text, key, length) == 0:
            return place
    return -1


cdef class RowTexts:
    def __dealloc__(self):
        free(self.rows)

    cdef Row* new_row(self) except NULL:
        """One more row, all of it 0."""
        cdef uint32_t capacity
        cdef Row* rows
        if self.count == self.capacity:
            capacity = 2 * self.capacity if self.capacity else 16
            rows = <Row*>realloc(self.rows, capacity * sizeof(Row))
            if rows == NULL:
                raise MemoryError(f"{capacity} rows in one frame")
            self.rows = rows
            self.capacity = capacity
        memset(&self.rows[self.count], 0, sizeof(Row))
        self.count += 1
        return &self.rows[self.count - 1]

    cdef int add_rows(self, Cursor* c, uint32_t allowed, uint32_t needed) except -1:
        """Read the list at the cursor; *allowed*, *needed*: the keys of its channel. A WireCode."""
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
        """A flat object; a key that is not allowed here is stepped over."""
        cdef Row* row = self.new_row()
        cdef const RowTable* table = self.table
        cdef bint empty = False
        cdef bint more = True
        cdef const char* key = NULL
        cdef Py_ssize_t length = 0
        cdef uint32_t seen = 0
        cdef int place
        cdef int code = open_object(c, &empty)
        if code != WIRE_OK:
            return code
        more = not empty
        while more:
            code = next_key(c, &key, &length)
            if code != WIRE_OK:
                return code
            place = key_of(table, key, length, allowed)
            if place >= 0:
                if seen >> place & 1:
                    self.error_field = key
                    return WIRE_DUPLICATE_KEY
                seen |= <uint32_t>1 << place
                if needed >> place & 1 or not is_null(c, c.i):
                    code = read_value(c, row, &table.keys[place])
                c.i += 1
            else:
                code = checked_skip(c)
            if code == WIRE_OK:
                code = after_value(c, c'}', &more)
            if code != WIRE_OK:
                self.error_field = key
                return code
        if seen & needed != needed:
            for place in range(table.count):
                if (needed & ~seen) >> place & 1:
                    self.error_field = table.keys[place].text
                    break
            return WIRE_MISSING_FIELD
        return WIRE_OK


cdef int read_value(const Cursor* c, Row* row, const RowKey* key) noexcept nogil:
    """Note the value at the cursor in the key's field of the row. A WireCode."""
    cdef void* field = <char*>row + key.offset
    cdef const char* p = NULL
    cdef const char* e = NULL
    cdef uint64_t number = 0
    cdef int code
    if key.reader == READ_NUMBER:
        return span_at(c, c.i, <Span*>field)
    if key.reader == READ_COUNT or key.reader == READ_TRADE_COUNT:
        row.has_trade_count |= key.reader == READ_TRADE_COUNT
        return u64_at(c, c.i, <uint64_t*>field)
    if key.reader == READ_ID:
        code = u64_at(c, c.i, <uint64_t*>field)
        return WIRE_BAD_VALUE if code == WIRE_BAD_NUMBER else code
    if key.reader == READ_NANOSECONDS:
        return nanoseconds_at(c, c.i, <int64_t*>field)
    if key.reader == READ_SECONDS:
        code = u64_at(c, c.i, &number)
        if code == WIRE_OK and number > <uint64_t>SECONDS_MAX:
            code = WIRE_BAD_TIME
        (<int64_t*>field)[0] = <int64_t>number * 1_000_000_000 if code == WIRE_OK else 0
        return code
    code = string_at(c, c.i, &p, &e)
    if code != WIRE_OK:
        return code
    if key.reader == READ_TIME:
        return parse_rfc3339(p, e, <int64_t*>field)
    if key.reader == READ_TEXT:
        (<Span*>field).start = <uint32_t>(p - c.text)
        (<Span*>field).end = <uint32_t>(e - c.text)
        return WIRE_OK
    if key.reader == READ_SIDE:
        row.is_buy = same(p, e, b"buy", 3)
        return WIRE_OK if row.is_buy or same(p, e, b"sell", 4) else WIRE_UNKNOWN_VALUE
    row.is_buy = same(p, e, b"BUY", 3)
    return WIRE_OK if row.is_buy or same(p, e, b"SELL", 4) else WIRE_UNKNOWN_VALUE
