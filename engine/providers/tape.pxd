"""Running totals of one trade stream of one instrument, and the gate that closes each candle once."""
from libc.stdint cimport int64_t, uint64_t

from engine.schema.market cimport KlineData


cdef class TradeTape:
    """Counts what the venue printed. Owned by a stream, used on its thread only."""
    cdef readonly uint64_t count
    cdef readonly uint64_t first_id
    cdef readonly uint64_t last_id
    cdef readonly uint64_t id_breaks         # ids that are not the one before + 1
    cdef readonly uint64_t flagged_count     # buyer was maker (binance), side buy on the wire (coinbase, kraken)
    cdef readonly int64_t last_price_raw
    cdef readonly int price_scale
    cdef readonly int qty_scale
    cdef int64_t _volume_raw
    cdef object _volume_carry                # what left int64, as a Python integer

    cdef int add(self, uint64_t trade_id, int64_t price_raw, int64_t qty_raw, bint flag,
                 int price_scale, int qty_scale) except -1


cdef class KlineGate:
    """Candles of one instrument and interval: late updates of a closed candle are refused."""
    cdef KlineData last
    cdef bint _any
    cdef readonly uint64_t frames            # candles told by the venue
    cdef readonly uint64_t late
    cdef readonly int64_t last_closed_open_ns

    cdef bint admit(self, const KlineData* candle) noexcept
    cdef bint closes_previous(self, const KlineData* candle) noexcept
