from libc.stdint cimport UINT32_MAX, uint32_t, uint64_t
from libc.string cimport memcmp

from engine.base.jsonindex cimport JsonIndex
from engine.base.jsonskip cimport checked_skip, strings_hold
from engine.base.jsonwalk cimport (Cursor, WIRE_BAD_VALUE, WIRE_DUPLICATE_KEY, WIRE_MISSING_FIELD,
                                   WIRE_NOT_JSON, WIRE_OK, WIRE_OVERFLOW, WIRE_UNKNOWN_VALUE, WIRE_WRONG_TYPE,
                                   after_value, bool_at, next_key, open_object, same, string_at, u64_at)
from engine.providers.leveltext cimport LevelTexts, Span
from engine.providers.rowtext cimport (READ_COUNT, READ_NANOSECONDS, READ_NUMBER, READ_SIDE, READ_TEXT,
                                       READ_TRADE_COUNT, Row, RowTable, RowTexts, add_key, nanoseconds_at)

cdef enum:
    # Keys of a frame. Those from KEY_BIDS on are lists, whose shape the channel tells.
    KEY_CHANNEL = 0
    KEY_TYPE = 1
    KEY_SYMBOL = 2
    KEY_SEQ = 3
    KEY_TIME = 4
    KEY_CHECKSUM = 5
    KEY_OK = 6
    KEY_ERROR = 7
    KEY_STATE = 8
    KEY_BIDS = 9
    KEY_ASKS = 10
    KEY_DATA = 11
    KEY_INSTRUMENTS = 12
    KEY_NONE = -1
    # What a book frame must have, a bit for each.
    BOOK_NEEDS = 0x63F

cdef enum:
    # Sets of keys, one bit a place in ROW_KEYS
    # What a row of each channel may hold, and what it must, one bit a place; every other key is skipped.
    TRADE_ROW = 0x3F               # all of symbol .. id
    TICKER_ROW = 0x3FC3            # symbol, time_ns, and bid .. high
    TICKER_NEEDS = 0x1
    KLINE_ROW = 0x7F803            # symbol, time_ns, and volume .. trades
    KLINE_NEEDS = 0x3F801          # all of them but time_ns and trades

cdef RowTable ROW_KEYS


cdef int _make_table() except -1:
    cdef Row row
    cdef char* at = <char*>&row
    ROW_KEYS.count = 0
    add_key(&ROW_KEYS, b"symbol", 6, READ_TEXT, <char*>&row.symbol - at)
    add_key(&ROW_KEYS, b"time_ns", 7, READ_NANOSECONDS, <char*>&row.time_ns - at)
    add_key(&ROW_KEYS, b"side", 4, READ_SIDE, <char*>&row.is_buy - at)
    add_key(&ROW_KEYS, b"price", 5, READ_NUMBER, <char*>&row.price - at)
    add_key(&ROW_KEYS, b"qty", 3, READ_NUMBER, <char*>&row.qty - at)
    add_key(&ROW_KEYS, b"id", 2, READ_COUNT, <char*>&row.trade_id - at)
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
    add_key(&ROW_KEYS, b"interval", 8, READ_TEXT, <char*>&row.interval - at)
    add_key(&ROW_KEYS, b"start_ns", 8, READ_NANOSECONDS, <char*>&row.start_ns - at)
    return add_key(&ROW_KEYS, b"trades", 6, READ_TRADE_COUNT, <char*>&row.trade_count - at)


_make_table()


cdef inline int key_in_frame(const char* key, Py_ssize_t length) noexcept nogil:
    if length == 3:
        return KEY_SEQ if memcmp(key, b"seq", 3) == 0 else KEY_NONE
    if length == 4:
        if memcmp(key, b"bids", 4) == 0:
            return KEY_BIDS
        if memcmp(key, b"asks", 4) == 0:
            return KEY_ASKS
        if memcmp(key, b"type", 4) == 0:
            return KEY_TYPE
        return KEY_DATA if memcmp(key, b"data", 4) == 0 else KEY_NONE
    if length == 7:
        if memcmp(key, b"channel", 7) == 0:
            return KEY_CHANNEL
        return KEY_TIME if memcmp(key, b"time_ns", 7) == 0 else KEY_NONE
    if length == 6:
        return KEY_SYMBOL if memcmp(key, b"symbol", 6) == 0 else KEY_NONE
    if length == 8:
        return KEY_CHECKSUM if memcmp(key, b"checksum", 8) == 0 else KEY_NONE
    if length == 2:
        return KEY_OK if memcmp(key, b"ok", 2) == 0 else KEY_NONE
    if length == 5:
        if memcmp(key, b"error", 5) == 0:
            return KEY_ERROR
        return KEY_STATE if memcmp(key, b"state", 5) == 0 else KEY_NONE
    if length == 11:
        return KEY_INSTRUMENTS if memcmp(key, b"instruments", 11) == 0 else KEY_NONE
    return KEY_NONE


