from libc.stdint cimport UINT32_MAX, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp

from engine.base.instant cimport parse_rfc3339
from engine.base.jsonindex cimport JsonIndex
from engine.base.jsonskip cimport checked_skip, strings_hold
from engine.base.jsonwalk cimport (Cursor, WIRE_DUPLICATE_KEY, WIRE_MISSING_FIELD, WIRE_NOT_JSON, WIRE_OK,
                                   WIRE_OVERFLOW, WIRE_UNKNOWN_VALUE, WIRE_WRONG_TYPE, after_value, bool_at, is_null,
                                   next_key, open_array, open_object, same, string_at, token, u64_at)
from engine.providers.kraken.rowtext cimport (OHLC_NEEDS, OHLC_ROW, ROW_KEYS, STATUS_ROW, TICKER_NEEDS, TICKER_ROW,
                                              TRADE_ROW, add_levels)
from engine.providers.leveltext cimport LevelTexts, Span, span_at
from engine.providers.rowtext cimport RowTexts

cdef enum:
    # Keys of a frame, and of the result of a reply.
    NAMED_CHANNEL = 0
    NAMED_TYPE = 1
    NAMED_DATA = 2
    NAMED_TIMESTAMP = 3
    NAMED_METHOD = 4
    NAMED_RESULT = 5
    NAMED_SUCCESS = 6
    NAMED_SYMBOL = 7
    NAMED_DEPTH = 8
    NAMED_REQ_ID = 9
    NAMED_ERROR = 10               # of a request
    NAMED_REFUSAL = 11             # of the connection: with a capital E


cdef enum:
    # What a book's entry must have. Its timestamp is younger than the channel: snapshots of 2023 have none.
    ENTRY_SYMBOL = 1
    ENTRY_BIDS = 2
    ENTRY_ASKS = 4
    ENTRY_CHECKSUM = 8
    ENTRY_NEEDS = 15
    ENTRY_TIMESTAMP = 16


cdef inline int named_key(const char* key, Py_ssize_t length) noexcept nogil:
    if length == 7 and memcmp(key, b"channel", 7) == 0:
        return NAMED_CHANNEL
    if length == 4 and memcmp(key, b"type", 4) == 0:
        return NAMED_TYPE
    if length == 4 and memcmp(key, b"data", 4) == 0:
        return NAMED_DATA
    if length == 9 and memcmp(key, b"timestamp", 9) == 0:
        return NAMED_TIMESTAMP
    if length == 6 and memcmp(key, b"method", 6) == 0:
        return NAMED_METHOD
    if length == 6 and memcmp(key, b"result", 6) == 0:
        return NAMED_RESULT
    if length == 7 and memcmp(key, b"success", 7) == 0:
        return NAMED_SUCCESS
    if length == 6 and memcmp(key, b"symbol", 6) == 0:
        return NAMED_SYMBOL
    if length == 5 and memcmp(key, b"depth", 5) == 0:
        return NAMED_DEPTH
    if length == 6 and memcmp(key, b"req_id", 6) == 0:
        return NAMED_REQ_ID
    if length == 5 and memcmp(key, b"error", 5) == 0:
        return NAMED_ERROR
    if length == 5 and memcmp(key, b"Error", 5) == 0:
        return NAMED_REFUSAL
    return -1


cdef inline int entry_key(const char* key, Py_ssize_t length) noexcept nogil:
    if length == 6 and memcmp(key, b"symbol", 6) == 0:
        return ENTRY_SYMBOL
    if length == 4 and memcmp(key, b"bids", 4) == 0:
        return ENTRY_BIDS
    if length == 4 and memcmp(key, b"asks", 4) == 0:
        return ENTRY_ASKS
    if length == 8 and memcmp(key, b"checksum", 8) == 0:
        return ENTRY_CHECKSUM
    if length == 9 and memcmp(key, b"timestamp", 9) == 0:
        return ENTRY_TIMESTAMP
    return 0


cdef inline const char* entry_name(int key) noexcept nogil:
    if key & ENTRY_SYMBOL:
        return b"symbol"
    if key & ENTRY_BIDS:
        return b"bids"
    return b"asks" if key & ENTRY_ASKS else b"checksum"


