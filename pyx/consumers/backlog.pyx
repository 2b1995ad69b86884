cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from engine.base.clock cimport Clock
from engine.base.plants cimport planted
from engine.consumers.streamslots cimport (CARE_LOST, CARE_NONE, KEEP_ALL, KEEP_ENDED, KEEP_NONE, StreamSlot,
                                           StreamSlots, stream_text)
from engine.schema.event cimport TRADE, Event
from engine.schema.fold cimport (PART_BASE, PART_DELTA, PART_INVALID, PARTS, SATURATED_BOOK, SATURATED_DROP_OLDEST,
                                 SATURATED_KLINE, SATURATED_REPLACE, before, fold, is_book, part_of, stream_of)
from engine.schema.ports cimport ACCEPTED, COALESCED, FULL, EventPool
from engine.schema.quotes cimport KlineSummary

from math import ceil

cdef enum:
    TELL_EVERY_NS = 1_000_000_000
    FULL_EVERY_NS = 10_000_000


cdef class Backlog:
    """What a mailbox holds of market data; arguments as for :class:`~engine.consumers.mailbox.Mailbox`."""

    def __init__(self, EventPool pool not None, Clock clock not None, settings, consumer_id: str):
        capacity = settings.capacity
        self._consumer_id = consumer_id
        self._pool = pool
        self._clock = clock
        self.capacity = capacity
        self._saturate_depth = max(1, ceil(settings.saturate_at * capacity))
        self._resume_depth = ceil(settings.resume_at * capacity)
        self._limit = self._saturate_depth
        self._table = settings.table
        self._on_coalesced = settings.on_coalesced
        self._on_dropped = settings.on_dropped
        self._on_saturated = settings.on_saturated
        self._on_full = settings.on_full
        self._on_spill_full = settings.on_spill_full
        self._spill_max = settings.spill_trades
        self._slots = StreamSlots()
        self._mask = (1 << (max(1, capacity) - 1).bit_length()) - 1
        self._market = <PyObject**>malloc((self._mask + 1) * sizeof(PyObject*))
        if self._market == NULL:
            raise MemoryError(f"mailbox of {capacity}")

    def __dealloc__(self):
        free(self._market)

    @property
    def is_full(self) -> bool:
        """Whether no place for market data is left."""
        return self.market_depth() >= self.capacity

    # -- in need ------------------------------------------------------------------------------------------------

    cdef int _saturate(self, uint32_t depth) except -1:
        self.is_saturated = True
        self._limit = 0
        self._era += 1
        self.saturations += 1
        if self._on_saturated is not None:
            self._on_saturated(self._consumer_id, depth)
        return 0

    cdef int relieve(self, int event_type) except -1:
        """The pool of a type is exhausted: fold all that is queued, as when this were full; answers how many."""
        cdef uint64_t before_count = self.coalesced
        if self._table.rule[event_type] <= SATURATED_DROP_OLDEST or self._tail == self._head or self._is_folded:
            return 0                       # what came after the last folding was folded as it came
        if not self.is_saturated:
            self._saturate(self.market_depth())
        self._is_folded = True
        self._is_relieving = True
        self._compact()
        self._is_relieving = False
        return <int>(self.coalesced - before_count)

    cdef int _put_saturated(self, PyObject* event) except -1:
        """Fold it into what is queued of its stream; else queue it, if something less dear can make room."""
        cdef StreamSlot* slot = self._slots.of(stream_of(event))
        cdef PyObject* victim = NULL
        if self._fold_in(slot, event):
            self.coalesced_answers += 1
            self._tell_coalesced(slot, False)
            return COALESCED
        if self.market_depth() >= self.capacity:
            if not self._is_folded:
                self._is_folded = True
                self._compact()
                return self._put_saturated(event)
            if slot.keep != KEEP_NONE and not planted(b"backlog.drop_kept"):
                return self._spill(slot, event)
            self._tell_full(event)
            victim = self._victim()
            if victim == NULL and not must_stay(self._table.rule[(<Event>event).s.type], event):
                self.refused += 1
                self._bury(event)
                return FULL
        self._push(event, slot)
        if victim != NULL:
            self._bury(victim)
            self._pool.release(victim)
        return ACCEPTED

    cdef int _spill(self, StreamSlot* slot, PyObject* event) except -1:
        """A trade that may not be lost finds the mailbox full: it is queued all the same, up to the spill's size.

        It leaves the pool for that, which has none to spare. Past the spill its stream ends here, whose last trades are
        all queued: what is missing begins with this one.
        """
        cdef PyObject* kept = NULL
        if slot.keep == KEEP_ENDED:
            self.skipped_suspended += 1
            self.refused += 1
            return FULL
        if self.market_depth() - self.capacity < self._spill_max:
            kept = self._pool.move_to_heap(event)
        if kept != NULL:
            self.spilled += 1
            self._push(kept, slot)
            return ACCEPTED
        slot.keep = KEEP_ENDED
        self.refused += 1
        self._bury(event)
        if self._on_spill_full is not None:
            self._on_spill_full(self._consumer_id, (<Event>event).detach())
        return FULL

    def keep_trades(self, instrument_id: int, on: bool) -> None:
        """From now on no trade of an instrument may be lost, or any may; what is queued is under it as well."""
        cdef StreamSlot* slot = self._slots.of(<uint64_t>instrument_id << 32 | <uint64_t>TRADE)
        self._kept_streams += <uint32_t>(slot.keep == KEEP_NONE and on) - <uint32_t>(slot.keep != KEEP_NONE and not on)
        slot.keep = KEEP_ALL if on else KEEP_NONE
        self._victims_from = self._head

    cdef int _push(self, PyObject* event, StreamSlot* slot) except -1:
        cdef int part
        if self._tail - self._head > self._mask:
            self._compact()
            if slot != NULL:
                slot = self._slots.of(stream_of(event))
        if slot != NULL:
            part = part_of(event)
            if slot.era != self._era:
                slot.era = self._era
                slot.held = 0
            slot.place[part] = self._tail
            slot.held |= <unsigned char>(1 << part)
        self._market[self._tail & self._mask] = event
        self._tail += 1
        return 0

    cdef int _compact(self) except -1:
        """Queue everything anew in a ring with room to spare: what was taken out of the middle leaves no gap.

        While the mailbox is saturated what folds together is folded, also what was queued before it was.
        """
        cdef PyObject** old = self._market
        cdef uint32_t old_mask = self._mask
        cdef uint32_t at = self._head
        cdef uint32_t end = self._tail
        cdef uint32_t depth = end - at - self._holes
        cdef uint32_t places = 2
        cdef PyObject* event
        cdef StreamSlot* slot = NULL
        while places < 2 * max(self.capacity, depth + 1):
            places *= 2
        self._market = <PyObject**>malloc(places * sizeof(PyObject*))
        if self._market == NULL:
            self._market = old
            raise MemoryError("mailbox")
        self._mask = places - 1
        # What was queued at a change of routes keeps its place before the mark.
        self._flip_tail = 0 if <int>(self._flip_tail - at) < 0 else min(self._flip_tail - at, end - at)
        self._head = self._tail = self._holes = self._victims_from = 0
        self._era += 1
        while at != end:
            event = old[at & old_mask]
            at += 1
            if event == NULL:
                continue
            if self.is_saturated:
                slot = self._slots.of(stream_of(event))
                if self._fold_in(slot, event):
                    continue
            self._push(event, slot)
        free(old)
        return 0

    # -- what coalesces -----------------------------------------------------------------------------------------

    cdef bint _has(self, StreamSlot* slot, int part) noexcept:
        """Whether this part of the stream is queued, at its place."""
        return slot.held >> part & 1 and slot.place[part] - self._head < self._tail - self._head \
            and self._market[slot.place[part] & self._mask] != NULL

    cdef int _fold_in(self, StreamSlot* slot, PyObject* event) except -1:
        """Whether an event was folded into what is queued of its stream, its reference taken over."""
        cdef int rule = self._table.rule[(<Event>event).s.type]
        cdef PyObject** place
        cdef PyObject* folded
        if rule <= SATURATED_DROP_OLDEST:
            return False
        if slot.era != self._era:
            slot.era = self._era
            slot.held = 0
        if rule == SATURATED_BOOK:
            return self._fold_book(slot, event)
        if not self._has(slot, PART_DELTA):
            return False
        place = &self._market[slot.place[<int>PART_DELTA] & self._mask]
        if rule == SATURATED_KLINE and (<KlineSummary>place[0]).k.is_closed:
            return False
        folded = fold(self._pool, place[0], event)
        if folded == NULL:
            return False
        place[0] = folded
        self.coalesced += 1
        slot.coalesced += 1
        return True

    cdef int _fold_book(self, StreamSlot* slot, PyObject* event) except -1:
        """A delta unites with the last one; a whole book takes the place of the one queued; invalid of everything.

        The queue holds at most one part of each kind, always invalid, base, delta in this order.
        """
        cdef int part = part_of(event)
        cdef int first = PART_INVALID
        cdef int other
        cdef PyObject** place
        cdef PyObject* folded
        if part == PART_BASE:
            first = PART_BASE          # an invalid that is queued is never dropped
        elif part == PART_DELTA:
            first = PART_DELTA
        while first < PARTS and not self._has(slot, first):
            first += 1
        if first == PARTS:
            return False
        place = &self._market[slot.place[first] & self._mask]
        if part == PART_DELTA:
            folded = fold(self._pool, place[0], event)
            if folded == NULL:
                if not self._is_relieving:
                    return False
                self._lose(place[0])       # the snapshot that comes in place of the newer one holds both
                slot = self._slots.find(stream_of(event))
                self._pool.release(place[0])
                folded = event
            place[0] = folded
            self.coalesced += 1
            slot.coalesced += 1
            return True
        for other in range(first + 1, PARTS):
            if self._has(slot, other):
                self._forget(slot, other)
        self._pool.release(place[0])
        place[0] = event
        slot.held &= <unsigned char>~(1 << first)
        slot.place[part] = slot.place[first]
        slot.held |= <unsigned char>(1 << part)
        self.coalesced += 1
        slot.coalesced += 1
        return True

    cdef int _forget(self, StreamSlot* slot, int part) noexcept:
        """Something newer stands for this entry: take it out of the queue."""
        cdef PyObject** place = &self._market[slot.place[part] & self._mask]
        self._pool.release(place[0])
        place[0] = NULL
        self._holes += 1
        self._careful = True
        slot.held &= <unsigned char>~(1 << part)
        self.coalesced += 1
        slot.coalesced += 1
        return 0

    # -- what is lost -------------------------------------------------------------------------------------------

    cdef PyObject* _victim(self) noexcept:
        """Take the oldest trade out of the queue, else the oldest that may go; NULL where none is."""
        cdef uint32_t at = self._victims_from if <int>(self._victims_from - self._head) > 0 else self._head
        cdef PyObject* event
        while at != self._tail:
            event = self._market[at & self._mask]
            if event != NULL and (<Event>event).s.type == TRADE and self._may_go(event):
                break
            at += 1
        self._victims_from = at
        if at == self._tail:
            if self._kept_streams:
                return NULL            # to look through all that is kept for each event would be dear
            at = self._head
            while at != self._tail:
                event = self._market[at & self._mask]
                if event != NULL and not must_stay(self._table.rule[(<Event>event).s.type], event):
                    break
                at += 1
            if at == self._tail:
                return NULL
        self._market[at & self._mask] = NULL
        self._holes += 1
        self._careful = True
        return event

    cdef bint _may_go(self, PyObject* event) noexcept:
        """Whether a trade may be lost."""
        cdef StreamSlot* slot = self._slots.find(stream_of(event)) if self._kept_streams else NULL
        return slot == NULL or slot.keep == KEEP_NONE

    cdef int _bury(self, PyObject* event) except -1:
        """Count a lost event and tell of it; the caller's reference stays the caller's."""
        cdef uint64_t key = stream_of(event)
        cdef StreamSlot* slot = self._slots.of(key)
        self.dropped += 1
        slot.dropped += 1
        if is_book((<Event>event).s.type):
            self._lose(event)
        if slot.dropped_told == 0 or self._clock.mono_ns() - slot.dropped_told_ns >= TELL_EVERY_NS:
            copy = (<Event>event).detach()
            self._tell_dropped(self._slots.of(key), copy)
        return 0

    cdef int _lose(self, PyObject* event) except -1:
        """The consumer will not see a book event: what comes after it needs a snapshot first."""
        cdef StreamSlot* slot = self._slots.of(stream_of(event))
        if planted(b"mailbox.forget_loss"):
            return 0
        if slot.care != CARE_NONE and before(event, slot.mark_epoch, slot.mark):
            return 0                   # the snapshot that was delivered, or is due, holds it
        self._watched += slot.care == CARE_NONE
        slot.care = CARE_LOST
        slot.mark_epoch = (<Event>event).h.epoch
        slot.mark = (<Event>event).h.seq_provider
        self._careful = True
        return 0

    cdef int _recover(self) except -1:
        """Under the lower mark again: every event passes from here on."""
        cdef uint32_t i
        self.is_saturated = False
        self._is_folded = False
        self._limit = self._saturate_depth
        self._era += 1
        for i in range(self._slots._mask + 1 if self._slots.count else 0):
            if self._slots._rows[i].keep == KEEP_ENDED:
                self._slots._rows[i].keep = KEEP_NONE      # what was kept has been delivered, or will be
                self._kept_streams -= 1
            if self._slots._rows[i].coalesced != self._slots._rows[i].coalesced_told:
                self._tell_coalesced(&self._slots._rows[i], False)
        return 0

    # -- who is told --------------------------------------------------------------------------------------------

    cdef int _tell_coalesced(self, StreamSlot* slot, bint now) except -1:
        """Tell how many were folded since the last time, at most once a second a stream."""
        cdef int64_t mono_ns = self._clock.mono_ns()
        cdef uint64_t count = slot.coalesced - slot.coalesced_told
        if count == 0 or not (now or slot.coalesced_told == 0 or mono_ns - slot.coalesced_told_ns >= TELL_EVERY_NS):
            return 0
        slot.coalesced_told = slot.coalesced
        slot.coalesced_told_ns = mono_ns
        if self._on_coalesced is not None:
            self._on_coalesced(self._consumer_id, stream_text(slot.key), count)
        return 0

    cdef int _tell_dropped(self, StreamSlot* slot, object event) except -1:
        cdef uint64_t count = slot.dropped - slot.dropped_told
        slot.dropped_told = slot.dropped
        slot.dropped_told_ns = self._clock.mono_ns()
        if self._on_dropped is not None and count:
            self._on_dropped(self._consumer_id, stream_text(slot.key), count, event, self.market_depth())
        return 0

    cdef int _tell_full(self, PyObject* event) except -1:
        """Something will be dropped unless less comes, or more is taken: told a hundred times a second at most."""
        cdef int64_t mono_ns = self._clock.mono_ns()
        if self._on_full is not None and mono_ns - self._full_told_ns >= FULL_EVERY_NS:
            self._full_told_ns = mono_ns
            self._on_full(self._consumer_id, stream_text(stream_of(event)), self.market_depth())
        return 0

    def tell_rest(self) -> None:
        """The consumer stops: what was held back for being too often is told."""
        cdef uint32_t i
        for i in range(self._slots._mask + 1 if self._slots.count else 0):
            self._tell_coalesced(&self._slots._rows[i], True)
            self._tell_dropped(&self._slots._rows[i], None)

    def lost_by_stream(self) -> dict[str, tuple[int, int]]:
        """(coalesced, dropped) of every stream that lost something."""
        cdef uint32_t i
        found = {}
        for i in range(self._slots._mask + 1 if self._slots.count else 0):
            if self._slots._rows[i].coalesced or self._slots._rows[i].dropped:
                before_, dropped = found.get(stream_text(self._slots._rows[i].key), (0, 0))
                found[stream_text(self._slots._rows[i].key)] = (before_ + self._slots._rows[i].coalesced,
                                                                dropped + self._slots._rows[i].dropped)
        return found


cdef inline bint must_stay(int rule, PyObject* event) noexcept:
    """What is never dropped from a mailbox: critical events aside, invalid books and the newest of what is replaced."""
    return rule == SATURATED_REPLACE or (is_book((<Event>event).s.type) and part_of(event) == PART_INVALID)
