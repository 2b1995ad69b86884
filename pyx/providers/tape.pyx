from libc.stdint cimport INT64_MIN, int64_t, uint64_t

from engine.base.units cimport engine_add_overflow
from engine.schema.market cimport KlineData


cdef class TradeTape:
    def __cinit__(self):
        self._volume_carry = 0

    cdef int add(self, uint64_t trade_id, int64_t price_raw, int64_t qty_raw, bint flag,
                 int price_scale, int qty_scale) except -1:
        """Count one trade; the scales may have been widened since the last one."""
        cdef int64_t volume = 0
        if qty_scale != self.qty_scale or price_scale != self.price_scale:
            self._volume_carry = self.volume_raw() * 10 ** (qty_scale - self.qty_scale)
            self._volume_raw = 0
            self.qty_scale = qty_scale
            self.price_scale = price_scale
        if self.count == 0:
            self.first_id = trade_id
        elif trade_id != self.last_id + 1:
            self.id_breaks += 1
        self.count += 1
        self.last_id = trade_id
        self.last_price_raw = price_raw
        self.flagged_count += flag
        if engine_add_overflow(self._volume_raw, qty_raw, &volume):
            self._volume_carry += self._volume_raw
            volume = qty_raw
        self._volume_raw = volume
        return 0

    def volume_raw(self) -> int:
        """Sum of all quantities x 10^qty_scale; may exceed 64 bits."""
        return self._volume_carry + self._volume_raw


cdef class KlineGate:
    def __cinit__(self):
        self.last_closed_open_ns = INT64_MIN

    cdef bint admit(self, const KlineData* candle) noexcept:
        """Whether the candle is still open to updates; notes it, and its closing."""
        cdef uint64_t revision = 0
        self.frames += 1
        if candle.open_time_ns <= self.last_closed_open_ns:
            self.late += 1
            return False
        if self._any and self.last.open_time_ns == candle.open_time_ns:
            revision = self.last.revision + 1
        self.last = candle[0]
        self.last.revision = <unsigned int>revision
        self._any = True
        if candle.is_closed:
            self.last_closed_open_ns = candle.open_time_ns
        return True

    cdef bint closes_previous(self, const KlineData* candle) noexcept:
        """Whether this open time proves the candle before final (venues without a closed flag)."""
        if self._any and candle.open_time_ns > self.last.open_time_ns and not self.last.is_closed:
            self.last.is_closed = True
            self.last.revision += 1
            self.last_closed_open_ns = self.last.open_time_ns
            return True
        return False
