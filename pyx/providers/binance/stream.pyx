cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.base.clock cimport Clock
from engine.base.jsonwalk cimport WIRE_BAD_VALUE, WIRE_MISSING_FIELD, WIRE_OK, WIRE_UNKNOWN_SYMBOL
from engine.base.units cimport unlikely
from engine.book.ladder cimport SIDE_ASK, SIDE_BID, expect
from engine.observability.stages cimport STAGE_WIRE
from engine.pools.frames cimport FrameQueue
from engine.providers.assembler cimport (BOOK_APPLIED, BOOK_CROSSED, BookAssembler, BookMessage)
from engine.providers.binance.continuity cimport (SNAPSHOT_TAKE, SNAPSHOT_TOO_OLD, VERDICT_APPLY, VERDICT_BUFFER,
                                                  VERDICT_GAP, VERDICT_STALE, DiffContinuity)
from engine.providers.binance.crosscheck cimport SecondView, Top
from engine.providers.binance.messagevalues cimport read_book_ticker, read_candle, read_ticker, venue_ns
from engine.providers.binance.wire cimport (BINANCE_AGG_TRADE, BINANCE_BOOK_TICKER, BINANCE_DEPTH, BINANCE_IGNORED,
                                            BINANCE_KLINE, BINANCE_PARTIAL_DEPTH, BINANCE_REFUSAL, BINANCE_REPLY,
                                            BINANCE_SHUTDOWN, BINANCE_TICKER, BINANCE_TRADE, BinanceDecoder,
                                            BinanceMessage)
from engine.providers.tape cimport TradeTape
from engine.providers.venuestream cimport VenueStream
from engine.schema.event cimport ORDER_RANGE
from engine.schema.market cimport (REASON_CROSSED, REASON_GAP, REASON_INITIAL, REASON_OVERFLOW, REASON_RECONNECT,
                                   TRADE_SIDE_BUY, TRADE_SIDE_SELL, KlineData, TickerData)
from engine.schema.ports cimport RAW_PROVIDER, EventPool, EventSink, FrameKeeper, RawFrame

cdef class BinanceSymbol:
    def __init__(self, BookAssembler book not None, FrameKeeper frames not None):
        self.book = book
        self.continuity = DiffContinuity()
        self.second_view = SecondView()
        self.waiting = FrameQueue(frames)
        self.trades = TradeTape()
        self.aggregates = TradeTape()
        self.tape_kind = BINANCE_IGNORED
        self.price_scale = book.price_scale
        self.qty_scale = book.qty_scale


