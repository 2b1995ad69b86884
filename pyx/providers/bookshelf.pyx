cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from engine.book.ladder cimport SIDE_ASK, SIDE_BID, best
from engine.providers.assembler cimport BookAssembler
from engine.schema.event cimport Event
from engine.schema.market cimport REASON_REQUESTED, BookSnapshot
from engine.schema.ports cimport FULL, BookSource, EventPool, EventSink, TopOfBook, VersionPort


@cython.final
cdef class BookShelf(BookSource):
    """Args:
    versions: the routing in force; what is made here is stamped with it.
    """

    def __init__(self, VersionPort versions not None):
        self._books = {}
        self._versions = versions

    def add(self, BookAssembler book not None) -> None:
        """Put a book where its instrument is looked for."""
        self._books[book.instrument_id] = book

    def is_valid(self, instrument_id: int) -> bool:
        """Whether there is a book that is in force."""
        cdef BookAssembler book = self._books.get(instrument_id)
        return book is not None and book.is_valid

    def offer_to(self, EventSink sink not None, instrument_id: int, reason: int) -> tuple[int, int] | None:
        """Hand a book's snapshot to one consumer; (epoch, number) of the state it holds, None where there is none."""
        cdef PyObject* event = self.snapshot(instrument_id, reason)
        if event == NULL:
            return None
        state = (<Event>event).h.epoch, (<Event>event).h.seq_provider
        if sink.offer(event) == FULL:
            self._pool_of(instrument_id).release(event)
            return None
        return state

    def copy_of(self, instrument_id: int) -> BookSnapshot | None:
        """A book as it is now, as an event to keep; None where it is not in force, or where there is no slot."""
        cdef PyObject* event = self.snapshot(instrument_id, <int>REASON_REQUESTED)
        if event == NULL:
            return None
        try:
            return (<Event>event).detach()
        finally:
            self._pool_of(instrument_id).release(event)

    cdef bint top(self, uint32_t instrument_id, TopOfBook* out) noexcept:
        cdef BookAssembler book = self._books.get(instrument_id)
        if book is None or not book.is_valid or book._is_unsound:
            return False
        if book.ladder.sides[SIDE_BID].count == 0 or book.ladder.sides[SIDE_ASK].count == 0:
            return False
        out.bid_raw = best(&book.ladder.sides[SIDE_BID]).price_raw
        out.ask_raw = -best(&book.ladder.sides[SIDE_ASK]).price_raw
        out.price_scale = book.price_scale
        return True

    def best_prices(self, instrument_id: int) -> tuple[int, int, int] | None:
        """(best bid, best ask, price scale) of a valid book that has both; None where there is none."""
        cdef TopOfBook found
        return (found.bid_raw, found.ask_raw, found.price_scale) if self.top(instrument_id, &found) else None

    cdef EventPool _pool_of(self, uint32_t instrument_id):
        return (<BookAssembler>self._books[instrument_id]).pool

    cdef PyObject* snapshot(self, uint32_t instrument_id, int reason) except? NULL:
        cdef BookAssembler book = self._books.get(instrument_id)
        cdef PyObject* event
        if book is None:
            return NULL
        event = book.snapshot(reason)
        if event != NULL:
            (<Event>event).h.routing_version = self._versions.version
            self.made += 1
        return event

    cdef int lose(self, uint32_t instrument_id) except -1:
        cdef BookAssembler book = self._books.get(instrument_id)
        if book is not None:
            book._dirty = True
        return 0
