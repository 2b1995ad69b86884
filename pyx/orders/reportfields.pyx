from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.pools.lease cimport Lease
from engine.schema.event cimport FLAG_RECONCILED, SLOT_LEASED, EventHeader
from engine.schema.execution cimport (CLIENT_ID_MAX, CODE_MAX, OWNER_MAX, TEXT_MAX, VENUE_CODE_MAX, VENUE_ID_MAX, WIRE_ID_MAX,
                                      ExecReport, ReportData, put_fees, put_wide)
from engine.schema.execution cimport FEES_MAX as _FEES_MAX
from engine.schema.texts cimport cut_text, put_text

from engine.base.errors import MisuseError
from engine.orders.lifecycle import price_raw_of
from engine.schema.event import parse_uuid
from engine.schema.order import Reason, ReportKind, ReportSource

FEES_MAX = _FEES_MAX
_NO_REASON = Reason(code="exchange_error", text="the venue gave no reason")
cdef object _RECONCILE = ReportSource.RECONCILE
cdef object _ENGINE = ReportSource.ENGINE
cdef object _REJECTED = ReportKind.REJECTED


def put_report(Lease lease not None, uint64_t number, uint32_t instrument_id, done, told, int64_t now_ns) -> None:
    cdef ExecReport event = lease.event()
    cdef EventHeader* h = &event.h
    cdef ReportData* r = &event.r
    if event.s.state != SLOT_LEASED:
        raise MisuseError("a report filled after publish", op="pools.fill", hint="events are immutable once published")
    order = done.order
    asked = order.request
    source = told.source

    h.instrument_id = instrument_id
    h.seq_provider = h.seq_first = number
    h.epoch = 1
    h.ts_venue_ns = told.ts_venue_ns or 0
    h.ts_recv_ns = told.ts_recv_ns
    h.ts_emit_ns = now_ns
    h.folded_count = source is not _ENGINE
    h.flags = FLAG_RECONCILED if source is _RECONCILE else 0
    h.price_scale = asked.price_scale
    h.qty_scale = asked.qty_scale
    trace_id, decision_id = asked.trace_id, asked.decision_id
    if trace_id:
        h.trace_hi, h.trace_lo = parse_uuid(trace_id)
    h.decision_hi, h.decision_lo = parse_uuid(decision_id) if decision_id else (0, 0)

    put_text(r.client_order_id, CLIENT_ID_MAX, asked.client_order_id)
    put_text(r.consumer_id, OWNER_MAX, asked.consumer_id)
    put_text(r.wire_order_id, WIRE_ID_MAX, order.wire_order_id)
    cut_text(r.venue_order_id, VENUE_ID_MAX, order.venue_order_id or "")
    r.side = asked.side
    r.order_type = asked.order_type
    r.tif = asked.tif
    price_raw = asked.price_raw
    r.has_price = price_raw is not None
    r.price_raw = price_raw if r.has_price else 0
    r.qty_raw = order.qty_raw

    r.report = done.report
    r.order_state = order.state
    r.order_report_seq = order.order_report_seq
    r.anomaly = done.anomaly
    r.source = source
    r.liquidity = told.liquidity
    r.filled_qty_raw = order.filled_qty_raw
    r.last_qty_raw = done.last_qty_raw
    cut_text(r.exec_id, VENUE_ID_MAX, (told.exec_id or "") if r.last_qty_raw else "")
    last_price_raw = price_raw_of(done.last_price, asked.price_scale)
    r.has_last_price = last_price_raw is not None
    r.last_price_raw = last_price_raw if r.has_last_price else 0
    put_wide(&r.cum_notional, order.cum_notional)
    put_wide(&r.avg_fill_price, order.avg_fill_price)
    put_fees(r, done.fees[:FEES_MAX])

    reason = told.reason
    if reason is None and done.report is _REJECTED:
        reason = _NO_REASON
    put_text(r.code, CODE_MAX, reason.code if reason is not None else "")
    cut_text(r.venue_code, VENUE_CODE_MAX, reason.venue_code if reason is not None else "")
    cut_text(r.text, TEXT_MAX, reason.text if reason is not None else "")
