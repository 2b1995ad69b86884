from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memset

from engine.base.clock cimport Clock
from engine.base.jsonwalk cimport WIRE_BAD_VALUE, WIRE_MISSING_FIELD, WIRE_OK, WIRE_UNKNOWN_SYMBOL
from engine.observability.stages cimport STAGE_WIRE
from engine.providers.assembler cimport BOOK_APPLIED, BOOK_CROSSED, BookAssembler, BookMessage
from engine.providers.coinbase.continuity cimport VERDICT_GAP, VERDICT_IGNORE, SequenceContinuity
from engine.providers.coinbase.wire cimport (COINBASE_CANDLES, COINBASE_ERROR, COINBASE_HEARTBEATS, COINBASE_IGNORED,
                                             COINBASE_L2, COINBASE_SUBSCRIPTIONS, COINBASE_TICKER, COINBASE_TRADES,
                                             CoinbaseDecoder, CoinbaseEvent, CoinbaseMessage)
from engine.providers.leveltext cimport LevelTexts, Span
from engine.providers.quotechecks cimport candle_holds, ticker_holds
from engine.providers.rowtext cimport Row
from engine.providers.tape cimport TradeTape
from engine.providers.venuestream cimport VenueStream
from engine.schema.event cimport ORDER_CONTIGUOUS
from engine.schema.market cimport (REASON_CROSSED, REASON_GAP, REASON_OVERFLOW, REASON_RECONNECT, TICKER_ASK,
                                   TICKER_ASK_QTY, TICKER_BID, TICKER_BID_QTY, TICKER_HIGH, TICKER_LAST, TICKER_LOW,
                                   TICKER_VOLUME, TRADE_SIDE_BUY, TRADE_SIDE_SELL, KlineData, TickerData)
from engine.schema.ports cimport EventPool, EventSink

from engine.base.jsontext import unescape
from engine.providers.coinbase import manifest

cdef bint side_is_maker = manifest.SIDE_IS_MAKER
cdef int64_t candle_interval_ns = manifest.CANDLE_INTERVAL_S * 1_000_000_000


cdef class CoinbaseSymbol:
    def __init__(self, BookAssembler book not None):
        self.book = book
        self.trades = TradeTape()
        self.conn = -1


