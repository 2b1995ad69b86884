"""An event as the analytics take it: a flat record, and many of them one behind the other in one piece of memory.

Inline only. What follows a record in memory is its levels, or its ticker; whoever holds Records frees their bytes.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport realloc
from libc.string cimport memcpy

from engine.schema.event cimport BOOK_SNAPSHOT, BOOK_UPDATE, TICKER, TRADE, Event
from engine.schema.market cimport (TICKER_HIGH, TICKER_LAST, TICKER_LOW, TICKER_OPEN, TICKER_VOLUME, UPDATE_FULL,
                                   UPDATE_INVALID, BookEvent, Level, TickerData, Trade)
from engine.schema.quotes cimport Ticker

cdef enum:
    WHOLE_TICKER = TICKER_LAST | TICKER_OPEN | TICKER_HIGH | TICKER_LOW | TICKER_VOLUME
    FIRST_ROOM = 16_384


cdef enum RecordKind:
    RECORD_TRADE = 1
    RECORD_DELTAS = 2
    RECORD_DEPTH = 3
    RECORD_TICKER = 4
    RECORD_BREAK = 5           # something is missing here: the chain is broken


cdef struct Record:
    int64_t ts_recv_ns
    int64_t ts_venue_ns        # 0 = unknown
    int64_t price_raw          # of a trade
    int64_t qty_raw
    uint64_t trade_id
    const void* body           # Levels or a TickerData; DANGER: of records in memory only while they are walked
    uint32_t instrument_id
    uint32_t folded
    uint32_t bid_count
    uint32_t ask_count
    uint8_t kind
    uint8_t side
    uint8_t is_complete
    uint8_t price_scale
    uint8_t qty_scale


cdef struct Records:
    char* bytes
    size_t used
    size_t room


cdef inline bint view_of(Event event, Record* record) noexcept nogil:
    """Fill a record that refers to the event's own levels; False = an event like this makes no entry (BUS-11)."""
    cdef int kind = event.s.type
    record.ts_recv_ns = event.h.ts_recv_ns
    record.ts_venue_ns = event.h.ts_venue_ns
    record.instrument_id = event.h.instrument_id
    record.folded = event.h.folded_count
    record.price_scale = event.h.price_scale
    record.qty_scale = event.h.qty_scale
    record.bid_count = record.ask_count = 0
    record.body = NULL
    if kind == TRADE:
        record.kind = RECORD_TRADE
        record.price_raw = (<Trade>event).t.price_raw
        record.qty_raw = (<Trade>event).t.qty_raw
        record.trade_id = (<Trade>event).t.trade_id
        record.side = (<Trade>event).t.side
        return True
    if kind == TICKER:
        record.kind = RECORD_TICKER
        record.body = &(<Ticker>event).k
        return ((<Ticker>event).k.present & WHOLE_TICKER) == WHOLE_TICKER
    if kind != BOOK_UPDATE and kind != BOOK_SNAPSHOT:
        return False
    if kind == BOOK_UPDATE and (<BookEvent>event).b.update_type == UPDATE_INVALID:
        record.kind = RECORD_BREAK
        return True
    record.body = (<BookEvent>event).b.levels
    record.bid_count = (<BookEvent>event).b.bid_count
    record.ask_count = (<BookEvent>event).b.ask_count
    if kind == BOOK_UPDATE and (<BookEvent>event).b.update_type != UPDATE_FULL:
        record.kind = RECORD_DELTAS
        return True
    record.kind = RECORD_DEPTH
    record.is_complete = (<BookEvent>event).b.depth_levels == 0 or (
        record.bid_count < (<BookEvent>event).b.depth_levels and record.ask_count < (<BookEvent>event).b.depth_levels)
    return True


cdef inline size_t body_size(const Record* record) noexcept nogil:
    """Bytes that follow a record in memory."""
    if record.kind == RECORD_TICKER:
        return sizeof(TickerData)
    return (<size_t>record.bid_count + record.ask_count) * sizeof(Level)


cdef inline bint records_put(Records* records, const Record* record) noexcept nogil:
    """Add a copy of a record and of its body; False = there is no memory."""
    cdef size_t size = body_size(record)
    cdef size_t needed = records.used + sizeof(Record) + size
    cdef size_t room = records.room if records.room else FIRST_ROOM
    cdef char* grown
    if needed > records.room:
        while room < needed:
            room *= 2
        grown = <char*>realloc(records.bytes, room)
        if grown == NULL:
            return False
        records.bytes = grown
        records.room = room
    memcpy(records.bytes + records.used, record, sizeof(Record))
    if size:
        memcpy(records.bytes + records.used + sizeof(Record), record.body, size)
    records.used = needed
    return True


cdef inline Record* record_at(const Records* records, size_t place) noexcept nogil:
    """The record at *place*, its body with it. DANGER: dies with the next one that is added."""
    cdef Record* record = <Record*>(records.bytes + place)
    record.body = records.bytes + place + sizeof(Record)
    return record
