from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc, free

from engine.base.clock cimport monotonic_ns
from engine.book.ladder cimport SIDE_ASK, SIDE_BID, Ladder, best
from engine.schema.market cimport Level

cdef enum:
    TOP_LEVELS = 20
    PUBLISHED_DEPTH = 1000

READS = ("update", "best", "top20")


cdef class BookLoad:
    """One workload: columns of (side, price, quantity) changes, applied one message each.

    Args:
        sides: 0 a bid, 1 an ask.
        prices, quantities: raw integers; quantity 0 removes.
    """

    def __init__(self, sides, prices, quantities):
        cdef uint32_t i
        self._count = len(sides)
        self._side = <int*>calloc(self._count + 1, sizeof(int))
        self._price = <int64_t*>calloc(self._count + 1, sizeof(int64_t))
        self._quantity = <int64_t*>calloc(self._count + 1, sizeof(int64_t))
        if self._side == NULL or self._price == NULL or self._quantity == NULL:
            raise MemoryError(f"{self._count} changes")
        for i in range(self._count):
            self._side[i] = sides[i]
            self._price[i] = prices[i]
            self._quantity[i] = quantities[i]
        self.ladder = Ladder()

    def __dealloc__(self):
        free(self._side)
        free(self._price)
        free(self._quantity)

    @property
    def count(self) -> int:
        """Changes in one run."""
        return self._count

    def open(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        """Load the book a run starts from."""
        self.ladder.replace(SIDE_BID, bids)
        self.ladder.replace(SIDE_ASK, asks)

    def run(self, read: str) -> int:
        """Apply every change and read what *read* of READS says after each; returns wall ns.

        Raises:
            ValueError: *read* is none of READS.
        """
        cdef int what = READS.index(read)
        cdef Ladder ladder = self.ladder
        cdef Level change
        cdef Level[4] published
        cdef Level[TOP_LEVELS] top
        cdef uint32_t i
        cdef uint32_t published_count = 0
        cdef int64_t seen = 0
        cdef int64_t started_ns = monotonic_ns()
        for i in range(self._count):
            change.price_raw = self._price[i]
            change.qty_raw = self._quantity[i]
            ladder.apply(self._side[i], &change, 1, PUBLISHED_DEPTH, published, &published_count)
            if what:
                seen += best(&ladder.sides[SIDE_BID]).price_raw - best(&ladder.sides[SIDE_ASK]).price_raw
            if what == 2:
                ladder.copy_top(SIDE_BID, TOP_LEVELS, top)
                seen += top[TOP_LEVELS - 1].qty_raw
                ladder.copy_top(SIDE_ASK, TOP_LEVELS, top)
                seen += top[TOP_LEVELS - 1].qty_raw
        started_ns = monotonic_ns() - started_ns
        if what and seen == 0:
            raise ValueError("nothing was read")
        return started_ns
