"""What a mailbox remembers of each stream that was coalesced, lost or cut off: none for a mailbox never in need."""
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.schema.fold cimport PARTS


cdef enum BookCare:
    CARE_NONE = 0
    CARE_LOST = 1              # what follows the mark needs a snapshot first
    CARE_RESUMED = 2           # a snapshot of the state at the mark was delivered: what is not behind it is old


cdef enum TradeKeep:
    KEEP_NONE = 0
    KEEP_ALL = 1               # no trade of it may be lost: past the mailbox's places it is kept beside it
    KEEP_ENDED = 2             # that was full as well: nothing more of it is taken


cdef struct StreamSlot:
    uint64_t key               # fold's stream_of, or a route's with ROUTE_BIT; 0 = no slot
    # -- where its queued entries are, while the mailbox is saturated
    uint32_t era               # that the places belong to
    uint8_t held               # bit per BookPart
    uint8_t care               # a BookCare
    uint8_t keep               # a TradeKeep
    uint32_t[PARTS] place      # counts on like the ring's head and tail
    # -- of a book: the mark; of a route: entries stamped below this version are skipped
    uint32_t mark_epoch
    uint64_t mark
    # -- counts since start, and what of them was told
    uint64_t coalesced
    uint64_t dropped
    uint64_t coalesced_told
    uint64_t dropped_told
    int64_t coalesced_told_ns
    int64_t dropped_told_ns


cdef enum:
    ROUTE_BIT = 1 << 30        # beside a stream's key: that of its route


@cython.final
cdef class StreamSlots:
    """Owned by one mailbox. DANGER: a slot's address is good until of() is called again."""
    cdef StreamSlot* _rows
    cdef uint32_t _mask        # of a table at most half full
    cdef readonly uint32_t count

    cdef StreamSlot* find(self, uint64_t key) noexcept
    cdef StreamSlot* of(self, uint64_t key) except NULL
    cdef int _grow(self) except -1


cdef str stream_text(uint64_t key)
