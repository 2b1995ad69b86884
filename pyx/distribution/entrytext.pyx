from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from engine.base.instant cimport INSTANT_CHARS, put_rfc3339
from engine.base.units cimport NUMBER_CHARS, put_decimal, put_digits
from engine.schema.busentry cimport HeldEntry
from engine.schema.market cimport (TICKER_ASK, TICKER_ASK_QTY, TICKER_BID, TICKER_BID_QTY, TRADE_SIDE_BUY,
                                   TRADE_SIDE_SELL, Level, TickerData)
from engine.schema.record cimport (CHANGE_DECIMALS, NUMBER_NONE, RECORD_DELTAS, RECORD_DEPTH, RECORD_TICKER, RECORD_TRADE,
                                   Record, event_time, no_link)

cdef enum:
    ENTRY_CHARS = 1024         # of an entry, its names and levels apart


cdef class EntryWriter:

    def __dealloc__(self):
        free(self.text)

    cdef int reserve(self, size_t more) except -1 nogil:
        """Make room for so many characters."""
        cdef size_t needed = self.length + more
        cdef char* grown
        if needed > self.capacity:
            needed += needed // 2
            grown = <char*>realloc(self.text, needed)
            if grown == NULL:
                with gil:
                    raise MemoryError("entry text")
            self.text = grown
            self.capacity = needed
        return 0

    cdef int put(self, const char* names, size_t names_length, const Record* entry) except -1 nogil:
        """Append an entry; *names* are the members that tell its symbol, as names_text() gives them."""
        cdef int price_scale = entry.price_scale
        cdef int qty_scale = entry.qty_scale
        cdef int64_t ts_event_ns = event_time(entry)
        cdef const TickerData* ticker
        self.reserve(ENTRY_CHARS + names_length + <size_t>(entry.bid_count + entry.ask_count) * (2 * NUMBER_CHARS + 4))
        self._text(b'{"v":1,', 7)
        self._text(names, names_length)
        if entry.kind == RECORD_TRADE:
            self._text(b',"type":"trade_tick"', 20)
        elif entry.kind == RECORD_DEPTH:
            self._text(b',"type":"order_book_depth"', 26)
        elif entry.kind == RECORD_DELTAS:
            self._text(b',"type":"order_book_deltas"', 27)
        else:
            self._text(b',"type":"ticker_24h"', 20)
        self._text(b',"ts_event":"', 13)
        put_rfc3339(self.text + self.length, ts_event_ns)
        self.length += INSTANT_CHARS
        self._number(b'","ts_event_ns":', 16, <uint64_t>ts_event_ns)
        if entry.ts_recv_ns:
            self._number(b',"ts_recv_ns":', 14, <uint64_t>entry.ts_recv_ns)
        if entry.numbering != NUMBER_NONE:
            self._number(b',"seq":', 7, entry.seq)
            if entry.prev_seq != no_link():
                self._number(b',"prev_seq":', 12, entry.prev_seq)
        self._number(b',"n":', 5, entry.folded)
        if entry.tells_scales:
            self._number(b',"scales":[', 11, price_scale)
            self._number(b',', 1, qty_scale)
            self._text(b']', 1)
        if entry.kind == RECORD_TRADE:
            self._decimal(b',"payload":{"price":', 20, entry.price_raw, price_scale)
            self._decimal(b',"qty":', 7, entry.qty_raw, qty_scale)
            if entry.side == TRADE_SIDE_BUY:
                self._text(b',"side":"buy"', 13)
            elif entry.side == TRADE_SIDE_SELL:
                self._text(b',"side":"sell"', 14)
            else:
                self._text(b',"side":"none"', 14)
            self._number(b',"trade_id":"', 13, entry.trade_id)
            self._text(b'"}}', 3)
        elif entry.kind == RECORD_TICKER:
            ticker = <const TickerData*>entry.body
            self._decimal(b',"payload":{"last_price":', 25, ticker.last_price_raw, price_scale)
            self._decimal(b',"price_change_pct":', 20, entry.change_raw, CHANGE_DECIMALS)
            self._decimal(b',"high_24h":', 12, ticker.high_24h_raw, price_scale)
            self._decimal(b',"low_24h":', 11, ticker.low_24h_raw, price_scale)
            self._decimal(b',"volume_24h":', 14, ticker.volume_24h_raw, qty_scale)
            if ticker.present & TICKER_BID and ticker.present & TICKER_BID_QTY:
                self._decimal(b',"best_bid":[', 13, ticker.bid_price_raw, price_scale)
                self._decimal(b',', 1, ticker.bid_qty_raw, qty_scale)
                self._text(b']', 1)
            if ticker.present & TICKER_ASK and ticker.present & TICKER_ASK_QTY:
                self._decimal(b',"best_ask":[', 13, ticker.ask_price_raw, price_scale)
                self._decimal(b',', 1, ticker.ask_qty_raw, qty_scale)
                self._text(b']', 1)
            self._text(b'}}', 2)
        else:
            if entry.kind == RECORD_DEPTH:
                self._number(b',"payload":{"levels":', 21, max(entry.bid_count, entry.ask_count))
                if entry.is_complete:
                    self._text(b',"complete":true,"bids":', 24)
                else:
                    self._text(b',"complete":false,"bids":', 25)
            else:
                self._text(b',"payload":{"bids_upd":', 23)
            self._levels(<const Level*>entry.body, entry.bid_count, price_scale, qty_scale)
            if entry.kind == RECORD_DEPTH:
                self._text(b',"asks":', 8)
            else:
                self._text(b',"asks_upd":', 12)
            self._levels(<const Level*>entry.body + entry.bid_count, entry.ask_count, price_scale, qty_scale)
            self._text(b'}}', 2)
        return 0

    cdef void _text(self, const char* text, size_t length) noexcept nogil:
        memcpy(self.text + self.length, text, length)
        self.length += length

    cdef void _number(self, const char* name, size_t length, uint64_t value) noexcept nogil:
        self._text(name, length)
        if value:
            self.length += put_digits(self.text + self.length, value)
        else:
            self._text(b'0', 1)

    cdef void _decimal(self, const char* name, size_t length, int64_t raw, int scale) noexcept nogil:
        self._text(name, length)
        self.length += put_decimal(self.text + self.length, raw, scale)

    cdef void _levels(self, const Level* levels, uint32_t count, int price_scale, int qty_scale) noexcept nogil:
        cdef uint32_t i
        self._text(b'[', 1)
        for i in range(count):
            if i:
                self._text(b',', 1)
            self._decimal(b'[', 1, levels[i].price_raw, price_scale)
            self._decimal(b',', 1, levels[i].qty_raw, qty_scale)
            self._text(b']', 1)
        self._text(b']', 1)


def names_text(venue: str, symbol: str) -> bytes:
    """The members that tell whose an entry is."""
    return f'"symbol":"{symbol}","venue":"{venue}"'.encode()


def encode(HeldEntry entry not None) -> bytes:
    """An entry as the bus carries it, all numbers exact and as short as they go."""
    cdef EntryWriter writer = EntryWriter()
    cdef bytes names = names_text(entry.venue, entry.symbol)
    writer.put(names, len(names), &entry.r)
    return PyBytes_FromStringAndSize(writer.text, writer.length)
