"""The ports: where stages meet. A stage holds its neighbours as ports and imports none of them.

Events travel as bare pointers: a pooled event stays alive in its pool, so passing one costs no Python reference.
What is counted is the slot's own ``refs``: whoever is handed an event owes one release.
"""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum Offer:
    ACCEPTED = 0
    COALESCED = 1
    FULL = 2


cdef enum Released:
    HELD = 0                   # others still refer to it
    RECYCLED = 1
    ESCAPED = 2                # user code kept it; a new slot took its place
    REFUSED = 3                # it was not out: a second recycle, counted


cdef class EventSink:
    """Takes events; every stage is one and holds the next."""

    # Takes over the caller's reference to *event* when it answers ACCEPTED or COALESCED; with FULL the caller keeps
    # it. DANGER: after ACCEPTED the slot may be gone; do not look at it again. When it raises, the reference is
    # taken as well.
    cdef int offer(self, PyObject* event) except -1
    # The read burst is over: deliver what is queued.
    cdef int flush(self) except -1
    # flush() among others, no more than this sink's share of a round: *mono_ns* is a reading of the monotonic clock
    # taken just now, 0 = none. Answers one taken at the end, or 0, so that sinks served one after the other need not
    # each read the clock twice.
    cdef int64_t serve(self, int64_t mono_ns) except -1
    # Time has moved to now_ns: act on deadlines. Returns how many events moved.
    cdef int do_work(self, int64_t now_ns) except -1
    # The pool of a type is exhausted: fold what is queued of it. Answers how many events others stand for now.
    cdef int relieve(self, int event_type) except -1
    cdef bint has_more             # serve() left something for the next round


cdef enum RawKind:
    RAW_WS_FRAME = 0           # WsFrame: bytes that outlive the receive callback, to the end of parse
    RAW_PROVIDER = 1           # ProviderRaw: a venue message that waits for its snapshot
    RAW_KINDS = 2


cdef struct RawFrame:
    char* text
    size_t length
    size_t room
    int64_t ts_recv_ns
    int conn
    uint8_t kind               # a RawKind
    uint8_t is_out
    RawFrame* next             # of the holder, to keep several in order
    RawFrame* newer            # of the pool: its neighbours among those that are out, and among all
    RawFrame* older
    RawFrame* sibling


cdef class FrameKeeper:
    """Venue bytes in pooled memory; the pools' FramePools is the only implementation."""

    # The caller owes one give_back. NULL where the pool is exhausted: nothing waits.
    cdef RawFrame* keep(self, int kind, const char* text, size_t length, int64_t ts_recv_ns, int conn) noexcept
    cdef int append(self, RawFrame* frame, const char* text, size_t length) noexcept
    cdef int give_back(self, RawFrame* frame) noexcept
    cdef int provide(self, int kind, uint32_t count) noexcept


cdef class FrameSink:
    """Takes the frames of one provider's connections."""
    cdef FrameKeeper keeper        # for who puts frames together; None = it has none

    # DANGER: *text* is borrowed until return. *conn* numbers the provider's connection.
    cdef int on_frame(self, const char* text, size_t length, int64_t ts_recv_ns, int conn) except -1
    # The last frame of a read has been handed in.
    cdef int on_read_end(self) except -1


cdef class EventPool:
    """What a stage may do with pooled memory; the recycler is the implementation, this base has no events to give."""
    cdef FrameKeeper keeper

    cdef PyObject* acquire_nowait(self, int event_type) noexcept
    cdef int attach_levels(self, PyObject* event, size_t count) except -1
    cdef int release(self, PyObject* event) noexcept
    cdef int release_many(self, PyObject** events, uint32_t count) noexcept
    # A copy of an event without levels and fragments, from the heap, in its stead: takes over the caller's reference and
    # gives one. NULL = there is no memory; the caller keeps its own.
    cdef PyObject* move_to_heap(self, PyObject* event) noexcept
    # By (slot, generation): refused, harmlessly, once the slot has moved on.
    cdef int release_token(self, int event_type, uint32_t index, uint32_t generation) noexcept
    # Count a return of what the caller no longer holds; answers REFUSED.
    cdef int refuse(self, int event_type) noexcept


cdef class FanoutPort:
    """Hands one event to several consumers by index; the bus is the only implementation."""

    # Takes over the caller's reference.
    cdef int fan_out(self, PyObject* event, const uint16_t* consumers, uint32_t count) except -1
    cdef int flush(self) except -1
    cdef int relieve(self, int event_type) except -1


cdef class VersionPort:
    """The routing version in force, stamped on every event at the orchestrator's exit."""
    cdef uint64_t version
    cdef uint64_t oldest           # no event that is still held before the fan-out carries a lower one


cdef struct TopOfBook:
    int64_t bid_raw
    int64_t ask_raw
    int price_scale


cdef class BookSource:
    """Assembled books by instrument; this base has none."""

    # The best prices of a valid book that has both; False = there is none. Whoever holds the GIL may call it.
    cdef bint top(self, uint32_t instrument_id, TopOfBook* out) noexcept
    # The published part of a valid book as an event with one reference, which is the caller's: reason is a
    # BookReasonC. NULL = the book is not valid, or there is no slot. Whoever holds the GIL may call it.
    cdef PyObject* snapshot(self, uint32_t instrument_id, int reason) except? NULL
    # An update was lost before the fan-out: what is told next of this book is all of it.
    cdef int lose(self, uint32_t instrument_id) except -1


cdef class ControlHandler:
    """Whoever obeys commands; the control bus only delivers."""
    cpdef object handle(self, object command)
