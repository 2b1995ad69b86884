cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

from engine.base.plants cimport planted
from engine.base.units cimport likely, unlikely
from engine.base.wakeup cimport Wakeup
from engine.observability.stages cimport StageTimer
from engine.schema.event cimport SLOT_PUBLISHED, Event
from engine.schema.market cimport REASON_DIRTY, REASON_REQUESTED, BookEvent
from engine.schema.ports cimport ACCEPTED, BookSource, EventPool
from engine.schema.record cimport (RECORD_BREAK, RECORD_DELTAS, RECORD_DEPTH, RECORD_TICKER, RECORD_TRADE, Record, Records,
                                   body_size, event_time, head_size, kept_size, records_put, view_of)

cdef enum:
    BYTES_AN_ENTRY = 96            # a delta of three levels; snapshots are more, and rare
    BYTES_LEAST = 4 << 20          # room for the largest book a venue sends
    KEPT_BYTES = 1 << 18           # a piece of memory larger than this is given back once it is little used
    FIRST_PLACES = 16
    FEW_LEVELS = 4                 # as most updates have at most
    FEW_BYTES = FEW_LEVELS * 16
    QUICK_BODY = 1024              # bytes of a body that are copied without a look at the room
    NS_PER_MS = 1_000_000


@cython.final
cdef class ReportTap(RecordSource):
    """The in-process bus of the reports (BUS-16 to BUS-20): bounded, binary, filled at the fan-out.

    An event is copied and given back to its pool at once, so nothing of the engine waits for the reports. When they do not
    follow, book updates are folded from three quarters of the room on: the assembled book stands for them at the next
    taking, and no trade is lost. A full tap loses trades as well; then the chain is broken, and the book follows.

    Args:
        pool: of the events.
        books: the assembled books.
        timer: of the stages; an event that nobody else gets is followed no further.
        capacity: most entries.
        span_ms: updates of a book that are folded and lie further apart are counted apart, while there is room to tell it.
    """

    def __init__(self, EventPool pool not None, BookSource books not None, StageTimer timer not None, capacity: int,
                 span_ms: int):
        self._pool = pool
        self._books = books
        self._timer = timer
        self.wakeup = Wakeup()
        self._capacity = capacity
        self._books_up_to = capacity * 3 // 4
        self._tallies_up_to = capacity * 7 // 8
        self._span_ns = span_ms * NS_PER_MS
        self._wake_at = capacity // 2
        self._bytes_max = max(<size_t>capacity * BYTES_AN_ENTRY, <size_t>BYTES_LEAST)
        self._look()

    def __dealloc__(self):
        free(self._queued.bytes)
        free(self._taken.bytes)
        free(self._places)

    # -- the engine's side ------------------------------------------------------------------------------------

    cdef int offer(self, PyObject* event) except -1:
        """Nearly all are written where they stay: nobody is behind, and the room is there."""
        cdef Record* record
        cdef char* behind
        cdef size_t size
        self.offered += 1
        if self._timer.waiting and (<Event>event).s.refs == 1:
            self._timer.unfollow(event)
        if unlikely(self._queued.used > self._quick_bytes or self.queued >= self._quick_entries):
            return self._offer_with_care(event)
        record = <Record*>(self._queued.bytes + self._queued.used)
        if not view_of(<Event>event, record):
            self.ignored += 1
        else:
            size = body_size(record)
            if unlikely(size > QUICK_BODY):
                return self._offer_with_care(event)
            # The body takes the place of what this kind does not have, where it is read from among it.
            behind = <char*>record + head_size(record)
            self._queued.used += head_size(record) + size
            if likely(record.kind == RECORD_DELTAS and 0 < size <= FEW_BYTES and (<BookEvent>event).b.capacity >= FEW_LEVELS):
                memcpy(behind, record.body, FEW_BYTES)      # of a size that is known: no call
            elif size:
                memcpy(behind, record.body, size)
            self.queued += 1
        return self._give_back(event)

    cdef int _give_back(self, PyObject* event) noexcept:
        """Mostly somebody else refers to it as well."""
        if likely((<Event>event).s.refs > 1 and (<Event>event).s.state == SLOT_PUBLISHED):
            (<Event>event).s.refs -= not planted(b"tap.keep_event")
        elif not planted(b"tap.keep_event"):
            self._pool.release(event)
        return ACCEPTED

    cdef int _offer_with_care(self, PyObject* event) except -1:
        cdef Record record
        if not view_of(<Event>event, &record):
            self.ignored += 1
        elif (record.kind == RECORD_DELTAS or record.kind == RECORD_DEPTH) and record.instrument_id < self._place_count \
                and self._places[record.instrument_id].is_behind:
            self._add(&self._places[record.instrument_id], &record)
            return self._give_back(event)
        else:
            try:
                self._take(&record)
            except BaseException:
                self._give_back(event)
                raise
        self._give_back(event)
        self._look()
        return ACCEPTED

    cdef int _look(self) noexcept:
        """How far offers need not look: to where somebody is woken, memory has to grow or books are folded."""
        cdef size_t room = min(self._queued.room, self._bytes_max >> 1)
        self._quick_entries = 0
        self._quick_bytes = 0
        if room < sizeof(Record) + QUICK_BODY or self._behind_count:
            return 0
        self._quick_bytes = room - sizeof(Record) - QUICK_BODY
        self._quick_entries = self._wake_at - 1 if self.queued < self._wake_at else self._books_up_to
        return 0

    cdef int _take(self, const Record* record) except -1:
        cdef Place* place
        if unlikely(self._behind_count):
            place = self._place(record.instrument_id)
            if place.is_behind and record.kind != RECORD_TRADE and record.kind != RECORD_TICKER:
                return self._fold(place, record)
        if unlikely(self.queued >= self._books_up_to or self._queued.used + kept_size(record) > self._bytes_max):
            return self._shed(record)
        if not records_put(&self._queued, record):
            return self._shed(record)
        self.queued += 1
        if unlikely(self.queued == self._wake_at or self._queued.used > self._bytes_max >> 1):
            self.wakeup.post()
        return 0

    cdef int _shed(self, const Record* record) except -1:
        """Room is short: books are folded, tickers follow each other, and a trade is lost last."""
        cdef Place* place = self._place(record.instrument_id)
        if record.kind == RECORD_TICKER:
            self.coalesced += 1
            place.coalesced += 1
            return 0
        if record.kind != RECORD_TRADE:
            return self._fold(place, record)
        if self.queued < self._capacity and records_put(&self._queued, record):
            self.queued += 1
            return 0
        self.dropped += 1
        place.dropped += 1
        self._begin(place)
        place.is_broken = True
        return 0

    cdef int _fold(self, Place* place, const Record* record) except -1:
        """A snapshot will stand for the book as it is when the taker comes."""
        self._begin(place)
        place.is_broken |= record.kind == RECORD_BREAK
        self._add(place, record)
        return 0

    cdef void _add(self, Place* place, const Record* record) noexcept:
        """One more that the snapshot will stand for; what lies further back than a span is told before it."""
        cdef int64_t ts_ns = event_time(record)
        if place.folded == 0:
            place.span_from_ns = ts_ns
        elif unlikely(ts_ns - place.span_from_ns > self._span_ns):
            if self.queued < self._tallies_up_to:
                self._tally(place, record)
            place.span_from_ns = ts_ns
        self.coalesced += 1
        place.coalesced += 1
        if not planted(b"tap.forget_number"):
            place.folded += record.folded
        place.ts_venue_ns = max(place.ts_venue_ns, record.ts_venue_ns)
        place.ts_recv_ns = max(place.ts_recv_ns, record.ts_recv_ns)

    cdef void _tally(self, Place* place, const Record* latest) noexcept:
        """How many updates a span had, at the time of its last one, so that rates count them where they were (BUS-13).

        An entry without levels: those come with the snapshot.
        """
        cdef Record record
        memset(&record, 0, sizeof(record))
        record.kind = RECORD_DELTAS
        record.instrument_id = latest.instrument_id
        record.price_scale = latest.price_scale
        record.qty_scale = latest.qty_scale
        record.folded = <uint32_t>place.folded
        record.ts_venue_ns = place.ts_venue_ns
        record.ts_recv_ns = place.ts_recv_ns
        if self._queued.used + kept_size(&record) <= self._bytes_max and records_put(&self._queued, &record):
            self.queued += 1
            self.tallies += 1
            place.folded = 0

    cdef int _begin(self, Place* place) except -1:
        """From here on a snapshot is to stand for this one's book, if none is already."""
        if not place.is_behind:
            place.is_behind = True
            place.is_broken = place.is_told = False
            place.folded = 0
            place.ts_venue_ns = place.ts_recv_ns = 0
            self._behind_count += 1
            self.wakeup.post()
        return 0

    cdef Place* _place(self, uint32_t instrument_id) except NULL:
        cdef uint32_t room = self._place_count if self._place_count else FIRST_PLACES
        cdef Place* grown
        if unlikely(instrument_id >= self._place_count):
            while room <= instrument_id:
                room *= 2
            grown = <Place*>realloc(self._places, room * sizeof(Place))
            if grown == NULL:
                raise MemoryError("places of instruments")
            memset(grown + self._place_count, 0, (room - self._place_count) * sizeof(Place))
            self._places = grown
            self._place_count = room
        return &self._places[instrument_id]

    cdef int64_t serve(self, int64_t mono_ns) except -1:
        """Nothing is to deliver: the taker comes by itself."""
        return mono_ns

    # -- the taker's side -------------------------------------------------------------------------------------

    cdef bint swap(self) except -1:
        cdef Records taken = self._taken
        cdef uint32_t i
        if taken.room > KEPT_BYTES and taken.used < taken.room >> 2:
            free(taken.bytes)
            taken.bytes = NULL
            taken.room = 0
        taken.used = 0
        self._taken = self._queued
        self._queued = taken
        self.delivered += self.queued
        self.peak = max(self.peak, self.queued)
        self.queued = 0
        for i in range(self._place_count if self._behind_count else 0):
            if self._places[i].is_behind:
                self._mend(i)
        self._look()
        return self._taken.used > 0

    cdef const Records* hand_over(self, list wanted) except NULL:
        cdef Record record
        cdef PyObject* event
        self.swap()
        for instrument_id in wanted:
            # One that is folded comes as it is; one that is not in force begins with its venue's snapshot.
            event = NULL if self._place(instrument_id).is_behind else self._books.snapshot(instrument_id, <int>REASON_REQUESTED)
            if event == NULL:
                continue
            try:
                view_of(<Event>event, &record)
                record.folded = 0
                if not records_put(&self._queued, &record):
                    raise MemoryError("snapshot")
            finally:
                self._pool.release(event)
        return &self._taken

    cdef int _mend(self, uint32_t instrument_id) except -1:
        """The book as it is now, in place of what was folded; one that is not in force is told as missing, once."""
        cdef Record record
        cdef PyObject* event = self._books.snapshot(instrument_id, <int>REASON_DIRTY)
        cdef Place* place = &self._places[instrument_id]
        memset(&record, 0, sizeof(record))
        if (place.is_broken or event == NULL) and not place.is_told and not planted(b"tap.hide_loss"):
            record.kind = RECORD_BREAK
            record.instrument_id = instrument_id
            place.is_told = records_put(&self._queued, &record)
        if event == NULL:
            return 0
        try:
            view_of(<Event>event, &record)
            record.folded = <uint32_t>place.folded
            record.ts_venue_ns = place.ts_venue_ns
            record.ts_recv_ns = max(record.ts_recv_ns, place.ts_recv_ns)
            if records_put(&self._queued, &record):
                place.is_behind = False
                self._behind_count -= 1
        finally:
            self._pool.release(event)
        return 0

    def want(self, instrument_id: int) -> None:
        """Have the book of an instrument handed over whole at the next taking but one."""
        self._begin(self._place(instrument_id))
        self._look()
        self.wakeup.post()

    @property
    def coalesced_of(self) -> dict[int, int]:
        """Book updates and tickers that a later entry stands for, by instrument id."""
        return {i: self._places[i].coalesced for i in range(self._place_count) if self._places[i].coalesced}

    @property
    def dropped_of(self) -> dict[int, int]:
        """Trades lost, by instrument id."""
        return {i: self._places[i].dropped for i in range(self._place_count) if self._places[i].dropped}
