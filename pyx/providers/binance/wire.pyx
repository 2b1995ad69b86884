cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp

from engine.base.jsonindex cimport JsonIndex
from engine.base.jsonskip cimport checked_skip, escapes_hold, strings_hold
from engine.base.jsonwalk cimport (Cursor, WIRE_BAD_TIME, WIRE_DUPLICATE_KEY, WIRE_MISSING_FIELD, WIRE_NOT_JSON,
                                   WIRE_OK, WIRE_WRONG_TYPE, after_value, bool_at, follows, is_null, next_key,
                                   open_object, same, skip_value, string_at, token, u64_at)
from engine.base.units cimport PARSE_OK, likely, parse_u64, unlikely
from engine.providers.binance.namedkeys cimport (NAMED_ASKS, NAMED_BIDS, NAMED_CODE, NAMED_DATA, NAMED_ID,
                                                 NAMED_LAST_UPDATE_ID, NAMED_MSG, NAMED_RESULT, NAMED_STREAM, named_key)
from engine.providers.leveltext cimport LevelRaws, LevelTexts, Span, span_at

cdef enum:
    USUAL_TOKENS_MIN = 39      # of a combined depth diff without a level
    USUAL_LEVELS = 30          # token of the bids' bracket

cdef enum:
    # What fits 64 bits of nanoseconds, and a little less: a candle's end is one unit later than it is told.
    TIME_MS_MAX = 9_223_372_036_853
    TIME_US_MIN = 100_000_000_000_000            # 14 digits and more: microseconds were asked for
    TIME_US_MAX = 9_223_372_036_854_774


cdef inline uint64_t bit(char key) noexcept nogil:
    return <uint64_t>1 << (key - 64)


cdef uint64_t bits(const char* keys) noexcept:
    cdef uint64_t found = 0
    while keys[0]:
        found |= bit(keys[0])
        keys += 1
    return found


cdef extern from *:
    int lowest_bit "__builtin_ctzll"(uint64_t bits) nogil


cdef inline int string_span(const Cursor* c, uint32_t i, Span* span) noexcept nogil:
    """The span of string token i; a WireCode."""
    cdef const char* p = NULL
    cdef const char* e = NULL
    cdef int code = string_at(c, i, &p, &e)
    if code == WIRE_OK:
        span.start = <uint32_t>(p - c.text)
        span.end = <uint32_t>(e - c.text)
    return code


# What a payload must have; everything else may be missing.
cdef uint64_t NEED_DEPTH = bits(b"EsUuba")
cdef uint64_t NEED_BOOK_TICKER = bits(b"usbBaA")
cdef uint64_t NEED_TRADE = bits(b"EstpqTm")
cdef uint64_t NEED_AGG_TRADE = bits(b"EsapqflTm")
cdef uint64_t NEED_TICKER = bits(b"EscbBaAohlv")
cdef uint64_t NEED_KLINE_EVENT = bits(b"sEk")
cdef uint64_t NEED_KLINE = bits(b"tTiochlvnx")


cdef inline int time_at(const Cursor* c, uint32_t i, uint64_t* out) noexcept nogil:
    """Token i as a time in milli- or microseconds."""
    cdef int code = u64_at(c, i, out)
    if code == WIRE_OK and out[0] > <uint64_t>TIME_MS_MAX \
            and (out[0] < <uint64_t>TIME_US_MIN or out[0] > <uint64_t>TIME_US_MAX):
        return WIRE_BAD_TIME
    return code


cdef inline uint64_t used_by(int kind) noexcept nogil:
    """The one-letter keys whose values are read of a payload of this kind, one bit each."""
    if kind == BINANCE_DEPTH:
        return NEED_DEPTH
    if kind == BINANCE_BOOK_TICKER:
        return NEED_BOOK_TICKER
    if kind == BINANCE_TRADE:
        return NEED_TRADE
    if kind == BINANCE_AGG_TRADE:
        return NEED_AGG_TRADE
    if kind == BINANCE_TICKER:
        return NEED_TICKER
    return NEED_KLINE_EVENT if kind == BINANCE_KLINE else 0


