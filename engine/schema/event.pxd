"""The base event: fields every type carries, and the slot that ties it to its pool.

An event is filled by the provider that leased it, frozen by publish, shared by reference count and recycled at the
last release. Consumers only ever see read-only attributes; the C fields are the engine's.
"""
from cpython.object cimport PyObject
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef enum EventTypeC:
    TYPE_NONE = 0
    BOOK_SNAPSHOT = 1
    BOOK_UPDATE = 2
    TRADE = 3
    TICKER = 4
    KLINE_SUMMARY = 5
    EXEC_REPORT = 6
    CONTROL_ACK = 7
    CONTROL_RESULT = 8
    INSTRUMENT_UPDATE = 9
    BALANCE_UPDATE = 10
    RISK_CONTROL = 11
    MERGED_EVENT = 12          # pools and streams alone tell it apart: its `type` is that of its fragments
    TYPE_COUNT = 13
    TYPE_STRIDE = 16           # streams are indexed by instrument_id * TYPE_STRIDE + type


cdef enum EventFlagC:
    FLAG_LATE = 1
    FLAG_GAP_BEFORE = 2
    FLAG_AFTER_RESYNC = 4
    FLAG_COALESCED = 8
    FLAG_SYNTHETIC = 16
    FLAG_RECONCILED = 32
    FLAG_OVERFLOW_ALLOC = 64


cdef enum OrderingModeC:
    ORDER_NONE = 0
    ORDER_CONTIGUOUS = 1
    ORDER_RANGE = 2
    ORDER_MONOTONIC = 3


cdef enum SlotState:
    SLOT_DETACHED = 0          # no pool owns it: a copy, writable by its holder
    SLOT_FREE = 1
    SLOT_LEASED = 2            # the provider is filling it
    SLOT_PUBLISHED = 3         # frozen
    SLOT_ESCAPED = 4           # user code kept it past its last release; the collector owns it now
    SLOT_POISONED = 5          # debug: recycled, every access raises


cdef enum ConsumerMark:
    CONSUMER_NONE = -1         # no reference appeared
    CONSUMER_UNTOLD = -2       # one did, while several threads had the event in hand


cdef enum SlotCare:
    CARE_HEAP = 1              # taken from the heap past the pool's capacity
    CARE_FRAGMENTS = 2         # a merged event: it refers to others


cdef struct EventHeader:
    uint64_t seq_provider
    uint64_t seq_first         # first venue id covered (range mode), else seq_provider
    int64_t ts_venue_ns        # 0 = unknown
    int64_t ts_recv_ns
    int64_t ts_emit_ns
    uint64_t routing_version
    uint64_t trace_hi
    uint64_t trace_lo
    uint64_t decision_hi       # both 0 = no decision
    uint64_t decision_lo
    uint32_t instrument_id
    uint32_t epoch
    uint32_t folded_count
    uint16_t flags
    uint8_t price_scale
    uint8_t qty_scale
    uint8_t ordering           # OrderingModeC of its stream
    uint8_t in_window          # a merge window took it


cdef struct Slot:
    void* data                 # the subclass's own struct
    uint32_t data_size
    uint32_t generation        # +1 at every recycle
    int32_t refs               # engine references: mailboxes, buffers, windows, the stage in hand
    uint32_t index             # place in its pool
    uint8_t type               # EventTypeC, fixed for life
    uint8_t state              # SlotState
    uint8_t care               # SlotCare: what its last release has to see to
    uint8_t hands              # callbacks in threads of their own that have it in hand
    int16_t consumer           # consumer in whose callback a reference to it appeared, or a ConsumerMark


cdef class Event:
    """One canonical event. Owned by its pool; valid in a callback; detach() to keep it longer."""
    cdef Slot s                # with the object's own header in one cache line: all that releasing looks at
    cdef EventHeader h

    cdef int guard(self) except -1
    cdef object own_fields(self)
    cdef int fill_own(self, str name, object value) except -1
    cdef int _fill_base(self, int number, object value) except -1
    cdef int copy_own(self, Event source) except -1
    cdef int take_ident(self, str ident) except -1


cdef inline bint is_critical(int event_type) noexcept nogil:
    """Whether events of a type are never dropped: reports, acknowledgements, risk."""
    return event_type == EXEC_REPORT or event_type == CONTROL_ACK or event_type == CONTROL_RESULT \
        or event_type == RISK_CONTROL


cdef inline bint is_told_once(int event_type) noexcept nogil:
    """Whether events of a type are told once and never again, so that the newest is never passed over: a change of an
    instrument, of a balance."""
    return event_type == INSTRUMENT_UPDATE or event_type == BALANCE_UPDATE


cdef inline bint is_addressed(int event_type) noexcept nogil:
    """Whether events of a type go to whom they are about, without a subscription: reports of orders, risk."""
    return event_type == EXEC_REPORT or event_type == RISK_CONTROL


cdef inline void publish(PyObject* event) noexcept:
    """Freeze a leased event: from here on nobody writes but the stages that stamp."""
    (<Event>event).s.state = SLOT_PUBLISHED


cdef inline void retain(PyObject* event, int count) noexcept:
    """Take *count* further references; each is owed to its pool as one release."""
    (<Event>event).s.refs += count


cdef object set_poison_reporter(object reporter)


cdef str uuid_text(uint64_t hi, uint64_t lo)
