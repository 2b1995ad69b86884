"""One bounded mailbox a consumer: critical entries leave first, FIFO within critical and within market data.

What a queue in need does costs nothing while it is not: `put` compares the depth with `_limit`, which is 0 while the
mailbox is saturated, and `take` looks at each entry only while `_careful`. Losses are made good when entries leave, so
that whatever is queued in between needs no looking after.
"""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.base.clock cimport Clock
from engine.base.units cimport unlikely
from engine.consumers.streamslots cimport StreamSlot, StreamSlots
from engine.schema.event cimport Event, is_critical
from engine.schema.fold cimport SaturationTable
from engine.schema.ports cimport ACCEPTED, BookSource, EventPool, VersionPort


@cython.final
cdef class Mailbox:
    """Holds one reference to each queued event. Owned by its runner; every call under the GIL, none blocks."""
    cdef PyObject** _market              # ring; NULL where an entry was taken out of the middle
    cdef uint32_t _mask
    cdef uint32_t _head                  # counts on; the place is head & mask
    cdef uint32_t _tail
    cdef uint32_t _limit                 # entries up to which an event just goes in; 0 = each is looked at
    cdef bint _careful                   # each entry that leaves is looked at
    cdef readonly uint64_t offered       # events routed here, and those made here
    cdef PyObject** _critical            # ring that grows: a critical event is never refused
    cdef uint32_t _critical_mask
    cdef uint32_t _critical_head
    cdef uint32_t _critical_tail
    cdef readonly uint32_t capacity      # market data
    cdef readonly uint32_t critical_reserve
    # -- whom it knows
    cdef str _consumer_id
    cdef EventPool _pool
    cdef Clock _clock
    cdef SaturationTable _table
    cdef BookSource _books
    cdef VersionPort _versions
    cdef object _on_coalesced, _on_dropped, _on_saturated, _on_full
    # -- while it is saturated
    cdef readonly bint is_saturated
    cdef bint _is_folded                 # what was queued before is folded as well
    cdef uint32_t _saturate_depth
    cdef uint32_t _resume_depth
    cdef bint _is_relieving              # slots are short: a delta that cannot unite gives way to a snapshot
    cdef int64_t _full_told_ns
    cdef uint32_t _holes
    cdef uint32_t _victims_from          # no trade is queued before this count
    cdef uint32_t _era                   # of the places in the slots
    cdef StreamSlots _slots
    cdef uint32_t _watched               # books with a care
    # -- after the consumer's routes changed
    cdef bint _has_version_filter
    cdef uint64_t _flip_version          # 0 = nothing stamped before a change can come any more
    cdef uint32_t _flip_tail             # the queue's end at the change
    # -- counts since start
    cdef readonly uint64_t coalesced_answers
    cdef readonly uint64_t refused       # answered FULL
    cdef readonly uint64_t coalesced     # events that others stand for
    cdef readonly uint64_t dropped       # refused ones included
    cdef readonly uint64_t skipped_version
    cdef readonly uint64_t skipped_dirty
    cdef readonly uint64_t synthetic     # snapshots made here, in offered as well
    cdef readonly uint64_t saturations
    cdef readonly uint32_t peak
    cdef readonly uint64_t critical_overflow   # critical entries past the reserve

    cdef inline bint has_room(self, PyObject* event) noexcept:
        """Whether put() would do no more than queue it."""
        return not is_critical((<Event>event).s.type) and self._tail - self._head < self._limit

    cdef inline int put(self, PyObject* event) except -1:
        """ACCEPTED and COALESCED take the caller's reference; FULL leaves it, and everything else is done here."""
        if unlikely(not self.has_room(event)):
            return self._put_rare(event)
        return self.append(event)

    cdef inline int append(self, PyObject* event) noexcept:
        """put() where has_room() said so."""
        self._market[self._tail & self._mask] = event
        self._tail += 1
        self.offered += 1
        return ACCEPTED

    cdef inline uint32_t depth(self) noexcept:
        return self._tail - self._head - self._holes + self._critical_tail - self._critical_head

    cdef int64_t take(self, PyObject** out, uint32_t limit) except -1
    cdef int relieve(self, int event_type) except -1
    cdef int _saturate(self, uint32_t depth) except -1
    cdef int accept_from(self, uint64_t version) except -1
    cdef int _put_rare(self, PyObject* event) except -1
    cdef int _put_critical(self, PyObject* event) except -1
    cdef int _put_saturated(self, PyObject* event) except -1
    cdef int _push(self, PyObject* event, StreamSlot* slot) except -1
    cdef int _compact(self) except -1
    cdef bint _has(self, StreamSlot* slot, int part) noexcept
    cdef int _fold_in(self, StreamSlot* slot, PyObject* event) except -1
    cdef int _fold_book(self, StreamSlot* slot, PyObject* event) except -1
    cdef int _forget(self, StreamSlot* slot, int part) noexcept
    cdef PyObject* _victim(self) noexcept
    cdef int _bury(self, PyObject* event) except -1
    cdef int _lose(self, PyObject* event) except -1
    cdef int _recover(self) except -1
    cdef int64_t _take_careful(self, PyObject** out, uint32_t n, uint32_t limit) except -1
    cdef PyObject* _mended(self, PyObject* event) except? NULL
    cdef bint _is_cut_off(self, PyObject* event) noexcept
    cdef int _tell_full(self, PyObject* event) except -1
    cdef int _tell_coalesced(self, StreamSlot* slot, bint now) except -1
    cdef int _tell_dropped(self, StreamSlot* slot, object event) except -1
