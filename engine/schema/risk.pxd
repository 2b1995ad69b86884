"""What holds orders back, and that it no longer does (EVT-22)."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

cimport cython

from engine.schema.event cimport Event

cdef enum:
    NAME_MAX = 32              # of a provider, of a consumer
    SYMBOL_MAX = 41
    OPERATOR_MAX = 64
    TEXT_MAX = 256


cdef struct ControlData:
    uint8_t status             # RiskStatus
    uint8_t control            # RiskControlKind
    uint8_t breach             # Breach; 0 = none of them
    uint32_t breach_count
    int64_t until_ns           # 0 = until it is cleared
    char[33] provider          # the scope; empty = all, as the next two
    char[42] symbol
    char[33] consumer_id
    char[65] operator_name     # empty = by itself
    char[257] text


@cython.final
cdef class RiskControl(Event):
    cdef ControlData c
