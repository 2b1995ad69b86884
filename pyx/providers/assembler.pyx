cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.base.clock cimport Clock
from engine.base.jsonwalk cimport WIRE_BAD_NUMBER, WIRE_OK, WIRE_OVERFLOW
from engine.base.units cimport PARSE_MALFORMED, PARSE_OK, PARSE_WIDEN, likely, parse_decimal, unlikely
from engine.book.checksum cimport BookChecksum
from engine.book.ladder cimport SIDE_ASK, SIDE_BID, Ladder, crossed
from engine.providers.leveltext cimport (COPY_SLACK, LevelRaws, LevelText, LevelTexts, convert,
                                          copy_levels)
from engine.schema.event cimport (BOOK_SNAPSHOT, BOOK_UPDATE, FLAG_AFTER_RESYNC, FLAG_SYNTHETIC, ORDER_NONE,
                                  Event, publish)
from engine.schema.market cimport (REASON_DIRTY, REASON_INITIAL, REASON_NONE, REASON_REFRESH, UPDATE_DELTA,
                                   UPDATE_FULL, UPDATE_INVALID, BookData, BookEvent, Level)
from engine.schema.ports cimport EventPool, EventSink

from engine.base.ids import instrument_id as intern_instrument
from engine.schema.enums import BookReason


