from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport INT64_MAX, UINT32_MAX, UINT64_MAX, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcpy, memset

from engine.base.instant cimport parse_rfc3339
from engine.base.jsonindex cimport JsonIndex
from engine.base.jsonskip cimport checked_skip, is_number, strings_hold
from engine.base.jsonwalk cimport (WIRE_OK, Cursor, after_value, bool_at, next_key, open_array, open_object, same, text_at,
                                   token, u64_at)
from engine.base.units cimport PARSE_MALFORMED, PARSE_OK, PARSE_WIDEN, SCALE_MAX, parse_decimal, parse_u64
from engine.distribution.members cimport (AT_ASKS, AT_ASKS_UPD, AT_BEST_ASK, AT_BEST_BID, AT_BIDS, AT_BIDS_UPD,
                                          AT_CHANGE, AT_COMPLETE, AT_HIGH, AT_LAST, AT_LEVELS, AT_LOW, AT_N,
                                          AT_PAYLOAD, AT_PREV_SEQ, AT_PRICE, AT_QTY, AT_SCALES, AT_SEQ, AT_SIDE, AT_SYMBOL,
                                          AT_TRADE_ID, AT_TS_EVENT, AT_TS_EVENT_NS, AT_TS_RECV_NS, AT_TYPE, AT_V,
                                          AT_VENUE, AT_VOLUME, ENGINE_MEMBERS, MEMBERS, SYMBOL_PART_MAX, VENUE_MAX,
                                          engine_member, is_symbol, is_venue)
from engine.schema.busentry cimport HeldEntry
from engine.schema.market cimport (TICKER_ASK, TICKER_ASK_QTY, TICKER_BID, TICKER_BID_QTY, TICKER_HIGH, TICKER_LAST,
                                   TICKER_LOW, TICKER_VOLUME, TRADE_SIDE_BUY, TRADE_SIDE_NONE, TRADE_SIDE_SELL, Level)
from engine.schema.record cimport (CHANGE_DECIMALS, NUMBER_NONE, NUMBER_TOLD, RECORD_DELTAS, RECORD_DEPTH, RECORD_TICKER,
                                   RECORD_TRADE, no_link)

from decimal import ROUND_HALF_EVEN as _HALF_EVEN
from decimal import Context, Decimal

from engine.base.jsontext import unescape
from engine.distribution.faults import FAULTS as _FAULTS
from engine.distribution.faults import InvalidEntryError
from engine.distribution.keys import text_number

cdef enum:
    EXPONENT_MAX = 60

_EXACT = Context(prec=2 * EXPONENT_MAX + SCALE_MAX)


cdef int keep_level(Levels* levels, const Level* level) except -1:
    cdef uint32_t capacity = levels.capacity
    cdef Level* grown
    if levels.count == capacity:
        capacity = max(64, 2 * capacity)
        grown = <Level*>realloc(levels.items, capacity * sizeof(Level))
        if grown == NULL:
            raise MemoryError("levels")
        levels.items = grown
        levels.capacity = capacity
    levels.items[levels.count] = level[0]
    levels.count += 1
    return 0


