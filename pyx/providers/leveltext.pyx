cimport cython
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, realloc

from engine.base.jsonskip cimport checked_skip
from engine.base.jsonwalk cimport (Cursor, WIRE_BAD_NUMBER, WIRE_BAD_VALUE, WIRE_NOT_JSON, WIRE_OK, WIRE_OVERFLOW,
                                   WIRE_WRONG_TYPE, after_value, open_array, token)
from engine.base.units cimport (PARSE_MALFORMED, PARSE_OK, PARSE_WIDEN, engine_eight_decimals, likely, parse_decimal,
                                unlikely)
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


cdef inline bint is_parsed(const char* floor, const char* p, const char* end, int scale, int64_t* out) noexcept nogil:
    """parse_decimal(), its quick way in place: what most texts of a message take."""
    return likely(scale <= 8 and engine_eight_decimals(floor, p, end, scale, out)) \
        or parse_decimal(floor, p, end, scale, out) == PARSE_OK


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

    cdef int convert_plain(self, Cursor* c, int price_scale, int qty_scale, uint32_t first) except -2:
        """Read ``[["price","qty"], ..]`` at the cursor straight into the rows from *first* on; returns how many.

        -1 where anything is not in this form, is no possible level or needs wider scales: then the cursor is spent, and the
        long way, by texts and convert(), tells what it is.
        """
        cdef const char* text = c.text
        cdef const uint32_t* at = c.at + c.i
        cdef const uint32_t* end = c.at + c.n
        cdef uint32_t count = first
        cdef Level* level
        if end - at < 2 or text[at[0]] != c'[':
            return -1
        if text[at[1]] == c']':
            c.i += 2
            return 0
        at += 1
        while end - at > 5 and is_plain_pair(text, at):
            if unlikely(count == self.capacity):
                self._grow(count + 1)
            level = &self.rows[count]
            if unlikely(not is_parsed(text, text + at[1] + 1, text + at[2] - 1, price_scale, &level.price_raw)
                        or not is_parsed(text, text + at[3] + 1, text + at[4] - 1, qty_scale, &level.qty_raw)
                        or level.price_raw <= 0 or level.qty_raw < 0):
                return -1
            count += 1
            at += 6
            if text[at[-1]] == c',':
                continue
            c.i = <uint32_t>(at - c.at)
            return <int>(count - first) if text[at[-1]] == c']' else -1
        return -1


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
