"""Pre-trade risk: one atomic step that checks an order against every limit and reserves its room (RSK-07, ORDM-31).

Atomic because it is compiled, holds the interpreter's lock and neither calls nor allocates in between: no other thread
can be half-way through it. What must be made or worked out in Python is made before.
"""
cimport cython
from libc.stdint cimport int64_t, uint64_t

from engine.base.clock cimport Clock
from engine.orders.room cimport BREACH_COUNT, Asked, ConsumerRisk, Market, ProviderGate, Reservation, RiskSlot, RiskTally, Verdict
from engine.orders.strikes cimport Strikes
from engine.schema.approved cimport ApprovedOrder
from engine.schema.ports cimport BookSource


@cython.final
cdef class Risk:
    """Owned by the desk."""
    cdef Clock _clock
    cdef BookSource _books
    cdef object _config        # RiskConfig
    cdef bint _is_enabled
    cdef uint64_t _version     # of limits and instruments together
    cdef dict _instruments     # (provider, symbol) -> Instrument
    cdef dict _gates           # provider -> ProviderGate
    cdef dict _consumers       # consumer id -> ConsumerRisk
    cdef dict _slots           # (consumer id, provider, symbol) -> RiskSlot
    cdef bint _has_journal
    cdef int64_t _open_ns      # how long a breaker stays open
    cdef Strikes _breakers     # openings of breakers
    cdef readonly object kill  # KillState
    cdef bint _is_killed
    cdef object _on_change
    cdef object _keep
    cdef readonly int64_t next_ns
    cdef uint64_t[BREACH_COUNT] _refused
    cdef RiskTally _tally
    cdef readonly uint64_t breaker_opens

    cpdef object check(self, object request, bint is_trading)
    cpdef ApprovedOrder approve(self, Reservation reservation, str wire_order_id)
    cdef RiskSlot _slot_of(self, object request)
    cdef int _fit(self, RiskSlot slot) except -1
    cdef RiskSlot _kept_slot(self, object whose)
    cdef ConsumerRisk _consumer(self, str consumer_id)
    cdef ProviderGate _gate(self, str provider)
    cdef int _decide(self, RiskSlot slot, const Asked* asked, bint is_trading, Verdict* out) noexcept
    cdef void _look(self, RiskSlot slot, const Asked* asked, Market* out) noexcept
    cdef object _refuse(self, RiskSlot slot, Verdict* verdict)
    cdef int _take(self, object config) except -1
    cdef object _tell(self, object change)