cdef inline const char* key_name(uint32_t keys) noexcept nogil:
    """The first of the keys whose bits are set."""
    if keys & 1 << KEY_CHANNEL:
        return b"channel"
    if keys & 1 << KEY_TYPE:
        return b"type"
    if keys & 1 << KEY_SYMBOL:
        return b"symbol"
    if keys & 1 << KEY_SEQ:
        return b"seq"
    if keys & 1 << KEY_TIME:
        return b"time_ns"
    if keys & 1 << KEY_CHECKSUM:
        return b"checksum"
    return b"bids" if keys & 1 << KEY_BIDS else b"asks"


cdef inline int kind_of(const char* p, const char* e) noexcept nogil:
    if same(p, e, b"book", 4):
        return SIMULATED_BOOK
    if same(p, e, b"trade", 5):
        return SIMULATED_TRADE
    if same(p, e, b"ticker", 6):
        return SIMULATED_TICKER
    if same(p, e, b"kline", 5):
        return SIMULATED_KLINE
    if same(p, e, b"instrument", 10):
        return SIMULATED_INSTRUMENT
    if same(p, e, b"status", 6):
        return SIMULATED_STATUS
    if same(p, e, b"heartbeat", 9):
        return SIMULATED_HEARTBEAT
    return SIMULATED_REPLY if same(p, e, b"reply", 5) else SIMULATED_IGNORED