cdef class KrakenDecoder:
    """Frames of the public socket: market channels, status, heartbeats, replies."""

    def __cinit__(self):
        self.index = JsonIndex()
        self.bids = LevelTexts()
        self.asks = LevelTexts()
        self.rows = RowTexts()
        self.rows.table = &ROW_KEYS

    def __dealloc__(self):
        free(self.entries)

    cdef int decode(self, const char* text, size_t length) except -1:
        """Decode one frame into ``message``, ``entries``, ``rows``, ``bids`` and ``asks``. Returns a WireCode."""
        cdef int code
        self.error_field = NULL
        self._named = 0
        self.entry_count = 0
        self.rows.count = 0
        self.bids.count = 0
        self.asks.count = 0
        self.message.kind = KRAKEN_UNKNOWN
        self.message.ts_venue_ns = 0
        if self.index.scan(text, length, &self.cursor) != 0 or not strings_hold(&self.cursor, length):
            return WIRE_NOT_JSON
        code = self._object()
        if code != WIRE_OK:
            return code
        if self.cursor.i != self.cursor.n:
            return WIRE_NOT_JSON
        return self._finish()

    # -- the frame --------------------------------------------------------------------------------------------

    cdef int _object(self) except -1:
        """Note every key of the object at the cursor. Data that stands before its channel is read after it."""
        cdef Cursor* c = &self.cursor
        cdef bint empty = False
        cdef bint more = True
        cdef const char* key = NULL
        cdef Py_ssize_t length = 0
        cdef int named
        cdef int code = open_object(c, &empty)
        if code != WIRE_OK or empty:
            return code
        while more:
            code = next_key(c, &key, &length)
            if code != WIRE_OK:
                return code
            named = named_key(key, length)
            if named >= 0:
                if self._named & (<uint32_t>1 << named):
                    self.message.kind = KRAKEN_UNKNOWN
                    self.error_field = key
                    return WIRE_DUPLICATE_KEY
                self._named |= <uint32_t>1 << named
                self._named_token[named] = c.i
            if named == NAMED_CHANNEL:
                code = self._channel()
            elif named == NAMED_DATA and self.message.kind != KRAKEN_UNKNOWN:
                code = self._data()
            else:
                code = checked_skip(c)
            if code == WIRE_OK:
                code = after_value(c, c'}', &more)
            if code != WIRE_OK:
                return code
        return WIRE_OK

    cdef int _channel(self) except -1:
        """Read the channel's name at the cursor and step over it."""
        cdef KrakenMessage* m = &self.message
        cdef const char* p = NULL
        cdef const char* e = NULL
        cdef int code = string_at(&self.cursor, self.cursor.i, &p, &e)
        if code != WIRE_OK:
            self.error_field = b"channel"
            return code
        self.cursor.i += 1
        m.kind = KRAKEN_IGNORED
        if same(p, e, b"book", 4):
            m.kind = KRAKEN_BOOK
        elif same(p, e, b"trade", 5):
            m.kind = KRAKEN_TRADE
        elif same(p, e, b"ticker", 6):
            m.kind = KRAKEN_TICKER
        elif same(p, e, b"ohlc", 4):
            m.kind = KRAKEN_OHLC
        elif same(p, e, b"status", 6):
            m.kind = KRAKEN_STATUS
        elif same(p, e, b"instrument", 10):
            m.kind = KRAKEN_INSTRUMENT
        elif same(p, e, b"heartbeat", 9):
            m.kind = KRAKEN_HEARTBEAT
        return WIRE_OK

    cdef int _data(self) except -1:
        """Read the entries or rows at the cursor; the channel is known."""
        cdef Cursor* c = &self.cursor
        cdef int kind = self.message.kind
        cdef int code
        if kind == KRAKEN_BOOK:
            return self._entries()
        self.rows.error_field = b"data"
        if kind == KRAKEN_TRADE:
            code = self.rows.add_rows(c, TRADE_ROW, TRADE_ROW)
        elif kind == KRAKEN_TICKER:
            code = self.rows.add_rows(c, TICKER_ROW, TICKER_NEEDS)
        elif kind == KRAKEN_OHLC:
            code = self.rows.add_rows(c, OHLC_ROW, OHLC_NEEDS)
        elif kind == KRAKEN_STATUS:
            code = self.rows.add_rows(c, STATUS_ROW, STATUS_ROW)
        elif kind == KRAKEN_INSTRUMENT and token(c) != c'{':
            code = WIRE_WRONG_TYPE
        else:
            code = checked_skip(c)
        if code != WIRE_OK:
            self.error_field = self.rows.error_field
        return code

    cdef int _finish(self) except -1:
        """Tell what the frame is, now that all its keys are known: by method, else by channel, else by the rest."""
        cdef KrakenMessage* m = &self.message
        cdef Cursor* c = &self.cursor
        cdef const char* p = NULL
        cdef const char* e = NULL
        cdef int code
        if self._named & (1 << NAMED_METHOD):
            return self._reply()
        if not self._named & (1 << NAMED_CHANNEL):
            if self._named & (1 << NAMED_REFUSAL) or self._named & (1 << NAMED_ERROR):
                m.kind = KRAKEN_REFUSAL
                return self._named_text(NAMED_REFUSAL if self._named & (1 << NAMED_REFUSAL) else NAMED_ERROR, &m.text)
            self.error_field = b"channel"
            return WIRE_MISSING_FIELD
        if m.kind < KRAKEN_BOOK or m.kind > KRAKEN_INSTRUMENT:
            return WIRE_OK
        if not self._named & (1 << NAMED_DATA):
            self.error_field = b"data"
            return WIRE_MISSING_FIELD
        if self._named_token[NAMED_DATA] < self._named_token[NAMED_CHANNEL]:
            c.i = self._named_token[NAMED_DATA]
            code = self._data()
            if code != WIRE_OK:
                return code
        if m.kind >= KRAKEN_STATUS:
            return WIRE_OK
        self.error_field = b"type"
        if not self._named & (1 << NAMED_TYPE):
            return WIRE_MISSING_FIELD
        code = string_at(c, self._named_token[NAMED_TYPE], &p, &e)
        if code != WIRE_OK:
            return code
        m.is_snapshot = same(p, e, b"snapshot", 8)
        if not m.is_snapshot and not same(p, e, b"update", 6):
            return WIRE_UNKNOWN_VALUE
        if self._named & (1 << NAMED_TIMESTAMP):
            self.error_field = b"timestamp"
            code = string_at(c, self._named_token[NAMED_TIMESTAMP], &p, &e) or parse_rfc3339(p, e, &m.ts_venue_ns)
        return code

    # -- replies ----------------------------------------------------------------------------------------------

    def _reply(self) -> int:
        """An answer to a control frame; one that does not say success failed."""
        cdef KrakenMessage* m = &self.message
        cdef Cursor* c = &self.cursor
        cdef const char* p = NULL
        cdef const char* e = NULL
        cdef int code
        m.kind = KRAKEN_IGNORED
        # Ours are integers; another's reply is none of our business.
        m.has_req_id = self._named & (1 << NAMED_REQ_ID) \
            and u64_at(c, self._named_token[NAMED_REQ_ID], &m.req_id) == WIRE_OK
        self.error_field = b"method"
        code = string_at(c, self._named_token[NAMED_METHOD], &p, &e)
        if code != WIRE_OK:
            return code
        m.is_subscribe = same(p, e, b"subscribe", 9)
        if same(p, e, b"pong", 4):
            m.kind = KRAKEN_PONG
        elif m.is_subscribe or same(p, e, b"unsubscribe", 11):
            m.kind = KRAKEN_REPLY
        if m.kind != KRAKEN_REPLY:
            return WIRE_OK
        m.success = False
        m.depth_levels = 0
        m.channel.start = m.channel.end = 0
        self.error_field = b"success"
        if self._named & (1 << NAMED_SUCCESS):
            code = bool_at(c, self._named_token[NAMED_SUCCESS], &m.success)
        code = code or self._named_text(NAMED_ERROR, &m.text) or self._named_text(NAMED_SYMBOL, &m.symbol)
        if code == WIRE_OK and self._named & (1 << NAMED_RESULT) \
                and not is_null(c, self._named_token[NAMED_RESULT]):
            c.i = self._named_token[NAMED_RESULT]
            return self._result()
        return code

    def _result(self) -> int:
        """What was granted: channel, symbol and, of a book, its depth. A failure has no result; its symbol, if told,
        stands beside it."""
        cdef KrakenMessage* m = &self.message
        cdef bint has_symbol = m.symbol.end > m.symbol.start
        cdef int code
        self._named = 0
        self.error_field = b"result"
        code = self._object()
        m.kind = KRAKEN_REPLY
        code = code or self._named_text(NAMED_CHANNEL, &m.channel)
        if code == WIRE_OK and not has_symbol:
            code = self._named_text(NAMED_SYMBOL, &m.symbol)
        if code == WIRE_OK and self._named & (1 << NAMED_DEPTH):
            self.error_field = b"depth"
            code = u64_at(&self.cursor, self._named_token[NAMED_DEPTH], &m.depth_levels)
            if code == WIRE_OK and m.depth_levels > UINT32_MAX:
                code = WIRE_OVERFLOW
        return code

    cdef int _named_text(self, int name, Span* span) noexcept:
        """A text of the object read last; no characters where it is null or not there."""
        span.start = span.end = 0
        if not self._named & (<uint32_t>1 << name) or is_null(&self.cursor, self._named_token[name]):
            return WIRE_OK
        self.error_field = b"channel" if name == NAMED_CHANNEL else b"symbol" if name == NAMED_SYMBOL else b"error"
        return span_at(&self.cursor, self._named_token[name], span)

    # -- books ------------------------------------------------------------------------------------------------

    cdef int _entries(self) except -1:
        """Read ``[{"symbol":..,"bids":[..],"asks":[..],"checksum":..}, ..]`` at the cursor."""
        cdef Cursor* c = &self.cursor
        cdef bint empty = False
        cdef bint more = True
        cdef int code
        self.error_field = b"data"
        code = open_array(c, &empty)
        if code != WIRE_OK or empty:
            return code
        while more:
            code = self._entry()
            if code == WIRE_OK:
                code = after_value(c, c']', &more)
            if code != WIRE_OK:
                return code
        return WIRE_OK

    cdef int _entry(self) except -1:
        cdef Cursor* c = &self.cursor
        cdef KrakenEntry* entry
        cdef bint empty = False
        cdef bint more = True
        cdef const char* key = NULL
        cdef Py_ssize_t length = 0
        cdef const char* p = NULL
        cdef const char* e = NULL
        cdef uint64_t checksum = 0
        cdef int seen = 0
        cdef int part
        cdef int code = open_object(c, &empty)
        if code != WIRE_OK:
            return code
        if self.entry_count == self._entry_capacity:
            self._grow()
        entry = &self.entries[self.entry_count]
        entry.first_bid = self.bids.count
        entry.first_ask = self.asks.count
        entry.ts_venue_ns = 0
        more = not empty
        while more:
            code = next_key(c, &key, &length)
            if code != WIRE_OK:
                return code
            part = entry_key(key, length)
            if part:
                self.error_field = key
            if seen & part:
                return WIRE_DUPLICATE_KEY
            seen |= part
            if part == ENTRY_BIDS:
                code = add_levels(c, self.bids, &self.error_field)
            elif part == ENTRY_ASKS:
                code = add_levels(c, self.asks, &self.error_field)
            elif part == ENTRY_SYMBOL:
                code = string_at(c, c.i, &p, &e)
                entry.symbol.start = <uint32_t>(p - c.text)
                entry.symbol.end = <uint32_t>(e - c.text)
                c.i += 1
            elif part == ENTRY_CHECKSUM:
                code = u64_at(c, c.i, &checksum)
                if code == WIRE_OK and checksum > UINT32_MAX:
                    code = WIRE_OVERFLOW
                c.i += 1
            elif part == ENTRY_TIMESTAMP and not is_null(c, c.i):
                code = string_at(c, c.i, &p, &e) or parse_rfc3339(p, e, &entry.ts_venue_ns)
                c.i += 1
            else:
                code = checked_skip(c)
            if code == WIRE_OK:
                code = after_value(c, c'}', &more)
            if code != WIRE_OK:
                return code
        if seen & ENTRY_NEEDS != ENTRY_NEEDS:
            self.error_field = entry_name(ENTRY_NEEDS & ~seen)
            return WIRE_MISSING_FIELD
        entry.bid_count = self.bids.count - entry.first_bid
        entry.ask_count = self.asks.count - entry.first_ask
        entry.checksum = <uint32_t>checksum
        self.entry_count += 1
        return WIRE_OK

    def _grow(self) -> None:
        cdef uint32_t capacity = 2 * self._entry_capacity if self._entry_capacity else 16
        cdef KrakenEntry* entries = <KrakenEntry*>realloc(self.entries, capacity * sizeof(KrakenEntry))
        if entries == NULL:
            raise MemoryError(f"{capacity} entries in one frame")
        self.entries = entries
        self._entry_capacity = capacity
