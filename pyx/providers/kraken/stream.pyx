from libc.stdint cimport int64_t, uint32_t

from engine.base.clock cimport Clock
from engine.base.jsonwalk cimport (WIRE_NOT_JSON, WIRE_OK, WIRE_TOO_DEEP, WIRE_UNKNOWN_SYMBOL,
                                   WIRE_UNKNOWN_VALUE)
from engine.book.checksum cimport BookChecksum
from engine.book.ladder cimport SIDE_ASK, SIDE_BID, Ladder
from engine.observability.stages cimport STAGE_WIRE
from engine.providers.assembler cimport BOOK_APPLIED, BookAssembler, BookMessage
from engine.providers.checkedstream cimport CheckedStream, CheckedSymbol
from engine.providers.kraken.continuity cimport VERDICT_IGNORE, VERDICT_REPLACE, ChecksumContinuity
from engine.providers.kraken.wire cimport (KRAKEN_BOOK, KRAKEN_HEARTBEAT, KRAKEN_INSTRUMENT, KRAKEN_OHLC,
                                           KRAKEN_PONG, KRAKEN_REFUSAL, KRAKEN_REPLY, KRAKEN_STATUS, KRAKEN_TICKER,
                                           KRAKEN_TRADE, KRAKEN_UNKNOWN, KrakenDecoder, KrakenEntry, KrakenMessage)
from engine.providers.leveltext cimport Span, convert
from engine.providers.rowtext cimport Row
from engine.providers.tape cimport TradeTape
from engine.schema.event cimport ORDER_CONTIGUOUS
from engine.schema.market cimport REASON_GAP, REASON_OVERFLOW
from engine.schema.ports cimport EventPool, EventSink

from engine.base.jsontext import unescape
from engine.providers.kraken import manifest
from engine.providers.kraken.precision import find_precision

cdef object system_states = manifest.SYSTEM_STATES
cdef object intervals_min = frozenset(manifest.KLINE_INTERVALS_MIN.values())
cdef int64_t MINUTE_NS = 60_000_000_000


cdef class KrakenSymbol(CheckedSymbol):
    def __init__(self, BookAssembler book not None):
        CheckedSymbol.__init__(self, book, ChecksumContinuity())
        self.past_trades = TradeTape()


