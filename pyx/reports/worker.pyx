from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset

from engine.base.clock cimport monotonic_ns
from engine.observability.latency cimport LatencyHistogram
from engine.reports.analytics cimport RESYNC_CROSSED, RESYNC_FUTURE, RESYNC_GAP, RESYNC_NONE, SymbolAnalytics
from engine.reports.feeding cimport feed
from engine.reports.tap cimport ReportTap
from engine.reports.text cimport ReportText
from engine.schema.busentry cimport HeldEntry
from engine.schema.event cimport Event
from engine.schema.record cimport RECORD_BREAK, Record, Records, record_at, records_put, view_of

from functools import partial

from engine.base.errors import ScaleOverflowError, UnknownSymbolError
from engine.reports.compose import Composer

cdef enum:
    NS_PER_MS = 1_000_000
    ASK_EVERY_MS = 5000

STATUSES = ("ok", "degraded", "down")
BOOK_STATES = ("resyncing", "empty", "one_sided", "normal", "locked", "crossed")
CHANGES = ("ingestion_status_transition", "book_state_transition")
"""What of a report may be told of when it changes, as its lines in the log are called (SLO-33)."""
_REASONS = {RESYNC_GAP: "gap", RESYNC_FUTURE: "future", RESYNC_CROSSED: "crossed"}