@cython.final
cdef class BinanceDecoder:
    """Frames of market streams (raw or combined), control replies, and the body of GET /api/v3/depth."""

    def __cinit__(self):
        self.index = JsonIndex()
        self.bids = LevelTexts()
        self.asks = LevelTexts()
        self.raws = LevelRaws()

    cdef int decode(self, const char* text, size_t length) except -1:
        """Decode one frame into ``message``, ``bids`` and ``asks``; of a usual diff into ``message`` alone. A WireCode."""
        self.error_field = NULL
        self.message.kind = BINANCE_IGNORED
        self.is_usual = False
        if self.index.scan(text, length, &self.cursor) != 0:
            return WIRE_NOT_JSON
        self.is_usual = self._usual_head()
        return WIRE_OK if likely(self.is_usual) else self.read_rest(length)

    cdef int read_rest(self, size_t length) except -1:
        """Decode the frame in hand whatever its form, and find whatever is wrong with it. A WireCode."""
        cdef int code
        self.is_usual = False
        self.message.kind = BINANCE_IGNORED
        self._seen = 0
        self._kline_seen = 0
        self._named = 0
        self.bids.count = 0
        self.asks.count = 0
        self.cursor.i = 0
        if not strings_hold(&self.cursor, length):
            return WIRE_NOT_JSON
        code = self._object(0)
        if code != WIRE_OK:
            return code
        if self.cursor.i != self.cursor.n:
            return WIRE_NOT_JSON
        code = self._finish()
        return code if code != WIRE_OK else self._unused_is_json()

    cdef bint _usual_head(self) noexcept:
        """Whether this is, up to its levels, a combined depth diff in the form the venue writes, keys in order and no
        space: then all but the levels is decoded. Anything else, and whatever is wrong, is left to read_rest().

        The texts between two values are compared as a whole; each starts at the token that follows a value. No
        compare leaves the frame: a token is a character at least, and of those that must follow there are enough.
        """
        cdef const Cursor* c = &self.cursor
        cdef BinanceMessage* m = &self.message
        cdef const char* text = c.text
        cdef const uint32_t* at = c.at
        if c.n < USUAL_TOKENS_MIN or not follows(text, b'{"stream":"') \
                or not follows(text + at[4] - 1, b'","data":{"e":"depthUpdate","E":') \
                or not follows(text + at[15], b',"s":"') or not follows(text + at[19] - 1, b'","U":') \
                or not follows(text + at[23], b',"u":') or not follows(text + at[27], b',"b":[') \
                or parse_u64(text, text + at[14], text + at[15], &m.event_ms) != PARSE_OK \
                or m.event_ms > <uint64_t>TIME_MS_MAX \
                or parse_u64(text, text + at[22], text + at[23], &m.first_id) != PARSE_OK \
                or parse_u64(text, text + at[26], text + at[27], &m.final_id) != PARSE_OK:
            return False
        m.stream.start = at[3] + 1
        m.stream.end = at[4] - 1
        m.symbol.start = at[18] + 1
        m.symbol.end = at[19] - 1
        if unlikely(not escapes_hold(text + m.stream.start, text + m.stream.end)):
            return False                   # of the one text that nothing reads
        m.kind = BINANCE_DEPTH
        return True

    cdef bint convert_usual(self, int price_scale, int qty_scale) except -1:
        """Convert the levels of a usual diff into ``raws``.

        False where they are not as plain as its head, or the frame does not end behind them: it is one for read_rest().
        """
        cdef Cursor* c = &self.cursor
        cdef int count
        c.i = USUAL_LEVELS
        count = self.raws.convert_plain(c, price_scale, qty_scale, 0)
        if unlikely(count < 0 or c.i + 6 >= c.n or not follows(c.text + c.at[c.i], b',"a":[')):
            return False
        self.bid_count = <uint32_t>count
        c.i += 3
        count = self.raws.convert_plain(c, price_scale, qty_scale, self.bid_count)
        if unlikely(count < 0 or c.i + 2 != c.n or not follows(c.text + c.at[c.i], b'}}')):
            return False
        self.ask_count = <uint32_t>count
        return True

    cdef int _object(self, int depth) except -1:
        """Note every key of the payload; the payload stands at the root or under ``data``."""
        cdef Cursor* c = &self.cursor
        cdef bint empty = False
        cdef bint more = True
        cdef const char* key = NULL
        cdef Py_ssize_t length = 0
        cdef char letter
        cdef int named
        cdef int code = open_object(c, &empty)
        if code != WIRE_OK or empty:
            return code
        while more:
            code = next_key(c, &key, &length)
            if code != WIRE_OK:
                return code
            if length == 1 and c'A' <= key[0] <= c'z':
                letter = key[0]
                if self._seen & bit(letter):
                    self.error_field = key
                    return WIRE_DUPLICATE_KEY
                self._seen |= bit(letter)
                self._token[letter - 64] = c.i
                if token(c) == c'"':
                    c.i += 1
                elif token(c) == c'[' and letter == c'b':
                    code = self.bids.add_pairs(c)
                elif token(c) == c'[' and letter == c'a':
                    code = self.asks.add_pairs(c)
                elif token(c) == c'{' and letter == c'k':
                    code = self._kline_object()
                else:
                    code = skip_value(c)       # looked at when it is known whether it is used
            elif depth == 0 and length == 4 and memcmp(key, b"data", 4) == 0:
                if self._seen or self._named & (1 << NAMED_DATA):
                    self.error_field = b"data"
                    return WIRE_DUPLICATE_KEY
                self._named |= 1 << NAMED_DATA
                code = self._object(1)
            else:
                named = named_key(key, length)
                if named >= 0:
                    if self._named & (<uint32_t>1 << named):
                        self.error_field = key
                        return WIRE_DUPLICATE_KEY
                    self._named |= <uint32_t>1 << named
                    self._named_token[named] = c.i
                if named == NAMED_BIDS:
                    code = self.bids.add_pairs(c)
                elif named == NAMED_ASKS:
                    code = self.asks.add_pairs(c)
                elif token(c) == c'"':
                    c.i += 1
                else:
                    code = checked_skip(c)
            if code == WIRE_OK:
                code = after_value(c, c'}', &more)
            if code != WIRE_OK:
                return code
        return WIRE_OK

    cdef int _kline_object(self) except -1:
        cdef Cursor* c = &self.cursor
        cdef bint empty = False
        cdef bint more = True
        cdef const char* key = NULL
        cdef Py_ssize_t length = 0
        cdef int code = open_object(c, &empty)
        if code != WIRE_OK or empty:
            return code
        while more:
            code = next_key(c, &key, &length)
            if code != WIRE_OK:
                return code
            if length == 1 and c'A' <= key[0] <= c'z':
                if self._kline_seen & bit(key[0]):
                    self.error_field = key
                    return WIRE_DUPLICATE_KEY
                self._kline_seen |= bit(key[0])
                self._kline_token[key[0] - 64] = c.i
            code = checked_skip(c)
            if code == WIRE_OK:
                code = after_value(c, c'}', &more)
            if code != WIRE_OK:
                return code
        return WIRE_OK

    cdef int _unused_is_json(self) noexcept:
        """Whether what the payload's kind does not read is JSON all the same; a WireCode. The cursor is spent."""
        cdef int kind = self.message.kind
        cdef uint64_t rest = self._seen & ~used_by(kind)
        cdef int named, code = WIRE_OK
        while rest and code == WIRE_OK:
            self.cursor.i = self._token[lowest_bit(rest)]
            code = checked_skip(&self.cursor)
            rest &= rest - 1
        for named in (NAMED_BIDS, NAMED_ASKS):
            if code == WIRE_OK and kind != BINANCE_PARTIAL_DEPTH and self._named & (<uint32_t>1 << named):
                self.cursor.i = self._named_token[named]
                code = checked_skip(&self.cursor)
        return code

    cdef int _span(self, char key, Span* span) noexcept:
        return span_at(&self.cursor, self._token[key - 64], span)

    cdef int _symbol(self) noexcept:
        return string_span(&self.cursor, self._token[c's' - 64], &self.message.symbol)

    cdef int _u64(self, char key, uint64_t* out) noexcept:
        return u64_at(&self.cursor, self._token[key - 64], out)

    cdef int _time(self, char key, uint64_t* out) noexcept:
        return time_at(&self.cursor, self._token[key - 64], out)

    cdef int _finish(self) except -1:
        """Tell the kind and pick its fields."""
        cdef BinanceMessage* m = &self.message
        cdef Cursor* c = &self.cursor
        cdef const char* p = NULL
        cdef const char* e = NULL
        cdef int code
        m.stream.start = m.stream.end = 0
        m.symbol.start = m.symbol.end = 0
        if self._named & (1 << NAMED_STREAM):
            code = string_span(c, self._named_token[NAMED_STREAM], &m.stream)
            if code != WIRE_OK:
                self.error_field = b"stream"
                return code
        if self._seen & bit(c'e'):
            code = string_at(c, self._token[c'e' - 64], &p, &e)
            if code != WIRE_OK:
                self.error_field = b"e"
                return code
            if same(p, e, b"depthUpdate", 11):
                if self._seen & NEED_DEPTH != NEED_DEPTH:
                    return self._missing(NEED_DEPTH)
                m.kind = BINANCE_DEPTH
                code = self._symbol() or self._time(c'E', &m.event_ms) \
                    or self._u64(c'U', &m.first_id) or self._u64(c'u', &m.final_id)
                if code == WIRE_OK and (c.text[c.at[self._token[c'b' - 64]]] != c'['
                                        or c.text[c.at[self._token[c'a' - 64]]] != c'['):
                    self.error_field = b"b"
                    return WIRE_WRONG_TYPE
                return code
            if same(p, e, b"trade", 5):
                return self._trade(BINANCE_TRADE)
            if same(p, e, b"aggTrade", 8):
                return self._trade(BINANCE_AGG_TRADE)
            if same(p, e, b"24hrTicker", 10):
                return self._ticker()
            if same(p, e, b"kline", 5):
                return self._kline()
            if same(p, e, b"serverShutdown", 14):
                m.kind = BINANCE_SHUTDOWN
                return WIRE_OK
            m.kind = BINANCE_IGNORED
            return WIRE_OK
        if self._seen & NEED_BOOK_TICKER == NEED_BOOK_TICKER:
            m.kind = BINANCE_BOOK_TICKER
            m.event_ms = 0
            return self._symbol() or self._u64(c'u', &m.final_id) or self._span(c'b', &m.bid) \
                or self._span(c'B', &m.bid_qty) or self._span(c'a', &m.ask) or self._span(c'A', &m.ask_qty)
        if self._named & (1 << NAMED_LAST_UPDATE_ID):
            return self._partial_depth()
        if self._named & (1 << NAMED_CODE):
            m.kind = BINANCE_REFUSAL
            if self._named & (1 << NAMED_MSG):
                code = string_span(c, self._named_token[NAMED_MSG], &m.text)
                if code != WIRE_OK:
                    self.error_field = b"msg"
                    return code
            return self._reply_id()
        if self._named & (1 << NAMED_RESULT):
            m.kind = BINANCE_REPLY
            return self._reply_id()
        if self._seen & bit(c'u'):
            return self._missing(NEED_BOOK_TICKER)
        self.error_field = b"e"
        return WIRE_MISSING_FIELD

    def _missing(self, uint64_t needed) -> int:
        """Name the first needed key that is not there."""
        cdef uint64_t lacking = needed & ~self._seen
        for letter in b"esEUubaBAtpqflTmcohv":
            if lacking & bit(letter):
                self.error_field = _letter_text(letter)
                break
        return WIRE_MISSING_FIELD

    def _reply_id(self) -> int:
        self.message.reply_id = 0
        if self._named & (1 << NAMED_ID) and not is_null(&self.cursor, self._named_token[NAMED_ID]):
            # Ours are integers; another's reply is none of our business.
            u64_at(&self.cursor, self._named_token[NAMED_ID], &self.message.reply_id)
        return WIRE_OK

    def _partial_depth(self) -> int:
        cdef BinanceMessage* m = &self.message
        cdef int code = u64_at(&self.cursor, self._named_token[NAMED_LAST_UPDATE_ID], &m.final_id)
        cdef const char* p
        if code != WIRE_OK:
            self.error_field = b"lastUpdateId"
            return code
        if not self._named & (1 << NAMED_BIDS) or not self._named & (1 << NAMED_ASKS):
            self.error_field = b"bids" if not self._named & (1 << NAMED_BIDS) else b"asks"
            return WIRE_MISSING_FIELD
        m.kind = BINANCE_PARTIAL_DEPTH
        m.event_ms = 0
        m.symbol = m.stream                  # the symbol stands only in the stream name, up to its first @
        p = self.cursor.text + m.stream.start
        while p < self.cursor.text + m.stream.end and p[0] != c'@':
            p += 1
        m.symbol.end = <uint32_t>(p - self.cursor.text)
        return WIRE_OK

    cdef int _trade(self, int kind) except -1:
        cdef BinanceMessage* m = &self.message
        cdef uint64_t needed = NEED_TRADE if kind == BINANCE_TRADE else NEED_AGG_TRADE
        cdef int code
        if self._seen & needed != needed:
            return self._missing(needed)
        m.kind = kind
        code = self._symbol() or self._time(c'E', &m.event_ms) \
            or self._u64(c't' if kind == BINANCE_TRADE else c'a', &m.trade_id) or self._span(c'p', &m.price) \
            or self._span(c'q', &m.qty) or self._time(c'T', &m.time_ms)
        if code == WIRE_OK and kind == BINANCE_AGG_TRADE:
            code = self._u64(c'f', &m.first_id) or self._u64(c'l', &m.final_id)
        if code == WIRE_OK:
            self.error_field = b"m"
            code = bool_at(&self.cursor, self._token[c'm' - 64], &m.buyer_is_maker)
        return code

    cdef int _ticker(self) except -1:
        cdef BinanceMessage* m = &self.message
        if self._seen & NEED_TICKER != NEED_TICKER:
            return self._missing(NEED_TICKER)
        m.kind = BINANCE_TICKER
        return self._symbol() or self._time(c'E', &m.event_ms) or self._span(c'c', &m.last) \
            or self._span(c'b', &m.bid) or self._span(c'B', &m.bid_qty) or self._span(c'a', &m.ask) \
            or self._span(c'A', &m.ask_qty) or self._span(c'o', &m.open) or self._span(c'h', &m.high) \
            or self._span(c'l', &m.low) or self._span(c'v', &m.volume)

    cdef int _kline(self) except -1:
        cdef BinanceMessage* m = &self.message
        cdef Cursor* c = &self.cursor
        cdef uint32_t* at = self._kline_token
        cdef const char* p = NULL
        cdef const char* e = NULL
        if self._seen & NEED_KLINE_EVENT != NEED_KLINE_EVENT or self._kline_seen & NEED_KLINE != NEED_KLINE:
            self.error_field = b"k"
            return WIRE_MISSING_FIELD
        m.kind = BINANCE_KLINE
        self.error_field = b"k"
        return self._symbol() or self._time(c'E', &m.event_ms) \
            or time_at(c, at[c't' - 64], &m.open_ms) or time_at(c, at[c'T' - 64], &m.close_ms) \
            or string_span(c, at[c'i' - 64], &m.interval) or span_at(c, at[c'o' - 64], &m.open) \
            or span_at(c, at[c'c' - 64], &m.last) or span_at(c, at[c'h' - 64], &m.high) \
            or span_at(c, at[c'l' - 64], &m.low) or span_at(c, at[c'v' - 64], &m.volume) \
            or u64_at(c, at[c'n' - 64], &m.trade_count) or bool_at(c, at[c'x' - 64], &m.is_closed)


cdef dict _LETTERS = {letter: bytes([letter]) for letter in range(65, 123)}


cdef const char* _letter_text(int letter):
    return <bytes>_LETTERS[letter]
