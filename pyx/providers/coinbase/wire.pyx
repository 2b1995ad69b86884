from libc.stdint cimport uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memset

from engine.base.instant cimport parse_rfc3339
from engine.base.jsonindex cimport JsonIndex
from engine.base.jsonskip cimport checked_skip, strings_hold
from engine.base.jsonwalk cimport (Cursor, WIRE_DUPLICATE_KEY, WIRE_MISSING_FIELD, WIRE_NOT_JSON, WIRE_OK,
                                   WIRE_UNKNOWN_VALUE, after_value, next_key, open_array, open_object, same,
                                   string_at, u64_at)
from engine.providers.coinbase.rowtext cimport (CANDLE_ROW, ROW_KEYS, TICKER_NEEDS, TICKER_ROW, TRADE_ROW,
                                                add_subscriptions)
from engine.providers.leveltext cimport LevelTexts, Span, span_at
from engine.providers.rowtext cimport RowTexts

cdef enum:
    # The envelope's keys, then an event's, one bit each.
    HAS_CHANNEL = 1
    HAS_EVENTS = 2
    HAS_TIMESTAMP = 4
    HAS_SEQUENCE = 8
    HAS_TYPE = 16
    HAS_MESSAGE = 32
    EVENT_TYPE = 1
    EVENT_PRODUCT = 2
    EVENT_LIST = 4
    # A level's.
    LEVEL_SIDE = 1
    LEVEL_PRICE = 2
    LEVEL_QTY = 4
    LEVEL_ALL = 7


cdef inline int envelope_key(const char* key, Py_ssize_t length) noexcept nogil:
    if length == 7 and memcmp(key, b"channel", 7) == 0:
        return HAS_CHANNEL
    if length == 6 and memcmp(key, b"events", 6) == 0:
        return HAS_EVENTS
    if length == 9 and memcmp(key, b"timestamp", 9) == 0:
        return HAS_TIMESTAMP
    if length == 12 and memcmp(key, b"sequence_num", 12) == 0:
        return HAS_SEQUENCE
    if length == 4 and memcmp(key, b"type", 4) == 0:
        return HAS_TYPE
    if length == 7 and memcmp(key, b"message", 7) == 0:
        return HAS_MESSAGE
    return 0


cdef inline int kind_of(const char* p, const char* e) noexcept nogil:
    if same(p, e, b"l2_data", 7):
        return COINBASE_L2
    if same(p, e, b"market_trades", 13):
        return COINBASE_TRADES
    if same(p, e, b"ticker", 6) or same(p, e, b"ticker_batch", 12):
        return COINBASE_TICKER
    if same(p, e, b"candles", 7):
        return COINBASE_CANDLES
    if same(p, e, b"heartbeats", 10):
        return COINBASE_HEARTBEATS
    if same(p, e, b"subscriptions", 13):
        return COINBASE_SUBSCRIPTIONS
    return COINBASE_IGNORED


cdef inline bint is_list_key(int kind, const char* key, Py_ssize_t length) noexcept nogil:
    """Whether *key* names the list that events of this channel hold."""
    if kind == COINBASE_L2:
        return length == 7 and memcmp(key, b"updates", 7) == 0
    if kind == COINBASE_TRADES:
        return length == 6 and memcmp(key, b"trades", 6) == 0
    if kind == COINBASE_TICKER:
        return length == 7 and memcmp(key, b"tickers", 7) == 0
    if kind == COINBASE_CANDLES:
        return length == 7 and memcmp(key, b"candles", 7) == 0
    return length == 13 and memcmp(key, b"subscriptions", 13) == 0


cdef inline const char* list_key(int kind) noexcept nogil:
    if kind == COINBASE_L2:
        return b"updates"
    if kind == COINBASE_TRADES:
        return b"trades"
    if kind == COINBASE_TICKER:
        return b"tickers"
    return b"candles" if kind == COINBASE_CANDLES else b"subscriptions"


