from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc

from engine.base.clock cimport Clock
from engine.base.ids cimport SymbolTable
from engine.base.jsonwalk cimport WIRE_UNKNOWN_SYMBOL
from engine.observability.stages cimport StageTimer
from engine.providers.assembler cimport BookAssembler
from engine.providers.leveltext cimport LevelRaws, Span
from engine.providers.tape cimport KlineGate
from engine.schema.event cimport (KLINE_SUMMARY, ORDER_CONTIGUOUS, ORDER_NONE, TICKER, TRADE, Event,
                                  FLAG_SYNTHETIC, publish)
from engine.schema.market cimport (
    KlineData, REASON_CHECKSUM, REASON_CROSSED, REASON_GAP, REASON_OVERFLOW, REASON_RECONNECT, TickerData, Trade)
from engine.schema.quotes cimport KlineSummary, Ticker
from engine.schema.ports cimport EventPool, EventSink

from engine.base.jsontext import unescape
from engine.schema.enums import BookReason

WIRE_CODE_NAMES = (
    "ok", "not_json", "missing_field", "wrong_type", "bad_number", "overflow", "duplicate_key", "unknown_value",
    "unknown_symbol", "too_deep", "bad_time", "bad_value")
RAW_KEPT_BYTES = 4096


cdef class VenueStream:
    """Base of the venues' streams.

    Args:
        provider: provider name.
        pool, sink, clock: the engine's ports.
        timer: stage times.
        on_reject: called as on_reject(provider, code, field, raw) for each refused frame.
        on_want_snapshot: called as on_want_snapshot(stream, symbol_index, reason) when a book needs one.
        on_telemetry: called as on_telemetry(kind, **metadata).
    """

    def __init__(self, provider: str, EventPool pool not None, EventSink sink not None, Clock clock not None, *,
                 StageTimer timer=None, on_reject=None, on_want_snapshot=None, on_telemetry=None):
        self.provider = provider
        self.pool = pool
        self.keeper = pool.keeper
        self.sink = sink
        self.clock = clock
        self.timer = timer if timer is not None else StageTimer()
        self.on_reject = on_reject
        self.on_want_snapshot = on_want_snapshot
        self.on_telemetry = on_telemetry
        self.symbols = SymbolTable()
        self.books = []
        self._changes = LevelRaws()
        self._published = LevelRaws()
        self.record_index = -1
        self._klines = {}
        self._resyncs = {}

    def __dealloc__(self):
        free(self._flat)

    def close(self) -> None:
        """Give back what is kept for later, and tell of books that never came back. Idempotent."""
        resyncs, self._resyncs = self._resyncs, {}
        for symbol, losses in resyncs.items():
            self._tell_resyncs(symbol, losses, None)

    def add_book(self, BookAssembler book not None) -> int:
        """Take charge of an instrument; returns its symbol index."""
        cdef uint32_t capacity
        cdef int index = self.symbols.add(book.venue_symbol)
        cdef FlatStreams* place
        if index == <int>len(self.books):
            self.books.append(book)
            book.changes = self._changes
            book.published = self._published
            book.on_exhausted = self.on_exhausted
            if <uint32_t>index >= self._capacity:
                capacity = 2 * self._capacity if self._capacity else 16
                place = <FlatStreams*>realloc(self._flat, capacity * sizeof(FlatStreams))
                if place == NULL:
                    raise MemoryError("symbols")
                self._flat = place
                self._capacity = capacity
            self._flat[index].tickers = 0
            self._flat[index].klines = 0
            self._flat[index].epoch = 1
        return index

    def restart_streams(self, index: int) -> None:
        """The connection that brings a symbol's trades, tickers and candles was made anew (STR-11, INS-13).

        What it missed nobody sends again: the next event begins a new epoch, so nothing waits for what lies before it
        and numbers that begin again are neither late nor taken for repetitions. Books have epochs of their own.

        Raises:
            IndexError: no such symbol.
        """
        if not 0 <= index < len(self.books):
            raise IndexError(f"symbol {index} of {len(self.books)}")
        self._flat[<int>index].epoch += 1
        self._flat[<int>index].tickers = 0
        self._flat[<int>index].klines = 0

    def book_list(self) -> list[BookAssembler]:
        """The books by symbol index."""
        return list(self.books)

    def abandon(self, index: int, reason: int) -> None:
        """Void a book for a reason (BookReason) that is not in its messages, and ask for a snapshot."""
        self.drop_book(index, reason)
        self.want_snapshot(index, reason)

    def drop_book(self, index: int, reason: int = REASON_RECONNECT) -> None:
        """The book is not fed any more: forget it, and ask for nothing."""
        raise NotImplementedError(type(self).__name__)

    def index_of(self, bytes venue_symbol not None) -> int:
        """Symbol index of a venue spelling, -1 when unknown."""
        return self.symbols.find(venue_symbol, len(venue_symbol))

    cdef int find(self, const char* text, const Span* symbol) except -2:
        """Symbol index of a spelling in a frame, which JSON may escape; -1 when unknown."""
        cdef int index = self.symbols.find(text + symbol.start, symbol.end - symbol.start)
        if index < 0:
            name = text[symbol.start:symbol.end]
            if b"\\" in name:
                name = unescape(name)
                index = self.symbols.find(name, len(name))
        return index

    def rejected_by_code(self) -> dict[str, int]:
        """Refused frames by code."""
        return {name: self.rejected[<int>i] for i, name in enumerate(WIRE_CODE_NAMES) if self.rejected[<int>i]}

    def kline_frames(self) -> dict[tuple[int, int], int]:
        """Candles told by the venue: (symbol index, interval_ns) -> count."""
        return {key: gate.frames for key, gate in self._klines.items()}

    cdef int on_read_end(self) except -1:
        self.sink.flush()
        return 0

    # -- refusals ---------------------------------------------------------------------------------------------

    cdef int reject(self, int code, const char* field, const char* text, size_t length) except -1:
        """Count a frame that cannot be used and hand its bytes to the dead-letter queue."""
        self.rejected[code] += 1
        if code == WIRE_UNKNOWN_SYMBOL:
            self.unknown_symbols += 1
        if self.on_reject is not None:
            name = None
            if field != NULL:
                name = field[:1] if field[0] != 0 and field[1] in (34, 0) else _field_name(field)
                name = name.decode("utf-8", "replace")
            self.on_reject(self.provider, WIRE_CODE_NAMES[code], name, text[:min(length, <size_t>RAW_KEPT_BYTES)],
                           length)
        return 0

    cdef int want_snapshot(self, int index, int reason) except -1:
        if self.on_want_snapshot is not None:
            self.on_want_snapshot(self, index, BookReason(reason))
        return 0

    cdef int lost(self, BookAssembler book, int index, int reason, int64_t ts_recv_ns) except -1:
        """The book can no longer be trusted: say so, count it, ask for a snapshot."""
        self.give_up(book, reason, ts_recv_ns)
        return self.want_snapshot(index, reason)

    cdef int give_up(self, BookAssembler book, int reason, int64_t ts_recv_ns) except -1:
        """As lost(), where a snapshot is on its way anyhow or cannot be asked for yet."""
        if self.on_telemetry is not None:
            if reason == REASON_CHECKSUM:
                self.on_telemetry("checksum.failed", provider=self.provider, symbol=book.symbol,
                                  expected=book.checksum_expected, actual=book.checksum_actual)
            of_checksum = reason == REASON_CHECKSUM
            self._resyncs.setdefault(book.symbol, []).append(
                (reason, book.checksum_expected if of_checksum else None, book.checksum_actual if of_checksum else None,
                 ts_recv_ns))
        if self.on_lost is not None:
            self.on_lost(book, BookReason(reason))
        return book.invalidate(reason, ts_recv_ns)

    cdef int healed(self, BookAssembler book, int64_t ts_recv_ns) except -1:
        """A snapshot has made the book valid: a resync, or several in one, have ended (BOOK-20)."""
        losses = self._resyncs.pop(book.symbol, None) if self._resyncs else None
        if losses is not None:
            self._tell_resyncs(book.symbol, losses, ts_recv_ns)
        return 0

    cdef int _tell_resyncs(self, str symbol, list losses, object healed_ns) except -1:
        for reason, expected, actual, lost_ns in losses:
            self.on_telemetry("book.resync", provider=self.provider, symbol=symbol,
                              reason=BookReason(reason).name.lower(), expected=expected, actual=actual,
                              took_ms=None if healed_ns is None else max(0, healed_ns - lost_ns) // 1_000_000)
        return 0

    # -- events -----------------------------------------------------------------------------------------------

    cdef PyObject* lease(self, int event_type, int index) except? NULL:
        """A slot; when the pool is empty, first let what is queued be delivered, then folded."""
        cdef PyObject* event = self.pool.acquire_nowait(event_type)
        if event == NULL:
            self.sink.flush()
            event = self.pool.acquire_nowait(event_type)
            if event == NULL and self.sink.relieve(event_type):
                event = self.pool.acquire_nowait(event_type)
            if event == NULL:
                self.unpublished += 1
                if self.on_exhausted is not None:
                    self.on_exhausted((<BookAssembler>self.books[index]).symbol, event_type)
        return event

    cdef int send(self, PyObject* event, int index, uint64_t seq, uint8_t ordering, int64_t ts_venue_ns,
                  int64_t ts_recv_ns) except -1:
        cdef BookAssembler book = <BookAssembler>self.books[index]
        (<Event>event).h.seq_provider = seq
        (<Event>event).h.seq_first = seq
        (<Event>event).h.epoch = self._flat[index].epoch
        (<Event>event).h.ordering = ordering
        (<Event>event).h.ts_venue_ns = ts_venue_ns
        (<Event>event).h.ts_recv_ns = ts_recv_ns
        (<Event>event).h.instrument_id = book.instrument_id
        (<Event>event).h.folded_count = 1
        (<Event>event).h.price_scale = book.price_scale
        (<Event>event).h.qty_scale = book.qty_scale
        publish(event)
        (<Event>event).h.ts_emit_ns = self.clock.now_ns()
        self.sink.offer(event)
        return 0

    cdef int publish_trade(self, int index, uint64_t trade_id, int side, int64_t price_raw, int64_t qty_raw,
                           uint32_t match_count, int64_t ts_venue_ns, int64_t ts_recv_ns) except -1:
        """One trade; ids of a stream step by 1, so a missing one is waited for and a repeated one dropped."""
        cdef PyObject* event = self.lease(TRADE, index)
        if event == NULL:
            return 0
        (<Trade>event).t.trade_id = trade_id
        (<Trade>event).t.side = side
        (<Trade>event).t.price_raw = price_raw
        (<Trade>event).t.qty_raw = qty_raw
        (<Trade>event).t.match_count = match_count
        return self.send(event, index, trade_id, ORDER_CONTIGUOUS, ts_venue_ns, ts_recv_ns)

    cdef int publish_ticker(self, int index, const TickerData* data, int64_t ts_venue_ns,
                            int64_t ts_recv_ns) except -1:
        """Tickers have no number of their own; they are counted per connection and kept in arrival order."""
        if self.catching_up:
            return 0
        cdef PyObject* event = self.lease(TICKER, index)
        if event == NULL:
            return 0
        (<Ticker>event).k = data[0]
        self._flat[index].tickers += 1
        return self.send(event, index, self._flat[index].tickers, ORDER_NONE, ts_venue_ns, ts_recv_ns)

    cdef int publish_kline(self, int index, const KlineData* candle, bint infer_close, int64_t ts_venue_ns,
                           int64_t ts_recv_ns) except -1:
        """A candle, unless its interval has closed; *infer_close*: a newer open time closes the one before."""
        if self.catching_up:
            return 0
        key = (index, candle.interval_ns)
        cdef KlineGate gate = self._klines.get(key)
        if gate is None:
            gate = self._klines[key] = KlineGate()
        if infer_close and gate.closes_previous(candle):
            self._send_kline(index, gate, ts_venue_ns, ts_recv_ns)
        if gate.admit(candle):
            self._send_kline(index, gate, ts_venue_ns, ts_recv_ns)
        return 0

    cdef int _send_kline(self, int index, KlineGate gate, int64_t ts_venue_ns, int64_t ts_recv_ns) except -1:
        cdef PyObject* event = self.lease(KLINE_SUMMARY, index)
        if event == NULL:
            return 0
        (<KlineSummary>event).k = gate.last
        self._flat[index].klines += 1
        return self.send(event, index, self._flat[index].klines, ORDER_NONE, ts_venue_ns, ts_recv_ns)


cdef bytes _field_name(const char* field):
    """The key a decoder pointed at: a literal of ours, or a key still in the frame."""
    cdef Py_ssize_t n = 0
    while n < 32 and field[n] != 0 and field[n] != 34:
        n += 1
    return field[:n]
