cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, strcmp

from engine.base.plants cimport planted
from engine.base.units cimport PARSE_OK, rescale
from engine.schema.account cimport BalanceUpdate
from engine.schema.event cimport (BALANCE_UPDATE, BOOK_UPDATE, FLAG_AFTER_RESYNC, FLAG_COALESCED, FLAG_GAP_BEFORE, FLAG_LATE, TICKER,
                                  Event, EventHeader, publish)
from engine.schema.market cimport BookData, BookEvent, Level, TickerData
from engine.schema.quotes cimport Ticker
from engine.schema.ports cimport EventPool

from engine.schema import enums

cdef extern from "Python.h":
    Py_ssize_t refcount "Py_REFCNT"(PyObject* target) nogil

cdef enum:
    HELD_BY_POOL = 1           # Python references of an event that only its pool holds
    TICKER_FIELDS = 9
    TICKER_QTY_FIELDS = 4 | 16 | 256


@cython.final
cdef class SaturationTable:
    """Args:
    coalescable: types that may coalesce; those that are replaced whatever happens need not be named. None = all.
    """

    def __init__(self, coalescable=None):
        for event_type, rule in enums.UNDER_SATURATION.items():
            if coalescable is not None and event_type not in coalescable and rule != enums.Saturation.REPLACE:
                rule = min(rule, enums.Saturation.DROP_OLDEST)
            self.rule[<int>event_type] = rule

    def rule_of(self, event_type: int) -> enums.Saturation:
        """The rule of a type."""
        return enums.Saturation(self.rule[<int>event_type])


cdef PyObject* fold(EventPool pool, PyObject* older, PyObject* newer) except? NULL:
    if (<Event>newer).s.type == BOOK_UPDATE and part_of(newer) == PART_DELTA:
        return _unite(pool, older, newer)
    if (<Event>newer).s.type == TICKER:
        return _unite_fields(pool, older, newer)
    if (<Event>newer).s.type == BALANCE_UPDATE and strcmp((<BalanceUpdate>older).a.asset, (<BalanceUpdate>newer).a.asset):
        return NULL
    pool.release(older)
    return newer


cdef inline bint is_private(PyObject* event) noexcept:
    """Whether nobody but the caller has it: then it may change although it was published."""
    return (<Event>event).s.refs == 1 and refcount(event) == HELD_BY_POOL


cdef PyObject* _target(EventPool pool, PyObject* older, PyObject* newer) noexcept:
    """Where the fold goes: one of the two where only the caller holds it, else a fresh slot, if there is one."""
    if is_private(older):
        return older
    return newer if is_private(newer) else pool.acquire_nowait((<Event>newer).s.type)


cdef int _finish(EventPool pool, PyObject* target, PyObject* older, PyObject* newer, EventHeader* h) noexcept:
    """The header of a fold: the newer one's, reaching back to where the older one begins."""
    h[0] = (<Event>newer).h
    h.seq_first = (<Event>older).h.seq_first
    h.folded_count += (<Event>older).h.folded_count
    h.flags |= FLAG_COALESCED | ((<Event>older).h.flags & (FLAG_GAP_BEFORE | FLAG_AFTER_RESYNC | FLAG_LATE))
    (<Event>target).h = h[0]
    publish(target)
    if target != older:
        pool.release(older)
    if target != newer:
        pool.release(newer)
    return 0


cdef uint32_t _unite_side(const Level* older, uint32_t older_count, const Level* newer, uint32_t newer_count,
                          bint descending, Level* out) noexcept nogil:
    """Both sides' levels best first, the newer quantity where both tell one, removals kept."""
    cdef uint32_t i = 0
    cdef uint32_t j = 0
    cdef uint32_t n = 0
    while i < older_count and j < newer_count:
        if older[i].price_raw == newer[j].price_raw:
            out[n] = older[i] if planted(b"fold.first_quantity") else newer[j]
            i += 1
            j += 1
        elif (older[i].price_raw > newer[j].price_raw) == descending:
            out[n] = older[i]
            i += 1
        else:
            out[n] = newer[j]
            j += 1
        n += 1
    if i < older_count:                # a side without levels may have no memory
        memcpy(out + n, older + i, (older_count - i) * sizeof(Level))
        n += older_count - i
    if j < newer_count:
        memcpy(out + n, newer + j, (newer_count - j) * sizeof(Level))
        n += newer_count - j
    return n


