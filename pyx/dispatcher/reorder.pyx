from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

from engine.base.plants cimport planted
from engine.schema.event cimport ORDER_CONTIGUOUS, ORDER_MONOTONIC, ORDER_NONE, ORDER_RANGE, EventHeader


cdef inline bint seen(const StreamState* stream, uint64_t seq, const OrderRules* rules) noexcept nogil:
    """Whether a number at or below the watermark, inside both horizons, was emitted."""
    if stream.last_emitted - seq >= rules.horizon_ids or seq < stream.old_mark_seq:
        return False
    return (stream.seen[(seq & (rules.horizon_ids - 1)) >> 6] >> (seq & 63)) & 1


cdef int start_stream(StreamState* stream, const OrderRules* rules) noexcept nogil:
    """Give a stream its bitmap; -1 without memory."""
    stream.seen = <uint64_t*>calloc(rules.horizon_ids // 64, sizeof(uint64_t))
    return 0 if stream.seen != NULL else -1


cdef void free_stream(StreamState* stream) noexcept nogil:
    free(stream.seen)
    free(stream.heap)


cdef int judge(StreamState* stream, const EventHeader* h, const OrderRules* rules) noexcept nogil:
    """What to do with an event that is not plainly the next one."""
    cdef uint32_t i
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
    for i in range(stream.heap_count):
        if stream.heap[i].seq == h.seq_provider:
            return JUDGE_DUPLICATE
    return JUDGE_HOLD


cdef int note_emitted(StreamState* stream, const EventHeader* h, const OrderRules* rules) noexcept nogil:
    """Move the watermark to an event that is being handed on and remember its number."""
    cdef uint64_t mask = rules.horizon_ids - 1
    cdef uint64_t seq = h.seq_provider
    cdef uint64_t word
    if h.ordering == ORDER_NONE:
        return 0
    if not stream.started or h.epoch > stream.epoch:
        stream.started = 1
        stream.epoch = h.epoch
        memset(stream.seen, 0, rules.horizon_ids // 8)
        stream.last_emitted = seq
        stream.mark_ns = h.ts_recv_ns
        stream.mark_seq = seq
        stream.old_mark_seq = 0
    elif seq > stream.last_emitted:
        if seq - stream.last_emitted >= rules.horizon_ids:
            memset(stream.seen, 0, rules.horizon_ids // 8)
        else:
            # The numbers stepped over were last in use a whole horizon ago: their bits are cleared, word by word.
            word = stream.last_emitted + 1
            while word <= seq:
                if word & 63 == 0 and seq - word >= 63:
                    stream.seen[(word & mask) >> 6] = 0
                    word += 64
                else:
                    stream.seen[(word & mask) >> 6] &= ~(<uint64_t>1 << (word & 63))
                    word += 1
        stream.last_emitted = seq
        if h.ts_recv_ns - stream.mark_ns > rules.horizon_ns:
            stream.old_mark_seq = stream.mark_seq
            stream.mark_seq = seq
            stream.mark_ns = h.ts_recv_ns
    stream.seen[(seq & mask) >> 6] |= <uint64_t>1 << (seq & 63)
    return 0


cdef int note_late(StreamState* stream, const EventHeader* h, const OrderRules* rules) noexcept nogil:
    """Remember the number of an event that is handed on late, as far back as numbers are remembered."""
    if h.epoch == stream.epoch and stream.last_emitted - h.seq_provider < rules.horizon_ids:
        stream.seen[(h.seq_provider & (rules.horizon_ids - 1)) >> 6] |= <uint64_t>1 << (h.seq_provider & 63)
    return 0


cdef inline bint before(const Held* a, const Held* b) noexcept nogil:
    if a.seq != b.seq:
        return a.seq < b.seq
    if a.ts_recv_ns != b.ts_recv_ns:
        return a.ts_recv_ns < b.ts_recv_ns
    return a.ordinal < b.ordinal


cdef int push(StreamState* stream, const EventHeader* h, PyObject* event, int64_t now_ns, uint64_t ordinal,
              const OrderRules* rules) noexcept nogil:
    """Hold an event until the gap before it closes or its deadline comes; -1 without memory."""
    cdef uint32_t capacity, child, parent
    cdef Held* heap
    cdef Held entry
    if stream.heap_count == stream.heap_capacity:
        capacity = 2 * stream.heap_capacity if stream.heap_capacity else 8
        heap = <Held*>realloc(stream.heap, capacity * sizeof(Held))
        if heap == NULL:
            return -1
        stream.heap = heap
        stream.heap_capacity = capacity
    entry.seq = h.seq_provider
    entry.seq_first = h.seq_first
    entry.ts_recv_ns = h.ts_recv_ns
    entry.arrived_ns = now_ns
    entry.deadline_ns = now_ns + rules.tolerance_ns
    entry.ordinal = ordinal
    entry.event = event
    child = stream.heap_count
    stream.heap_count += 1
    while child:
        parent = (child - 1) >> 1
        if not before(&entry, &stream.heap[parent]):
            break
        stream.heap[child] = stream.heap[parent]
        child = parent
    stream.heap[child] = entry
    stream.held_total += 1
    return 0


cdef PyObject* pop(StreamState* stream) noexcept nogil:
    """Take the lowest held event; only when something is held."""
    cdef PyObject* event = stream.heap[0].event
    cdef Held last
    cdef uint32_t parent = 0
    cdef uint32_t child
    stream.heap_count -= 1
    if stream.heap_count == 0:
        return event
    last = stream.heap[stream.heap_count]
    while True:
        child = 2 * parent + 1
        if child >= stream.heap_count:
            break
        if child + 1 < stream.heap_count and before(&stream.heap[child + 1], &stream.heap[child]):
            child += 1
        if not before(&stream.heap[child], &last):
            break
        stream.heap[parent] = stream.heap[child]
        parent = child
    stream.heap[parent] = last
    return event


cdef bint front_in_order(StreamState* stream) noexcept nogil:
    """Whether the lowest held event follows the watermark (or is at or below it) now."""
    return stream.heap_count != 0 and stream.heap[0].seq_first <= stream.last_emitted + 1
