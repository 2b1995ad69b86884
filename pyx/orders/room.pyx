cimport cython
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from libc.stdint cimport INT64_MAX, int64_t

from engine.base.plants cimport planted
from engine.base.units cimport ENGINE_POW10
from engine.orders.wide cimport from_int, to_int, wide, wide_add, wide_mul, wide_sub

from decimal import Context, Decimal

from engine.base.errors import InvariantError, MisuseError
from engine.orders.refusals import Exposure
from engine.schema.order import Fee

cdef object _EXACT = Context(prec=60)


@cython.final
cdef class Bucket:
    """Tokens of one consumer under one rule."""


@cython.final
cdef class ConsumerRisk:
    """One consumer's breaker and buckets."""


@cython.final
cdef class ProviderGate:
    """Whether orders may go to a provider at all."""


@cython.final
cdef class RiskTally:
    """Counts of one risk."""


@cython.final
cdef class RiskSlot:
    """One consumer's room at one instrument. Owned by risk, lives as long as it."""


# --- an order's room ----------------------------------------------------------------------------------------


@cython.final
@cython.no_gc
cdef class Reservation:
    """Room that an order has taken. Attributes: *request*; *is_open*: the room is not freed yet."""

    def __init__(self, *args, **kwargs):
        raise MisuseError("room is taken by a check only", op="risk.reserve", hint="call Risk.check()")

    @property
    def left_qty(self):
        """What may still be filled, in base units."""
        return decimal_of(self.left, POSITION_SCALE)

    def fill(self, qty_raw: int, fees: tuple = ()) -> None:
        """So much more of the order was filled: it goes from what is open to the position, also after release()."""
        cdef wide qty = 0
        add_fill(self.slot, self.request, qty_raw, fees)
        if not self.is_open:
            return
        wide_qty(self.request, qty_raw, &qty)
        if qty > self.left:
            qty = self.left
        self.left -= qty
        if self.is_buy:
            self.slot.open_buy -= qty
        else:
            self.slot.open_sell -= qty

    def release(self) -> bool:
        """The order holds nothing back any more: it has ended, or was not sent. False = it was freed before."""
        if not self.is_open and not planted(b"risk.free_twice"):
            return False
        self.is_open = False
        if self.is_buy:
            self.slot.open_buy -= self.left
        else:
            self.slot.open_sell -= self.left
        self.slot.open_orders -= 1
        self.slot.tally.reserved -= 1
        return True


cdef int add_fill(RiskSlot slot, object request, int64_t qty_raw, object fees) except -1:
    cdef wide qty
    wide_qty(request, qty_raw, &qty)
    if (wide_add(slot.net, qty, &slot.net) if <int>request.side == BUY else wide_sub(slot.net, qty, &slot.net)):
        raise InvariantError("a position beyond 128 bits", op="risk.fill")
    for fee in fees:
        slot.fees[fee.asset] = slot.fees.get(fee.asset, Decimal(0)) + fee.amount
    return 0


cdef Reservation new_reservation(RiskSlot slot, object request):
    cdef Reservation taken = Reservation.__new__(Reservation)
    taken.slot = slot
    taken.request = request
    taken.is_buy = <int>request.side == BUY
    return taken


cdef Bucket bucket_of(ConsumerRisk consumer, object rate):
    cdef Bucket bucket = consumer.buckets.setdefault((rate.rule, rate.scope), Bucket.__new__(Bucket))
    bucket.gap_ns = rate.gap_ns
    bucket.slack_ns = (rate.burst - 1) * rate.gap_ns
    bucket.per_s = rate.per_s
    bucket.scope = rate.scope
    return bucket


# --- an order at its instrument's scales --------------------------------------------------------------------


cdef int read_order(object request, RiskSlot slot, Asked* out) except -1:
    cdef int price_scale = request.price_scale
    cdef int qty_scale = request.qty_scale
    cdef int64_t qty_raw = request.qty_raw
    cdef object price_raw = request.price_raw
    out.fault = NO_FAULT
    out.is_buy = <int>request.side == BUY
    out.is_market = <int>request.order_type == MARKET
    out.is_post_only = request.post_only
    out.tif = request.tif
    out.price_raw = 0
    out.qty_raw = qty_raw
    out.qty = 0
    if not slot.is_known:
        out.fault = NO_INSTRUMENT
        return 0
    if <int>request.side != BUY and <int>request.side != SELL:
        out.fault = NO_SIDE
        return 0
    if not 0 <= price_scale <= POSITION_SCALE or not 0 <= qty_scale <= POSITION_SCALE:
        out.fault = BEYOND_SCALE
        return 0
    out.qty = <wide>qty_raw * ENGINE_POW10[POSITION_SCALE - qty_scale]
    if not out.is_market and (price_raw is None
                              or not _moved(price_raw, price_scale, slot.price_scale, &out.price_raw)):
        out.fault = NO_PRICE if price_raw is None else BEYOND_SCALE
    if not _moved(qty_raw, qty_scale, slot.qty_scale, &out.qty_raw):
        out.fault = BEYOND_SCALE
    return 0


