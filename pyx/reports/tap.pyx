cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t
from libc.stdlib cimport free
from libc.string cimport memset

from engine.base.plants cimport planted
from engine.base.units cimport unlikely
from engine.base.wakeup cimport Wakeup
from engine.observability.stages cimport StageTimer
from engine.schema.event cimport Event
from engine.schema.market cimport REASON_DIRTY, REASON_REQUESTED
from engine.schema.ports cimport ACCEPTED, BookSource, EventPool
from engine.schema.record cimport RECORD_BREAK, RECORD_TICKER, RECORD_TRADE, Record, Records, body_size, records_put, view_of

cdef enum:
    BYTES_AN_ENTRY = 160           # a delta of three levels; snapshots are more, and rare
    BYTES_LEAST = 4 << 20          # room for the largest book a venue sends
    KEPT_BYTES = 1 << 18           # a piece of memory larger than this is given back once it is little used


cdef class Behind:
    pass


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
    """

    def __init__(self, EventPool pool not None, BookSource books not None, StageTimer timer not None, capacity: int):
        self._pool = pool
        self._books = books
        self._timer = timer
        self.wakeup = Wakeup()
        self._capacity = capacity
        self._books_up_to = capacity * 3 // 4
        self._wake_at = capacity // 2
        self._bytes_max = max(<size_t>capacity * BYTES_AN_ENTRY, <size_t>BYTES_LEAST)
        self._behind = {}
        self.coalesced_of = {}
        self.dropped_of = {}

    def __dealloc__(self):
        free(self._queued.bytes)
        free(self._taken.bytes)

    # -- the engine's side ------------------------------------------------------------------------------------

    cdef int offer(self, PyObject* event) except -1:
        cdef Record record
        self.offered += 1
        if self._timer.waiting and (<Event>event).s.refs == 1:
            self._timer.unfollow(event)
        try:
            if view_of(<Event>event, &record):
                self._take(&record)
            else:
                self.ignored += 1
        finally:
            if not planted(b"tap.keep_event"):
                self._pool.release(event)
        return ACCEPTED

    cdef int _take(self, const Record* record) except -1:
        cdef Behind behind
        if unlikely(len(self._behind)):
            behind = self._behind.get(record.instrument_id)
            if behind is not None and record.kind != RECORD_TRADE and record.kind != RECORD_TICKER:
                return self._fold(record, False)
        if unlikely(self.queued >= self._books_up_to or self._queued.used + sizeof(Record) + body_size(record) > self._bytes_max):
            return self._shed(record)
        if not records_put(&self._queued, record):
            return self._shed(record)
        self.queued += 1
        if unlikely(self.queued == self._wake_at or self._queued.used > self._bytes_max >> 1):
            self.wakeup.post()
        return 0

    cdef int _shed(self, const Record* record) except -1:
        """Room is short: books are folded, tickers follow each other, and a trade is lost last."""
        if record.kind == RECORD_TICKER:
            self.coalesced += 1
            self.coalesced_of[record.instrument_id] = self.coalesced_of.get(record.instrument_id, 0) + 1
            return 0
        if record.kind != RECORD_TRADE:
            return self._fold(record, False)
        if self.queued < self._capacity and records_put(&self._queued, record):
            self.queued += 1
            return 0
        self.dropped += 1
        self.dropped_of[record.instrument_id] = self.dropped_of.get(record.instrument_id, 0) + 1
        return self._fold(record, True)

    cdef int _fold(self, const Record* record, bint is_broken) except -1:
        """A snapshot will stand for the book as it is when the taker comes."""
        cdef Behind behind = self._behind.get(record.instrument_id)
        if behind is None:
            behind = self._behind[record.instrument_id] = Behind()
            self.wakeup.post()
        behind.is_broken |= is_broken or record.kind == RECORD_BREAK
        if record.kind != RECORD_TRADE:
            self.coalesced += 1
            self.coalesced_of[record.instrument_id] = self.coalesced_of.get(record.instrument_id, 0) + 1
            if not planted(b"tap.forget_number"):
                behind.folded += record.folded
            behind.ts_venue_ns = max(behind.ts_venue_ns, record.ts_venue_ns)
            behind.ts_recv_ns = max(behind.ts_recv_ns, record.ts_recv_ns)
        return 0

    # -- the taker's side -------------------------------------------------------------------------------------

    cdef bint swap(self) except -1:
        cdef Records taken = self._taken
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
        for instrument_id, behind in list(self._behind.items()):
            self._mend(instrument_id, behind)
        return self._taken.used > 0

    cdef const Records* hand_over(self, list wanted) except NULL:
        cdef Record record
        cdef PyObject* event
        self.swap()
        for instrument_id in wanted:
            # One that is folded comes as it is; one that is not in force begins with its venue's snapshot.
            event = NULL if instrument_id in self._behind else self._books.snapshot(instrument_id, <int>REASON_REQUESTED)
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

    cdef int _mend(self, uint32_t instrument_id, Behind behind) except -1:
        """The book as it is now, in place of what was folded; one that is not in force is told as missing, once."""
        cdef Record record
        cdef PyObject* event = self._books.snapshot(instrument_id, <int>REASON_DIRTY)
        memset(&record, 0, sizeof(record))
        if (behind.is_broken or event == NULL) and not behind.is_told and not planted(b"tap.hide_loss"):
            record.kind = RECORD_BREAK
            record.instrument_id = instrument_id
            behind.is_told = records_put(&self._queued, &record)
        if event == NULL:
            return 0
        try:
            view_of(<Event>event, &record)
            record.folded = <uint32_t>behind.folded
            record.ts_venue_ns = behind.ts_venue_ns
            record.ts_recv_ns = max(record.ts_recv_ns, behind.ts_recv_ns)
            if records_put(&self._queued, &record):
                del self._behind[instrument_id]
        finally:
            self._pool.release(event)
        return 0

    def want(self, instrument_id: int) -> None:
        """Have the book of an instrument handed over whole at the next taking but one."""
        if instrument_id not in self._behind:
            self._behind[instrument_id] = Behind()
        self.wakeup.post()
