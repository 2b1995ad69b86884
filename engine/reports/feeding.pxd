"""What a record is to the analytics of its symbol: the number it has in the chain, and its own part of the figures."""
from engine.reports.analytics cimport Entry, SymbolAnalytics
from engine.schema.market cimport Level, TickerData
from engine.schema.record cimport (NUMBER_HERE, NUMBER_TOLD, RECORD_BREAK, RECORD_DEPTH, RECORD_TICKER, RECORD_TRADE, Record,
                                   event_time)


cdef inline int feed(SymbolAnalytics state, const Record* record) except -1 nogil:
    """A record as an entry of its symbol."""
    cdef Entry entry
    if record.kind == RECORD_BREAK:
        state.is_chain_broken = True
        return 0
    if record.numbering == NUMBER_HERE:
        if state.is_chain_broken:
            state.is_chain_broken = False
            state.fed += 1
            if state.fed == 1:
                state.fed = 2
        entry.prev_seq = state.fed
        state.fed += 1
        entry.seq = state.fed
    else:
        entry.seq = record.seq if record.numbering == NUMBER_TOLD else 0
        entry.prev_seq = record.prev_seq
    entry.n = record.folded
    if record.ts_recv_ns <= state.ticked_ns:
        state.counts.stragglers += 1
    entry.ts_recv_ns = max(record.ts_recv_ns, state.last_recv_ns)
    entry.ts_event_ns = event_time(record)
    if record.kind == RECORD_TRADE:
        state.take_trade(&entry, record.price_raw, record.qty_raw, record.side, record.trade_id)
    elif record.kind == RECORD_TICKER:
        state.take_ticker(&entry, <const TickerData*>record.body, record.change_raw)
    else:
        state.take_book(&entry, record.kind == RECORD_DEPTH, record.kind == RECORD_DEPTH and record.is_complete,
                        <const Level*>record.body, record.bid_count, record.ask_count)
    return 0
