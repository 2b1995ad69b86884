"""What one consumer may do at one instrument, what it has taken of that, and whether one more order fits.

The functions are arithmetic on a slot and an order: they neither call Python nor allocate, so whoever holds the
interpreter's lock has the slot for itself.
"""
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.orders.strikes cimport Strikes
from engine.orders.wide cimport wide

cdef enum BreachC:
    # engine.schema.order.Breach
    TRADING_OFF = 1
    RECONCILING = 2
    JOURNAL_UNAVAILABLE = 3
    PROVIDER_DOWN = 4
    KILL_SWITCH = 5
    CIRCUIT_BREAKER = 6
    ORDER_VALIDATION = 7
    ORDER_TYPE = 8
    PRICE_BAND = 9
    BOOK_UNAVAILABLE = 10
    CONCURRENCY = 11
    RATE_LIMIT = 12
    POSITION_LIMIT = 13
    NOTIONAL_LIMIT = 14
    ORDER_QTY = 15
    BREACH_COUNT = 16

cdef enum Fault:
    # Of ORDER_VALIDATION; the words are refusals.FAULTS.
    NO_FAULT = 0
    NO_INSTRUMENT = 1
    NOT_TRADING = 2
    POST_ONLY_ALONE = 3
    LIMIT_ALONE = 4
    BEYOND_SCALE = 5
    NO_PRICE = 6
    NO_QTY = 7
    OFF_TICK = 8
    OFF_LOT = 9
    BELOW_MIN_QTY = 10
    NO_SUCH_TIF = 11
    NO_POST_ONLY = 12
    BELOW_MIN_NOTIONAL = 13
    ABOVE_MAX_NOTIONAL = 14
    NO_SIDE = 15

cdef enum:
    POSITION_SCALE = 18        # of everything that is taken
    BAND_SCALE = 18
    REST_DIGITS = 18
    # engine.schema: InstrumentStatus, OrderType, Side
    TRADING = 1
    POST_ONLY = 2
    LIMIT_ONLY = 3
    LIMIT = 1
    MARKET = 2
    BUY = 1
    SELL = 2


cdef struct Verdict:
    int breach                 # a Breach; 0 = it may be sent
    int fault                  # a Fault, of ORDER_VALIDATION
    int rule                   # of RATE_LIMIT: whose tokens are gone
    int scale                  # of the two below; -1 = no number was broken
    int64_t now_ns
    wide limit
    wide actual


cdef struct CostLimit:
    wide whole                 # at price_scale + qty_scale; -1 = no limit
    int64_t rest               # its next 18 digits


cdef struct Asked:
    # An order at its instrument's scales.
    int64_t price_raw          # 0 for a market order
    int64_t qty_raw
    wide qty                   # at scale 18
    int fault                  # it does not fit those scales
    uint8_t is_buy
    uint8_t is_market
    uint8_t is_post_only
    uint8_t tif


cdef struct Market:
    # What an order meets: prices of our own book and its cost, in one scale.
    bint has_top
    bint has_price             # a market order without a book has none
    bint is_beyond             # the cost does not fit 128 bits
    int scale
    int64_t by                 # 10^(scale of the cost - the instrument's)
    int scale_of_cost
    wide price                 # the order's; of a market order, the best it meets
    wide sum                   # best bid + best ask
    wide notional


@cython.final
cdef class Bucket:
    """Tokens of one consumer under one rule."""
    cdef int64_t gap_ns
    cdef int64_t slack_ns      # a whole burst less one token
    cdef int64_t full_ns       # when it is full again, were nothing taken
    cdef int per_s
    cdef object scope


@cython.final
cdef class ConsumerRisk:
    """One consumer's breaker and buckets."""
    cdef str consumer_id
    cdef Strikes strikes
    cdef int64_t open_until_ns # of its breaker; 0 = closed
    cdef dict buckets          # (rule, scope) -> Bucket


@cython.final
cdef class ProviderGate:
    """Whether orders may go to a provider at all."""
    cdef bint is_up
    cdef bint is_held          # its orders are not reconciled


@cython.final
cdef class RiskTally:
    """Counts of one risk."""
    cdef uint64_t approved
    cdef int64_t reserved      # reservations that are not freed


@cython.final
cdef class RiskSlot:
    """One consumer's room at one instrument. Owned by risk, lives as long as it."""
    cdef RiskTally tally
    cdef ConsumerRisk consumer
    cdef ProviderGate gate
    cdef str provider
    cdef str symbol
    cdef bint is_known         # there is such an instrument
    cdef object scopes         # breach -> whose limit
    cdef uint64_t version      # of the limits below
    # -- the instrument
    cdef uint32_t instrument_id
    cdef int price_scale
    cdef int qty_scale
    cdef int64_t tick_raw      # 0 = no grid
    cdef int64_t lot_raw
    cdef int64_t min_qty_raw
    cdef int status            # an InstrumentStatus
    cdef int tif_mask
    cdef bint takes_post_only
    # -- limits; -1 = none
    cdef int type_mask
    cdef int64_t open_orders_max
    cdef wide qty_max
    cdef CostLimit notional_max
    cdef CostLimit notional_least   # the instrument's, as the next
    cdef CostLimit notional_most
    cdef wide position_max
    cdef wide band
    cdef list rates            # Bucket
    # -- what is taken, at scale 18
    cdef wide net
    cdef wide open_buy
    cdef wide open_sell
    cdef int64_t open_orders
    cdef dict fees             # asset -> Decimal


@cython.final
@cython.no_gc
cdef class Reservation:
    """Room that an order has taken; whoever holds it frees it, once. Any thread that holds the interpreter's lock."""
    cdef readonly object request
    cdef RiskSlot slot
    cdef wide left             # of its quantity, at scale 18
    cdef bint is_buy
    cdef bint is_approved
    cdef readonly bint is_open


cdef Reservation new_reservation(RiskSlot slot, object request)
cdef Bucket bucket_of(ConsumerRisk consumer, object rate)
# A fill goes into the position, and its fees with it.
cdef int add_fill(RiskSlot slot, object request, int64_t qty_raw, object fees) except -1

# Read OrderRequest into the slot's scales; plain attributes of a frozen value, no Python is run.
cdef int read_order(object request, RiskSlot slot, Asked* out) except -1
# A quantity of an order at POSITION_SCALE.
cdef int wide_qty(object request, int64_t qty_raw, wide* out) except -1
cdef int order_fault(RiskSlot slot, const Asked* asked) noexcept
cdef int notional_fault(RiskSlot slot, const Asked* asked, const Market* market) noexcept
cdef bint is_outside_band(wide band, const Market* market, Verdict* out) noexcept
# The first breach of what is counted, from CONCURRENCY on; 0 = none.
cdef int room_breach(RiskSlot slot, const Asked* asked, const Market* market, Verdict* out) noexcept
# Whether the position after it, were every open order of its side filled, fits 128 bits.
cdef bint projects(RiskSlot slot, const Asked* asked, wide* worst) noexcept
cdef int take(RiskSlot slot, const Asked* asked, int64_t now_ns) noexcept

cdef int set_limits(RiskSlot slot, object limits, object instrument) except -1
cdef int set_position(RiskSlot slot, object position) except -1
cdef object decimal_of(wide value, int scale)
cdef object exposure_of(tuple key, RiskSlot slot)
