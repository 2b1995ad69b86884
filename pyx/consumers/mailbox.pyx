cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from engine.base.clock cimport Clock
from engine.base.plants cimport planted
from engine.consumers.backlog cimport Backlog
from engine.consumers.streamslots cimport CARE_LOST, CARE_NONE, CARE_RESUMED, ROUTE_BIT, StreamSlot
from engine.schema.event cimport FLAG_SYNTHETIC, Event, is_critical, is_told_once
from engine.schema.fold cimport PART_BASE, PART_INVALID, before, is_book, part_of, stream_of
from engine.schema.market cimport REASON_DIRTY
from engine.schema.ports cimport ACCEPTED, EventPool

from engine.consumers.settings import MailboxSettings


@cython.final
cdef class Mailbox(Backlog):
    """Args:
    pool: where an event goes that does not stay.
    clock: for how often somebody is told.
    settings: see :class:`~engine.consumers.settings.MailboxSettings`.
    consumer_id: whose it is, for the hooks.
    """

    def __init__(self, EventPool pool not None, Clock clock not None, settings=None, consumer_id: str = ""):
        settings = settings or MailboxSettings()
        super().__init__(pool, clock, settings, consumer_id)
        self.critical_reserve = settings.critical_reserve
        self._books = settings.books
        self._versions = settings.versions
        self._has_version_filter = settings.has_version_filter
        self._critical_mask = (1 << (max(2, self.critical_reserve) - 1).bit_length()) - 1
        self._critical = <PyObject**>malloc((self._critical_mask + 1) * sizeof(PyObject*))
        if self._critical == NULL:
            raise MemoryError("critical mailbox")

    def __dealloc__(self):
        free(self._critical)

    def __len__(self) -> int:
        return self.depth()

    @property
    def accepted(self) -> int:
        """Offers answered ACCEPTED."""
        return self.offered - self.synthetic - self.coalesced_answers - self.refused

    # -- in -----------------------------------------------------------------------------------------------------

    cdef int _put_rare(self, PyObject* event) except -1:
        cdef uint32_t depth = self.market_depth()
        cdef int answer
        if is_critical((<Event>event).s.type) and not planted(b"mailbox.no_reserve"):
            return self._put_critical(event)
        self.offered += 1
        if not self.is_saturated and depth >= self._saturate_depth:
            self._saturate(depth)
        if self.is_saturated:
            return self._put_saturated(event)
        self._push(event, NULL)
        return ACCEPTED

    cdef int _put_critical(self, PyObject* event) except -1:
        cdef uint32_t count = self._critical_tail - self._critical_head
        cdef uint32_t i
        cdef PyObject** ring
        if count > self._critical_mask:
            ring = <PyObject**>malloc(2 * (self._critical_mask + 1) * sizeof(PyObject*))
            if ring == NULL:
                raise MemoryError("critical mailbox")
            for i in range(count):
                ring[i] = self._critical[(self._critical_head + i) & self._critical_mask]
            free(self._critical)
            self._critical = ring
            self._critical_mask = 2 * self._critical_mask + 1
            self._critical_head = 0
            self._critical_tail = count
        if count >= self.critical_reserve:
            self.critical_overflow += 1
        self._critical[self._critical_tail & self._critical_mask] = event
        self._critical_tail += 1
        self.offered += 1
        return ACCEPTED

    # -- out ----------------------------------------------------------------------------------------------------

    cdef int64_t take(self, PyObject** out, uint32_t limit) except -1:
        """Move up to *limit* events out, critical ones first; the caller owes their release."""
        cdef uint32_t n = 0
        cdef uint32_t run
        cdef uint32_t depth = self.market_depth()
        if depth > self.peak:
            self.peak = depth
        while n < limit and self._critical_head != self._critical_tail and not planted(b"mailbox.critical_last"):
            out[n] = self._critical[self._critical_head & self._critical_mask]
            self._critical_head += 1
            n += 1
        if self._careful:
            n = <uint32_t>self._take_careful(out, n, limit)
        else:
            while n < limit and self._head != self._tail:
                run = min(limit - n, self._tail - self._head, self._mask + 1 - (self._head & self._mask))
                memcpy(out + n, self._market + (self._head & self._mask), run * sizeof(PyObject*))
                self._head += run
                n += run
            if self._head == self._tail and not self.is_saturated:
                self._head = self._tail = self._victims_from = 0     # the same few cache lines serve the next read
        while n < limit and self._critical_head != self._critical_tail:
            out[n] = self._critical[self._critical_head & self._critical_mask]
            self._critical_head += 1
            n += 1
        if self.is_saturated and self.market_depth() < self._resume_depth:
            self._recover()
        return n

    cdef int64_t _take_careful(self, PyObject** out, uint32_t n, uint32_t limit) except -1:
        """As take(), looking at each entry: what was routed before a change is skipped, lost books are mended."""
        cdef PyObject* event
        while n < limit and self._head != self._tail:
            event = self._market[self._head & self._mask]
            self._head += 1
            if event == NULL:
                self._holes -= 1
                continue
            if self._flip_version and self._is_cut_off(event):
                self.skipped_version += 1
                if is_book((<Event>event).s.type):
                    self._lose(event)
                self._pool.release(event)
                continue
            if self._watched and is_book((<Event>event).s.type):
                event = self._mended(event)
                if event == NULL:
                    continue
            out[n] = event
            n += 1
        if self._flip_version and <int>(self._head - self._flip_tail) >= 0 \
                and self._versions.oldest >= self._flip_version:
            self._flip_version = 0     # nothing older is queued, and nothing older can come
        self._careful = self._holes != 0 or self._watched != 0 or self._flip_version != 0
        return n

    cdef PyObject* _mended(self, PyObject* event) except? NULL:
        """What the consumer gets for a book event: itself, a snapshot in its stead, or nothing yet (NULL)."""
        cdef StreamSlot* slot = self._slots.find(stream_of(event))
        cdef int part = part_of(event)
        cdef bint is_behind
        cdef PyObject* snapshot
        if slot == NULL or slot.care == CARE_NONE:
            return event
        is_behind = not before(event, slot.mark_epoch, slot.mark)
        if part == PART_INVALID or (is_behind and (part == PART_BASE or slot.care == CARE_RESUMED)):
            slot.care = CARE_NONE      # begins anew from here, or goes on from the snapshot
            self._watched -= 1
            return event
        if not is_behind and (slot.care == CARE_LOST or (<Event>event).h.flags & FLAG_SYNTHETIC):
            return event               # queued before the loss, or the snapshot itself
        self.skipped_dirty += 1
        self._pool.release(event)
        if slot.care == CARE_RESUMED:
            return NULL                # the snapshot holds it
        snapshot = self._books.snapshot(slot.key >> 32, REASON_DIRTY)
        if snapshot == NULL:
            return NULL
        slot.care = CARE_RESUMED
        slot.mark_epoch = (<Event>snapshot).h.epoch
        slot.mark = (<Event>snapshot).h.seq_provider
        self.offered += 1
        self.synthetic += 1
        return snapshot

    # -- routes that change -------------------------------------------------------------------------------------

    cdef int accept_from(self, uint64_t version) except -1:
        """The consumer's own routes changed with this version: what was routed before it is skipped."""
        self._flip_version = version
        self._flip_tail = self._tail
        self._careful = True
        return 0

    def routes_changed(self, version: int, removed) -> None:
        """The consumer's routes changed with *version*; *removed*: stream indices that it has no more.

        With the version filter all market data routed before is skipped, else that of the removed routes; each entry
        as it leaves, so that a change costs the same however much is queued.
        """
        cdef StreamSlot* slot
        for index in removed:
            slot = self._slots.of(<uint64_t>(index >> 4) << 32 | ROUTE_BIT | <uint64_t>(index & 15))
            slot.mark = version
        self.accept_from(version)

    cdef bint _is_cut_off(self, PyObject* event) noexcept:
        """Whether an entry was routed before a change that cut it off."""
        cdef StreamSlot* slot
        cdef uint64_t version = (<Event>event).h.routing_version
        if version >= self._flip_version or planted(b"mailbox.no_filter"):
            return False
        if self._has_version_filter and not (<Event>event).h.flags & FLAG_SYNTHETIC \
                and (not is_told_once((<Event>event).s.type) or planted(b"mailbox.skip_told_once")):
            return True                # a snapshot that was made for this consumer is none of the old routes' data
        slot = self._slots.find(<uint64_t>(<Event>event).h.instrument_id << 32 | ROUTE_BIT
                                | <uint64_t>(<Event>event).s.type)
        return slot != NULL and version < slot.mark

    def resumed(self, instrument_id: int, epoch: int, seq: int) -> None:
        """A snapshot of the book as numbered was offered beside its stream: what is not behind it is old."""
        cdef StreamSlot* slot = self._slots.of(<uint64_t>instrument_id << 32 | 2)
        self._watched += slot.care == CARE_NONE
        slot.care = CARE_RESUMED
        slot.mark_epoch = epoch
        slot.mark = seq
        self._careful = True
