from libc.stdint cimport int64_t, uint32_t

from engine.base.clock cimport Clock
from engine.base.jsonwalk cimport WIRE_OK, WIRE_OVERFLOW, WIRE_UNKNOWN_SYMBOL, WIRE_UNKNOWN_VALUE
from engine.base.units cimport unlikely
from engine.observability.stages cimport STAGE_WIRE
from engine.providers.assembler cimport BOOK_APPLIED, BookAssembler, BookMessage
from engine.providers.checkedstream cimport CheckedStream, CheckedSymbol
from engine.providers.leveltext cimport LevelTexts, Span
from engine.providers.rowstream cimport ROWS_KLINES, ROWS_TICKERS, ROWS_TRADES
from engine.providers.rowtext cimport Row
from engine.providers.simulated.continuity cimport (VERDICT_GAP, VERDICT_IGNORE, VERDICT_REPLACE, NumberContinuity)
from engine.providers.simulated.wire cimport (SIMULATED_BOOK, SIMULATED_HEARTBEAT, SIMULATED_INSTRUMENT,
                                              SIMULATED_KLINE, SIMULATED_REPLY, SIMULATED_STATUS, SIMULATED_TICKER,
                                              SIMULATED_TRADE, SIMULATED_UNKNOWN, SimulatedDecoder, SimulatedMessage)
from engine.schema.event cimport ORDER_CONTIGUOUS
from engine.schema.market cimport REASON_GAP, REASON_OVERFLOW
from engine.schema.ports cimport EventPool, EventSink

from engine.base.errors import ScaleOverflowError
from engine.base.jsontext import unescape
from engine.providers.simulated import manifest

cdef enum:
    DECIMALS_MAX = 18

cdef object states_of_venue = manifest.STATES
cdef dict intervals_ns = {text: seconds * 1_000_000_000 for text, seconds in manifest.KLINE_INTERVALS_S.items()}


cdef list decimals_in(LevelTexts texts, bytes frame, bint of_prices):
    """Digits behind the point of each price or quantity as it is written, trailing zeros too."""
    cdef uint32_t i
    cdef Span span
    found = []
    for i in range(texts.count):
        span = texts.rows[i].price if of_prices else texts.rows[i].qty
        found.append(len(frame[span.start:span.end].partition(b".")[2]))
    return found


