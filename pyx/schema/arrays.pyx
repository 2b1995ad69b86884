from libc.string cimport memcpy

from engine.schema.event cimport (BOOK_SNAPSHOT, BOOK_UPDATE, KLINE_SUMMARY, TICKER, TRADE, Event, EventHeader)
from engine.schema.market cimport BookData, KlineData, TickerData, TradeData

from engine.base.errors import MisuseError

cdef dict _dtypes = {}


cdef object header_fields():
    cdef EventHeader h
    cdef char* base = <char*>&h
    return [
        ("seq_provider", "<u8", <char*>&h.seq_provider - base), ("seq_first", "<u8", <char*>&h.seq_first - base),
        ("epoch", "<u4", <char*>&h.epoch - base), ("ts_venue_ns", "<i8", <char*>&h.ts_venue_ns - base),
        ("ts_recv_ns", "<i8", <char*>&h.ts_recv_ns - base), ("ts_emit_ns", "<i8", <char*>&h.ts_emit_ns - base),
        ("routing_version", "<u8", <char*>&h.routing_version - base),
        ("instrument_id", "<u4", <char*>&h.instrument_id - base), ("flags", "<u2", <char*>&h.flags - base),
        ("folded_count", "<u4", <char*>&h.folded_count - base), ("price_scale", "u1", <char*>&h.price_scale - base),
        ("qty_scale", "u1", <char*>&h.qty_scale - base)]


cdef object own_fields(int event_type):
    cdef BookData b
    cdef TradeData t
    cdef TickerData k
    cdef KlineData c
    if event_type == BOOK_SNAPSHOT or event_type == BOOK_UPDATE:
        return [
            ("bid_count", "<u4", <char*>&b.bid_count - <char*>&b), ("ask_count", "<u4", <char*>&b.ask_count - <char*>&b),
            ("first_update_id", "<u8", <char*>&b.first_update_id - <char*>&b),
            ("final_update_id", "<u8", <char*>&b.final_update_id - <char*>&b),
            ("verified_through_id", "<u8", <char*>&b.verified_through_id - <char*>&b),
            ("checksum", "<u4", <char*>&b.checksum - <char*>&b), ("update_type", "u1", <char*>&b.update_type - <char*>&b),
            ("reason", "u1", <char*>&b.reason - <char*>&b)]
    if event_type == TRADE:
        return [
            ("trade_id", "<u8", <char*>&t.trade_id - <char*>&t), ("price_raw", "<i8", <char*>&t.price_raw - <char*>&t),
            ("qty_raw", "<i8", <char*>&t.qty_raw - <char*>&t), ("match_count", "<u4", <char*>&t.match_count - <char*>&t),
            ("side", "u1", <char*>&t.side - <char*>&t)]
    if event_type == TICKER:
        return [
            (name, "<i8", i * 8) for i, name in enumerate((
                "last_price_raw", "bid_price_raw", "bid_qty_raw", "ask_price_raw", "ask_qty_raw", "open_24h_raw",
                "high_24h_raw", "low_24h_raw", "volume_24h_raw"))] + [("present", "<u4", <char*>&k.present - <char*>&k)]
    if event_type == KLINE_SUMMARY:
        return [
            ("interval_ns", "<i8", <char*>&c.interval_ns - <char*>&c),
            ("open_time_ns", "<i8", <char*>&c.open_time_ns - <char*>&c),
            ("close_time_ns", "<i8", <char*>&c.close_time_ns - <char*>&c),
            ("open_raw", "<i8", <char*>&c.open_raw - <char*>&c), ("high_raw", "<i8", <char*>&c.high_raw - <char*>&c),
            ("low_raw", "<i8", <char*>&c.low_raw - <char*>&c), ("close_raw", "<i8", <char*>&c.close_raw - <char*>&c),
            ("volume_raw", "<i8", <char*>&c.volume_raw - <char*>&c),
            ("trade_count", "<u8", <char*>&c.trade_count - <char*>&c),
            ("is_closed", "u1", <char*>&c.is_closed - <char*>&c)]
    return None


cdef object dtype_of(Event event):
    found = _dtypes.get(event.s.type)
    if found is None:
        own = own_fields(event.s.type)
        if own is None:
            raise MisuseError(f"{type(event).__name__} has no fixed-width fields of its own", op="events.to_numpy",
                              hint="book, trade, ticker and kline events have them")
        import numpy
        rows = header_fields() + [(name, form, at + sizeof(EventHeader)) for name, form, at in own]
        found = _dtypes[event.s.type] = numpy.dtype({
            "names": [row[0] for row in rows], "formats": [row[1] for row in rows],
            "offsets": [row[2] for row in rows], "itemsize": sizeof(EventHeader) + event.s.data_size})
    return found


def to_numpy(list events not None):
    """One structured array of the fixed-width fields of *events*, which must be of one type.

    Raws stay integers at each event's ``price_scale`` and ``qty_scale``; levels are not part of it. The array is a
    copy and may be kept.

    Raises:
        MisuseError: no events, several types, or a type without fixed-width fields.
    """
    cdef Event event
    cdef char* place
    cdef size_t size
    if not events:
        raise MisuseError("no events, so no type to make an array of", op="events.to_numpy")
    import numpy
    event = events[0]
    event.guard()
    event_type = event.s.type
    array = numpy.zeros(len(events), dtype_of(event))
    place = <char*><size_t>array.ctypes.data
    size = sizeof(EventHeader) + event.s.data_size
    for event in events:
        event.guard()
        if event.s.type != event_type:
            raise MisuseError(f"{type(event).__name__} among {type(events[0]).__name__} events", op="events.to_numpy",
                              hint="group the batch by type first")
        memcpy(place, &event.h, sizeof(EventHeader))
        memcpy(place + sizeof(EventHeader), event.s.data, event.s.data_size)
        place += size
    return array
