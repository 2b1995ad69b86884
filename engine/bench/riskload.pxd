"""Orders through risk, each one timed; and books that say what they are told to."""
cimport cython

from engine.orders.risk cimport Risk
from engine.schema.ports cimport BookSource


@cython.final
cdef class FixedTops(BookSource):
    """Best prices by instrument."""
    cdef dict _tops                      # instrument id -> (bid_raw, ask_raw, price_scale)


@cython.final
cdef class RiskLoad:
    """Owns nothing of what it drives."""
    cdef Risk _risk
    cdef list _requests