cdef int wide_qty(object request, int64_t qty_raw, wide* out) except -1:
    cdef int scale = request.qty_scale
    if not 0 <= scale <= POSITION_SCALE or qty_raw < 0:
        raise InvariantError(f"{qty_raw} at scale {scale} is no quantity", op="risk.take")
    out[0] = <wide>qty_raw * ENGINE_POW10[POSITION_SCALE - scale]
    return 0


cdef bint _moved(int64_t raw, int scale, int wanted, int64_t* out) noexcept:
    """The same number at another scale; False where that needs more decimals, or more than 64 bits."""
    cdef wide moved = raw
    if wanted >= scale:
        moved *= ENGINE_POW10[wanted - scale]
    elif raw % ENGINE_POW10[scale - wanted]:
        return False
    else:
        moved = raw // ENGINE_POW10[scale - wanted]
    if moved > INT64_MAX or moved < -INT64_MAX:
        return False
    out[0] = <int64_t>moved
    return True


cdef int order_fault(RiskSlot slot, const Asked* asked) noexcept:
    """What is wrong with an order whatever it costs; NO_FAULT = nothing."""
    if asked.fault:
        return asked.fault
    if slot.status != TRADING and slot.status != POST_ONLY and slot.status != LIMIT_ONLY:
        return NOT_TRADING
    if slot.status == POST_ONLY and not asked.is_post_only:
        return POST_ONLY_ALONE
    if slot.status == LIMIT_ONLY and asked.is_market:
        return LIMIT_ALONE
    if asked.price_raw <= 0 and not asked.is_market:
        return NO_PRICE
    if asked.qty_raw <= 0:
        return NO_QTY
    if slot.tick_raw and asked.price_raw % slot.tick_raw:
        return OFF_TICK
    if slot.lot_raw and asked.qty_raw % slot.lot_raw:
        return OFF_LOT
    if asked.qty_raw < slot.min_qty_raw:
        return BELOW_MIN_QTY
    if not slot.tif_mask >> asked.tif & 1:
        return NO_SUCH_TIF
    if asked.is_post_only and not slot.takes_post_only:
        return NO_POST_ONLY
    return NO_FAULT


cdef int notional_fault(RiskSlot slot, const Asked* asked, const Market* market) noexcept:
    """Whether the instrument takes orders of that cost; of a market order without a book nobody knows."""
    cdef wide limit
    if not market.has_price:
        return NO_FAULT
    if slot.notional_least.whole >= 0 and not market.is_beyond:
        if not _finer(&slot.notional_least, market.by, True, &limit) or market.notional < limit:
            return BELOW_MIN_NOTIONAL
    if slot.notional_most.whole >= 0 and _is_above(market, &slot.notional_most, &limit):
        return ABOVE_MAX_NOTIONAL
    return NO_FAULT


# --- limits -------------------------------------------------------------------------------------------------


cdef bint _finer(const CostLimit* limit, int64_t by, bint is_least, wide* out) noexcept:
    """A limit at the scale of a cost, *by* times finer than its own; False = that is beyond 128 bits."""
    cdef int64_t per_digit = ENGINE_POW10[REST_DIGITS] // by
    cdef int64_t rest = limit.rest // per_digit
    if is_least and limit.rest % per_digit:
        rest += 1
    return not wide_mul(limit.whole, by, out) and not wide_add(out[0], rest, out)


cdef bint _is_above(const Market* market, const CostLimit* limit, wide* at_scale) noexcept:
    """Whether the cost is above a limit, which is left at the cost's scale."""
    if market.is_beyond:
        return True
    # A limit beyond 128 bits is above every cost that is not.
    return _finer(limit, market.by, False, at_scale) and market.notional > at_scale[0]


cdef bint is_outside_band(wide band, const Market* market, Verdict* out) noexcept:
    """Whether the price is further from the mid than *band*, a fraction at BAND_SCALE, of it."""
    cdef wide away
    cdef wide allowed
    cdef wide share
    if wide_mul(market.price, 2, &away) or wide_sub(away, market.sum, &away):
        return True
    if away < 0:
        away = -away
    if wide_mul(away, ENGINE_POW10[BAND_SCALE], &share) or wide_mul(market.sum, band, &allowed):
        return True
    if share <= allowed:
        return False
    out.limit = band
    out.actual = share // market.sum if market.sum > 0 else band
    out.scale = BAND_SCALE
    return True


