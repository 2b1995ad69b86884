cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport INT64_MIN, int64_t, uint32_t
from libc.stdlib cimport calloc, free

from engine.base.plants cimport planted
from engine.book.fold cimport FOLD_OK, fold_add, fold_begin, fold_free, fold_room, fold_write
from engine.observability.latency cimport LatencyHistogram
from engine.schema.event cimport (BOOK_UPDATE, FLAG_AFTER_RESYNC, FLAG_COALESCED, FLAG_OVERFLOW_ALLOC, Event,
                                  EventHeader, publish, retain)
from engine.schema.market cimport UPDATE_FULL, UPDATE_INVALID, BookData, BookEvent
from engine.schema.merged cimport MergedEvent, keep_terms
from engine.schema.ports cimport EventPool

from engine.base.ids import instrument_id
from engine.orchestrator.counts import WindowCounts


@cython.final
cdef class MergeWindow:
    """One rule's window, open or not, and what became of those before it (EVT-51).

    Args:
        rule: a MergeRule.
        pool: where fragments go back to.
    """

    def __init__(self, rule, EventPool pool not None):
        self.rule = rule
        self._pool = pool
        self.instrument_id = instrument_id(rule.provider, rule.symbol)
        self.providers = len(rule.providers)
        self._terms = keep_terms(rule.name, tuple(rule.providers))
        self.duration_ns = rule.window_duration_ms * 1_000_000
        self.most = rule.window_max_events
        self.closes_on_complete = rule.close_on_complete
        self.last_close_ns = self._next_open_ns = INT64_MIN
        self.dwell = LatencyHistogram()
        self._parts = <Part*>calloc(self.providers, sizeof(Part))
        if self._parts == NULL:
            raise MemoryError("merge window")

    def __dealloc__(self):
        cdef uint32_t i
        if self._parts != NULL:
            for i in range(self.providers):
                fold_free(&self._parts[i].fold)
        free(self._parts)

    cdef bint is_complete(self) noexcept:
        return self._present == self.providers

    cdef int open(self, int64_t arrived_ns) noexcept:
        """The first fragment is here."""
        # Arrivals are stamped a read, so one window may fill and the next one open at one instant; ids differ.
        self.open_ns = max(arrived_ns, self._next_open_ns)
        self._next_open_ns = self.open_ns + 1
        self.deadline_ns = self.open_ns + self.duration_ns
        self.is_open = True
        self.count = 0
        self.opened += 1
        return 0

    cdef int take(self, PyObject* event, uint32_t place) except -1:
        """A fragment of the provider at *place*: the newest stays, book updates are folded. Takes a reference of its own."""
        cdef Part* part = &self._parts[place]
        cdef const EventHeader* h = &(<Event>event).h
        cdef const EventHeader* newest
        cdef bint is_newer
        self.count += 1
        self.fragments += 1
        if part.is_lost:
            return 0
        if part.newest == NULL:
            self._present += 1
            return self._replace(part, event)
        newest = &(<Event>part.newest).h
        if (<Event>event).s.type == BOOK_UPDATE and h.epoch == newest.epoch and not planted(b"merge.replace_deltas"):
            return self._fold_in(part, event)
        if h.epoch > newest.epoch or (h.epoch == newest.epoch and h.seq_provider >= newest.seq_provider):
            self._replace(part, event)
            if (<Event>event).s.type == BOOK_UPDATE:
                part.flags |= FLAG_AFTER_RESYNC        # the book was begun anew inside this window
        return 0

    cdef int _replace(self, Part* part, PyObject* event) noexcept:
        cdef const EventHeader* h = &(<Event>event).h
        retain(event, 1)
        if part.newest != NULL:
            self._pool.release(part.newest)
        part.newest = event
        part.is_folded = 0
        part.seq_first = h.seq_first
        part.folded_count = h.folded_count
        part.flags = h.flags
        if (<Event>event).s.type == BOOK_UPDATE:
            part.first_update_id = (<BookEvent>event).b.first_update_id
        return 0

    cdef int _fold_in(self, Part* part, PyObject* event) noexcept:
        """A further book update of one epoch."""
        cdef const EventHeader* h = &(<Event>event).h
        cdef const EventHeader* newest = &(<Event>part.newest).h
        cdef const BookData* book = &(<BookEvent>event).b
        cdef const BookData* before = &(<BookEvent>part.newest).b
        cdef bint is_newer = h.seq_provider >= newest.seq_provider
        if before.update_type == UPDATE_INVALID or book.update_type == UPDATE_INVALID:
            # An invalid book begins anew under the next epoch; nothing is laid on it or under it.
            if is_newer:
                self._replace(part, event)
            return 0
        if is_newer and book.update_type == UPDATE_FULL:
            return self._replace(part, event)
        if (not part.is_folded and not self._begin_fold(part)) \
                or fold_add(&part.fold, book, h.seq_provider, h.price_scale, h.qty_scale) != FOLD_OK:
            return self._lose(part)
        part.flags |= h.flags
        part.folded_count += h.folded_count
        if h.seq_first < part.seq_first:
            part.seq_first = h.seq_first
        if book.has_update_ids and book.first_update_id < part.first_update_id:
            part.first_update_id = book.first_update_id
        if is_newer:
            retain(event, 1)
            self._pool.release(part.newest)
            part.newest = event
        return 0

    cdef bint _begin_fold(self, Part* part) noexcept:
        """From here on the part is what was folded, no longer one event; whether that was possible."""
        cdef const EventHeader* h = &(<Event>part.newest).h
        fold_begin(&part.fold, h.price_scale, h.qty_scale)
        part.is_folded = 1
        return fold_add(&part.fold, &(<BookEvent>part.newest).b, h.seq_provider, h.price_scale, h.qty_scale) == FOLD_OK

    cdef int _lose(self, Part* part) noexcept:
        """Its updates cannot be folded (a level does not fit): the provider counts as missing in this window."""
        self._pool.release(part.newest)
        part.newest = NULL
        part.is_lost = 1
        self._present -= 1
        return 0

    # -- closing ----------------------------------------------------------------------------------------------

    cdef int close(self, int64_t close_ns) noexcept:
        """What arrived before *close_ns* is late from here on."""
        self.is_open = False
        self.last_close_ns = close_ns
        return 0

    cdef bint give(self, MergedEvent merged) except -1:
        """Hand a fragment of each provider to *merged*; False if a pool is exhausted. Then drop() is due."""
        cdef PyObject* fragment
        cdef uint32_t i
        merged.h.instrument_id = self.instrument_id
        merged.h.seq_provider = merged.h.seq_first = self.emitted + 1
        merged.m.terms = self._terms
        merged.m.window_open_ns = self.open_ns
        merged.m.window_close_ns = max(self.last_close_ns, self.open_ns)
        merged.m.fragment_count = self.count
        for i in range(self.providers):
            if i and planted(b"merge.same_fragment"):
                fragment = merged.fragment_refs[0]
                retain(fragment, 1)
            else:
                fragment = self._fragment(&self._parts[i])
            if fragment == NULL:
                return False
            merged.fragment_refs[merged.fragments_held] = fragment
            merged.fragments_held += 1
            merged.h.folded_count += (<Event>fragment).h.folded_count
        return True

    cdef PyObject* _fragment(self, Part* part) except? NULL:
        """The part's event, and its reference; a new one where several updates were folded. NULL: no slot for it."""
        cdef PyObject* event = part.newest
        cdef EventHeader* h
        cdef BookData* book
        cdef const BookData* newest
        if not part.is_folded and part.flags != (<Event>event).h.flags:
            self._begin_fold(part)
        if not part.is_folded:
            part.newest = NULL
            return event
        event = self._pool.acquire_nowait(BOOK_UPDATE)
        if event == NULL:
            return NULL
        try:
            self._pool.attach_levels(event, fold_room(&part.fold))
        except BaseException:
            self._pool.release(event)
            raise
        h = &(<Event>event).h
        h[0] = (<Event>part.newest).h
        h.flags = (part.flags | FLAG_COALESCED if part.folded_count > 1 else part.flags) & ~<int>FLAG_OVERFLOW_ALLOC
        h.seq_first = part.seq_first
        h.folded_count = part.folded_count
        h.price_scale = part.fold.price_scale
        h.qty_scale = part.fold.qty_scale
        book = &(<BookEvent>event).b
        newest = &(<BookEvent>part.newest).b
        book.first_update_id = part.first_update_id
        book.final_update_id = newest.final_update_id
        book.has_update_ids = newest.has_update_ids
        book.verified_through_id = newest.verified_through_id
        book.checksum = newest.checksum
        book.has_checksum = newest.has_checksum
        book.verified = newest.verified
        book.reason = newest.reason
        book.update_type = UPDATE_FULL if part.fold.is_full else newest.update_type
        fold_write(&part.fold, book)
        publish(event)
        return event

    cdef int drop(self) noexcept:
        """The window keeps nothing (MRG-17)."""
        cdef Part* part
        cdef uint32_t i
        for i in range(self.providers):
            part = &self._parts[i]
            if part.newest != NULL:
                self._pool.release(part.newest)
                part.newest = NULL
            part.is_folded = part.is_lost = 0
        self._present = 0
        return 0

    # -- operators --------------------------------------------------------------------------------------------

    cdef tuple present(self, bint wanted):
        """Providers that are there, or those that are not."""
        return tuple(name for i, name in enumerate(self.rule.providers)
                     if (self._parts[<uint32_t>i].newest != NULL) == wanted)

    def statistics(self) -> WindowCounts:
        """Windows by what became of them, and fragments."""
        return WindowCounts(
            opened=self.opened, emitted=self.emitted, suppressed=self.suppressed, discarded=self.discarded,
            open=int(self.is_open), fragments=self.fragments, late_fragments=self.late)
