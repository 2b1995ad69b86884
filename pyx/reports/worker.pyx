from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, realloc

from engine.reports.analytics cimport Entry, SymbolAnalytics
from engine.schema.event cimport BOOK_SNAPSHOT, BOOK_UPDATE, TICKER, TRADE, Event
from engine.schema.market cimport (TICKER_HIGH, TICKER_LAST, TICKER_LOW, TICKER_OPEN, TICKER_VOLUME, UPDATE_FULL,
                                   UPDATE_INVALID, BookEvent, Trade)
from engine.schema.quotes cimport Ticker

from functools import partial

from engine.base.errors import ScaleOverflowError, UnknownSymbolError
from engine.reports.compose import Composer

cdef enum:
    NS_PER_MS = 1_000_000
    WHOLE_TICKER = TICKER_LAST | TICKER_OPEN | TICKER_HIGH | TICKER_LOW | TICKER_VOLUME


cdef int feed(SymbolAnalytics state, Event event) except -1 nogil:
    """One event as an entry of its symbol (BUS-11): order-level and merged events, klines and incomplete tickers are none."""
    cdef Entry entry
    cdef bint complete
    cdef int kind = event.s.type
    if kind == BOOK_UPDATE and (<BookEvent>event).b.update_type == UPDATE_INVALID:
        state.is_chain_broken = True
        return 0
    if kind == TICKER and ((<Ticker>event).k.present & WHOLE_TICKER) != WHOLE_TICKER:
        return 0
    if kind != TRADE and kind != BOOK_UPDATE and kind != BOOK_SNAPSHOT and kind != TICKER:
        return 0
    if state.is_chain_broken:
        state.is_chain_broken = False
        state.fed += 1
        if state.fed == 1:
            state.fed = 2
        entry.prev_seq = state.fed
    else:
        entry.prev_seq = state.fed
    state.fed += 1
    entry.seq = state.fed
    entry.n = event.h.folded_count
    entry.ts_recv_ns = max(event.h.ts_recv_ns, state.last_recv_ns)
    entry.ts_event_ns = event.h.ts_venue_ns if event.h.ts_venue_ns else event.h.ts_recv_ns
    if kind == TRADE:
        entry.n = 1
        state.take_trade(&entry, (<Trade>event).t.price_raw, (<Trade>event).t.qty_raw, (<Trade>event).t.side,
                         (<Trade>event).t.trade_id)
    elif kind == TICKER:
        state.take_ticker(&entry, &(<Ticker>event).k)
    elif kind == BOOK_UPDATE and (<BookEvent>event).b.update_type != UPDATE_FULL:
        state.take_book(&entry, False, False, (<BookEvent>event).b.levels, (<BookEvent>event).b.bid_count,
                        (<BookEvent>event).b.ask_count)
    else:
        complete = (<BookEvent>event).b.depth_levels == 0 or (
            (<BookEvent>event).b.bid_count < (<BookEvent>event).b.depth_levels
            and (<BookEvent>event).b.ask_count < (<BookEvent>event).b.depth_levels)
        state.take_book(&entry, True, complete, (<BookEvent>event).b.levels, (<BookEvent>event).b.bid_count,
                        (<BookEvent>event).b.ask_count)
    return 0


