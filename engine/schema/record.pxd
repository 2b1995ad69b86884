"""An entry of the report bus as a flat record (BUS-11), and many of them one behind the other in one piece of memory.

Inline only. What follows a record in memory is its levels, or its ticker; whoever holds Records frees their bytes.
"""
from libc.stdint cimport UINT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport realloc
from libc.string cimport memcpy

from engine.schema.event cimport BOOK_SNAPSHOT, BOOK_UPDATE, TICKER, TRADE, Event
from engine.schema.market cimport (TICKER_HIGH, TICKER_LAST, TICKER_LOW, TICKER_OPEN, TICKER_VOLUME, UPDATE_FULL,
                                   UPDATE_INVALID, BookEvent, Level, TickerData, Trade)
from engine.schema.quotes cimport Ticker

cdef extern from *:
    """
    #include <stdint.h>
    /* (last - open) / open * 100 in 10^-4 percent, half to even; 0 where it is not told or does not fit. */
    static inline int engine_change(int64_t last, int64_t open, int64_t *out) {
        __int128 top, whole, rest;
        if (open <= 0) return 0;
        top = ((__int128)last - open) * 1000000;
        whole = top / open;
        rest = top % open;
        if (rest < 0) rest = -rest;
        if (2 * rest > open || (2 * rest == open && (whole & 1))) whole += top < 0 ? -1 : 1;
        *out = (int64_t)whole;
        return *out == whole;
    }
    """
    bint change_of "engine_change"(int64_t last_raw, int64_t open_raw, int64_t* out) nogil


cdef enum:
    CHANGE_DECIMALS = 4        # of a percentage
    WHOLE_TICKER = TICKER_LAST | TICKER_OPEN | TICKER_HIGH | TICKER_LOW | TICKER_VOLUME
    FIRST_ROOM = 16_384


cdef enum RecordKind:
    RECORD_TRADE = 1           # trade_tick
    RECORD_DELTAS = 2          # order_book_deltas
    RECORD_DEPTH = 3           # order_book_depth
    RECORD_TICKER = 4          # ticker_24h
    RECORD_BREAK = 5           # something is missing here: the chain is broken


cdef enum Numbering:
    NUMBER_HERE = 0            # none yet: who takes it counts
    NUMBER_TOLD = 1            # seq, and prev_seq
    NUMBER_NONE = 2            # it came without: no gap is seen, no repetition of a book


cdef struct Record:
    # In memory it ends behind what its kind has: see head_size. So most are one or two cache lines with their levels.
    int64_t ts_recv_ns         # 0 = not told: the running maximum of venue time stands in
    int64_t ts_venue_ns        # 0 = unknown
    uint32_t instrument_id
    uint32_t folded
    uint32_t bid_count
    uint32_t ask_count
    uint8_t kind
    uint8_t side
    uint8_t is_complete
    uint8_t price_scale
    uint8_t qty_scale
    uint8_t numbering
    uint8_t tells_scales       # its text says how many decimals prices and quantities have
    const void* body           # Levels or a TickerData; DANGER: of records in memory only while they are walked
    int64_t price_raw          # of a trade
    int64_t qty_raw
    uint64_t trade_id
    int64_t change_raw         # of a ticker, in 10^-4 percent
    uint64_t seq
    uint64_t prev_seq          # no_link() = not told


cdef struct Records:
    char* bytes
    size_t used
    size_t room


cdef inline uint64_t no_link() noexcept nogil:
    """``prev_seq`` of an entry that has a number and does not tell the one before."""
    return UINT64_MAX


cdef inline int64_t event_time(const Record* record) noexcept nogil:
    return record.ts_venue_ns if record.ts_venue_ns else record.ts_recv_ns


cdef inline bint view_of(Event event, Record* record) noexcept nogil:
    """Fill a record that refers to the event's own levels; False = an event like this makes no entry (BUS-11).

    Order-level and merged events, candles, tickers without all of their day, and what no venue can mean make none.
    """
    cdef int kind = event.s.type
    cdef const TickerData* ticker
    record.numbering = NUMBER_HERE
    record.tells_scales = False
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
        record.folded = 1
        return record.price_raw > 0 and record.qty_raw > 0
    if kind == TICKER:
        record.kind = RECORD_TICKER
        ticker = &(<Ticker>event).k
        record.body = ticker
        return ticker.present & WHOLE_TICKER == WHOLE_TICKER and ticker.high_24h_raw >= ticker.low_24h_raw \
            and ticker.volume_24h_raw >= 0 and change_of(ticker.last_price_raw, ticker.open_24h_raw, &record.change_raw)
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
    record.tells_scales = True
    record.is_complete = (<BookEvent>event).b.depth_levels == 0 or (
        record.bid_count < (<BookEvent>event).b.depth_levels and record.ask_count < (<BookEvent>event).b.depth_levels)
    return True


cdef inline size_t head_size(const Record* record) noexcept nogil:
    """Bytes of a record that are kept in memory, before its body."""
    if record.numbering != NUMBER_HERE:
        return sizeof(Record)
    if record.kind == RECORD_TRADE:
        return <size_t>(<const char*>&record.change_raw - <const char*>record)
    if record.kind == RECORD_TICKER:
        return <size_t>(<const char*>&record.seq - <const char*>record)
    return <size_t>(<const char*>&record.body - <const char*>record)


cdef inline size_t body_size(const Record* record) noexcept nogil:
    """Bytes that follow it."""
    if record.kind == RECORD_TICKER:
        return sizeof(TickerData)
    return (<size_t>record.bid_count + record.ask_count) * sizeof(Level)


cdef inline size_t kept_size(const Record* record) noexcept nogil:
    """Bytes of both."""
    return head_size(record) + body_size(record)


cdef inline bint records_put(Records* records, const Record* record) noexcept nogil:
    """Add a copy of a record and of its body; False = there is no memory."""
    cdef size_t head = head_size(record)
    cdef size_t size = body_size(record)
    cdef size_t needed = records.used + head + size
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
    memcpy(records.bytes + records.used, record, head)
    if size:
        memcpy(records.bytes + records.used + head, record.body, size)
    records.used = needed
    return True


cdef inline size_t record_at(const Records* records, size_t place, Record* record) noexcept nogil:
    """Fill what is kept of the record at *place*, and return the place of the next one.

    DANGER: its body dies with the next one that is added.
    """
    cdef const char* kept = records.bytes + place
    cdef size_t head = head_size(<const Record*>kept)
    memcpy(record, kept, head)
    record.body = kept + head
    return place + head + body_size(record)
