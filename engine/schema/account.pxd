"""Account events: what a venue account holds."""
from libc.stdint cimport int64_t, uint8_t

cimport cython

from engine.schema.event cimport Event

cdef enum:
    ACCOUNT_MAX = 64
    ASSET_MAX = 31


cdef struct BalanceData:
    char[65] account
    char[32] asset
    int64_t total_raw
    int64_t available_raw
    int64_t held_raw
    int64_t delta_raw          # of the total, against what was told before
    uint8_t has_delta
    uint8_t asset_scale
    uint8_t cause              # BalanceCause


@cython.final
cdef class BalanceUpdate(Event):
    cdef BalanceData a