cdef class SimulatedStream(CheckedStream):
    """Frames of the plain feed, from any number of connections.

    A book that comes with a checksum has the venue's decimals; for one that comes without, its first snapshot tells
    them, since the venue writes them all.
    """

    def __init__(self, provider: str, EventPool pool not None, EventSink sink not None, Clock clock not None,
                 **hooks):
        super().__init__(provider, pool, sink, clock, **hooks)
        self.decoder = SimulatedDecoder()
        self.begin_field = b"start_ns"

    cdef CheckedSymbol new_symbol(self, BookAssembler book):
        return CheckedSymbol(book, NumberContinuity())

    cdef int64_t interval_ns(self, const Row* row, const char* text) except -1:
        return <int64_t>intervals_ns.get(text[row.interval.start:row.interval.end], 0)

    cdef int on_frame(self, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1:
        """Decode one frame and carry it through. DANGER: *text* is borrowed until return."""
        cdef SimulatedDecoder d = self.decoder
        cdef int code
        self.frames += 1
        self.frame_bytes += length
        self.timer.begin()
        code = d.decode(text, length)
        if self.timer.on:
            self.timer.mark(STAGE_WIRE)
        if unlikely(code != WIRE_OK):
            return self._refuse(code, text, length, ts_recv_ns, conn)
        if d.message.kind == SIMULATED_BOOK:
            return self._book(text, length, ts_recv_ns, conn)
        if d.message.kind == SIMULATED_TRADE:
            return self._rows(ROWS_TRADES, text, length, ts_recv_ns)
        if d.message.kind == SIMULATED_TICKER:
            return self._rows(ROWS_TICKERS, text, length, ts_recv_ns)
        if d.message.kind == SIMULATED_KLINE:
            return self._rows(ROWS_KLINES, text, length, ts_recv_ns)
        return self._rare(text, length, conn)

    cdef int _refuse(self, int code, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1:
        """Dead-letter a frame, and give up the book it was for.

        Where it does not say whose it was, it may have been for any book of its connection. A frame that is taken for
        another channel's by mistake shows by the next number of its book.
        """
        cdef SimulatedMessage* m = &self.decoder.message
        cdef int index = -1
        self.reject(code, self.decoder.error_field, text, length)
        if m.kind != SIMULATED_UNKNOWN and m.kind != SIMULATED_BOOK:
            return 0
        if m.kind == SIMULATED_BOOK and m.symbol.end > m.symbol.start:
            index = self.find(text, &m.symbol)
        if index >= 0:
            return self.lose(index, REASON_GAP, ts_recv_ns)
        return self.lose_connection(conn, REASON_GAP, ts_recv_ns)

    # -- the book ---------------------------------------------------------------------------------------------

    cdef int _book(self, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1:
        cdef SimulatedDecoder d = self.decoder
        cdef SimulatedMessage* m = &d.message
        cdef CheckedSymbol state
        cdef BookAssembler book
        cdef BookMessage book_message
        cdef int index = self.find(text, &m.symbol)
        cdef int verdict, outcome, code
        if unlikely(index < 0):
            return self.reject(WIRE_UNKNOWN_SYMBOL, b"symbol", text, length)
        state = <CheckedSymbol>self.states[index]
        book = state.book
        code = book.read_levels(text, d.bids, d.asks)
        if unlikely(code != WIRE_OK):
            d.error_field = b"bids or asks"
            return self._refuse(code, text, length, ts_recv_ns, conn)
        verdict = (<NumberContinuity>state.continuity).judge(
            m.is_snapshot, d.bids.count + d.asks.count == 0, m.number, conn, self.record_index)
        if unlikely(verdict == VERDICT_GAP):
            return self.lose(index, REASON_GAP, ts_recv_ns)
        if unlikely(verdict == VERDICT_IGNORE):
            return 0
        book_message.seq = m.number
        book_message.seq_first = m.number
        book_message.has_update_ids = 0
        book_message.has_checksum = 1
        book_message.checksum = m.checksum
        book_message.ts_venue_ns = m.ts_venue_ns
        book_message.ts_recv_ns = ts_recv_ns
        book_message.ordering = ORDER_CONTIGUOUS
        if unlikely(verdict == VERDICT_REPLACE):
            if not state.has_precision and self._read_precision(index, text[:length]) != WIRE_OK:
                return self.lose(index, REASON_OVERFLOW, ts_recv_ns)
            outcome = book.replace(&book_message)
            if outcome == BOOK_APPLIED:
                self.healed(book, ts_recv_ns)
        else:
            outcome = book.update(&book_message)
        if unlikely(outcome != BOOK_APPLIED):
            return self.fail(index, outcome, ts_recv_ns)
        return 0

    def _read_precision(self, int index, bytes frame) -> int:
        """No metadata told the decimals: they are those that the snapshot in hand is written with. A WireCode."""
        cdef SimulatedDecoder d = self.decoder
        cdef BookAssembler book = (<CheckedSymbol>self.states[index]).book
        prices = [0]
        quantities = [0]
        for texts in (d.bids, d.asks):
            prices += decimals_in(texts, frame, True)
            quantities += decimals_in(texts, frame, False)
        if max(prices) > DECIMALS_MAX or max(quantities) > DECIMALS_MAX:
            return WIRE_OVERFLOW
        try:
            self.set_precision(index, max(prices), max(quantities))
        except ScaleOverflowError:
            return WIRE_OVERFLOW
        return book.read_levels(frame, d.bids, d.asks)

    # -- the other channels -----------------------------------------------------------------------------------

    cdef int _rows(self, int use, const char* text, size_t length, int64_t ts_recv_ns) except -1:
        """Trades, tickers or candles: all of the frame can be used, or none of it is."""
        cdef SimulatedDecoder d = self.decoder
        cdef bint unknown = False
        cdef int code = self.check_rows(d.rows, use, text, &unknown)
        if code != WIRE_OK:
            return self.reject(code, self.row_error, text, length)
        if unknown:
            self.reject(WIRE_UNKNOWN_SYMBOL, b"symbol", text, length)
        if use == ROWS_TRADES:
            return self.publish_trades(d.rows, self._tapes, False, text, ts_recv_ns)
        if use == ROWS_TICKERS:
            return self.publish_tickers(d.rows, text, length, 0, ts_recv_ns)
        return self.publish_klines(d.rows, text, length, 0, ts_recv_ns)

    cdef int _rare(self, const char* text, size_t length, int conn) except -1:
        cdef SimulatedMessage* m = &self.decoder.message
        if m.kind == SIMULATED_HEARTBEAT:
            self.heartbeats += 1
        elif m.kind == SIMULATED_REPLY:
            if not m.success:
                self.errors += 1
                if self.on_error is not None:
                    self.on_error(conn, unescape(text[m.text.start:m.text.end]).decode())
        elif m.kind == SIMULATED_STATUS:
            state = unescape(text[m.text.start:m.text.end]).decode()
            if state not in states_of_venue:
                return self.reject(WIRE_UNKNOWN_VALUE, b"state", text, length)
            self.state = state
        elif m.kind == SIMULATED_INSTRUMENT:
            self.take_instruments(text, length, b"instruments")
        else:
            self.ignored += 1
        return 0
