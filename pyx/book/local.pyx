from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc

from decimal import Decimal

from engine.base.units cimport format_decimal
from engine.book.ladder cimport SIDE_ASK, SIDE_BID, Ladder
from engine.schema.event cimport BOOK_SNAPSHOT
from engine.schema.market cimport UPDATE_FULL, UPDATE_INVALID, BookEvent, Level

from engine.base.errors import MisuseError
from engine.schema.enums import BookReason


cdef class Book:
    """Rebuilds one book from BookSnapshot and BookUpdate events, and refuses to be read while it is invalid."""

    def __cinit__(self):
        self.ladder = Ladder()
        self._instrument = -1

    def apply(self, BookEvent event not None) -> bool:
        """Take one book event; returns whether the book may be read now.

        Raises:
            MisuseError: an event of another instrument.
        """
        event.guard()
        self.take(event)
        return self.is_valid

    cdef int take(self, BookEvent event) except -1:
        cdef uint32_t count = event.b.bid_count + event.b.ask_count
        cdef Level* ignored
        cdef uint32_t n = 0
        if self._instrument >= 0 and <uint32_t>self._instrument != event.h.instrument_id:
            raise MisuseError(f"event of {event.provider} {event.symbol} given to another instrument's book",
                              op="book.apply", hint="keep one engine.Book for each (provider, symbol)")
        self._instrument = event.h.instrument_id
        if event.s.type == BOOK_SNAPSHOT or event.b.update_type == UPDATE_FULL:
            self.ladder.load(SIDE_BID, event.b.levels, event.b.bid_count)
            self.ladder.load(SIDE_ASK, event.b.levels + event.b.bid_count, event.b.ask_count)
            self.is_valid = True
            self.reason = None
        elif event.b.update_type == UPDATE_INVALID:
            self.ladder.clear()
            self.is_valid = False
            self.reason = BookReason(event.b.reason)
            return 0
        elif not self.is_valid:
            return 0                         # a delta before the first snapshot
        else:
            if event.h.price_scale != self.price_scale or event.h.qty_scale != self.qty_scale:
                for side in (SIDE_BID, SIDE_ASK):
                    self.ladder.rescale_side(side, event.h.price_scale - self.price_scale,
                                             event.h.qty_scale - self.qty_scale, True)
            if count:
                ignored = <Level*>malloc(2 * count * sizeof(Level))
                if ignored == NULL:
                    raise MemoryError("book")
                self.ladder.apply(SIDE_BID, event.b.levels, event.b.bid_count, 0, ignored, &n)
                self.ladder.apply(SIDE_ASK, event.b.levels + event.b.bid_count, event.b.ask_count, 0, ignored, &n)
                free(ignored)
        self.price_scale = event.h.price_scale
        self.qty_scale = event.h.qty_scale
        self.verified_through_id = event.b.verified_through_id
        return 0

    cdef int _need_valid(self) except -1:
        if not self.is_valid:
            why = f"it was lost ({self.reason.name.lower()})" if self.reason is not None else "it has no snapshot yet"
            raise MisuseError(f"the book cannot be read: {why}", op="book.read",
                              hint="wait for the next BookSnapshot; apply() tells when the book is valid")
        return 0

    def bids(self, limit: int = 0) -> list[tuple[int, int]]:
        """(price_raw, qty_raw), best first; limit 0 = all.

        Raises:
            MisuseError: the book is invalid.
        """
        self._need_valid()
        return self.ladder.levels(SIDE_BID, limit)

    def asks(self, limit: int = 0) -> list[tuple[int, int]]:
        """(price_raw, qty_raw), best first; limit 0 = all.

        Raises:
            MisuseError: the book is invalid.
        """
        self._need_valid()
        return self.ladder.levels(SIDE_ASK, limit)

    @property
    def best_bid(self) -> tuple[Decimal, Decimal] | None:
        """(price, quantity) as Decimals, None for an empty side.

        Raises:
            MisuseError: the book is invalid.
        """
        return self._best(SIDE_BID)

    @property
    def best_ask(self) -> tuple[Decimal, Decimal] | None:
        """(price, quantity) as Decimals, None for an empty side.

        Raises:
            MisuseError: the book is invalid.
        """
        return self._best(SIDE_ASK)

    def _best(self, side: int):
        self._need_valid()
        found = self.ladder.levels(side, 1)
        if not found:
            return None
        return (Decimal(format_decimal(found[0][0], self.price_scale)),
                Decimal(format_decimal(found[0][1], self.qty_scale)))
