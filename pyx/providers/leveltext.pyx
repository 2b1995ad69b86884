cimport cython
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, realloc

from engine.base.jsonskip cimport checked_skip
from engine.base.jsonwalk cimport (Cursor, WIRE_BAD_NUMBER, WIRE_BAD_VALUE, WIRE_NOT_JSON, WIRE_OK, WIRE_OVERFLOW,
                                   WIRE_WRONG_TYPE, after_value, open_array, token)
from engine.base.units cimport PARSE_MALFORMED, PARSE_OK, PARSE_WIDEN, likely, parse_decimal, unlikely
from engine.schema.market cimport Level


@cython.final
cdef class LevelTexts:
    def __dealloc__(self):
        free(self.rows)

    cdef int _grow(self) except -1:
        cdef uint32_t capacity = self.capacity * 2 if self.capacity else 64
        cdef LevelText* rows = <LevelText*>realloc(self.rows, capacity * sizeof(LevelText))
        if rows == NULL:
            raise MemoryError(f"{capacity} level texts")
        self.rows = rows
        self.capacity = capacity
        return 0

    cdef int add(self, Span price, Span qty) except -1:
        if self.count == self.capacity:
            self._grow()
        self.rows[self.count].price = price
        self.rows[self.count].qty = qty
        self.count += 1
        return 0

    cdef int add_pairs(self, Cursor* c) except -1:
        """Read ``[[price, qty, ..], ..]`` at the cursor; further elements of a pair are skipped. A WireCode."""
        cdef bint empty = False
        cdef bint more = True
        cdef int code
        cdef const uint32_t* at
        cdef const char* text = c.text
        cdef LevelText* row
        code = open_array(c, &empty)
        if code != WIRE_OK or empty:
            return code
        while more:
            if self.count == self.capacity:
                self._grow()
            at = c.at + c.i
            if likely(c.i + 5 < c.n and is_plain_pair(text, at)):
                row = &self.rows[self.count]
                self.count += 1
                c.i += 6
                row.price.start = at[1] + 1
                row.price.end = at[2] - 1
                row.qty.start = at[3] + 1
                row.qty.end = at[4] - 1
                if likely(text[at[5]] == c','):
                    continue
                return WIRE_OK if text[at[5]] == c']' else WIRE_NOT_JSON
            else:
                code = self._add_pair(c)
            if code == WIRE_OK:
                code = after_value(c, c']', &more)
            if code != WIRE_OK:
                return code
        return WIRE_OK

    cdef int _add_pair(self, Cursor* c) except -1:
        """One pair in any spelling; there is room for it."""
        cdef LevelText* row = &self.rows[self.count]
        cdef bint more = True
        cdef int code
        if token(c) != c'[':
            return WIRE_WRONG_TYPE
        c.i += 1
        code = span_at(c, c.i, &row.price)
        if code != WIRE_OK:
            return code
        c.i += 1
        if token(c) != c',':
            return WIRE_NOT_JSON if token(c) != c']' else WIRE_WRONG_TYPE
        c.i += 1
        code = span_at(c, c.i, &row.qty)
        if code != WIRE_OK:
            return code
        c.i += 1
        self.count += 1
        code = after_value(c, c']', &more)
        while code == WIRE_OK and more:
            code = checked_skip(c)
            if code == WIRE_OK:
                code = after_value(c, c']', &more)
        return code


@cython.final
cdef class LevelRaws:
    def __dealloc__(self):
        free(self.rows)

    cdef int _grow(self, uint32_t count) except -1:
        cdef uint32_t capacity = count + (count >> 1)
        cdef Level* rows = <Level*>realloc(self.rows, capacity * sizeof(Level))
        if rows == NULL:
            raise MemoryError(f"{count} levels")
        self.rows = rows
        self.capacity = capacity
        return 0


cdef int convert(const char* text, const LevelText* rows, uint32_t count, int price_scale, int qty_scale,
                 Level* out, int* widest_price, int* widest_qty) noexcept nogil:
    """Texts to raws. A WireCode; with WIRE_OK the scales needed stand in *widest_*: above the given ones, widen
    and convert again. A price must be positive and a quantity not negative.
    """
    cdef uint32_t i
    cdef int code
    cdef const LevelText* row
    widest_price[0] = price_scale
    widest_qty[0] = qty_scale
    for i in range(count):
        row = &rows[i]
        code = parse_decimal(text, text + row.price.start, text + row.price.end, price_scale, &out[i].price_raw)
        if unlikely(code != PARSE_OK):
            if code != PARSE_WIDEN:
                return WIRE_BAD_NUMBER if code == PARSE_MALFORMED else WIRE_OVERFLOW
            if out[i].price_raw > widest_price[0]:
                widest_price[0] = <int>out[i].price_raw
        elif unlikely(out[i].price_raw <= 0):
            return WIRE_BAD_VALUE
        code = parse_decimal(text, text + row.qty.start, text + row.qty.end, qty_scale, &out[i].qty_raw)
        if unlikely(code != PARSE_OK):
            if code != PARSE_WIDEN:
                return WIRE_BAD_NUMBER if code == PARSE_MALFORMED else WIRE_OVERFLOW
            if out[i].qty_raw > widest_qty[0]:
                widest_qty[0] = <int>out[i].qty_raw
        elif unlikely(out[i].qty_raw < 0):
            return WIRE_BAD_VALUE
    return WIRE_OK
