"""Pools of venue bytes that outlive the callback that brought them: WsFrame and ProviderRaw (model.md section 4).

A frame belongs to one holder from keep to give_back. Slots are made when they are needed, up to the capacity, and
reused with their memory.
"""
cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.schema.ports cimport RAW_KINDS, FrameKeeper, RawFrame


cdef struct FramePool:
    RawFrame* at_rest            # through .next
    RawFrame* newest_out         # through .older
    RawFrame* all                # through .sibling
    uint32_t at_rest_count
    uint32_t slots
    uint32_t floor               # at rest, so many keep their memory
    uint64_t capacity
    uint64_t wanted              # what holders may keep at once, as far as they said
    bint is_auto                 # the capacity follows what is wanted
    uint64_t acquired
    uint64_t recycled
    uint64_t in_use_peak
    uint64_t refused
    uint64_t exhausted


@cython.final
cdef class FramePools(FrameKeeper):
    """Owned by the Recycler; used on the engine's loop only."""
    cdef FramePool[RAW_KINDS] _pools
    cdef bint debug                          # what comes back is poisoned

    cdef RawFrame* _new_slot(self, FramePool* pool) noexcept


@cython.final
@cython.no_gc_clear
cdef class FrameQueue:
    """Frames of one holder, oldest first; what is left in it goes back with it."""
    cdef FrameKeeper _keeper
    cdef RawFrame* _first
    cdef RawFrame* _last
    cdef readonly uint32_t count

    cdef bint keep(self, int kind, const char* text, size_t length, int64_t ts_recv_ns, int conn) noexcept
    cdef void push(self, RawFrame* frame) noexcept
    cdef RawFrame* pop(self) noexcept
    cdef void clear(self) noexcept