cdef class KrakenStream(CheckedStream):
    """Frames of Kraken's public v2 socket, from any number of connections.

    A book that comes with a checksum has the venue's decimals; for one that comes without, they are looked for in its
    first snapshot.

    Args:
        on_reply: called as on_reply(req_id, refusal, is_subscribe, channel, symbol) for each answer to a control
            frame; refusal is None when it was granted, and what the venue did not tell is None.
        on_pong: called as on_pong(req_id).
        on_status: called as on_status(system) with each status of the venue.
        hooks: see CheckedStream; on_error is called for what is no request, like too many messages.
    """

    def __init__(self, provider: str, EventPool pool not None, EventSink sink not None, Clock clock not None, *,
                 on_reply=None, on_pong=None, on_status=None, **hooks):
        super().__init__(provider, pool, sink, clock, **hooks)
        self.decoder = KrakenDecoder()
        self._past_tapes = []
        self.begin_field = b"interval_begin"
        self.on_reply = on_reply
        self.on_pong = on_pong
        self.on_status = on_status

    cdef CheckedSymbol new_symbol(self, BookAssembler book):
        state = KrakenSymbol(book)
        self._past_tapes.append(state.past_trades)
        return state

    cdef int on_frame(self, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1:
        """Decode one frame and carry it through. DANGER: *text* is borrowed until return."""
        cdef KrakenDecoder d = self.decoder
        cdef uint32_t i
        cdef int code
        self.frames += 1
        self.frame_bytes += length
        self.timer.begin()
        code = d.decode(text, length)
        if self.timer.on:
            self.timer.mark(STAGE_WIRE)
        if code != WIRE_OK:
            return self._refuse(code, False, text, length, ts_recv_ns, conn)
        code = self._check(text, length)
        if code != WIRE_OK:
            return self._refuse(code, True, text, length, ts_recv_ns, conn)
        if d.message.kind == KRAKEN_BOOK:
            for i in range(d.entry_count):
                if d.entries[i].index >= 0:
                    self._book(&d.entries[i], text, ts_recv_ns, conn)
        elif d.message.kind == KRAKEN_TRADE:
            # Those of a snapshot are of before the subscription.
            self.publish_trades(d.rows, self._past_tapes if d.message.is_snapshot else self._tapes,
                                d.message.is_snapshot, text, ts_recv_ns)
        elif d.message.kind == KRAKEN_TICKER:
            self.publish_tickers(d.rows, text, length, d.message.ts_venue_ns, ts_recv_ns)
        elif d.message.kind == KRAKEN_OHLC:
            self.publish_klines(d.rows, text, length, d.message.ts_venue_ns, ts_recv_ns)
        else:
            self._rare(text, length, conn)
        return 0

    cdef int _rare(self, const char* text, size_t length, int conn) except -1:
        cdef KrakenMessage* m = &self.decoder.message
        cdef KrakenSymbol state
        cdef int index
        if m.kind == KRAKEN_HEARTBEAT:
            self.heartbeats += 1
        elif m.kind == KRAKEN_REPLY:
            channel = _text_or_none(text, &m.channel)
            index = self.find(text, &m.symbol)
            if index >= 0 and m.is_subscribe and m.success and channel == manifest.CHANNEL_BOOK and m.depth_levels:
                state = <KrakenSymbol>self.states[index]
                (<ChecksumContinuity>state.continuity).depth_levels = <uint32_t>m.depth_levels
                state.book.set_depth(<uint32_t>m.depth_levels)
            self.errors += not m.success
            if self.on_reply is not None:
                refusal = None if m.success else _text_or_none(text, &m.text) or "no reason given"
                self.on_reply(m.req_id if m.has_req_id else None, refusal, bool(m.is_subscribe), channel,
                              _text_or_none(text, &m.symbol))
        elif m.kind == KRAKEN_REFUSAL:
            self.errors += 1
            if self.on_error is not None:
                self.on_error(conn, _text_or_none(text, &m.text) or "no reason given")
        elif m.kind == KRAKEN_PONG:
            if self.on_pong is not None:
                self.on_pong(m.req_id if m.has_req_id else None)
        elif m.kind == KRAKEN_STATUS:
            for index in range(<int>self.decoder.rows.count):
                self.system = _text_or_none(text, &self.decoder.rows.rows[index].name)
                if self.on_status is not None:
                    self.on_status(self.system)
        elif m.kind == KRAKEN_INSTRUMENT:
            self.take_instruments(text, length, b"data")
        else:
            self.ignored += 1
        return 0

    # -- before anything is used: can all of the frame be? -------------------------------------------------------

    cdef int _check(self, const char* text, size_t length) except -1:
        """Read every number of the frame, widening scales where it must. A WireCode.

        A symbol that is not ours is dead-lettered, but the rest of the frame counts.
        """
        cdef KrakenDecoder d = self.decoder
        cdef bint unknown = False
        cdef uint32_t i
        cdef int code = WIRE_OK
        d.error_field = NULL
        if d.message.kind == KRAKEN_BOOK:
            for i in range(d.entry_count):
                d.entries[i].index = self.find(text, &d.entries[i].symbol)
            for i in range(d.entry_count):
                if d.entries[i].index < 0:
                    unknown = True
                elif code == WIRE_OK:
                    code = self._read_levels(&d.entries[i], <BookAssembler>self.books[d.entries[i].index], text)
        elif d.message.kind == KRAKEN_STATUS:
            for i in range(d.rows.count):
                if _text_or_none(text, &d.rows.rows[i].name) not in system_states:
                    d.error_field = b"system"
                    return WIRE_UNKNOWN_VALUE
        elif d.message.kind == KRAKEN_TRADE or d.message.kind == KRAKEN_TICKER or d.message.kind == KRAKEN_OHLC:
            code = self.check_rows(d.rows, d.message.kind - KRAKEN_TRADE, text, &unknown)
            if code != WIRE_OK:
                d.error_field = self.row_error
        if unknown and code == WIRE_OK:
            self.reject(WIRE_UNKNOWN_SYMBOL, b"symbol", text, length)
        return code

    cdef int64_t interval_ns(self, const Row* row, const char* text) except -1:
        return <int64_t>row.interval_min * MINUTE_NS if row.interval_min in intervals_min else 0

    cdef int _read_levels(self, const KrakenEntry* entry, BookAssembler book, const char* text) except -1:
        """Read an entry's levels into its book's scratch. A WireCode."""
        cdef KrakenDecoder d = self.decoder
        cdef int price_scale = 0
        cdef int qty_scale = 0
        cdef int code = book.read_rows(text, d.bids.rows + entry.first_bid, entry.bid_count,
                                       d.asks.rows + entry.first_ask, entry.ask_count)
        if code != WIRE_OK:
            d.error_field = b"bids" if convert(text, d.bids.rows + entry.first_bid, entry.bid_count, book.price_scale,
                                               book.qty_scale, book.changes.rows, &price_scale,
                                               &qty_scale) != WIRE_OK else b"asks"
        return code

    cdef int _refuse(self, int code, bint is_decoded, const char* text, size_t length, int64_t ts_recv_ns,
                     int conn) except -1:
        """Dead-letter a frame, and give up the books it may have been for: no number will tell that it is missing.

        Once decoded it names them; otherwise, unless it is certain to be of another channel, it may have been for any
        book of its connection.
        """
        cdef KrakenDecoder d = self.decoder
        cdef uint32_t i
        self.reject(code, d.error_field, text, length)
        if is_decoded:
            if d.message.kind == KRAKEN_BOOK:
                for i in range(d.entry_count):
                    if d.entries[i].index >= 0:
                        self.lose(d.entries[i].index, REASON_GAP, ts_recv_ns)
        elif d.message.kind == KRAKEN_UNKNOWN or d.message.kind == KRAKEN_BOOK or code == WIRE_NOT_JSON \
                or code == WIRE_TOO_DEEP:
            self.lose_connection(conn, REASON_GAP, ts_recv_ns)
        return 0

    # -- the book ---------------------------------------------------------------------------------------------

    cdef int _book(self, const KrakenEntry* entry, const char* text, int64_t ts_recv_ns, int conn) except -1:
        """Carry an entry's levels, read before, into its book."""
        cdef KrakenSymbol state = <KrakenSymbol>self.states[entry.index]
        cdef ChecksumContinuity ids = <ChecksumContinuity>state.continuity
        cdef BookAssembler book = state.book
        cdef BookMessage book_message
        cdef bint is_empty = entry.bid_count + entry.ask_count == 0
        cdef int verdict = ids.judge(self.decoder.message.is_snapshot, is_empty, conn)
        cdef int outcome
        if verdict == VERDICT_IGNORE:
            return 0
        if verdict == VERDICT_REPLACE:
            ids.start(max(entry.bid_count, entry.ask_count))
            if ids.depth_levels != book.cut_levels:
                book.set_depth(ids.depth_levels)
        if self.decoder.entry_count > 1:
            self._read_levels(entry, book, text)     # the scratch may hold another entry of the same symbol
        if self.verify_checksum and not state.has_precision:
            self._find_precision(entry.index, entry.checksum)
            if self._read_levels(entry, book, text) != WIRE_OK:
                return self.lose(entry.index, REASON_OVERFLOW, ts_recv_ns)
        if not is_empty or verdict == VERDICT_REPLACE:
            ids.ordinal += 1
        book_message.seq = ids.ordinal
        book_message.seq_first = ids.ordinal
        book_message.has_update_ids = 0
        book_message.has_checksum = 1
        book_message.checksum = entry.checksum
        book_message.ts_venue_ns = entry.ts_venue_ns
        book_message.ts_recv_ns = ts_recv_ns
        book_message.ordering = ORDER_CONTIGUOUS
        if verdict == VERDICT_REPLACE:
            outcome = book.replace(&book_message)
            if outcome == BOOK_APPLIED:
                self.healed(book, ts_recv_ns)
        elif is_empty:
            outcome = book.verify(&book_message)
        else:
            outcome = book.update(&book_message)
        if outcome == BOOK_APPLIED:
            return 0
        return self.fail(entry.index, outcome, ts_recv_ns)

    def _find_precision(self, int index, uint32_t checksum) -> None:
        """No metadata told the decimals: take those under which the book after this message has its checksum.

        Without decimals no level was ever accepted: the book is empty, and widening it cannot fail.
        """
        cdef KrakenSymbol state = self.states[index]
        cdef BookAssembler book = state.book
        cdef Ladder after = Ladder()
        cdef uint32_t i
        rows = [(book.changes.rows[i].price_raw, book.changes.rows[i].qty_raw)
                for i in range(book.bid_count + book.ask_count)]
        for side, changes in ((SIDE_BID, rows[:book.bid_count]), (SIDE_ASK, rows[book.bid_count:])):
            if not self.decoder.message.is_snapshot:
                after.replace(side, book.ladder.levels(side))
            after.set_levels(side, changes)
        if book.cut_levels:
            after.cut_to(book.cut_levels)
        bids = after.levels(SIDE_BID)
        asks = after.levels(SIDE_ASK)
        found = find_precision(bids, asks, book.price_scale, book.qty_scale, checksum)
        book.checksum = BookChecksum()           # with nothing found, the comparison fails and is counted
        if found is not None and (bids or asks):
            self.set_precision(index, *found)


cdef str _text_or_none(const char* text, const Span* span):
    """What a span holds; None where nothing was sent."""
    return unescape(text[span.start:span.end]).decode() if span.end > span.start else None