cdef class ReportWorker:
    """The analytics of many symbols.

    Args:
        settings: windows and limits.
        begun_ns: when the symbols are taken, unless :meth:`carry` says so: ticks count from there.
        node_id: who writes the reports.
        on_error: called as on_error(symbol, section, error) where a figure could not be calculated; without it the error
            is raised.
        on_report: called as on_report(venue, symbol, report) at each fast tick; of several that are due at once only with
            the last (RPT-14). Without it reports are composed when :meth:`report` asks for them.
        on_resync: called as on_resync(place, venue, reason) at a tick where a symbol needs its book whole, at most once
            in five seconds (BUS-24).
        on_change: called as on_change(what, venue, symbol, before, after, age in ms or None) before a report whose status
            or book state is another than the last one's; *what* is one of CHANGES.
    """

    def __init__(self, settings, begun_ns: int = 0, node_id: str = "local", on_error=None, on_report=None, on_resync=None,
                 on_change=None):
        self._settings = settings
        self._on_error = on_error
        self._node_id = node_id
        self._states = []
        self._composers = []
        self._texts = []
        self._places = {}
        self._lags = {}
        self._past = {}
        self._slow_ms = settings.slow_ms
        self._step_ms = settings.slow_ms if on_report is None else settings.fast_ms
        self._on_report = on_report
        self._on_resync = on_resync
        self._on_change = on_change
        self._begun_ms = begun_ns // NS_PER_MS
        self.events = 0
        self.fast = LatencyHistogram()
        self.slow = LatencyHistogram()

    def __dealloc__(self):
        free(self._by_place)
        free(self._given.bytes)
        free(self._written)

    def carry(self, place: int, venue: str, symbol: str, price_scale: int, qty_scale: int, tick_raw: int,
              begun_ns: int | None = None, token: int = 1) -> None:
        """Take a symbol; *place* is its instrument's id, *token* what its reports are signed with."""
        cdef int64_t begun_ms = self._begun_ms if begun_ns is None else begun_ns // NS_PER_MS
        cdef SymbolAnalytics state = SymbolAnalytics(venue, symbol, price_scale, qty_scale, tick_raw, self._settings)
        state.due_ns = (begun_ms // self._step_ms + 1) * self._step_ms * NS_PER_MS
        on_error = None if self._on_error is None else partial(self._on_error, f"{venue}:{symbol}")
        self._hold(place, state, Composer(state, self._settings, self._node_id, token, on_error))

    cdef int _hold(self, uint32_t place, SymbolAnalytics state, object composer) except -1:
        cdef PyObject** grown
        cdef uint32_t needed = place + 1
        while len(self._states) < <Py_ssize_t>needed:
            self._states.append(None)
            self._composers.append(None)
            self._texts.append(None)
        if needed > self._place_count:
            needed = max(needed, 2 * self._place_count)
            grown = <PyObject**>realloc(self._by_place, needed * sizeof(PyObject*))
            if grown == NULL:
                raise MemoryError("places")
            self._by_place = grown
            while self._place_count < needed:
                grown[self._place_count] = NULL
                self._place_count += 1
        state.lag = self._lags.setdefault(state.venue, LatencyHistogram())
        self._states[place] = state
        self._by_place[place] = <PyObject*>state
        self._composers[place] = composer
        self._texts[place] = composer.text
        self._places[state.venue, state.symbol] = place
        return 0

    cdef SymbolAnalytics _held(self, uint32_t place):
        """The state at a place, None = there is none."""
        return self._states[place] if place < <uint32_t>len(self._states) else None

    cdef SymbolAnalytics _carried(self, uint32_t place):
        cdef SymbolAnalytics state = self._held(place)
        if state is None:
            raise UnknownSymbolError(f"nothing is carried at {place}", op="reports.get")
        return state

    def drop(self, place: int) -> None:
        """Let a symbol go, if it is carried; its entries are passed over from here on."""
        cdef SymbolAnalytics state = self._held(place)
        if state is None:
            return
        self._past[state.venue, state.symbol] = self._counted(state.venue, state.symbol)
        self._by_place[<uint32_t>place] = NULL
        self._states[place] = self._composers[place] = self._texts[place] = None
        del self._places[state.venue, state.symbol]

    def adopt(self, other: ReportWorker, place: int, due_ms: int) -> bool:
        """Take over a symbol's state from a worker that ran slow ticks alone, in the place of one's own if there is one.

        What has been taken as a tick here has been one there as well from then on; *due_ms* is the first tick of a symbol
        that was not carried. False = the other does not carry it.
        """
        cdef SymbolAnalytics own = self._held(place)
        cdef SymbolAnalytics fresh = other._held(place)
        if fresh is None:
            return False
        composer = other._composers[place]
        if own is not None:
            due_ms = own.due_ns // NS_PER_MS
        other._tick(fresh, composer, due_ms - self._step_ms if own is not None else due_ms - 1)
        other.drop(place)
        fresh.due_ns = due_ms * NS_PER_MS
        if own is None:
            memset(&fresh.counts, 0, sizeof(fresh.counts))
        else:
            fresh.counts, fresh.asked_ms, fresh.ticked_ns = own.counts, own.asked_ms, own.ticked_ns
            (<ReportText>composer.text).told_status = (<ReportText>self._texts[place]).told_status
            (<ReportText>composer.text).told_book_state = (<ReportText>self._texts[place]).told_book_state
        self._hold(place, fresh, composer)
        return True

    def skip(self, now_ms: int) -> None:
        """Leave out the ticks before a time, slow ones among them."""
        cdef SymbolAnalytics state
        cdef int64_t first_ms = -(-now_ms // self._step_ms) * self._step_ms
        for place in self._places.values():
            state = self._states[place]
            state.due_ns = max(state.due_ns, first_ms * NS_PER_MS)

    def sign(self, place: int, token: int) -> None:
        """Reports of a symbol, if it is carried, bear this token from here on."""
        if self._held(place) is not None:
            self._composers[place].sign(token)

    def due_ms(self, place: int) -> int:
        """The next tick of a symbol that is carried."""
        return self._carried(place).due_ns // NS_PER_MS

    def has_book(self, place: int) -> bool:
        """Whether a symbol is carried, and its book known."""
        cdef SymbolAnalytics state = self._held(place)
        return state is not None and state.book.is_synced

    def day_facts(self, place: int, from_ms: int, until_ms: int) -> dict:
        """What a successor needs of a symbol's day: see :meth:`SymbolAnalytics.day_facts`; its scales with it."""
        cdef SymbolAnalytics state = self._carried(place)
        return {**state.day_facts(from_ms, until_ms), "scales": (state.price_scale, state.qty_scale)}

    def load_day(self, place: int, facts: dict) -> None:
        """Begin with what a predecessor has told of a symbol's day, at its scales; only before its first entry."""
        self._carried(place).load_day(facts)

    def known(self) -> list:
        """(venue, symbol) of each, sorted."""
        return sorted(self._places)

    # -- entries ----------------------------------------------------------------------------------------------

    def take(self, list events not None) -> None:
        """Apply a batch in its order; a symbol's ticks run before its first entry received after them."""
        cdef Record record
        cdef object item
        self._given.used = 0
        for item in events:
            if view_of(<Event>item, &record) and not records_put(&self._given, &record):
                raise MemoryError("batch")
        self._walk(&self._given, 0)
        self.events += len(events)

    def take_entries(self, list entries not None, now_ns: int = 0) -> None:
        """The same of entries of a bus; their places are those of symbols carried here, else they are passed over.

        *now_ns*: how long they have waited is counted by it, 0 = it is not.
        """
        cdef object item
        self._given.used = 0
        for item in entries:
            if not records_put(&self._given, &(<HeldEntry>item).r):
                raise MemoryError("batch")
        self._walk(&self._given, now_ns)
        self.events += len(entries)

    def lose_book(self, place: int) -> None:
        """Entries of a symbol were lost: nothing is known of its book until the next snapshot."""
        cdef SymbolAnalytics state = self._held(place)
        if state is not None:
            state.lose_book()
            state.wants_resync = RESYNC_GAP

    def drain(self, ReportTap tap not None, now_ns: int) -> None:
        """Apply what has gathered in a tap, and the books that it handed over for what it could not keep."""
        cdef uint64_t before = tap.delivered
        tap.swap()
        self._walk(&tap._taken, now_ns)
        if tap._queued.used:
            tap.swap()
            self._walk(&tap._taken, now_ns)
        self.events += tap.delivered - before

    cdef int _walk(self, const Records* records, int64_t now_ns) except -1:
        cdef Record record
        cdef size_t place = 0
        while place < records.used:
            with nogil:
                place = self._run(records, place, now_ns)
            if place < records.used:
                record_at(records, place, &record)
                date(<PyObject*>self._states[record.instrument_id], &record)
                self._prepare(&record)
        return 0

    cdef size_t _run(self, const Records* records, size_t place, int64_t now_ns) except? 1 nogil:
        """Apply records without the interpreter's lock, up to one that needs it first; answers where that is."""
        cdef Record record
        cdef PyObject* found
        cdef size_t next_place
        while place < records.used:
            next_place = record_at(records, place, &record)
            found = self._by_place[record.instrument_id] if record.instrument_id < self._place_count else NULL
            if found != NULL:
                date(found, &record)
                if record.kind != RECORD_BREAK and needs_care(found, &record):
                    return place
                apply(found, &record, now_ns)
            place = next_place
        return place

    cdef int _prepare(self, const Record* record) except -1:
        """Ticks that are due before a record, and its scales."""
        cdef uint32_t place = record.instrument_id
        cdef SymbolAnalytics state = <SymbolAnalytics>self._states[place]
        if record.ts_recv_ns > state.due_ns:
            self._together([place], (record.ts_recv_ns - 1) // NS_PER_MS)
        if record.price_scale != state.price_scale or record.qty_scale != state.qty_scale:
            self._rescale(place, record)
        return 0

    cdef SymbolAnalytics _rescale(self, uint32_t place, const Record* record):
        """A symbol's scales have widened; where what is kept does not fit them, it begins anew."""
        cdef SymbolAnalytics state = self._states[place]
        cdef SymbolAnalytics fresh
        try:
            self._composers[place].rescale(record.price_scale, record.qty_scale)
            return state
        except ScaleOverflowError as error:
            if self._on_error is None:
                raise
            self._on_error(f"{state.venue}:{state.symbol}", "scale", error)
        self.carry(place, state.venue, state.symbol, record.price_scale, record.qty_scale, 0, None,
                   self._composers[place].token)
        fresh = self._states[place]
        fresh.due_ns = state.due_ns
        return fresh

    # -- ticks ------------------------------------------------------------------------------------------------

    cdef int64_t _tick(self, SymbolAnalytics state, object composer, int64_t until_ms) except -2:
        """Run the slow ticks that are due up to a time, each with what the state is now; answers the newest T, -1 = none."""
        cdef int64_t now_ms = -1
        cdef int64_t begun_ns
        while state.due_ns <= until_ms * NS_PER_MS:
            state.counts.skipped += now_ms >= 0
            now_ms = state.due_ns // NS_PER_MS
            if now_ms % self._slow_ms == 0:
                begun_ns = monotonic_ns()
                composer.tick_slow(now_ms)
                self.slow.record(monotonic_ns() - begun_ns, 1)
            state.due_ns += self._step_ms * NS_PER_MS
        if now_ms >= 0:
            state.ticked_ns = now_ms * NS_PER_MS
        return now_ms

    cdef int _together(self, list places, int64_t until_ms) except -1:
        """The ticks of some symbols; their reports are written without the interpreter's lock, then told."""
        cdef Due* due = self._due
        cdef SymbolAnalytics state
        cdef uint32_t count = 0
        cdef uint32_t i
        cdef size_t needed = 0
        cdef int64_t now_ms, begun_ns
        cdef char* grown
        for place in places:
            state = <SymbolAnalytics>self._states[place]
            now_ms = self._tick(state, self._composers[place], until_ms)
            if now_ms < 0:
                continue
            if state.wants_resync != RESYNC_NONE:
                self._ask(state, now_ms)
            if self._on_report is None:
                continue
            due[count].state = <PyObject*>state
            due[count].text = <PyObject*>self._texts[place]
            due[count].now_ms = now_ms
            needed += (<ReportText>due[count].text).room()
            count += 1
        if count == 0:
            return 0
        if needed > self._room:
            grown = <char*>realloc(self._written, needed)
            if grown == NULL:
                raise MemoryError("reports")
            self._written = grown
            self._room = needed
        needed = 0
        begun_ns = monotonic_ns()
        with nogil:
            for i in range(count):
                due[i].at = needed
                due[i].size = (<ReportText>due[i].text).write(<SymbolAnalytics>due[i].state, due[i].now_ms,
                                                              self._written + needed)
                needed += due[i].size
        self.fast.record((monotonic_ns() - begun_ns) // count, count)
        for i in range(count):
            self._tell(&due[i])
        return 0

    cdef int _tell(self, const Due* due) except -1:
        cdef SymbolAnalytics state = <SymbolAnalytics>due.state
        cdef ReportText text = <ReportText>due.text
        state.counts.reports += 1
        if text.status != text.told_status:
            self._change(CHANGES[0], state, text, STATUSES[text.told_status], STATUSES[text.status])
            text.told_status = text.status
        if text.book_state != text.told_book_state:
            self._change(CHANGES[1], state, text, BOOK_STATES[text.told_book_state], BOOK_STATES[text.book_state])
            text.told_book_state = text.book_state
        self._on_report(state.venue, state.symbol, self._written[due.at:due.at + due.size])
        return 0

    cdef int _change(self, str what, SymbolAnalytics state, ReportText text, str before, str after) except -1:
        if self._on_change is not None:
            self._on_change(what, state.venue, state.symbol, before, after, None if text.age_ms < 0 else text.age_ms)
        return 0

    cdef int _ask(self, SymbolAnalytics state, int64_t now_ms) except -1:
        """A symbol has lost its book, or has one that cannot be."""
        if self._on_resync is None or now_ms - state.asked_ms < ASK_EVERY_MS:
            return 0
        reason = state.wants_resync
        state.wants_resync = RESYNC_NONE
        if reason == RESYNC_CROSSED or not state.book.is_synced:
            state.asked_ms = now_ms
            self._on_resync(self._places[state.venue, state.symbol], state.venue, _REASONS[reason])
        return 0

    def advance(self, now_ms: int) -> None:
        """T has come for all symbols: run the ticks up to it."""
        cdef list places = list(self._places.values())
        for at in range(0, len(places), TOGETHER):
            self._together(places[at:at + TOGETHER], now_ms)

    def report(self, venue: str, symbol: str, now_ms: int) -> bytes:
        """The report at T, a whole multiple of the fast period; every entry received by then has been taken.

        Raises:
            UnknownSymbolError: there is no such symbol.
        """
        place = self._places.get((venue, symbol))
        if place is None:
            raise UnknownSymbolError(f"there is no report of {venue}:{symbol}", op="reports.get")
        self._together([place], now_ms)
        return self._composers[place].report(now_ms)

    # -- counts -----------------------------------------------------------------------------------------------

    def statistics(self) -> dict:
        """Counts by (venue, symbol), of those that were let go among them. From any thread."""
        return {key: self._counted(*key) for key in [*self._past, *self._places]}

    def _counted(self, venue, symbol) -> dict:
        """Of a symbol, however often it was taken."""
        past = self._past.get((venue, symbol))
        place = self._places.get((venue, symbol))
        state = None if place is None else self._states[place]
        if state is None:
            return dict(past or {})
        now = state.statistics()
        return now if past is None else {name: count + past[name] for name, count in now.items()}

    def lags(self) -> dict:
        """How long entries waited until they were applied, by venue."""
        return dict(self._lags)


cdef inline void date(PyObject* found, Record* record) noexcept nogil:
    """When one was received that does not tell it: no earlier than those before."""
    if record.ts_recv_ns == 0:
        record.ts_recv_ns = max(record.ts_venue_ns, (<SymbolAnalytics>found).last_recv_ns)


cdef inline bint needs_care(PyObject* found, const Record* record) noexcept nogil:
    """Whether a tick is due before a record, or its scales are others."""
    return record.ts_recv_ns > (<SymbolAnalytics>found).due_ns \
        or record.price_scale != (<SymbolAnalytics>found).price_scale \
        or record.qty_scale != (<SymbolAnalytics>found).qty_scale


cdef inline int apply(PyObject* found, const Record* record, int64_t now_ns) except -1 nogil:
    if now_ns and record.kind != RECORD_BREAK:
        (<SymbolAnalytics>found).lag.record(now_ns - record.ts_recv_ns, 1)
    return feed(<SymbolAnalytics>found, record)
