"""Two events of one stream that one has to stand for: which types do so, and how (EVT-09)."""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from engine.schema.account cimport BalanceUpdate
from engine.schema.event cimport BALANCE_UPDATE, BOOK_SNAPSHOT, BOOK_UPDATE, KLINE_SUMMARY, TYPE_COUNT, Event
from engine.schema.market cimport UPDATE_DELTA, UPDATE_INVALID, BookEvent
from engine.schema.ports cimport EventPool
from engine.schema.quotes cimport KlineSummary


cdef enum SaturationC:
    SATURATED_NEVER = 0
    SATURATED_DROP_OLDEST = 1
    SATURATED_BOOK = 2
    SATURATED_TICKER = 3
    SATURATED_KLINE = 4
    SATURATED_REPLACE = 5


cdef enum:
    ASSET_BITS = 0x3FFFFFF     # of a key, for the asset of a balance


cdef enum BookPart:
    # What a queue holds of one book, in this order, each at most once while it is saturated.
    PART_INVALID = 0
    PART_BASE = 1              # snapshot or full: stands for all before it
    PART_DELTA = 2             # of other streams: the one entry
    PARTS = 3


@cython.final
cdef class SaturationTable:
    """Rule by event type. Owned by the runtime, shared by dispatcher and mailboxes, never changes."""
    cdef uint8_t[TYPE_COUNT] rule


cdef inline bint is_book(int event_type) noexcept nogil:
    return event_type == BOOK_UPDATE or event_type == BOOK_SNAPSHOT


cdef inline int part_of(PyObject* event) noexcept:
    """Which BookPart an event is; PART_DELTA for all that is no book."""
    cdef int event_type = (<Event>event).s.type
    if event_type == BOOK_SNAPSHOT:
        return PART_BASE
    if event_type != BOOK_UPDATE or (<BookEvent>event).b.update_type == UPDATE_DELTA:
        return PART_DELTA
    return PART_INVALID if (<BookEvent>event).b.update_type == UPDATE_INVALID else PART_BASE


cdef inline uint64_t stream_of(PyObject* event) noexcept:
    """What folds together: instrument and type, candles by interval, balances by asset; a book is one stream.

    Two assets may share a key: fold() tells them apart.
    """
    cdef int event_type = (<Event>event).s.type
    cdef uint64_t key = <uint64_t>(<Event>event).h.instrument_id << 32
    cdef uint32_t hashed = 0
    cdef const char* text
    if event_type == BALANCE_UPDATE:
        text = (<BalanceUpdate>event).a.asset
        while text[0]:
            hashed = hashed * 31 + <unsigned char>text[0]
            text += 1
        return key | (hashed & ASSET_BITS) << 4 | BALANCE_UPDATE
    if event_type == KLINE_SUMMARY:
        key |= <uint64_t>((<KlineSummary>event).k.interval_ns // 1_000_000_000) << 4
    return key | <uint64_t>(BOOK_UPDATE if is_book(event_type) else event_type)


cdef inline bint before(PyObject* event, uint64_t epoch, uint64_t seq) noexcept:
    """Whether a book event comes before, or is, the state numbered *seq* in *epoch*."""
    return (<Event>event).h.epoch < epoch or ((<Event>event).h.epoch == epoch and (<Event>event).h.seq_provider <= seq)


# One event that stands for both, which takes both references over; NULL = it cannot be, and both stay the caller's.
cdef PyObject* fold(EventPool pool, PyObject* older, PyObject* newer) except? NULL