cdef class CoinbaseStream(VenueStream):
    """Frames of Coinbase's market-data endpoint, from any number of connections.

    Args:
        on_error: called as on_error(conn, text) when the venue refuses a request.
        on_subscriptions: called as on_subscriptions(conn, products by channel) with each acknowledgement, which tells
            the whole current set: a product missing from it was not accepted.
    """

    def __init__(self, provider: str, EventPool pool not None, EventSink sink not None, Clock clock not None, *,
                 on_error=None, on_subscriptions=None, **hooks):
        super().__init__(provider, pool, sink, clock, **hooks)
        self.decoder = CoinbaseDecoder()
        self.states = []
        self._connections = {}
        self._conn = -1
        self._bids = LevelTexts()
        self._asks = LevelTexts()
        self.on_error = on_error
        self.on_subscriptions = on_subscriptions

    def add_book(self, BookAssembler book not None) -> int:
        """Take charge of a product, known by its id on the wire."""
        index = VenueStream.add_book(self, book)
        if index == len(self.states):
            self.states.append(CoinbaseSymbol(book))
        return index

    def symbol_states(self) -> list[CoinbaseSymbol]:
        """The products' states by symbol index."""
        return list(self.states)

    def connections(self) -> dict[int, SequenceContinuity]:
        """The connections that brought a numbered frame, with their counts."""
        return {conn: numbers for conn, numbers in self._connections.items() if numbers.messages}

    def reset_connection(self, int conn) -> None:
        """The connection was made anew: its numbers begin again, and its books wait for their snapshots."""
        cdef SequenceContinuity numbers = self._connections.get(conn)
        if numbers is not None:
            numbers.restart()
        self._lose_connection(conn, REASON_RECONNECT, self.clock.now_ns())

    def drop_book(self, index: int, reason: int = REASON_RECONNECT) -> None:
        """The book is not fed any more: forget it, and ask for nothing."""
        cdef CoinbaseSymbol state = <CoinbaseSymbol>self.states[index]
        if state.conn >= 0:
            state.conn = -1
            self.give_up(state.book, reason, self.clock.now_ns())

    cdef int on_frame(self, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1:
        """Decode one frame and carry it through. DANGER: *text* is borrowed until return."""
        cdef CoinbaseMessage* m = &self.decoder.message
        cdef uint32_t i
        cdef int code
        self.frames += 1
        self.frame_bytes += length
        self.timer.begin()
        code = self.decoder.decode(text, length)
        if self.timer.on:
            self.timer.mark(STAGE_WIRE)
        if code == WIRE_OK:
            code = self._check(text, length)
        if code != WIRE_OK:
            self._turn_to(conn)
            self._numbers.refused()
            return self.reject(code, self.decoder.error_field, text, length)
        if m.has_sequence and not self._is_next(conn, ts_recv_ns):
            return 0
        if m.kind == COINBASE_L2:
            for i in range(self.decoder.event_count):
                if self.decoder.events[i].is_first:
                    if self.decoder.event_count > 1:
                        self._read_product(i, text)      # the books share their scratch: read last is another's
                    self._apply(&self.decoder.events[i], ts_recv_ns, conn)
        elif m.kind == COINBASE_TRADES:
            self._trades(text, ts_recv_ns)
        elif m.kind == COINBASE_TICKER:
            self._tickers(text, length, ts_recv_ns)
        elif m.kind == COINBASE_CANDLES:
            self._candles(text, length, ts_recv_ns)
        else:
            self._rare(text, conn)
        return 0

    cdef int _rare(self, const char* text, int conn) except -1:
        cdef CoinbaseMessage* m = &self.decoder.message
        cdef Row* row
        cdef uint32_t i
        if m.kind == COINBASE_HEARTBEATS:
            self.heartbeats += 1
        elif m.kind == COINBASE_ERROR:
            self.errors += 1
            if self.on_error is not None:
                self.on_error(conn, unescape(text[m.text.start:m.text.end]).decode())
        elif m.kind == COINBASE_SUBSCRIPTIONS:
            if self.on_subscriptions is not None:
                current = {}
                for i in range(self.decoder.rows.count):
                    row = &self.decoder.rows.rows[i]
                    current.setdefault(text[row.name.start:row.name.end].decode(), []).append(
                        unescape(text[row.symbol.start:row.symbol.end]).decode())
                self.on_subscriptions(conn, current)
        else:
            self.ignored += 1
        return 0

    # -- before the number is read: can all of the frame be used? ------------------------------------------------

    cdef int _check(self, const char* text, size_t length) except -1:
        """Read every number of the frame, widening scales where it must. A WireCode.

        A product that is not ours is dead-lettered, but the rest of the frame, and its number, count.
        """
        cdef CoinbaseDecoder d = self.decoder
        cdef Row* row
        cdef bint unknown = False
        cdef uint32_t i
        cdef int code = WIRE_OK
        if d.message.kind == COINBASE_L2:
            code = self._check_books(text, &unknown)
        elif d.message.kind == COINBASE_TRADES or d.message.kind == COINBASE_TICKER \
                or d.message.kind == COINBASE_CANDLES:
            for i in range(d.rows.count):
                row = &d.rows.rows[i]
                row.index = self.find(text, &row.symbol)
                if row.index < 0:
                    unknown = True
                    continue
                code = self._check_row(row, <BookAssembler>self.books[row.index], text)
                if code != WIRE_OK:
                    return code
        if unknown and code == WIRE_OK:
            self.reject(WIRE_UNKNOWN_SYMBOL, b"product_id", text, length)
        return code

    cdef int _check_row(self, Row* row, BookAssembler book, const char* text) except -1:
        cdef TickerData ticker
        cdef KlineData candle
        cdef int64_t price = 0
        cdef int64_t qty = 0
        if self.decoder.message.kind == COINBASE_TRADES:
            return self._read_trade(row, book, text, &price, &qty)
        if self.decoder.message.kind == COINBASE_TICKER:
            return self._read_ticker(row, book, text, &ticker)
        return self._read_candle(row, book, text, &candle)

    cdef int _check_books(self, const char* text, bint* unknown) except -1:
        """Read each product's levels to see that all can be used, and count its events as received."""
        cdef CoinbaseDecoder d = self.decoder
        cdef CoinbaseEvent* event
        cdef CoinbaseSymbol state
        cdef uint32_t i
        cdef int code
        for i in range(d.event_count):
            d.events[i].index = self.find(text, &d.events[i].product)
            if d.events[i].index < 0:
                unknown[0] = True
        for i in range(d.event_count):
            if d.events[i].index >= 0 and not d.events[i].is_read:
                code = self._read_product(i, text)
                if code != WIRE_OK:
                    return code
        for i in range(d.event_count):
            event = &d.events[i]
            if event.index < 0:
                continue
            state = <CoinbaseSymbol>self.states[event.index]
            if event.is_snapshot:
                state.snapshots += 1
            else:
                state.updates += 1
                if event.bid_count + event.ask_count == 0:
                    state.empty_updates += 1
        return WIRE_OK

    cdef int _read_product(self, int i, const char* text) except -1:
        """Read what the frame tells of the product of event *i*, its first: the levels since its last snapshot.

        A message is applied whole or not at all, and its book judged after all of it; so the events that it has for
        one product are one change of that product's book. A WireCode.
        """
        cdef CoinbaseDecoder d = self.decoder
        cdef CoinbaseEvent* first = &d.events[i]
        cdef CoinbaseEvent* event
        cdef BookAssembler book = <BookAssembler>self.books[first.index]
        cdef uint32_t j, k
        first.is_first = True
        first.replaces = first.is_snapshot
        if d.event_count == 1:
            return book.read_levels(text, d.bids, d.asks)
        self._bids.count = 0
        self._asks.count = 0
        for j in range(i, d.event_count):
            event = &d.events[j]
            if event.index != first.index:
                continue
            event.is_read = True
            if event.is_snapshot:
                first.replaces = True
                self._bids.count = 0
                self._asks.count = 0
            for k in range(event.first_bid, event.first_bid + event.bid_count):
                self._bids.add(d.bids.rows[k].price, d.bids.rows[k].qty)
            for k in range(event.first_ask, event.first_ask + event.ask_count):
                self._asks.add(d.asks.rows[k].price, d.asks.rows[k].qty)
        return book.read_levels(text, self._bids, self._asks)

    # -- the numbers ------------------------------------------------------------------------------------------

    cdef int _turn_to(self, int conn) except -1:
        """Have the numbers of this connection at hand."""
        if conn != self._conn or self._numbers is None:
            self._numbers = self._connections.get(conn)
            if self._numbers is None:
                self._numbers = self._connections[conn] = SequenceContinuity()
            self._conn = conn
        return 0

    cdef bint _is_next(self, int conn, int64_t ts_recv_ns) except -1:
        """Whether the frame is to be taken; a gap first voids the connection's books."""
        cdef int verdict
        self._turn_to(conn)
        verdict = self._numbers.judge(self.decoder.message.sequence, self.record_index)
        if verdict == VERDICT_GAP:
            self._lose_connection(conn, REASON_GAP, ts_recv_ns)
        return verdict != VERDICT_IGNORE

    cdef int _lose_connection(self, int conn, int reason, int64_t ts_recv_ns) except -1:
        """Give up every book that this connection feeds."""
        cdef CoinbaseSymbol state
        cdef int index
        for index in range(len(self.states)):
            state = <CoinbaseSymbol>self.states[index]
            if state.conn == conn:
                state.conn = -1
                state.may_have_missed = False
                self.lost(state.book, index, reason, ts_recv_ns)
            elif state.conn < 0:
                state.may_have_missed = reason == REASON_GAP
        return 0

    # -- the book ---------------------------------------------------------------------------------------------

    cdef int _apply(self, const CoinbaseEvent* event, int64_t ts_recv_ns, int conn) except -1:
        """Carry a product's levels, read before, into its book."""
        cdef CoinbaseMessage* m = &self.decoder.message
        cdef CoinbaseSymbol state = <CoinbaseSymbol>self.states[event.index]
        cdef BookAssembler book = state.book
        cdef BookMessage book_message
        cdef int outcome
        if not event.replaces and state.conn != conn:
            if state.conn < 0 and state.may_have_missed:
                # Its updates come, so its snapshot did: in a frame that was lost or refused.
                state.may_have_missed = False
                self.want_snapshot(event.index, REASON_GAP)
            return 0
        if not event.replaces and book.bid_count + book.ask_count == 0:
            return 0
        state.ordinal += 1
        book_message.seq = state.ordinal
        book_message.seq_first = state.ordinal
        book_message.first_update_id = m.sequence
        book_message.final_update_id = m.sequence
        book_message.has_update_ids = 1
        book_message.has_checksum = 0
        book_message.ts_venue_ns = m.ts_venue_ns
        book_message.ts_recv_ns = ts_recv_ns
        book_message.ordering = ORDER_CONTIGUOUS
        if event.replaces:
            state.conn = conn
            state.may_have_missed = False
            outcome = book.replace(&book_message)
            if outcome == BOOK_APPLIED:
                self.healed(book, ts_recv_ns)
        else:
            outcome = book.update(&book_message)
        if outcome != BOOK_APPLIED:
            state.conn = -1
            self.lost(book, event.index, REASON_CROSSED if outcome == BOOK_CROSSED else REASON_OVERFLOW, ts_recv_ns)
        return 0

    # -- the other channels -----------------------------------------------------------------------------------

    cdef int _read_trade(self, const Row* row, BookAssembler book, const char* text, int64_t* price,
                         int64_t* qty) except -1:
        cdef int code = book.parse(text, row.price.start, row.price.end, True, price) \
            or book.parse(text, row.qty.start, row.qty.end, False, qty)
        if code == WIRE_OK and (price[0] <= 0 or qty[0] <= 0):
            self.decoder.error_field = b"price" if price[0] <= 0 else b"size"
            return WIRE_BAD_VALUE
        return code

    cdef int _trades(self, const char* text, int64_t ts_recv_ns) except -1:
        """Trades come newest first and leave oldest first; those of a snapshot are past: counted, not published."""
        cdef CoinbaseDecoder d = self.decoder
        cdef CoinbaseEvent* event
        cdef Row* row
        cdef BookAssembler book
        cdef int64_t price = 0
        cdef int64_t qty = 0
        cdef uint32_t i, j
        for i in range(d.event_count):
            event = &d.events[i]
            for j in range(event.row_count):
                row = &d.rows.rows[event.first_row + event.row_count - 1 - j]
                if row.index < 0:
                    continue
                book = <BookAssembler>self.books[row.index]
                self._read_trade(row, book, text, &price, &qty)
                (<CoinbaseSymbol>self.states[row.index]).trades.add(row.trade_id, price, qty, row.is_buy,
                                                                    book.price_scale, book.qty_scale)
                if not event.is_snapshot:
                    self.publish_trade(row.index, row.trade_id,
                                       TRADE_SIDE_BUY if row.is_buy != side_is_maker else TRADE_SIDE_SELL,
                                       price, qty, 1, row.time_ns, ts_recv_ns)
        return 0

    cdef int _read_ticker(self, const Row* row, BookAssembler book, const char* text,
                          TickerData* data) except -1:
        cdef int code
        memset(data, 0, sizeof(TickerData))
        code = read_sent(book, text, &row.price, True, &data.last_price_raw, TICKER_LAST, &data.present) \
            or read_sent(book, text, &row.bid, True, &data.bid_price_raw, TICKER_BID, &data.present) \
            or read_sent(book, text, &row.bid_qty, False, &data.bid_qty_raw, TICKER_BID_QTY, &data.present) \
            or read_sent(book, text, &row.ask, True, &data.ask_price_raw, TICKER_ASK, &data.present) \
            or read_sent(book, text, &row.ask_qty, False, &data.ask_qty_raw, TICKER_ASK_QTY, &data.present) \
            or read_sent(book, text, &row.high, True, &data.high_24h_raw, TICKER_HIGH, &data.present) \
            or read_sent(book, text, &row.low, True, &data.low_24h_raw, TICKER_LOW, &data.present) \
            or read_sent(book, text, &row.volume, False, &data.volume_24h_raw, TICKER_VOLUME, &data.present)
        if code == WIRE_OK and not data.present & (TICKER_LAST | TICKER_BID | TICKER_ASK):
            self.decoder.error_field = b"price"
            return WIRE_MISSING_FIELD
        return code

    cdef int _tickers(self, const char* text, size_t length, int64_t ts_recv_ns) except -1:
        cdef Row* row
        cdef TickerData data
        cdef uint32_t i
        for i in range(self.decoder.rows.count):
            row = &self.decoder.rows.rows[i]
            if row.index < 0:
                continue
            self._read_ticker(row, <BookAssembler>self.books[row.index], text, &data)
            if not ticker_holds(&data):
                self.reject(WIRE_BAD_VALUE, b"price", text, length)
                continue
            self.publish_ticker(row.index, &data, self.decoder.message.ts_venue_ns, ts_recv_ns)
        return 0

    cdef int _read_candle(self, const Row* row, BookAssembler book, const char* text,
                          KlineData* candle) except -1:
        memset(candle, 0, sizeof(KlineData))
        candle.interval_ns = candle_interval_ns
        candle.open_time_ns = row.start_ns
        candle.close_time_ns = row.start_ns + candle_interval_ns
        return book.parse(text, row.open.start, row.open.end, True, &candle.open_raw) \
            or book.parse(text, row.high.start, row.high.end, True, &candle.high_raw) \
            or book.parse(text, row.low.start, row.low.end, True, &candle.low_raw) \
            or book.parse(text, row.price.start, row.price.end, True, &candle.close_raw) \
            or book.parse(text, row.volume.start, row.volume.end, False, &candle.volume_raw)

    cdef int _candles(self, const char* text, size_t length, int64_t ts_recv_ns) except -1:
        """Candles, oldest first whatever their order in the frame: a newer start closes the one before."""
        cdef CoinbaseDecoder d = self.decoder
        cdef Row* row
        cdef KlineData candle
        cdef uint32_t i
        for i in range(1, d.rows.count):
            if d.rows.rows[i].start_ns < d.rows.rows[i - 1].start_ns:
                qsort(d.rows.rows, d.rows.count, sizeof(Row), by_start)
                break
        for i in range(d.rows.count):
            row = &d.rows.rows[i]
            if row.index < 0:
                continue
            self._read_candle(row, <BookAssembler>self.books[row.index], text, &candle)
            if not candle_holds(&candle):
                self.reject(WIRE_BAD_VALUE, b"candles", text, length)
                continue
            self.publish_kline(row.index, &candle, True, d.message.ts_venue_ns, ts_recv_ns)
        return 0


cdef int read_sent(BookAssembler book, const char* text, const Span* span, bint is_price, int64_t* out, uint32_t bit,
                   uint32_t* present) except -1:
    """Read a field that may not have been sent; *present* gains its bit when it was. A WireCode."""
    cdef int code
    if span.start == span.end:
        return WIRE_OK
    code = book.parse(text, span.start, span.end, is_price, out)
    if code == WIRE_OK:
        present[0] |= bit
    return code


cdef int by_start(const void* a, const void* b) noexcept nogil:
    cdef int64_t first = (<const Row*>a).start_ns
    cdef int64_t second = (<const Row*>b).start_ns
    return (first > second) - (first < second)