cdef class EntryDecoder:
    """Reads entries.

    Args:
        max_entry_bytes: a longer one is refused.
    """

    def __init__(self, max_entry_bytes: int = 1048576):
        self._index = JsonIndex()
        self._symbols = {}
        self._limit = max_entry_bytes

    def __dealloc__(self):
        free(self._sides[0].items)
        free(self._sides[1].items)

    def learn(self, place: int, venue: str, symbol: str, price_scale: int, qty_scale: int) -> None:
        """Entries of a symbol are read from here on, at these scales; *place* is what they carry to tell it by."""
        self._symbols[f"{venue}:{symbol}".encode()] = (place, venue, symbol, price_scale, qty_scale)

    def decode(self, bytes data not None) -> HeldEntry:
        """An entry.

        Raises:
            InvalidEntryError: it cannot be used; why and where is told.
        """
        cdef HeldEntry held = HeldEntry.__new__(HeldEntry)
        self._at = 0
        self._needed = 0
        self._kept = []
        cdef int fault = self._read(held, data)
        if fault == FAULT_NONE:
            return held
        member = ENGINE_MEMBERS[self._at].decode() if self._at else "entry"
        raise InvalidEntryError(_FAULTS[fault], member, decimals=self._needed, raw=data)

    def whose(self) -> tuple[str, str]:
        """(venue, symbol) that the entry read last tells, once it was found to tell one."""
        return self._whose

    cdef int _read(self, HeldEntry held, bytes data) except -1:
        cdef uint32_t at[MEMBERS]
        cdef uint32_t inner[MEMBERS]
        cdef int fault
        if <size_t>len(data) > self._limit:
            return self._fault(FAULT_TOO_LARGE, 0)
        if self._index.scan(data, len(data), &self._cursor) != 0 or not strings_hold(&self._cursor, len(data)):
            return self._fault(FAULT_NOT_JSON, 0)
        fault = self._members(at)
        if fault == FAULT_NONE and self._cursor.i != self._cursor.n:
            return self._fault(FAULT_NOT_JSON, 0)
        if fault == FAULT_NONE:
            fault = self._head(held, at)
        if fault != FAULT_NONE:
            return fault
        self._cursor.i = at[AT_PAYLOAD]
        if token(&self._cursor) != c'{':
            return self._fault(FAULT_WRONG_TYPE, AT_PAYLOAD)
        fault = self._members(inner)
        if fault != FAULT_NONE:
            return fault
        if held.r.kind == RECORD_TRADE:
            return self._trade(held, inner)
        return self._ticker(held, inner) if held.r.kind == RECORD_TICKER else self._book(held, inner)

    cdef int _members(self, uint32_t* at) except -1:
        """Where an object's members stand, 0 = it has none of that name; those nobody knows are stepped over."""
        cdef Cursor* c = &self._cursor
        cdef const char* key = NULL
        cdef const char* end
        cdef Py_ssize_t length = 0
        cdef bint empty = False
        cdef bint more
        cdef int member
        memset(at, 0, MEMBERS * sizeof(uint32_t))
        if open_object(c, &empty) != WIRE_OK:
            return self._fault(FAULT_NOT_JSON, 0)
        more = not empty
        while more:
            if next_key(c, &key, &length) != WIRE_OK:
                return self._fault(FAULT_NOT_JSON, 0)
            end = key + length
            self._resolve(&key, &end)
            member = engine_member(key, end - key)
            if member and at[member]:
                return self._fault(FAULT_DUPLICATE, member)
            at[member] = c.i
            if checked_skip(c) != WIRE_OK or after_value(c, c'}', &more) != WIRE_OK:
                return self._fault(FAULT_NOT_JSON, 0)
        return FAULT_NONE

    cdef int _head(self, HeldEntry held, const uint32_t* at) except -1:
        """The envelope (BUS-06)."""
        cdef int[5] mandatory = [AT_SYMBOL, AT_VENUE, AT_TYPE, AT_TS_EVENT, AT_PAYLOAD]
        cdef const char* p = NULL
        cdef const char* e = NULL
        cdef uint64_t value = 0
        cdef int fault = self._need(at, mandatory, 5)
        if fault == FAULT_NONE:
            fault = self._string(at, AT_TYPE, &p, &e)
        if fault != FAULT_NONE:
            return fault
        if same(p, e, b"trade_tick", 10):
            held.r.kind = RECORD_TRADE
        elif same(p, e, b"order_book_depth", 16):
            held.r.kind = RECORD_DEPTH
        elif same(p, e, b"order_book_deltas", 17):
            held.r.kind = RECORD_DELTAS
        elif same(p, e, b"ticker_24h", 10):
            held.r.kind = RECORD_TICKER
        else:
            return self._fault(FAULT_UNKNOWN_TYPE, AT_TYPE)
        fault = self._string(at, AT_TS_EVENT, &p, &e)
        if fault != FAULT_NONE:
            return fault
        if parse_rfc3339(p, e, &held.r.ts_venue_ns) != WIRE_OK or e[-1] != c'Z' or p[10] != c'T':
            return self._fault(FAULT_BAD_TIME, AT_TS_EVENT)
        if at[AT_V]:
            fault = self._whole(at, AT_V, 1, 1, &value)
        if fault == FAULT_NONE and at[AT_TS_EVENT_NS]:
            fault = self._whole(at, AT_TS_EVENT_NS, 0, INT64_MAX, &value)
            held.r.ts_venue_ns = <int64_t>value
        if fault == FAULT_NONE and at[AT_TS_RECV_NS]:
            fault = self._whole(at, AT_TS_RECV_NS, 0, INT64_MAX, &value)
            held.r.ts_recv_ns = <int64_t>value
        held.r.folded = 1
        held.r.numbering = NUMBER_NONE
        if fault == FAULT_NONE and at[AT_N]:
            # A trade is never merged.
            fault = self._whole(at, AT_N, 1 if held.r.kind == RECORD_TRADE else 0,
                                1 if held.r.kind == RECORD_TRADE else UINT32_MAX, &value)
            held.r.folded = <uint32_t>value
        if fault == FAULT_NONE and at[AT_SEQ]:
            fault = self._whole(at, AT_SEQ, 1, UINT64_MAX - 1, &held.r.seq)
            held.r.prev_seq = no_link()
            held.r.numbering = NUMBER_TOLD
        if fault == FAULT_NONE and at[AT_PREV_SEQ]:
            fault = self._whole(at, AT_PREV_SEQ, 0, held.r.seq - 1 if at[AT_SEQ] else UINT64_MAX - 1,
                                &held.r.prev_seq)
        return fault if fault != FAULT_NONE else self._symbol(held, at)

    cdef int _symbol(self, HeldEntry held, const uint32_t* at) except -1:
        cdef char name[VENUE_MAX + 2 * SYMBOL_PART_MAX + 2]
        cdef const char* p = NULL
        cdef const char* e = NULL
        cdef size_t length
        cdef int fault = self._string(at, AT_VENUE, &p, &e)
        if fault != FAULT_NONE:
            return fault
        if not is_venue(p, e):
            return self._fault(FAULT_BAD_VALUE, AT_VENUE)
        length = e - p
        memcpy(name, p, length)
        name[length] = c':'
        fault = self._string(at, AT_SYMBOL, &p, &e)
        if fault != FAULT_NONE:
            return fault
        if not is_symbol(p, e):
            return self._fault(FAULT_BAD_VALUE, AT_SYMBOL)
        memcpy(name + length + 1, p, e - p)
        found = self._symbols.get(PyBytes_FromStringAndSize(name, length + 1 + (e - p)))
        if found is None:
            self._whose = (name[:length].decode(), name[length + 1:length + 1 + (e - p)].decode())
            return self._fault(FAULT_UNKNOWN_INSTRUMENT, AT_SYMBOL)
        held.r.instrument_id, held.venue, held.symbol, held.r.price_scale, held.r.qty_scale = found
        return self._scales(held, at[AT_SCALES]) if at[AT_SCALES] else FAULT_NONE

    cdef int _scales(self, HeldEntry held, uint32_t token_at) except -1:
        """[decimals of prices, of quantities] that hold from this entry on; narrower ones change nothing."""
        cdef uint64_t[2] told
        cdef Cursor* c = &self._cursor
        cdef int i
        c.i = token_at
        if token(c) != c'[' or c.text[c.at[token_at + 2]] != c',' or c.text[c.at[token_at + 4]] != c']':
            return self._fault(FAULT_WRONG_TYPE, AT_SCALES)
        for i in range(2):
            if c.text[c.at[token_at + 1 + 2 * i]] == c'"' or u64_at(c, token_at + 1 + 2 * i, &told[i]) != WIRE_OK \
                    or told[i] > SCALE_MAX:
                return self._fault(FAULT_BAD_VALUE, AT_SCALES)
        held.r.tells_scales = True
        if <int>told[0] > held.r.price_scale or <int>told[1] > held.r.qty_scale:
            held.r.price_scale = max(held.r.price_scale, <int>told[0])
            held.r.qty_scale = max(held.r.qty_scale, <int>told[1])
            self.learn(held.r.instrument_id, held.venue, held.symbol, held.r.price_scale, held.r.qty_scale)
        return FAULT_NONE

    # -- payloads (BUS-09) ----------------------------------------------------------------------------------------

    cdef int _trade(self, HeldEntry held, const uint32_t* at) except -1:
        cdef int[4] mandatory = [AT_PRICE, AT_QTY, AT_SIDE, AT_TRADE_ID]
        cdef const char* p = NULL
        cdef const char* e = NULL
        cdef int fault = self._need(at, mandatory, 4)
        if fault == FAULT_NONE:
            fault = self._decimal(at[AT_PRICE], AT_PRICE, held.r.price_scale, &held.r.price_raw)
        if fault == FAULT_NONE:
            fault = self._decimal(at[AT_QTY], AT_QTY, held.r.qty_scale, &held.r.qty_raw)
        if fault == FAULT_NONE:
            fault = self._string(at, AT_SIDE, &p, &e)
        if fault != FAULT_NONE:
            return fault
        if held.r.price_raw <= 0 or held.r.qty_raw <= 0:
            return self._fault(FAULT_BAD_VALUE, AT_PRICE if held.r.price_raw <= 0 else AT_QTY)
        if same(p, e, b"buy", 3):
            held.r.side = TRADE_SIDE_BUY
        elif same(p, e, b"sell", 4):
            held.r.side = TRADE_SIDE_SELL
        elif same(p, e, b"none", 4):
            held.r.side = TRADE_SIDE_NONE
        else:
            return self._fault(FAULT_BAD_VALUE, AT_SIDE)
        fault = self._string(at, AT_TRADE_ID, &p, &e)
        if fault != FAULT_NONE:
            return fault
        if p == e:
            return self._fault(FAULT_BAD_VALUE, AT_TRADE_ID)
        if parse_u64(p, p, e, &held.r.trade_id) != PARSE_OK:
            # An id that is no number is known again by the number of its text.
            held.r.trade_id = text_number(p[:e - p].decode())
        return FAULT_NONE

    cdef int _book(self, HeldEntry held, const uint32_t* at) except -1:
        cdef bint is_depth = held.r.kind == RECORD_DEPTH
        cdef int[3] mandatory = [AT_BIDS if is_depth else AT_BIDS_UPD, AT_ASKS if is_depth else AT_ASKS_UPD, AT_LEVELS]
        cdef uint64_t levels = 0
        cdef bint is_complete = True
        cdef int side
        cdef int fault = self._need(at, mandatory, 3 if is_depth else 2)
        for side in range(2):
            if fault == FAULT_NONE:
                fault = self._side(held, at[mandatory[side]], mandatory[side], side)
        if fault == FAULT_NONE and is_depth:
            fault = self._whole(at, AT_LEVELS, 0, UINT32_MAX, &levels)
            if fault == FAULT_NONE and levels != max(self._sides[0].count, self._sides[1].count):
                return self._fault(FAULT_BAD_VALUE, AT_LEVELS)
            if fault == FAULT_NONE and at[AT_COMPLETE] and bool_at(&self._cursor, at[AT_COMPLETE], &is_complete) != WIRE_OK:
                return self._fault(FAULT_WRONG_TYPE, AT_COMPLETE)
            held.r.is_complete = is_complete
        if fault == FAULT_NONE:
            held.keep_levels(self._sides[0].items, self._sides[0].count, self._sides[1].items, self._sides[1].count)
        return fault

    cdef int _ticker(self, HeldEntry held, const uint32_t* at) except -1:
        cdef int[5] mandatory = [AT_LAST, AT_CHANGE, AT_HIGH, AT_LOW, AT_VOLUME]
        cdef int64_t* values[5]
        cdef Level level
        cdef int i
        cdef int fault = self._need(at, mandatory, 5)
        values[0], values[1] = &held.ticker.last_price_raw, &held.r.change_raw
        values[2], values[3] = &held.ticker.high_24h_raw, &held.ticker.low_24h_raw
        values[4] = &held.ticker.volume_24h_raw
        for i in range(5):
            if fault == FAULT_NONE:
                fault = self._decimal(at[mandatory[i]], mandatory[i], CHANGE_DECIMALS if i == 1 else
                                      held.r.qty_scale if i == 4 else held.r.price_scale, values[i])
        if fault != FAULT_NONE:
            return fault
        if held.ticker.high_24h_raw < held.ticker.low_24h_raw:
            return self._fault(FAULT_BAD_VALUE, AT_HIGH)
        if held.ticker.volume_24h_raw < 0:
            return self._fault(FAULT_BAD_VALUE, AT_VOLUME)
        held.r.body = &held.ticker
        held.ticker.present = TICKER_LAST | TICKER_HIGH | TICKER_LOW | TICKER_VOLUME
        for i in range(AT_BEST_BID, AT_BEST_ASK + 1):
            if at[i] == 0:
                continue
            self._cursor.i = at[i]
            fault = self._pair(held, i, &level)
            if fault != FAULT_NONE:
                return fault
            if i == AT_BEST_BID:
                held.ticker.bid_price_raw, held.ticker.bid_qty_raw = level.price_raw, level.qty_raw
                held.ticker.present |= TICKER_BID | TICKER_BID_QTY
            else:
                held.ticker.ask_price_raw, held.ticker.ask_qty_raw = level.price_raw, level.qty_raw
                held.ticker.present |= TICKER_ASK | TICKER_ASK_QTY
        return FAULT_NONE

    # -- values ---------------------------------------------------------------------------------------------------

    cdef int _fault(self, int fault, int member) noexcept:
        self._at = member
        return fault

    cdef int _need(self, const uint32_t* at, const int* members, int count) noexcept:
        cdef int i
        for i in range(count):
            if at[members[i]] == 0:
                return self._fault(FAULT_MISSING, members[i])
        return FAULT_NONE

    cdef int _string(self, const uint32_t* at, int member, const char** start, const char** end) except -1:
        """A string's text, escapes resolved; it may be empty."""
        if self._cursor.text[self._cursor.at[at[member]]] != c'"' \
                or text_at(&self._cursor, at[member], start, end) != WIRE_OK:
            return self._fault(FAULT_WRONG_TYPE, member)
        self._resolve(start, end)
        return FAULT_NONE

    cdef int _resolve(self, const char** start, const char** end) except -1:
        cdef bytes text
        if start[0] < end[0] and memchr(start[0], c'\\', end[0] - start[0]) != NULL:
            text = unescape(start[0][:end[0] - start[0]])
            self._kept.append(text)
            start[0] = text
            end[0] = start[0] + len(text)
        return 0

    cdef int _whole(self, const uint32_t* at, int member, uint64_t least, uint64_t most, uint64_t* out) noexcept:
        cdef const char* p = self._cursor.text + self._cursor.at[at[member]]
        if not (c'0' <= p[0] <= c'9' or p[0] == c'-'):
            return self._fault(FAULT_WRONG_TYPE, member)
        if u64_at(&self._cursor, at[member], out) != WIRE_OK or not least <= out[0] <= most:
            return self._fault(FAULT_BAD_VALUE, member)
        return FAULT_NONE

    cdef int _decimal(self, uint32_t token_at, int member, int scale, int64_t* out) except -1:
        """A number, or a string that holds a plain decimal, exactly."""
        cdef const char* p = NULL
        cdef const char* e = NULL
        cdef bint is_text = self._cursor.text[self._cursor.at[token_at]] == c'"'
        cdef int code
        if text_at(&self._cursor, token_at, &p, &e) != WIRE_OK or p == e:
            return self._fault(FAULT_WRONG_TYPE, member)
        code = parse_decimal(self._cursor.text, p, e, scale, out)
        if code == PARSE_OK:
            return FAULT_NONE
        if code == PARSE_MALFORMED and (is_text or not is_number(p, e)):
            return self._fault(FAULT_BAD_VALUE if is_text else FAULT_WRONG_TYPE, member)
        if code == PARSE_WIDEN and member != AT_CHANGE:
            self._needed = <int>out[0]
            return self._fault(FAULT_DECIMALS, member)
        return self._odd_decimal(p[:e - p].decode(), member, scale, out)

    cdef int _odd_decimal(self, str text, int member, int scale, int64_t* out) except -1:
        """With an exponent, too large for 64 bits, or a percentage with more decimals than are told."""
        exact = Decimal(text)
        if abs(exact.adjusted()) > EXPONENT_MAX or len(exact.as_tuple().digits) > EXPONENT_MAX:
            return self._fault(FAULT_RANGE, member)
        scaled = exact.scaleb(scale, context=_EXACT)
        whole = scaled.to_integral_value(_HALF_EVEN, context=_EXACT)
        if whole != scaled and member != AT_CHANGE:
            self._needed = -exact.normalize(_EXACT).as_tuple().exponent
            return self._fault(FAULT_RANGE if self._needed > SCALE_MAX else FAULT_DECIMALS, member)
        if not -INT64_MAX - 1 <= whole <= INT64_MAX:
            return self._fault(FAULT_RANGE, member)
        out[0] = int(whole)
        return FAULT_NONE

    cdef int _side(self, HeldEntry held, uint32_t token_at, int member, int side) except -1:
        """A list of pairs; of a snapshot in strict order, and nothing of 0 (BUS-09)."""
        cdef Levels* levels = &self._sides[side]
        cdef bint is_depth = held.r.kind == RECORD_DEPTH
        cdef bint empty = False
        cdef bint more
        cdef int64_t before = 0
        cdef Level level
        cdef int fault
        levels.count = 0
        self._cursor.i = token_at
        if open_array(&self._cursor, &empty) != WIRE_OK:
            return self._fault(FAULT_WRONG_TYPE, member)
        more = not empty
        while more:
            fault = self._pair(held, member, &level)
            if fault != FAULT_NONE:
                return fault
            if level.price_raw <= 0 or level.qty_raw < 0 or (is_depth and level.qty_raw == 0):
                return self._fault(FAULT_BAD_VALUE, member)
            if is_depth and levels.count and (level.price_raw >= before if side == 0 else level.price_raw <= before):
                return self._fault(FAULT_UNSORTED, member)
            before = level.price_raw
            keep_level(levels, &level)
            after_value(&self._cursor, c']', &more)
        return FAULT_NONE

    cdef int _pair(self, HeldEntry held, int member, Level* out) except -1:
        """[price, quantity] at the cursor, which is JSON already."""
        cdef Cursor* c = &self._cursor
        cdef uint32_t first = c.i + 1
        cdef int fault
        if token(c) != c'[' or c.text[c.at[first + 1]] != c',' or c.text[c.at[first + 3]] != c']':
            return self._fault(FAULT_WRONG_TYPE, member)
        fault = self._decimal(first, member, held.r.price_scale, &out.price_raw)
        if fault == FAULT_NONE:
            fault = self._decimal(first + 2, member, held.r.qty_scale, &out.qty_raw)
        c.i = first + 4
        return fault
