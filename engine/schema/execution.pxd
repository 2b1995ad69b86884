"""What became of an order: one event a report (EVT-16)."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cimport cython

from engine.schema.event cimport Event

cdef enum:
    CLIENT_ID_MAX = 64
    OWNER_MAX = 32
    WIRE_ID_MAX = 36
    VENUE_ID_MAX = 64
    ASSET_MAX = 31
    FEES_MAX = 16
    CODE_MAX = 24
    VENUE_CODE_MAX = 64
    TEXT_MAX = 256
    WIDE_SCALE_MAX = 36        # of a product: two scales of 18
    WIDE_DIGITS = 39           # 128 bits have no more


cdef struct Wide:
    int64_t high               # of a 128-bit mantissa, two's complement
    uint64_t low
    uint8_t scale
    uint8_t is_known


cdef struct FeeData:
    char[32] asset
    Wide amount


cdef struct ReportData:
    # whose
    char[65] client_order_id
    char[33] consumer_id
    char[37] wire_order_id
    char[65] venue_order_id    # empty = unknown, as the next
    char[65] exec_id
    # what is asked for; scales are the event's
    int64_t price_raw
    int64_t qty_raw
    uint8_t has_price
    uint8_t side               # Side
    uint8_t order_type         # OrderType
    uint8_t tif                # TimeInForce
    # what has happened
    uint8_t report             # ReportKind
    uint8_t order_state        # OrderState, after it
    uint8_t anomaly            # Anomaly
    uint8_t source             # ReportSource
    uint8_t liquidity          # Liquidity
    uint8_t has_last_price
    uint32_t order_report_seq
    int64_t filled_qty_raw
    int64_t last_qty_raw
    int64_t last_price_raw
    Wide cum_notional
    Wide avg_fill_price
    # what it cost
    FeeData[16] fees
    uint8_t fee_count
    # why; no code = no reason
    char[25] code
    char[65] venue_code
    char[257] text


@cython.final
cdef class ExecReport(Event):
    cdef ReportData r


# An exact decimal, with its decimals as they are written; None = there is none.
cdef int put_wide(Wide* place, object value) except -1
cdef int put_fees(ReportData* r, object fees) except -1