cdef class CoinbaseDecoder:
    """Frames of the market-data endpoint: every public channel, acks and errors."""

    def __cinit__(self):
        self.index = JsonIndex()
        self.bids = LevelTexts()
        self.asks = LevelTexts()
        self.rows = RowTexts()
        self.rows.table = &ROW_KEYS

    def __dealloc__(self):
        free(self.events)

    cdef int decode(self, const char* text, size_t length) except -1:
        """Decode one frame into ``message``, ``events``, ``rows``, ``bids`` and ``asks``. Returns a WireCode."""
        cdef int code
        self.error_field = NULL
        self.event_count = 0
        self.rows.count = 0
        self.rows.error_field = NULL
        self.bids.count = 0
        self.asks.count = 0
        self.message.kind = COINBASE_IGNORED
        self.message.has_sequence = False
        self.message.ts_venue_ns = 0
        if self.index.scan(text, length, &self.cursor) != 0 or not strings_hold(&self.cursor, length):
            return WIRE_NOT_JSON
        code = self._envelope()
        if code == WIRE_OK and self.cursor.i != self.cursor.n:
            return WIRE_NOT_JSON
        return code

    cdef int _envelope(self) except -1:
        """The root object. Events that stand before the channel are stepped over and read after it."""
        cdef Cursor* c = &self.cursor
        cdef CoinbaseMessage* m = &self.message
        cdef bint empty = False
        cdef bint more = True
        cdef const char* key = NULL
        cdef Py_ssize_t length = 0
        cdef const char* p = NULL
        cdef const char* e = NULL
        cdef uint32_t seen = 0
        cdef uint32_t events_at = 0
        cdef uint32_t type_at = 0
        cdef uint32_t message_at = 0
        cdef uint32_t end
        cdef int part
        cdef int code = open_object(c, &empty)
        if code != WIRE_OK:
            return code
        more = not empty
        while more:
            code = next_key(c, &key, &length)
            if code != WIRE_OK:
                return code
            part = envelope_key(key, length)
            if seen & part:
                self.error_field = key
                return WIRE_DUPLICATE_KEY
            seen |= part
            if part == HAS_CHANNEL:
                code = string_at(c, c.i, &p, &e)
                if code == WIRE_OK:
                    m.kind = kind_of(p, e)
                    c.i += 1
            elif part == HAS_SEQUENCE:
                code = u64_at(c, c.i, &m.sequence)
                m.has_sequence = True
                c.i += 1
            elif part == HAS_TIMESTAMP:
                code = string_at(c, c.i, &p, &e)
                if code == WIRE_OK:
                    code = parse_rfc3339(p, e, &m.ts_venue_ns)
                    c.i += 1
            elif part == HAS_EVENTS and m.kind != COINBASE_IGNORED and m.kind != COINBASE_HEARTBEATS:
                code = self._events()
            else:
                if part == HAS_EVENTS:
                    events_at = c.i
                elif part == HAS_TYPE:
                    type_at = c.i
                elif part == HAS_MESSAGE:
                    message_at = c.i
                code = checked_skip(c)
            if code == WIRE_OK:
                code = after_value(c, c'}', &more)
            if code != WIRE_OK:
                if self.error_field == NULL and part:
                    self.error_field = key
                return code
        if not seen & HAS_CHANNEL:
            if type_at and string_at(c, type_at, &p, &e) == WIRE_OK and same(p, e, b"error", 5):
                m.kind = COINBASE_ERROR
                m.text.start = m.text.end = 0
                if message_at:
                    code = span_at(c, message_at, &m.text)
                return code
            self.error_field = b"channel"
            return WIRE_MISSING_FIELD
        if m.kind == COINBASE_IGNORED:
            return WIRE_OK
        if not seen & HAS_SEQUENCE or not seen & HAS_TIMESTAMP:
            self.error_field = b"timestamp" if seen & HAS_SEQUENCE else b"sequence_num"
            return WIRE_MISSING_FIELD
        if m.kind == COINBASE_HEARTBEATS:
            return WIRE_OK
        if not seen & HAS_EVENTS:
            self.error_field = b"events"
            return WIRE_MISSING_FIELD
        if events_at:
            end = c.i
            c.i = events_at
            code = self._events()
            c.i = end
        return code

    cdef int _events(self) except -1:
        cdef Cursor* c = &self.cursor
        cdef bint empty = False
        cdef bint more = True
        cdef int code = open_array(c, &empty)
        if code != WIRE_OK or empty:
            return code
        while more:
            code = self._event()
            if code == WIRE_OK:
                code = after_value(c, c']', &more)
            if code != WIRE_OK:
                return code
        return WIRE_OK

    cdef int _event(self) except -1:
        """One event of the channel: its type, its product and its list."""
        cdef Cursor* c = &self.cursor
        cdef int kind = self.message.kind
        cdef CoinbaseEvent* event
        cdef CoinbaseEvent* grown
        cdef uint32_t capacity
        cdef bint empty = False
        cdef bint more = True
        cdef const char* key = NULL
        cdef Py_ssize_t length = 0
        cdef const char* p = NULL
        cdef const char* e = NULL
        cdef uint32_t seen = 0
        cdef uint32_t needed = EVENT_LIST
        cdef int part
        cdef int code = open_object(c, &empty)
        if code != WIRE_OK:
            return code
        more = not empty
        if self.event_count == self._event_capacity:
            capacity = 2 * self._event_capacity if self._event_capacity else 16
            grown = <CoinbaseEvent*>realloc(self.events, capacity * sizeof(CoinbaseEvent))
            if grown == NULL:
                raise MemoryError(f"{capacity} events in one frame")
            self.events = grown
            self._event_capacity = capacity
        event = &self.events[self.event_count]
        memset(event, 0, sizeof(CoinbaseEvent))
        event.first_bid = self.bids.count
        event.first_ask = self.asks.count
        event.first_row = self.rows.count
        while more:
            code = next_key(c, &key, &length)
            if code != WIRE_OK:
                return code
            part = 0
            if is_list_key(kind, key, length):
                part = EVENT_LIST
            elif length == 4 and memcmp(key, b"type", 4) == 0:
                part = EVENT_TYPE
            elif length == 10 and kind == COINBASE_L2 and memcmp(key, b"product_id", 10) == 0:
                part = EVENT_PRODUCT
            if seen & part:
                self.error_field = key
                return WIRE_DUPLICATE_KEY
            seen |= part
            if part == EVENT_LIST:
                if kind == COINBASE_L2:
                    code = self._updates()
                elif kind == COINBASE_TRADES:
                    code = self.rows.add_rows(c, TRADE_ROW, TRADE_ROW)
                elif kind == COINBASE_TICKER:
                    code = self.rows.add_rows(c, TICKER_ROW, TICKER_NEEDS)
                elif kind == COINBASE_CANDLES:
                    code = self.rows.add_rows(c, CANDLE_ROW, CANDLE_ROW)
                else:
                    code = add_subscriptions(self.rows, c)
                if code != WIRE_OK and kind != COINBASE_L2:
                    self.error_field = self.rows.error_field
            elif part == EVENT_TYPE and (kind == COINBASE_L2 or kind == COINBASE_TRADES):
                code = string_at(c, c.i, &p, &e)
                if code == WIRE_OK:
                    event.is_snapshot = same(p, e, b"snapshot", 8)
                    if not event.is_snapshot and not same(p, e, b"update", 6):
                        code = WIRE_UNKNOWN_VALUE
                    c.i += 1
            elif part == EVENT_PRODUCT:
                code = string_at(c, c.i, &p, &e)
                if code == WIRE_OK:
                    event.product.start = <uint32_t>(p - c.text)
                    event.product.end = <uint32_t>(e - c.text)
                    c.i += 1
            else:
                code = checked_skip(c)
            if code == WIRE_OK:
                code = after_value(c, c'}', &more)
            if code != WIRE_OK:
                if self.error_field == NULL and part:
                    self.error_field = key
                return code
        if kind == COINBASE_L2:
            needed = EVENT_LIST | EVENT_TYPE | EVENT_PRODUCT
        elif kind == COINBASE_TRADES:
            needed = EVENT_LIST | EVENT_TYPE
        if seen & needed != needed:
            if not seen & EVENT_LIST:
                self.error_field = list_key(kind)
            else:
                self.error_field = b"product_id" if seen & EVENT_TYPE else b"type"
            return WIRE_MISSING_FIELD
        event.bid_count = self.bids.count - event.first_bid
        event.ask_count = self.asks.count - event.first_ask
        event.row_count = self.rows.count - event.first_row
        self.event_count += 1
        return WIRE_OK

    cdef int _updates(self) except -1:
        """The levels of a level2 event, both sides in one list."""
        cdef Cursor* c = &self.cursor
        cdef bint empty = False
        cdef bint more_levels = True
        cdef bint more
        cdef bint is_bid = False
        cdef const char* key = NULL
        cdef Py_ssize_t length = 0
        cdef const char* p = NULL
        cdef const char* e = NULL
        cdef uint32_t seen
        cdef int part
        cdef Span price
        cdef Span qty
        cdef int code = open_array(c, &empty)
        if code != WIRE_OK or empty:
            return code
        price.start = price.end = qty.start = qty.end = 0
        while more_levels:
            code = open_object(c, &empty)
            if code != WIRE_OK:
                return code
            more = not empty
            seen = 0
            while more:
                code = next_key(c, &key, &length)
                if code != WIRE_OK:
                    return code
                part = 0
                if length == 11 and memcmp(key, b"price_level", 11) == 0:
                    part = LEVEL_PRICE
                    code = span_at(c, c.i, &price)
                    c.i += 1
                elif length == 12 and memcmp(key, b"new_quantity", 12) == 0:
                    part = LEVEL_QTY
                    code = span_at(c, c.i, &qty)
                    c.i += 1
                elif length == 4 and memcmp(key, b"side", 4) == 0:
                    part = LEVEL_SIDE
                    code = string_at(c, c.i, &p, &e)
                    if code == WIRE_OK:
                        is_bid = same(p, e, b"bid", 3)
                        if not is_bid and not same(p, e, b"offer", 5):
                            code = WIRE_UNKNOWN_VALUE
                    c.i += 1
                else:
                    code = checked_skip(c)   # event_time: the envelope's time is the message's
                if seen & part:
                    self.error_field = key
                    return WIRE_DUPLICATE_KEY
                seen |= part
                if code == WIRE_OK:
                    code = after_value(c, c'}', &more)
                if code != WIRE_OK:
                    self.error_field = key
                    return code
            if seen != LEVEL_ALL:
                if not seen & LEVEL_SIDE:
                    self.error_field = b"side"
                else:
                    self.error_field = b"new_quantity" if seen & LEVEL_PRICE else b"price_level"
                return WIRE_MISSING_FIELD
            if is_bid:
                self.bids.add(price, qty)
            else:
                self.asks.add(price, qty)
            code = after_value(c, c']', &more_levels)
            if code != WIRE_OK:
                return code
        return WIRE_OK