cdef class ReportWorker:
    """The analytics of many symbols.

    Args:
        settings: windows and limits.
        begun_ns: when the symbols are taken: slow ticks count from here.
        node_id: who writes the reports.
        on_error: called as on_error(symbol, section, error) where a figure could not be calculated; without it the error
            is raised.
        on_report: called as on_report(venue, symbol, report) at each fast tick; of several that are due at once only with
            the last (RPT-14). Without it reports are composed when :meth:`report` asks for them.
        on_unknown: called as on_unknown(event) at the first event of an instrument that is not carried; it may carry it.
    """

    def __init__(self, settings, begun_ns: int = 0, node_id: str = "local", on_error=None, on_report=None, on_unknown=None):
        self._settings = settings
        self._on_error = on_error
        self._node_id = node_id
        self._states = []
        self._composers = []
        self._places = {}
        self._ignored = set()
        self._slow_ms = settings.slow_ms
        self._step_ms = settings.slow_ms if on_report is None else settings.fast_ms
        self._on_report = on_report
        self._on_unknown = on_unknown
        self._begun_ms = begun_ns // NS_PER_MS
        self.skipped = 0
        self.events = 0

    def __dealloc__(self):
        free(self._batch)

    def carry(self, place: int, venue: str, symbol: str, price_scale: int, qty_scale: int, tick_raw: int) -> None:
        """Take a symbol; *place* is its instrument's id."""
        while len(self._states) <= place:
            self._states.append(None)
            self._composers.append(None)
        cdef SymbolAnalytics state = SymbolAnalytics(venue, symbol, price_scale, qty_scale, tick_raw, self._settings)
        state.due_ns = (self._begun_ms // self._step_ms + 1) * self._step_ms * NS_PER_MS
        on_error = None if self._on_error is None else partial(self._on_error, f"{venue}:{symbol}")
        self._states[place] = state
        self._composers[place] = Composer(state, self._settings, self._node_id, on_error=on_error)
        self._places[venue, symbol] = place

    def known(self) -> list:
        """(venue, symbol) of each, sorted."""
        return sorted(self._places)

    def take(self, list events not None) -> None:
        """Apply a batch in its order; a symbol's slow ticks run before its first entry received after them."""
        cdef Event event
        cdef SymbolAnalytics state
        cdef object item
        cdef uint32_t place
        cdef uint32_t known = len(self._states)
        self._reserve(len(events))
        for item in events:
            event = <Event>item
            place = event.h.instrument_id
            if place >= known or self._states[place] is None:
                if not self._learn(event, place):
                    continue
                known = len(self._states)
            state = <SymbolAnalytics>self._states[place]
            if event.h.ts_recv_ns > state.due_ns:
                self._apply()
                self._tick(state, self._composers[place], (event.h.ts_recv_ns - 1) // NS_PER_MS)
            if event.h.price_scale != state.price_scale or event.h.qty_scale != state.qty_scale:
                self._apply()
                state = self._rescale(place, event)
            self._batch[self._count].state = <PyObject*>state
            self._batch[self._count].event = <PyObject*>event
            self._count += 1
        self._apply()
        self.events += len(events)

    cdef SymbolAnalytics _rescale(self, uint32_t place, Event event):
        """A symbol's scales have widened; where what is kept does not fit them, it begins anew."""
        cdef SymbolAnalytics state = self._states[place]
        cdef SymbolAnalytics fresh
        try:
            self._composers[place].rescale(event.h.price_scale, event.h.qty_scale)
            return state
        except ScaleOverflowError as error:
            if self._on_error is None:
                raise
            self._on_error(f"{state.venue}:{state.symbol}", "scale", error)
        self.carry(place, state.venue, state.symbol, event.h.price_scale, event.h.qty_scale, 0)
        fresh = self._states[place]
        fresh.due_ns = state.due_ns
        return fresh

    def _reserve(self, uint32_t count) -> None:
        cdef Fed* grown
        if count > self._capacity:
            grown = <Fed*>realloc(self._batch, count * sizeof(Fed))
            if grown == NULL:
                raise MemoryError("batch")
            self._batch = grown
            self._capacity = count

    cdef int _apply(self) except -1:
        """Hand what has been gathered to its symbols, without the interpreter's lock: the caller's list keeps it alive."""
        cdef uint32_t count = self._count
        cdef Fed* batch = self._batch
        cdef uint32_t i
        self._count = 0
        with nogil:
            for i in range(count):
                feed(<SymbolAnalytics>batch[i].state, <Event>batch[i].event)
        return 0

    cdef bint _learn(self, Event event, uint32_t place) except -1:
        """Ask about an instrument that is not carried, once; answers whether it is now."""
        if self._on_unknown is None or place in self._ignored:
            return False
        self._on_unknown(event)
        if place < <uint32_t>len(self._states) and self._states[place] is not None:
            return True
        self._ignored.add(place)
        return False

    cdef int _tick(self, SymbolAnalytics state, object composer, int64_t until_ms) except -1:
        """Run the ticks that are due up to a time, each slow one with what the state is now."""
        cdef int64_t now_ms = -1
        while state.due_ns <= until_ms * NS_PER_MS:
            self.skipped += now_ms >= 0
            now_ms = state.due_ns // NS_PER_MS
            if now_ms % self._slow_ms == 0:
                composer.tick_slow(now_ms)
            state.due_ns += self._step_ms * NS_PER_MS
        if now_ms >= 0 and self._on_report is not None:
            self._on_report(state.venue, state.symbol, composer.report(now_ms))
        return 0

    def advance(self, now_ms: int) -> None:
        """T has come for all symbols: run the ticks up to it."""
        for place in self._places.values():
            self._tick(self._states[place], self._composers[place], now_ms)

    def report(self, venue: str, symbol: str, now_ms: int) -> bytes:
        """The report at T, a whole multiple of the fast period; every entry received by then has been taken.

        Raises:
            UnknownSymbolError: there is no such symbol.
        """
        place = self._places.get((venue, symbol))
        if place is None:
            raise UnknownSymbolError(f"there is no report of {venue}:{symbol}", op="reports.get")
        self._tick(self._states[place], self._composers[place], now_ms)
        return self._composers[place].report(now_ms)

    def statistics(self) -> dict:
        """Counts of entries by (venue, symbol)."""
        return {key: self._states[place].statistics() for key, place in self._places.items()}