cdef bint projects(RiskSlot slot, const Asked* asked, wide* worst) noexcept:
    cdef wide net = slot.net
    if asked.is_buy:
        return not wide_add(net, slot.open_buy, &net) and not wide_add(net, asked.qty, worst)
    return not wide_sub(slot.open_sell, net, &net) and not wide_add(net, asked.qty, worst)


cdef int room_breach(RiskSlot slot, const Asked* asked, const Market* market, Verdict* out) noexcept:
    cdef Bucket bucket
    cdef Py_ssize_t i
    cdef wide worst = 0
    cdef wide limit = 0
    if slot.open_orders >= slot.open_orders_max and not planted(b"risk.no_concurrency"):
        out.limit = slot.open_orders_max
        out.actual = slot.open_orders + 1
        out.scale = 0
        return CONCURRENCY
    for i in range(PyList_GET_SIZE(slot.rates)):
        bucket = <Bucket>PyList_GET_ITEM(slot.rates, i)
        if bucket.full_ns - out.now_ns > bucket.slack_ns:
            out.limit = bucket.per_s
            out.scale = 0
            out.rule = i
            return RATE_LIMIT
    if not projects(slot, asked, &worst):
        return POSITION_LIMIT
    if slot.position_max >= 0 and worst > slot.position_max:
        out.limit = slot.position_max
        out.actual = worst
        out.scale = POSITION_SCALE
        return POSITION_LIMIT
    if slot.notional_max.whole >= 0 and _is_above(market, &slot.notional_max, &limit):
        if not market.is_beyond:
            out.limit = limit
            out.actual = market.notional
            out.scale = market.scale_of_cost
        return NOTIONAL_LIMIT
    if slot.qty_max >= 0 and asked.qty_raw > slot.qty_max:
        out.limit = slot.qty_max
        out.actual = asked.qty_raw
        out.scale = slot.qty_scale
        return ORDER_QTY
    return 0


cdef int take(RiskSlot slot, const Asked* asked, int64_t now_ns) noexcept:
    """Take what the order needs; projects() has said that it fits."""
    cdef Bucket bucket
    cdef Py_ssize_t i
    if asked.is_buy:
        slot.open_buy += asked.qty
    else:
        slot.open_sell += asked.qty
    slot.open_orders += 1
    for i in range(PyList_GET_SIZE(slot.rates)):
        bucket = <Bucket>PyList_GET_ITEM(slot.rates, i)
        bucket.full_ns = max(bucket.full_ns, now_ns) + bucket.gap_ns
    return 0


# --- from and to values -------------------------------------------------------------------------------------


cdef int set_limits(RiskSlot slot, object limits, object instrument) except -1:
    slot.is_known = True
    slot.price_scale = instrument.price_scale
    slot.qty_scale = instrument.qty_scale
    slot.tick_raw = instrument.tick_size_raw
    slot.lot_raw = instrument.lot_size_raw
    slot.min_qty_raw = instrument.min_qty_raw
    slot.status = instrument.status
    slot.takes_post_only = instrument.post_only_supported
    slot.scopes = limits.scopes
    slot.type_mask = limits.type_mask
    slot.open_orders_max = limits.open_orders
    _set(limits.qty, &slot.qty_max)
    _set_cost(limits.notional, &slot.notional_max)
    _set_cost(limits.min_notional, &slot.notional_least)
    _set_cost(limits.max_notional, &slot.notional_most)
    _set(limits.position, &slot.position_max)
    _set(limits.band, &slot.band)
    return 0


cdef int _set(object limit, wide* out) except -1:
    return from_int(-1 if limit is None else limit, out)


cdef int _set_cost(object limit, CostLimit* out) except -1:
    out.rest = 0 if limit is None else limit[1]
    return _set(None if limit is None else limit[0], &out.whole)


cdef int set_position(RiskSlot slot, object position) except -1:
    from_int(int(position.net_qty.scaleb(POSITION_SCALE, _EXACT)), &slot.net)
    slot.fees = {fee.asset: fee.amount for fee in position.fees}
    return 0


cdef object decimal_of(wide value, int scale):
    while scale > 0 and value % 10 == 0:
        value = value // 10
        scale -= 1
    return Decimal(to_int(value)).scaleb(-scale, _EXACT)


cdef object exposure_of(tuple key, RiskSlot slot):
    return Exposure(
        consumer_id=key[0], provider=key[1], symbol=key[2], net_qty=decimal_of(slot.net, POSITION_SCALE),
        fees=tuple([Fee(asset, amount) for asset, amount in sorted(slot.fees.items())]),
        open_buy=decimal_of(slot.open_buy, POSITION_SCALE), open_sell=decimal_of(slot.open_sell, POSITION_SCALE),
        open_orders=slot.open_orders)
