"""Events for the report analytics, made once and stamped anew for each pass."""
cimport cython
from libc.stdint cimport int64_t, uint64_t


@cython.final
cdef class ReportLoad:
    """Owned by one benchmark."""
    cdef readonly list events
    cdef uint64_t next_trade_id
