"""The market data of a mailbox: a ring, and what becomes of it while the mailbox is in need.

While it is saturated the slots know where each stream's entries are: what comes is folded into them. Nothing here calls
Python before the ring is whole again.
"""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.base.clock cimport Clock
from engine.consumers.streamslots cimport StreamSlot, StreamSlots
from engine.schema.fold cimport SaturationTable
from engine.schema.ports cimport EventPool


cdef class Backlog:
    """Holds one reference to each queued event. Owned by its runner; every call under the GIL, none blocks."""
    cdef PyObject** _market              # NULL where an entry was taken out of the middle
    cdef uint32_t _mask
    cdef uint32_t _head                  # counts on; the place is head & mask
    cdef uint32_t _tail
    cdef uint32_t _limit                 # entries up to which an event just goes in; 0 = each is looked at
    cdef bint _careful                   # each entry that leaves is looked at
    cdef readonly uint64_t offered       # events routed here, and those made here
    cdef readonly uint32_t capacity
    cdef uint32_t _holes
    # -- whom it knows
    cdef str _consumer_id
    cdef EventPool _pool
    cdef Clock _clock
    cdef SaturationTable _table
    cdef object _on_coalesced, _on_dropped, _on_saturated, _on_full, _on_spill_full
    # -- trades that may not be lost
    cdef uint32_t _spill_max             # of them past the capacity
    cdef uint32_t _kept_streams          # streams with a keep
    # -- while it is saturated
    cdef readonly bint is_saturated
    cdef bint _is_folded                 # what was queued before is folded as well
    cdef bint _is_relieving              # slots are short: a delta that cannot unite gives way to a snapshot
    cdef uint32_t _saturate_depth
    cdef uint32_t _resume_depth
    cdef uint32_t _victims_from          # no trade is queued before this count
    cdef uint32_t _era                   # of the places in the slots
    cdef StreamSlots _slots
    cdef uint32_t _watched               # books with a care
    cdef uint32_t _flip_tail             # the queue's end at the last change of routes
    cdef int64_t _full_told_ns
    # -- counts since start
    cdef readonly uint64_t coalesced_answers
    cdef readonly uint64_t refused       # answered FULL
    cdef readonly uint64_t coalesced     # events that others stand for
    cdef readonly uint64_t dropped       # refused ones included
    cdef readonly uint64_t saturations
    cdef readonly uint64_t spilled       # trades that were queued past the capacity
    cdef readonly uint64_t skipped_suspended   # trades of a stream whose keeping has ended

    cdef inline uint32_t market_depth(self) noexcept:
        return self._tail - self._head - self._holes

    cdef int relieve(self, int event_type) except -1
    cdef int _saturate(self, uint32_t depth) except -1
    cdef int _put_saturated(self, PyObject* event) except -1
    cdef int _push(self, PyObject* event, StreamSlot* slot) except -1
    cdef int _compact(self) except -1
    cdef bint _has(self, StreamSlot* slot, int part) noexcept
    cdef int _fold_in(self, StreamSlot* slot, PyObject* event) except -1
    cdef int _fold_book(self, StreamSlot* slot, PyObject* event) except -1
    cdef int _forget(self, StreamSlot* slot, int part) noexcept
    cdef PyObject* _victim(self) noexcept
    cdef bint _may_go(self, PyObject* event) noexcept
    cdef int _spill(self, StreamSlot* slot, PyObject* event) except -1
    cdef int _bury(self, PyObject* event) except -1
    cdef int _lose(self, PyObject* event) except -1
    cdef int _recover(self) except -1
    cdef int _tell_full(self, PyObject* event) except -1
    cdef int _tell_coalesced(self, StreamSlot* slot, bint now) except -1
    cdef int _tell_dropped(self, StreamSlot* slot, object event) except -1
