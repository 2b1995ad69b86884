"""Order and identity of one stream: watermark and bitmap, and a short sorted row of what came too early.

Rules (EVT-60..62): by its mode an event in order goes at once; one that leaves a gap waits, at most the lateness
tolerance, in a row ordered by seq_provider; one at or below the watermark is a duplicate if its bit is set, else late;
one whose number waits in the row already is a duplicate too, so no two there are alike. A higher epoch is the
provider's explicit reset.
"""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.base.units cimport unlikely
from engine.dispatcher.throttle cimport Bucket
from engine.schema.event cimport EventHeader


cdef enum:
    CACHE_LINE = 64


cdef enum Judgement:
    JUDGE_PASS = 0
    JUDGE_HOLD = 1
    JUDGE_DUPLICATE = 2
    JUDGE_LATE = 3
    JUDGE_RESET = 4                # first of a new epoch: what is held goes first


cdef struct Held:
    uint64_t seq
    uint64_t seq_first
    int64_t arrived_ns
    PyObject* event


cdef struct StreamState:
    # -- what an event in order needs: one cache line
    uint64_t last_emitted
    int64_t mark_due_ns            # a time horizon after mark_seq was the watermark: then ids below are past it
    Bucket* bucket                 # of its tokens, NULL = it is not limited
    uint64_t received
    const uint16_t* consumers      # of the stream in the routing table of route_version
    uint64_t route_version         # 0 = none known
    uint32_t epoch
    uint32_t held_count
    uint16_t consumer_count
    uint8_t started
    uint8_t is_held                # on the dispatcher's list of streams with something held
    # -- the rest
    uint32_t held_head             # first of the row; what leaves only moves it
    Held* held                     # lowest number first
    uint32_t held_capacity
    uint64_t mark_seq
    uint64_t old_mark_seq
    # -- counts since start, up to the fan-out (EVT-08)
    uint64_t routed
    uint64_t unrouted
    uint64_t merged                # went into a merge window and to nobody else
    uint64_t duplicates
    uint64_t late_dropped
    uint64_t late_delivered        # critical kinds only
    uint64_t gaps
    uint64_t held_total
    uint64_t overflowed


cdef struct OrderRules:
    uint32_t horizon_ids           # power of two
    int64_t horizon_ns
    int64_t tolerance_ns
    uint32_t buffer_max


cdef int judge(StreamState* stream, const EventHeader* h, const OrderRules* rules) noexcept nogil
cdef int note_emitted(StreamState* stream, const EventHeader* h, const OrderRules* rules) noexcept nogil
cdef int note_late(StreamState* stream, const EventHeader* h, const OrderRules* rules) noexcept nogil
cdef int push(StreamState* stream, const EventHeader* h, PyObject* event, int64_t now_ns) noexcept nogil
cdef PyObject* pop(StreamState* stream) noexcept nogil
cdef StreamState* new_stream(const OrderRules* rules) noexcept nogil
cdef void free_stream(StreamState* stream) noexcept nogil


cdef inline size_t state_bytes() noexcept nogil:
    """Of a StreamState, with what fills its last cache line."""
    return (sizeof(StreamState) + CACHE_LINE - 1) // CACHE_LINE * CACHE_LINE


cdef inline uint64_t* seen_of(const StreamState* stream) noexcept nogil:
    """Ring bitmap of the last horizon_ids numbers: it lies behind the state, from a cache line's start."""
    return <uint64_t*>(<char*>stream + state_bytes())


cdef inline Held* lowest(const StreamState* stream) noexcept nogil:
    """The held event with the lowest number; only when something is held."""
    return stream.held + stream.held_head


cdef inline bint front_in_order(const StreamState* stream) noexcept nogil:
    """Whether the lowest held event follows the watermark (or is at or below it) now."""
    return stream.held_count != 0 and lowest(stream).seq_first <= stream.last_emitted + 1


cdef inline void note_next(StreamState* stream, const EventHeader* h, const OrderRules* rules) noexcept nogil:
    """note_emitted for the next event of the stream's epoch: mostly within one word of the bitmap."""
    cdef uint64_t seq = h.seq_provider
    cdef uint64_t first = stream.last_emitted + 1
    cdef uint64_t bit = <uint64_t>1 << (seq & 63)
    cdef uint64_t* word = seen_of(stream) + ((seq & (rules.horizon_ids - 1)) >> 6)
    if unlikely((seq ^ first) >= 64 or h.ts_recv_ns > stream.mark_due_ns):
        note_emitted(stream, h, rules)
        return
    # The numbers from first up to seq were last in use a whole horizon ago: their bits are cleared.
    word[0] = (word[0] & ~(bit - (<uint64_t>1 << (first & 63)))) | bit
    stream.last_emitted = seq


cdef inline bint next_in_order(const StreamState* stream, const EventHeader* h) noexcept nogil:
    """Whether an event of a contiguous or range stream follows the last one without a gap."""
    return h.seq_first <= stream.last_emitted + 1 and h.seq_provider > stream.last_emitted