@cython.final
cdef class BinanceStream(VenueStream):
    """Frames of Binance market streams and bodies of GET /api/v3/depth.

    Args:
        diff_buffer_max: diffs a symbol kept while a snapshot is awaited; past it the wait starts over.
        on_reply: called as on_reply(id, refusal) for each answer to a control frame.
        on_shutdown: called as on_shutdown(conn) when the venue announces the end of that connection.
    """

    def __init__(self, provider: str, EventPool pool not None, EventSink sink not None, Clock clock not None, *,
                 diff_buffer_max: int = 10_000, on_reply=None, on_shutdown=None, **hooks):
        super().__init__(provider, pool, sink, clock, **hooks)
        self.decoder = BinanceDecoder()
        self.decoder.raws = self._changes
        self.states = []
        self.diff_buffer_max = diff_buffer_max
        self.on_reply = on_reply
        self.on_shutdown = on_shutdown

    def add_book(self, BookAssembler book not None) -> int:
        """Take charge of a symbol, known by its upper-case name and, in stream names, the lower-case one."""
        index = VenueStream.add_book(self, book)
        if index == len(self.states):
            self.states.append(BinanceSymbol(book, self.keeper))
            self.keeper.provide(RAW_PROVIDER, self.diff_buffer_max)
        return index

    def close(self) -> None:
        """Give back the diffs that wait for a snapshot. Idempotent."""
        cdef BinanceSymbol state
        VenueStream.close(self)
        for state in self.states:
            state.waiting.clear()

    def symbol_states(self) -> list[BinanceSymbol]:
        """The symbols' states by symbol index."""
        return list(self.states)

    cdef int _find(self, const char* text) except -2:
        cdef BinanceMessage* m = &self.decoder.message
        cdef int index = self.symbols.find(text + m.symbol.start, m.symbol.end - m.symbol.start)
        if unlikely(index < 0 and m.symbol.end > m.symbol.start):
            # Stream names are lower case, and JSON may escape what it likes.
            name = text[m.symbol.start:m.symbol.end]
            if b"\\" in name:
                name = _unescaped(name)
            name = name.upper()
            index = self.symbols.find(name, len(name))
        return index

    cdef int on_frame(self, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1:
        """Decode one frame and carry it through. DANGER: *text* is borrowed until return."""
        cdef BinanceMessage* m = &self.decoder.message
        cdef BinanceSymbol state
        cdef int index
        cdef int code
        self.frames += 1
        self.frame_bytes += length
        self.timer.begin()
        code = self.decoder.decode(text, length)
        if self.timer.on:
            self.timer.mark(STAGE_WIRE)
        if unlikely(code != WIRE_OK):
            return self.reject(code, self.decoder.error_field, text, length)
        if unlikely(m.kind == BINANCE_IGNORED or m.kind >= BINANCE_REPLY):
            return self._rare(text, length, conn)
        index = self._find(text)
        if unlikely(index < 0):
            code = self.decoder.read_rest(length) if self.decoder.is_usual else WIRE_OK
            if code != WIRE_OK:
                return self.reject(code, self.decoder.error_field, text, length)
            return self.reject(WIRE_UNKNOWN_SYMBOL, b"s", text, length)
        state = <BinanceSymbol>self.states[index]
        if m.kind == BINANCE_DEPTH:
            code = self._convert(state, length)
            if unlikely(code != WIRE_OK):
                return self.reject(code, self.decoder.error_field, text, length)
            state.continuity.received(m.first_id, m.final_id)
            code = self._depth(index, state, text, length, ts_recv_ns, NULL)
        elif m.kind == BINANCE_BOOK_TICKER:
            code = self._book_ticker(index, state, text, ts_recv_ns)
        elif m.kind == BINANCE_TRADE or m.kind == BINANCE_AGG_TRADE:
            code = self._trade(index, state, text, ts_recv_ns)
        elif m.kind == BINANCE_TICKER:
            code = self._ticker(index, state.book, text, ts_recv_ns)
        elif m.kind == BINANCE_KLINE:
            code = self._kline(index, state.book, text, ts_recv_ns)
        elif m.kind == BINANCE_PARTIAL_DEPTH:
            code = state.book.read_levels(text, self.decoder.bids, self.decoder.asks)
            if code == WIRE_OK:
                self._sync_scales(state)
                state.second_view.partial(m.final_id, state.book.changes, state.book.bid_count, state.book.ask_count,
                                          state.book.ladder, state.continuity.book_id, state.continuity.in_sync,
                                          self.record_index)
        if unlikely(code != WIRE_OK):
            return self.reject(code, self.decoder.error_field, text, length)
        return 0

    cdef int _rare(self, const char* text, size_t length, int conn) except -1:
        cdef BinanceMessage* m = &self.decoder.message
        if m.kind == BINANCE_REPLY or m.kind == BINANCE_REFUSAL:
            if self.on_reply is not None:
                self.on_reply(m.reply_id, None if m.kind == BINANCE_REPLY else text[m.text.start:m.text.end].decode())
        elif m.kind == BINANCE_SHUTDOWN:
            self.shutdown_announced = True
            if self.on_shutdown is not None:
                self.on_shutdown(conn)
        else:
            self.ignored += 1
        return 0

    # -- the book ---------------------------------------------------------------------------------------------

    cdef int _convert(self, BinanceSymbol state, size_t length) except -1:
        """Convert the levels of a usual diff; what turns out to be another is decoded to its end. A WireCode."""
        if unlikely(not self.decoder.is_usual):
            return WIRE_OK
        expect(&state.book.ladder.sides[SIDE_BID], state.book.depth_levels)
        expect(&state.book.ladder.sides[SIDE_ASK], state.book.depth_levels)
        if unlikely(not self.decoder.convert_usual(state.book.price_scale, state.book.qty_scale)):
            return self.decoder.read_rest(length)
        state.book.bid_count = self.decoder.bid_count
        state.book.ask_count = self.decoder.ask_count
        return WIRE_OK

    cdef int _depth(self, int index, BinanceSymbol state, const char* text, size_t length, int64_t ts_recv_ns,
                    RawFrame* kept) except -1:
        """One diff: judge, apply, compare with the second view, publish. Returns a WireCode.

        *kept*: the slot it waited in, NULL for one just received; where it has to wait again, it stays in that slot.
        """
        cdef BinanceMessage* m = &self.decoder.message
        cdef BookMessage book_message
        cdef uint64_t first_id = m.first_id
        cdef int verdict
        cdef int outcome
        cdef int code
        if unlikely(m.final_id < m.first_id):
            self.decoder.error_field = b"u"
            return WIRE_BAD_VALUE
        state.second_view.expect()
        # Also of a diff that has to wait: one that cannot be used must not come to light when its turn is long past.
        code = WIRE_OK
        if unlikely(not self.decoder.is_usual):
            code = state.book.read_levels(text, self.decoder.bids, self.decoder.asks)
        if unlikely(code != WIRE_OK):
            # Its numbers are spent and its levels unusable: the same as if it had been lost. While a snapshot is
            # awaited the ids of the diffs around it will show that.
            if state.continuity.in_sync and m.final_id > state.continuity.book_id:
                state.continuity.lose()
                self.lost(state.book, index, REASON_GAP, ts_recv_ns)
            return code
        verdict = state.continuity.judge(first_id, m.final_id)
        if verdict == VERDICT_STALE:
            return WIRE_OK
        if verdict == VERDICT_GAP:
            self._lose(index, state, REASON_GAP, ts_recv_ns)
        if unlikely(verdict != VERDICT_APPLY):
            return self._wait(index, state, text, length, ts_recv_ns, kept, verdict == VERDICT_GAP)
        if unlikely(state.price_scale != state.book.price_scale or state.qty_scale != state.book.qty_scale):
            self._sync_scales(state)
        book_message.seq = m.final_id
        book_message.seq_first = max(first_id, state.continuity.book_id + 1)
        book_message.first_update_id = first_id
        book_message.final_update_id = m.final_id
        book_message.has_update_ids = 1
        book_message.has_checksum = 0
        book_message.ts_venue_ns = venue_ns(m.event_ms)
        book_message.ts_recv_ns = ts_recv_ns
        book_message.ordering = ORDER_RANGE
        outcome = state.book.update(&book_message)
        state.continuity.applied_through(first_id, m.final_id)
        if unlikely(outcome != BOOK_APPLIED):
            return self._lose(index, state, REASON_CROSSED if outcome == BOOK_CROSSED else REASON_OVERFLOW,
                              ts_recv_ns)
        if state.second_view.is_needed(m.final_id):
            state.second_view.reached(m.final_id, state.book.ladder, self.record_index)
        return WIRE_OK

    cdef int _wait(self, int index, BinanceSymbol state, const char* text, size_t length, int64_t ts_recv_ns,
                   RawFrame* kept, bint is_gap) except -1:
        """Keep a diff until its snapshot comes (BOOK-11)."""
        if kept != NULL:
            state.waiting.push(kept)
            return WIRE_OK
        if state.waiting.count == 0 and not is_gap:
            self.want_snapshot(index, REASON_INITIAL)
        if state.waiting.count < <uint32_t>self.diff_buffer_max \
                and state.waiting.keep(RAW_PROVIDER, text, length, ts_recv_ns, 0):
            return WIRE_OK
        # Too many for too long: what was kept is worthless, begin again with this one.
        self.buffer_overflows += 1
        state.waiting.clear()
        state.continuity.first_buffered_id = self.decoder.message.first_id
        if not state.waiting.keep(RAW_PROVIDER, text, length, ts_recv_ns, 0):
            state.continuity.first_buffered_id = 0       # other books have what there is: begin with the next one
        return self.lost(state.book, index, REASON_OVERFLOW, ts_recv_ns)

    def drop_book(self, index: int, reason: int = REASON_RECONNECT) -> None:
        """What fed the book has gone: forget it and what waits for it; no snapshot is asked for."""
        cdef BinanceSymbol state = self.states[index]
        state.waiting.clear()
        state.continuity.lose()
        if state.book.is_valid:
            self.give_up(state.book, reason, self.clock.now_ns())

    cdef int _lose(self, int index, BinanceSymbol state, int reason, int64_t ts_recv_ns) except -1:
        if reason != REASON_GAP:
            state.continuity.lose()
        return self.lost(state.book, index, reason, ts_recv_ns)

    def take_snapshot(self, int index, bytes body not None, int64_t ts_recv_ns) -> str:
        """The body of GET /api/v3/depth for a symbol: start its book and carry the waiting diffs through.

        Returns ``taken``, ``too_old``, ``ignored`` or ``rejected`` (counted, its bytes dead-lettered).
        """
        cdef BinanceSymbol state = self.states[index]
        cdef BinanceMessage* m = &self.decoder.message
        cdef BookMessage book_message
        cdef const char* text = body
        cdef size_t length = len(body)
        cdef int code
        cdef int verdict
        cdef int outcome
        self.timer.begin()
        code = self.decoder.decode(text, length)
        if self.timer.on:
            self.timer.mark(STAGE_WIRE)
        if code == WIRE_OK and m.kind != BINANCE_PARTIAL_DEPTH:
            self.decoder.error_field = b"lastUpdateId"
            code = WIRE_MISSING_FIELD
        if code == WIRE_OK:
            verdict = state.continuity.judge_snapshot(m.final_id)
            if verdict != SNAPSHOT_TAKE:
                if verdict == SNAPSHOT_TOO_OLD:
                    self.want_snapshot(index, REASON_INITIAL)
                    return "too_old"
                return "ignored"
            code = state.book.read_levels(text, self.decoder.bids, self.decoder.asks)
        if code != WIRE_OK:
            self.reject(code, self.decoder.error_field, text, length)
            return "rejected"
        self._sync_scales(state)
        book_message.seq = m.final_id
        book_message.seq_first = m.final_id
        book_message.first_update_id = m.final_id
        book_message.final_update_id = m.final_id
        book_message.has_update_ids = 1
        book_message.has_checksum = 0
        book_message.ts_venue_ns = 0
        book_message.ts_recv_ns = ts_recv_ns
        book_message.ordering = ORDER_RANGE
        state.continuity.start(m.final_id)
        outcome = state.book.replace(&book_message)
        if outcome != BOOK_APPLIED:
            self._lose(index, state, REASON_CROSSED if outcome == BOOK_CROSSED else REASON_OVERFLOW, ts_recv_ns)
            return "rejected"
        self.healed(state.book, ts_recv_ns)
        state.second_view.reached(book_message.seq, state.book.ladder, self.record_index)
        self._replay(index, state)
        return "taken"

    cdef int _replay(self, int index, BinanceSymbol state) except -1:
        """Judge the waiting diffs again, in order; one that shows a gap waits on, with all behind it."""
        cdef FrameQueue waiting = state.waiting
        cdef RawFrame* frame = waiting.pop()
        cdef uint32_t again
        cdef int code
        state.waiting = FrameQueue(self.keeper)
        while frame != NULL:
            again = state.waiting.count
            try:
                code = self.decoder.decode(frame.text, frame.length)
                if code == WIRE_OK:
                    code = self._convert(state, frame.length)
                if code == WIRE_OK:
                    code = self._depth(index, state, frame.text, frame.length, frame.ts_recv_ns, frame)
                if code != WIRE_OK:          # a level of it no longer fits, now that the book has wider scales
                    self.reject(code, self.decoder.error_field, frame.text, frame.length)
            finally:
                if state.waiting.count == again:
                    self.keeper.give_back(frame)
            frame = waiting.pop()
        return 0

    cdef int _sync_scales(self, BinanceSymbol state) except -1:
        if state.price_scale != state.book.price_scale or state.qty_scale != state.book.qty_scale:
            state.second_view.rescale(state.book.price_scale - state.price_scale,
                                      state.book.qty_scale - state.qty_scale)
            state.price_scale = state.book.price_scale
            state.qty_scale = state.book.qty_scale
        return 0

    # -- the other streams ------------------------------------------------------------------------------------

    cdef int _book_ticker(self, int index, BinanceSymbol state, const char* text, int64_t ts_recv_ns) except -1:
        cdef TickerData data
        cdef Top top
        cdef int code = read_book_ticker(&self.decoder.message, state.book, text, &data)
        if code != WIRE_OK:
            return code
        self._sync_scales(state)
        top.id = self.decoder.message.final_id
        top.bid_raw = data.bid_price_raw
        top.bid_qty_raw = data.bid_qty_raw
        top.ask_raw = data.ask_price_raw
        top.ask_qty_raw = data.ask_qty_raw
        state.second_view.ticker(&top, state.book.ladder, state.continuity.book_id, state.continuity.in_sync,
                                 self.record_index)
        self.publish_ticker(index, &data, 0, ts_recv_ns)
        return WIRE_OK

    cdef int _trade(self, int index, BinanceSymbol state, const char* text, int64_t ts_recv_ns) except -1:
        cdef BinanceMessage* m = &self.decoder.message
        cdef BookAssembler book = state.book
        cdef TradeTape tape = state.trades if m.kind == BINANCE_TRADE else state.aggregates
        cdef int64_t price = 0
        cdef int64_t qty = 0
        cdef uint64_t matches = 1
        cdef int scale = book.price_scale
        cdef int code = book.parse(text, m.price.start, m.price.end, True, &price) \
            or book.parse(text, m.qty.start, m.qty.end, False, &qty)
        if code != WIRE_OK:
            return code
        if price <= 0 or qty <= 0:
            self.decoder.error_field = b"p" if price <= 0 else b"q"
            return WIRE_BAD_VALUE
        if m.kind == BINANCE_AGG_TRADE:
            if m.final_id < m.first_id:
                self.decoder.error_field = b"l"
                return WIRE_BAD_VALUE
            matches = m.final_id - m.first_id + 1
        tape.add(m.trade_id, price, qty, m.buyer_is_maker, book.price_scale, book.qty_scale)
        if state.tape_kind == BINANCE_IGNORED:
            state.tape_kind = m.kind
        if state.tape_kind != m.kind:
            return WIRE_OK
        # The buyer made: the aggressor sold.
        self.publish_trade(index, m.trade_id, TRADE_SIDE_SELL if m.buyer_is_maker else TRADE_SIDE_BUY, price, qty,
                           <unsigned int>matches, venue_ns(m.time_ms), ts_recv_ns)
        return WIRE_OK

    cdef int _ticker(self, int index, BookAssembler book, const char* text, int64_t ts_recv_ns) except -1:
        cdef TickerData data
        cdef int code = read_ticker(&self.decoder.message, book, text, &data, &self.decoder.error_field)
        if code == WIRE_OK:
            self.publish_ticker(index, &data, venue_ns(self.decoder.message.event_ms), ts_recv_ns)
        return code

    cdef int _kline(self, int index, BookAssembler book, const char* text, int64_t ts_recv_ns) except -1:
        cdef KlineData candle
        cdef int code = read_candle(&self.decoder.message, book, text, &candle, &self.decoder.error_field)
        if code == WIRE_OK:
            self.publish_kline(index, &candle, False, venue_ns(self.decoder.message.event_ms), ts_recv_ns)
        return code


cdef bytes _unescaped(bytes name):
    """A symbol with JSON escapes in it, as UTF-8."""
    from engine.base.jsontext import unescape
    return unescape(name)