cdef class SimulatedDecoder:
    """Frames of every channel, and replies."""

    def __cinit__(self):
        self.index = JsonIndex()
        self.bids = LevelTexts()
        self.asks = LevelTexts()
        self.rows = RowTexts()
        self.rows.table = &ROW_KEYS

    cdef int decode(self, const char* text, size_t length) except -1:
        """Decode one frame into ``message``, ``rows``, ``bids`` and ``asks``. Returns a WireCode."""
        cdef SimulatedMessage* m = &self.message
        cdef int key
        cdef int code
        self.error_field = NULL
        self._seen = 0
        self.rows.count = 0
        self.bids.count = 0
        self.asks.count = 0
        m.kind = SIMULATED_UNKNOWN
        m.symbol.start = m.symbol.end = 0
        if self.index.scan(text, length, &self.cursor) != 0 or not strings_hold(&self.cursor, length):
            return WIRE_NOT_JSON
        code = self._object()
        if code != WIRE_OK:
            return code
        if self.cursor.i != self.cursor.n:
            return WIRE_NOT_JSON
        if not self._seen & 1 << KEY_CHANNEL:
            self.error_field = b"channel"
            return WIRE_MISSING_FIELD
        for key in range(KEY_BIDS, KEY_INSTRUMENTS + 1):
            # Lists that stood before the channel.
            if self._seen >> key & 1 and self._place[key] < self._place[KEY_CHANNEL]:
                self.cursor.i = self._place[key]
                code = self._list(key)
                if code != WIRE_OK:
                    return code
        return self._book() if m.kind == SIMULATED_BOOK else self._rare()

    cdef int _object(self) except -1:
        """The keys of the frame, each at most once."""
        cdef Cursor* c = &self.cursor
        cdef bint empty = False
        cdef bint more = True
        cdef const char* name = NULL
        cdef Py_ssize_t length = 0
        cdef int key
        cdef int code = open_object(c, &empty)
        if code != WIRE_OK or empty:
            return code
        while more:
            code = next_key(c, &name, &length)
            if code != WIRE_OK:
                return code
            key = key_in_frame(name, length)
            if key == KEY_NONE:
                code = checked_skip(c)
            elif self._seen >> key & 1:
                self.error_field = name
                if key == KEY_CHANNEL:
                    self.message.kind = SIMULATED_UNKNOWN
                elif key == KEY_SYMBOL:
                    self.message.symbol.end = self.message.symbol.start
                return WIRE_DUPLICATE_KEY
            else:
                self._seen |= <uint32_t>1 << key
                self._place[key] = c.i
                self.error_field = name
                code = self._value(key)
            if code == WIRE_OK:
                code = after_value(c, c'}', &more)
            if code != WIRE_OK:
                return code
        return WIRE_OK

    cdef int _value(self, int key) except -1:
        """Read the value at the cursor as far as it means the same in every channel, and step over it. A WireCode."""
        cdef Cursor* c = &self.cursor
        cdef SimulatedMessage* m = &self.message
        cdef const char* p = NULL
        cdef const char* e = NULL
        cdef int code
        if key >= KEY_BIDS:
            return checked_skip(c) if m.kind == SIMULATED_UNKNOWN else self._list(key)
        if key != KEY_CHANNEL and key != KEY_SYMBOL:
            return checked_skip(c)               # read by its place, once the channel is known
        code = string_at(c, c.i, &p, &e)
        if code != WIRE_OK:
            return code
        c.i += 1
        if key == KEY_CHANNEL:
            m.kind = kind_of(p, e)
        else:
            m.symbol.start = <uint32_t>(p - c.text)
            m.symbol.end = <uint32_t>(e - c.text)
        return WIRE_OK

    cdef int _list(self, int key) except -1:
        """Read the list at the cursor, if it is one of this channel's. A WireCode."""
        cdef Cursor* c = &self.cursor
        cdef int kind = self.message.kind
        cdef int code
        self.error_field = b"bids" if key == KEY_BIDS else b"asks" if key == KEY_ASKS else b"data"
        if kind == SIMULATED_BOOK and key == KEY_BIDS:
            return self.bids.add_pairs(c)
        if kind == SIMULATED_BOOK and key == KEY_ASKS:
            return self.asks.add_pairs(c)
        if key != KEY_DATA:
            return checked_skip(c)
        self.rows.error_field = b"data"
        if kind == SIMULATED_TRADE:
            code = self.rows.add_rows(c, TRADE_ROW, TRADE_ROW)
        elif kind == SIMULATED_TICKER:
            code = self.rows.add_rows(c, TICKER_ROW, TICKER_NEEDS)
        elif kind == SIMULATED_KLINE:
            code = self.rows.add_rows(c, KLINE_ROW, KLINE_NEEDS)
        else:
            return checked_skip(c)
        if code != WIRE_OK:
            self.error_field = self.rows.error_field
        return code

    cdef int _book(self) except -1:
        """What a book frame has beside its levels."""
        cdef Cursor* c = &self.cursor
        cdef SimulatedMessage* m = &self.message
        cdef const char* p = NULL
        cdef const char* e = NULL
        cdef uint64_t value = 0
        cdef int code
        if self._seen & BOOK_NEEDS != BOOK_NEEDS:
            self.error_field = key_name(BOOK_NEEDS & ~self._seen)
            return WIRE_MISSING_FIELD
        self.error_field = b"type"
        code = string_at(c, self._place[KEY_TYPE], &p, &e)
        if code != WIRE_OK:
            return code
        m.is_snapshot = same(p, e, b"snapshot", 8)
        if not m.is_snapshot and not same(p, e, b"update", 6):
            return WIRE_UNKNOWN_VALUE
        self.error_field = b"seq"
        code = u64_at(c, self._place[KEY_SEQ], &m.number)
        if code != WIRE_OK:
            return code
        if m.number == 0 or m.is_snapshot != (m.number == 1):
            return WIRE_BAD_VALUE
        self.error_field = b"time_ns"
        code = nanoseconds_at(c, self._place[KEY_TIME], &m.ts_venue_ns)
        if code != WIRE_OK:
            return code
        self.error_field = b"checksum"
        code = u64_at(c, self._place[KEY_CHECKSUM], &value)
        if code == WIRE_OK and value > UINT32_MAX:
            return WIRE_OVERFLOW
        m.checksum = <uint32_t>value
        return code

    cdef int _rare(self) except -1:
        """What a frame of any other channel must have."""
        cdef SimulatedMessage* m = &self.message
        cdef int code
        if m.kind == SIMULATED_TRADE or m.kind == SIMULATED_TICKER or m.kind == SIMULATED_KLINE:
            self.error_field = b"data"
            return WIRE_OK if self._seen & 1 << KEY_DATA else WIRE_MISSING_FIELD
        if m.kind == SIMULATED_INSTRUMENT:
            self.error_field = b"instruments"
            if not self._seen & 1 << KEY_INSTRUMENTS:
                return WIRE_MISSING_FIELD
            return WIRE_OK if self.cursor.text[self.cursor.at[self._place[KEY_INSTRUMENTS]]] == c'[' else WIRE_WRONG_TYPE
        if m.kind == SIMULATED_STATUS:
            return self._text(KEY_STATE, b"state")
        if m.kind != SIMULATED_REPLY:
            return WIRE_OK
        self.error_field = b"ok"
        if not self._seen & 1 << KEY_OK:
            return WIRE_MISSING_FIELD
        code = bool_at(&self.cursor, self._place[KEY_OK], &m.success)
        return code if code != WIRE_OK or m.success else self._text(KEY_ERROR, b"error")

    cdef int _text(self, int key, const char* name) except -1:
        """Read a text that must be there. A WireCode."""
        cdef Span* span = &self.message.text
        cdef const char* p = NULL
        cdef const char* e = NULL
        cdef int code
        self.error_field = name
        if not self._seen >> key & 1:
            return WIRE_MISSING_FIELD
        code = string_at(&self.cursor, self._place[key], &p, &e)
        if code == WIRE_OK:
            span.start = <uint32_t>(p - self.cursor.text)
            span.end = <uint32_t>(e - self.cursor.text)
        return code
