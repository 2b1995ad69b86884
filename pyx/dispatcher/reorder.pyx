from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove, memset
from posix.stdlib cimport posix_memalign

from engine.base.plants cimport planted
from engine.schema.event cimport ORDER_MONOTONIC, ORDER_NONE, EventHeader

cdef enum:
    FIRST_CAPACITY = 16


cdef inline bint seen(const StreamState* stream, uint64_t seq, const OrderRules* rules) noexcept nogil:
    """Whether a number at or below the watermark, inside both horizons, was emitted."""
    if stream.last_emitted - seq >= rules.horizon_ids or seq < stream.old_mark_seq:
        return False
    return (seen_of(stream)[(seq & (rules.horizon_ids - 1)) >> 6] >> (seq & 63)) & 1


cdef StreamState* new_stream(const OrderRules* rules) noexcept nogil:
    """A stream that begins, its bitmap behind it, from the start of a cache line; NULL without memory."""
    cdef void* place
    if posix_memalign(&place, CACHE_LINE, state_bytes() + rules.horizon_ids // 8) != 0:
        return NULL
    memset(place, 0, state_bytes() + rules.horizon_ids // 8)
    return <StreamState*>place


cdef void free_stream(StreamState* stream) noexcept nogil:
    if stream != NULL:
        free(stream.held)
        free(stream)


cdef inline uint32_t place_of(const StreamState* stream, uint64_t seq) noexcept nogil:
    """How many of the held events have this number or a lower one; most that come are behind the last."""
    cdef uint32_t at = stream.held_count
    while at and lowest(stream)[at - 1].seq > seq:
        at -= 1
    return at


cdef int judge(StreamState* stream, const EventHeader* h, const OrderRules* rules) noexcept nogil:
    """What to do with an event that is not plainly the next one."""
    cdef uint32_t at
    if h.ordering == ORDER_NONE:
        return JUDGE_PASS
    if not stream.started or h.epoch > stream.epoch:
        return JUDGE_RESET
    if h.epoch < stream.epoch:
        return JUDGE_LATE
    if h.seq_provider <= stream.last_emitted:
        return JUDGE_DUPLICATE if seen(stream, h.seq_provider, rules) else JUDGE_LATE
    if h.ordering == ORDER_MONOTONIC or next_in_order(stream, h) or planted(b"reorder.never_hold"):
        return JUDGE_PASS
    at = place_of(stream, h.seq_provider)
    return JUDGE_DUPLICATE if at and lowest(stream)[at - 1].seq == h.seq_provider else JUDGE_HOLD


cdef int note_emitted(StreamState* stream, const EventHeader* h, const OrderRules* rules) noexcept nogil:
    """Move the watermark to an event that is being handed on and remember its number."""
    cdef uint64_t mask = rules.horizon_ids - 1
    cdef uint64_t seq = h.seq_provider
    cdef uint64_t first, at
    cdef uint64_t* words = seen_of(stream)
    if h.ordering == ORDER_NONE:
        return 0
    if not stream.started or h.epoch > stream.epoch:
        stream.started = 1
        stream.epoch = h.epoch
        memset(words, 0, rules.horizon_ids // 8)
        stream.last_emitted = seq
        stream.mark_due_ns = h.ts_recv_ns + rules.horizon_ns
        stream.mark_seq = seq
        stream.old_mark_seq = 0
    elif seq > stream.last_emitted:
        if seq - stream.last_emitted >= rules.horizon_ids:
            memset(words, 0, rules.horizon_ids // 8)
        else:
            # The numbers stepped over were last in use a whole horizon ago: their bits are cleared, word by word.
            first = stream.last_emitted + 1
            if (first >> 6) == (seq >> 6):
                words[(seq & mask) >> 6] &= ~(~<uint64_t>0 << (first & 63) & ~<uint64_t>0 >> (~seq & 63))
            else:
                words[(first & mask) >> 6] &= ~(~<uint64_t>0 << (first & 63))
                for at in range((first >> 6) + 1, seq >> 6):
                    words[at & (mask >> 6)] = 0
                words[(seq & mask) >> 6] &= ~(~<uint64_t>0 >> (~seq & 63))
        stream.last_emitted = seq
        if h.ts_recv_ns > stream.mark_due_ns:
            stream.old_mark_seq = stream.mark_seq
            stream.mark_seq = seq
            stream.mark_due_ns = h.ts_recv_ns + rules.horizon_ns
    words[(seq & mask) >> 6] |= <uint64_t>1 << (seq & 63)
    return 0


cdef int note_late(StreamState* stream, const EventHeader* h, const OrderRules* rules) noexcept nogil:
    """Remember the number of an event that is handed on late, as far back as numbers are remembered."""
    if h.epoch == stream.epoch and stream.last_emitted - h.seq_provider < rules.horizon_ids:
        seen_of(stream)[(h.seq_provider & (rules.horizon_ids - 1)) >> 6] |= <uint64_t>1 << (h.seq_provider & 63)
    return 0


cdef int push(StreamState* stream, const EventHeader* h, PyObject* event, int64_t now_ns) noexcept nogil:
    """Hold an event until the gap before it closes or its deadline comes; -1 without memory."""
    cdef uint32_t at = place_of(stream, h.seq_provider)
    cdef uint32_t capacity
    cdef Held* row
    if stream.held_head + stream.held_count == stream.held_capacity:
        if stream.held_head > stream.held_capacity >> 1:
            memmove(stream.held, lowest(stream), stream.held_count * sizeof(Held))
        else:
            capacity = 2 * stream.held_capacity if stream.held_capacity else FIRST_CAPACITY
            row = <Held*>malloc(capacity * sizeof(Held))
            if row == NULL:
                return -1
            if stream.held_count:
                memcpy(row, lowest(stream), stream.held_count * sizeof(Held))
            free(stream.held)
            stream.held = row
            stream.held_capacity = capacity
        stream.held_head = 0
    row = lowest(stream) + at
    if at < stream.held_count:
        memmove(row + 1, row, (stream.held_count - at) * sizeof(Held))
    row.seq = h.seq_provider
    row.seq_first = h.seq_first
    row.arrived_ns = now_ns
    row.event = event
    stream.held_count += 1
    stream.held_total += 1
    return 0


cdef PyObject* pop(StreamState* stream) noexcept nogil:
    """Take the lowest held event; only when something is held."""
    cdef PyObject* event = lowest(stream).event
    stream.held_count -= 1
    stream.held_head = stream.held_head + 1 if stream.held_count else 0
    return event
