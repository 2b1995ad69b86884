cimport cython
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc

from engine.base.clock cimport monotonic_ns
from engine.orders.risk cimport Risk
from engine.orders.room cimport Reservation
from engine.schema.ports cimport BookSource, TopOfBook


@cython.final
cdef class FixedTops(BookSource):
    """Best prices that are set by hand, in place of assembled books."""

    def __cinit__(self):
        self._tops = {}

    def set(self, instrument_id: int, bid_raw: int, ask_raw: int, price_scale: int) -> None:
        """An instrument has a valid book with these best prices."""
        self._tops[instrument_id] = (bid_raw, ask_raw, price_scale)

    def clear(self, instrument_id: int) -> None:
        """It has none."""
        self._tops.pop(instrument_id, None)

    cdef bint top(self, uint32_t instrument_id, TopOfBook* out) noexcept:
        found = self._tops.get(instrument_id)
        if found is None:
            return False
        out.bid_raw = (<tuple>found)[0]
        out.ask_raw = (<tuple>found)[1]
        out.price_scale = (<tuple>found)[2]
        return True


@cython.final
cdef class RiskLoad:
    """Args:
    risk: ready to take orders.
    requests: taken in turn.
    """

    def __init__(self, Risk risk not None, requests):
        self._risk = risk
        self._requests = list(requests)

    def run(self, count: int) -> list[int]:
        """Check *count* orders; what each check took, in ns. What was approved is released, untimed."""
        cdef int64_t left = count
        cdef int64_t n = len(self._requests)
        cdef int64_t i
        cdef object answer
        cdef int64_t* took = <int64_t*>malloc(left * sizeof(int64_t))
        if took == NULL:
            raise MemoryError("timings")
        try:
            for i in range(left):
                request = self._requests[i % n]
                took[i] = -monotonic_ns()
                answer = self._risk.check(request, True)
                took[i] += monotonic_ns()
                if isinstance(answer, Reservation):
                    (<Reservation>answer).release()
            return [took[i] for i in range(left)]
        finally:
            free(took)