cdef int _widened(const BookData* book, int price_from, int price_to, int qty_from, int qty_to, Level* out) noexcept:
    """Levels at wider scales; -1 where one of them does not fit."""
    cdef uint32_t i
    for i in range(book.bid_count + book.ask_count):
        if rescale(book.levels[i].price_raw, price_from, price_to, &out[i].price_raw) != PARSE_OK \
                or rescale(book.levels[i].qty_raw, qty_from, qty_to, &out[i].qty_raw) != PARSE_OK:
            return -1
    return 0


cdef PyObject* _unite(EventPool pool, PyObject* older, PyObject* newer) except? NULL:
    """Level by level: what a book is after both, told at once."""
    cdef const BookData* a = &(<BookEvent>older).b
    cdef const BookData* b = &(<BookEvent>newer).b
    cdef EventHeader* ha = &(<Event>older).h
    cdef EventHeader h = (<Event>newer).h
    cdef BookData fields = b[0]
    cdef uint32_t total = a.bid_count + a.ask_count + b.bid_count + b.ask_count
    cdef uint32_t older_count = a.bid_count + a.ask_count
    cdef Level* room
    cdef Level* levels
    cdef PyObject* target
    cdef BookData* out
    if ha.epoch != h.epoch or ha.price_scale > h.price_scale or ha.qty_scale > h.qty_scale:
        return NULL
    room = <Level*>malloc((total + older_count + 1) * sizeof(Level))
    if room == NULL:
        return NULL
    levels = room + total
    if _widened(a, ha.price_scale, h.price_scale, ha.qty_scale, h.qty_scale, levels) != 0:
        free(room)
        return NULL
    target = _target(pool, older, newer)
    if target == NULL:
        free(room)
        return NULL
    if a.has_update_ids:
        fields.first_update_id = a.first_update_id
    fields.bid_count = _unite_side(levels, a.bid_count, b.levels, b.bid_count, True, room)
    fields.ask_count = _unite_side(levels + a.bid_count, a.ask_count, b.levels + b.bid_count, b.ask_count, False,
                                   room + fields.bid_count)
    total = fields.bid_count + fields.ask_count
    try:
        pool.attach_levels(target, total)
        out = &(<BookEvent>target).b
        fields.levels = out.levels
        fields.capacity = out.capacity
        fields.block_class = out.block_class
        out[0] = fields
        if total:
            memcpy(out.levels, room, total * sizeof(Level))
    finally:
        free(room)
    _finish(pool, target, older, newer, &h)
    return target


cdef PyObject* _unite_fields(EventPool pool, PyObject* older, PyObject* newer) except? NULL:
    """Field by field: the newer figure where it has one."""
    cdef const TickerData* a = &(<Ticker>older).k
    cdef const TickerData* b = &(<Ticker>newer).k
    cdef EventHeader* ha = &(<Event>older).h
    cdef EventHeader h = (<Event>newer).h
    cdef TickerData fields = b[0]
    cdef const int64_t* known = &a.last_price_raw
    cdef int64_t* places = &fields.last_price_raw
    cdef PyObject* target = _target(pool, older, newer)
    cdef int i, bit
    if target == NULL:                 # then the newer one alone, which is true as well
        pool.release(older)
        return newer
    for i in range(TICKER_FIELDS):
        bit = 1 << i
        if a.present & bit and not b.present & bit:
            if (bit & TICKER_QTY_FIELDS and ha.qty_scale == h.qty_scale) \
                    or (not bit & TICKER_QTY_FIELDS and ha.price_scale == h.price_scale):
                places[i] = known[i]
                fields.present |= bit
    (<Ticker>target).k = fields
    _finish(pool, target, older, newer, &h)
    return target
