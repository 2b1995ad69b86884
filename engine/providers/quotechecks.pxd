"""What no ticker and no candle can be, whatever its venue (EVT-14, EVT-15). Inline only."""
from engine.schema.market cimport TICKER_HIGH, TICKER_LAST, TICKER_LOW, KlineData, TickerData


cdef inline bint ticker_holds(const TickerData* d) noexcept nogil:
    """Whether low <= last <= high, as far as they are known."""
    cdef bint has_low = d.present & TICKER_LOW != 0
    cdef bint has_high = d.present & TICKER_HIGH != 0
    if has_low and has_high and d.low_24h_raw > d.high_24h_raw:
        return False
    if not d.present & TICKER_LAST:
        return True
    return not (has_low and d.low_24h_raw > d.last_price_raw) and not (has_high and d.high_24h_raw < d.last_price_raw)


cdef inline bint candle_holds(const KlineData* k) noexcept nogil:
    """Whether low <= open, close <= high, the volume is not negative and the close comes after the open time."""
    return k.low_raw <= k.open_raw <= k.high_raw and k.low_raw <= k.close_raw <= k.high_raw and k.volume_raw >= 0 \
        and k.close_time_ns > k.open_time_ns