@cython.final
cdef class BookAssembler:
    """Applies whole messages or nothing, publishes what changed within the published depth.

    Args:
        provider: provider name.
        symbol: public symbol.
        venue_symbol: the venue's spelling, as on the wire.
        price_scale, qty_scale: decimals of the tick and of the lot.
        depth_levels: published per side, 0 = all.
        cut_levels: kept per side, 0 = every level the venue told.
        kept_levels_max: past this many levels a side the book is an overflow.
        emit_full: publish the whole published book instead of deltas.
        checksum: the venue's checksum, or None.
    """

    def __init__(self, *, provider: str, symbol: str, venue_symbol: bytes, price_scale: int, qty_scale: int,
                 EventPool pool not None, EventSink sink not None, Clock clock not None, depth_levels: int = 1000,
                 cut_levels: int = 0, kept_levels_max: int = 65536, emit_full: bool = False,
                 BookChecksum checksum=None, on_widened=None):
        self.instrument_id = intern_instrument(provider, symbol)
        self.symbol = symbol
        self.venue_symbol = venue_symbol
        self.price_scale = price_scale
        self.qty_scale = qty_scale
        self.pool = pool
        self.sink = sink
        self.clock = clock
        self.on_widened = on_widened
        self._depth_wanted = depth_levels
        self.depth_levels = depth_levels
        if cut_levels:
            self.set_depth(cut_levels)
        self.kept_levels_max = kept_levels_max
        self.emit_full = emit_full
        self.checksum = checksum
        self.ladder = Ladder()
        self.changes = LevelRaws()
        self.published = LevelRaws()
        self._reason = REASON_INITIAL

    # -- texts to integers ------------------------------------------------------------------------------------

    cdef int read_levels(self, const char* text, LevelTexts bids, LevelTexts asks) except -1:
        """Convert a message's levels into ``changes``, widening the scales first if it must. A WireCode."""
        return self.read_rows(text, bids.rows, bids.count, asks.rows, asks.count)

    cdef int read_rows(self, const char* text, const LevelText* bids, uint32_t bid_count, const LevelText* asks,
                       uint32_t ask_count) except -1:
        """As read_levels, for a message whose levels are a part of what the frame holds."""
        cdef int price_scale = self.price_scale
        cdef int qty_scale = self.qty_scale
        cdef int price_needed = price_scale
        cdef int qty_needed = qty_scale
        cdef int code = WIRE_OK
        self.bid_count = bid_count
        self.ask_count = ask_count
        self.changes.reserve(bid_count + ask_count)
        if bid_count:
            code = convert(text, bids, bid_count, self.price_scale, self.qty_scale, self.changes.rows, &price_needed,
                           &qty_needed)
            price_scale = price_needed
            qty_scale = qty_needed
        if ask_count and likely(code == WIRE_OK):
            code = convert(text, asks, ask_count, self.price_scale, self.qty_scale, self.changes.rows + bid_count,
                           &price_needed, &qty_needed)
        if unlikely(code != WIRE_OK):
            return code
        if price_needed > price_scale:
            price_scale = price_needed
        if qty_needed > qty_scale:
            qty_scale = qty_needed
        if unlikely(price_scale > self.price_scale or qty_scale > self.qty_scale):
            code = self.widen(price_scale, qty_scale)
            if code != WIRE_OK:
                return code
            return self.read_rows(text, bids, bid_count, asks, ask_count)
        return WIRE_OK

    cdef int parse(self, const char* text, uint32_t start, uint32_t end, bint is_price, int64_t* out) except -1:
        """One price or quantity at this book's scale, widening it if it must. A WireCode."""
        cdef int code = parse_decimal(text, text + start, text + end,
                                      self.price_scale if is_price else self.qty_scale, out)
        if code == PARSE_OK:
            return WIRE_OK
        if code == PARSE_WIDEN:
            code = self.widen(<int>out[0] if is_price else self.price_scale,
                              self.qty_scale if is_price else <int>out[0])
            return code if code != WIRE_OK else self.parse(text, start, end, is_price, out)
        return WIRE_BAD_NUMBER if code == PARSE_MALFORMED else WIRE_OVERFLOW

    cdef int widen(self, int price_scale, int qty_scale) except -1:
        """Raise the scales and rescale the book in one step; WIRE_OVERFLOW leaves everything as it was."""
        cdef int price_by = price_scale - self.price_scale
        cdef int qty_by = qty_scale - self.qty_scale
        if self.ladder.rescale_side(SIDE_BID, price_by, qty_by, False) \
                or self.ladder.rescale_side(SIDE_ASK, price_by, qty_by, False):
            return WIRE_OVERFLOW
        self.ladder.rescale_side(SIDE_BID, price_by, qty_by, True)
        self.ladder.rescale_side(SIDE_ASK, price_by, qty_by, True)
        self.price_scale = price_scale
        self.qty_scale = qty_scale
        self.rescales += 1
        if self.checksum is not None:
            self.checksum.set_spare(self.checksum._price_spare + price_by, self.checksum._qty_spare + qty_by)
        if self.on_widened is not None:
            self.on_widened(self)
        return WIRE_OK

    cdef int set_precision(self, int price_precision, int qty_precision) except -1:
        """The venue's decimals, with which it writes the text of its checksums; WIRE_OVERFLOW changes nothing."""
        cdef int price_scale = max(self.price_scale, price_precision)
        cdef int qty_scale = max(self.qty_scale, qty_precision)
        if (price_scale != self.price_scale or qty_scale != self.qty_scale) \
                and self.widen(price_scale, qty_scale) != WIRE_OK:
            return WIRE_OVERFLOW
        self.checksum = BookChecksum(price_scale - price_precision, qty_scale - qty_precision)
        return WIRE_OK

    # -- whole messages ---------------------------------------------------------------------------------------

    cdef int set_depth(self, uint32_t depth_levels) except -1:
        """The venue keeps *depth_levels* a side and tells none beyond: so do we, and publish no more than those."""
        cdef uint32_t published = self._depth_wanted
        if published == 0 or published > depth_levels:
            published = depth_levels
        if self.is_valid and (self.depth_levels == 0 or published < self.depth_levels):
            self._dirty = True               # consumers may hold levels that no removal will be told of
        self.cut_levels = depth_levels
        self.depth_levels = published
        return 0

    cdef int update(self, const BookMessage* m) except -1:
        """Apply the levels read last, check the book, publish. Anything but BOOK_APPLIED published nothing."""
        cdef uint32_t bids = 0
        cdef uint32_t asks = 0
        cdef int outcome
        self.published.reserve(2 * (self.bid_count + self.ask_count) + COPY_SLACK)
        if self.bid_count:
            self.ladder.apply(SIDE_BID, self.changes.rows, self.bid_count, self.depth_levels, self.published.rows,
                              &bids)
        if self.ask_count:
            self.ladder.apply(SIDE_ASK, self.changes.rows + self.bid_count, self.ask_count, self.depth_levels,
                              self.published.rows + 2 * self.bid_count, &asks)
        outcome = self._check(m)
        if unlikely(outcome != BOOK_APPLIED):
            return outcome
        self.last_seq = m.seq
        self.verified_through_id = m.seq
        self.last_recv_ns = m.ts_recv_ns
        if unlikely(self._dirty):
            self.epoch += 1                  # a number was skipped on purpose: order starts again from here
            self.publish_snapshot(m, REASON_DIRTY)
        else:
            self._publish_update(m, bids, asks)
        return BOOK_APPLIED

    cdef int verify(self, const BookMessage* m) except -1:
        """A message without levels and without a number of its own: check the book, publish nothing."""
        cdef int outcome = self._check(m)
        if outcome == BOOK_APPLIED:
            self.last_recv_ns = m.ts_recv_ns
        return outcome

    cdef int replace(self, const BookMessage* m) except -1:
        """Make the levels read last the whole book, under a new epoch, check it, publish a snapshot."""
        cdef int reason = self._reason if self._reason != REASON_NONE else REASON_REFRESH
        cdef int outcome
        self.ladder.load(SIDE_BID, self.changes.rows, self.bid_count)
        self.ladder.load(SIDE_ASK, self.changes.rows + self.bid_count, self.ask_count)
        self.epoch += 1
        outcome = self._check(m)
        if outcome != BOOK_APPLIED:
            return outcome
        self.is_valid = True
        self.last_seq = m.seq
        self.verified_through_id = m.seq
        self.last_recv_ns = m.ts_recv_ns
        return self.publish_snapshot(m, reason)

    cdef int _check(self, const BookMessage* m) except -1:
        """Cut where the venue cuts, then: checksum, crossing, size. A book may fail, and count, in more than one."""
        cdef int outcome = BOOK_APPLIED
        if self.cut_levels:
            self.ladder.cut(SIDE_BID, self.cut_levels)
            self.ladder.cut(SIDE_ASK, self.cut_levels)
        if m.has_checksum and self.checksum is not None:
            self.checksums_compared += 1
            self.checksum_expected = m.checksum
            self.checksum_actual = self.checksum.of(self.ladder)
            if self.checksum_actual == m.checksum:
                self.checksums_ok += 1
            else:
                outcome = BOOK_CHECKSUM_FAILED
        if unlikely(crossed(self.ladder.sides)):
            self.crossed_count += 1
            if outcome == BOOK_APPLIED:
                outcome = BOOK_CROSSED
        if outcome == BOOK_APPLIED and unlikely(self.ladder.sides[0].count > self.kept_levels_max
                                                or self.ladder.sides[1].count > self.kept_levels_max):
            outcome = BOOK_OVERFLOW
        if unlikely(outcome != BOOK_APPLIED):
            self._is_unsound = True
        return outcome

    cdef int invalidate(self, int reason, int64_t ts_recv_ns) except -1:
        """Throw the book away and say so at once; the next event is a snapshot. Counts one resync."""
        cdef PyObject* event
        cdef BookMessage m
        self.resyncs[reason] += 1
        self.ladder.clear()
        self._is_unsound = False
        self._reason = reason
        if not self.is_valid:
            return 0
        self.is_valid = False
        self._dirty = False
        event = self._lease(BOOK_UPDATE)
        if event == NULL:
            return 0
        m.seq = self.last_seq + 1
        m.seq_first = m.seq
        m.has_update_ids = 0
        m.has_checksum = 0
        m.ts_venue_ns = 0
        m.ts_recv_ns = ts_recv_ns
        m.ordering = ORDER_NONE
        (<BookEvent>event).b.update_type = UPDATE_INVALID
        (<BookEvent>event).b.reason = reason
        return self._send(event, &m)

    # -- events -----------------------------------------------------------------------------------------------

    cdef PyObject* _lease(self, int event_type) except? NULL:
        """A slot; when the pool is empty, first let what is queued be delivered, then folded."""
        cdef PyObject* event = self.pool.acquire_nowait(event_type)
        if unlikely(event == NULL):
            self.sink.flush()
            event = self.pool.acquire_nowait(event_type)
            if event == NULL and self.sink.relieve(event_type):
                event = self.pool.acquire_nowait(event_type)
            if event == NULL:
                self.unpublished += 1
                self._dirty = True
                if self.on_exhausted is not None:
                    self.on_exhausted(self.symbol, event_type)
        return event

    cdef int _publish_update(self, const BookMessage* m, uint32_t bids, uint32_t asks) except -1:
        cdef PyObject* event = self._lease(BOOK_UPDATE)
        cdef BookData* book
        if unlikely(event == NULL):
            return 0
        book = &(<BookEvent>event).b
        if unlikely(self.emit_full):
            bids = self.ladder.sides[0].count
            asks = self.ladder.sides[1].count
            if self.depth_levels:
                bids = min(bids, self.depth_levels)
                asks = min(asks, self.depth_levels)
            self.pool.attach_levels(event, bids + asks)
            self.ladder.copy_top(SIDE_BID, self.depth_levels, book.levels)
            self.ladder.copy_top(SIDE_ASK, self.depth_levels, book.levels + bids)
            book.update_type = UPDATE_FULL
        else:
            if bids + asks:
                self.pool.attach_levels(event, bids + asks + COPY_SLACK)
                copy_levels(book.levels, self.published.rows, bids)
                copy_levels(book.levels + bids, self.published.rows + 2 * self.bid_count, asks)
            book.update_type = UPDATE_DELTA
        book.bid_count = bids
        book.ask_count = asks
        self.updates_published += 1
        return self._send(event, m)

    cdef int publish_snapshot(self, const BookMessage* m, int reason) except -1:
        """Publish the assembled book's published part."""
        cdef PyObject* event = self._lease(BOOK_SNAPSHOT)
        if event == NULL:
            return 0
        self._copy_book(event, reason)
        if reason > REASON_REFRESH and reason != REASON_DIRTY:
            (<Event>event).h.flags |= FLAG_AFTER_RESYNC
        self._dirty = False
        self._reason = REASON_NONE
        self.snapshots_published += 1
        return self._send(event, m)

    cdef int _copy_book(self, PyObject* event, int reason) except -1:
        cdef BookData* book = &(<BookEvent>event).b
        cdef uint32_t bids = self.ladder.sides[0].count
        cdef uint32_t asks = self.ladder.sides[1].count
        if self.depth_levels:
            bids = min(bids, self.depth_levels)
            asks = min(asks, self.depth_levels)
        self.pool.attach_levels(event, bids + asks)
        self.ladder.copy_top(SIDE_BID, self.depth_levels, book.levels)
        self.ladder.copy_top(SIDE_ASK, self.depth_levels, book.levels + bids)
        book.bid_count = bids
        book.ask_count = asks
        book.depth_levels = self.depth_levels
        book.reason = reason
        return 0

    cdef PyObject* snapshot(self, int reason) except? NULL:
        """The published part as it is now, for one consumer: numbered like the last update, sent nowhere.

        NULL while the book is not valid, or where there is no slot.
        """
        cdef PyObject* event
        cdef BookMessage m
        if not self.is_valid or self._is_unsound:
            return NULL
        event = self.pool.acquire_nowait(BOOK_SNAPSHOT)
        if event == NULL:
            return NULL
        self._copy_book(event, reason)
        m.seq = m.seq_first = self.last_seq
        m.has_update_ids = 0
        m.has_checksum = 0
        m.ts_venue_ns = 0
        m.ts_recv_ns = self.last_recv_ns
        m.ordering = ORDER_NONE
        self._stamp(event, &m)
        (<Event>event).h.folded_count = 0
        (<Event>event).h.flags |= FLAG_SYNTHETIC
        return event

    cdef int _send(self, PyObject* event, const BookMessage* m) except -1:
        self._stamp(event, m)
        self.sink.offer(event)
        return 0

    cdef int _stamp(self, PyObject* event, const BookMessage* m) except -1:
        """Fill the header, freeze the event."""
        cdef BookData* book = &(<BookEvent>event).b
        (<Event>event).h.seq_provider = m.seq
        (<Event>event).h.seq_first = m.seq_first
        (<Event>event).h.epoch = self.epoch
        (<Event>event).h.ordering = m.ordering
        (<Event>event).h.ts_venue_ns = m.ts_venue_ns
        (<Event>event).h.ts_recv_ns = m.ts_recv_ns
        (<Event>event).h.instrument_id = self.instrument_id
        (<Event>event).h.folded_count = 1
        (<Event>event).h.price_scale = self.price_scale
        (<Event>event).h.qty_scale = self.qty_scale
        book.has_update_ids = m.has_update_ids
        if m.has_update_ids:
            book.first_update_id = m.first_update_id
            book.final_update_id = m.final_update_id
        book.has_checksum = m.has_checksum
        if m.has_checksum:
            book.checksum = m.checksum
            book.verified = self.checksum is not None
        book.verified_through_id = self.verified_through_id
        publish(event)
        (<Event>event).h.ts_emit_ns = self.clock.now_ns()
        return 0

    # -- views for operators and facts ------------------------------------------------------------------------

    def counts_by_reason(self) -> dict[str, int]:
        """Resyncs by reason, those that happened."""
        return {BookReason(i).name.lower(): self.resyncs[<int>i] for i in range(len(BookReason))
                if self.resyncs[<int>i]}

    def top(self, side: int, limit: int = 20) -> list[tuple[int, int]]:
        """(price_raw, qty_raw) of a side, best first; empty while the book is invalid."""
        return self.ladder.levels(side, limit) if self.is_valid else []
