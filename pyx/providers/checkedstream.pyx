from libc.stdint cimport int64_t

from engine.base.clock cimport Clock
from engine.base.jsonwalk cimport WIRE_BAD_VALUE, WIRE_OK, WIRE_OVERFLOW
from engine.providers.assembler cimport BOOK_CHECKSUM_FAILED, BOOK_CROSSED, BookAssembler
from engine.providers.rowstream cimport RowStream
from engine.providers.tape cimport TradeTape
from engine.providers.venuestream cimport VenueStream
from engine.schema.market cimport REASON_CHECKSUM, REASON_CROSSED, REASON_OVERFLOW, REASON_RECONNECT
from engine.schema.ports cimport EventPool, EventSink

from engine.base.errors import ScaleOverflowError, ValidationError


cdef class CheckedContinuity:
    def __cinit__(self):
        self.conn = -1
        self.checksum_failed_at_record = []

    cdef int failed(self, int64_t record_index) except -1:
        """A checksum was wrong: note the record of a replay."""
        if record_index >= 0:
            self.checksum_failed_at_record.append(record_index)
        return 0

    cdef void lose(self) noexcept:
        """The book is void until the next snapshot."""
        self.in_sync = False


cdef class CheckedSymbol:
    def __init__(self, BookAssembler book not None, CheckedContinuity continuity not None):
        self.book = book
        self.continuity = continuity
        self.trades = TradeTape()
        self.has_precision = book.checksum is not None


cdef class CheckedStream(RowStream):
    """Base of the streams of venues that prove each message of a book by a checksum over its best levels.

    A book that comes with a checksum has the venue's decimals; for one that comes without, they have to be found.

    Args:
        verify_checksum: False compares nothing and gives up the proof.
        on_error: called as on_error(conn, text) when the venue refuses something.
        on_instruments: called as on_instruments(frame) with each frame of catalogue data; a ValidationError or
            ScaleOverflowError from it refuses the frame.
    """

    def __init__(self, provider: str, EventPool pool not None, EventSink sink not None, Clock clock not None, *,
                 verify_checksum: bool = True, on_error=None, on_instruments=None, **hooks):
        super().__init__(provider, pool, sink, clock, **hooks)
        self.states = []
        self._tapes = []
        self.verify_checksum = verify_checksum
        self.on_error = on_error
        self.on_instruments = on_instruments

    cdef CheckedSymbol new_symbol(self, BookAssembler book):
        """The state of one more symbol, with the venue's rule."""
        raise NotImplementedError(type(self).__name__)

    def add_book(self, BookAssembler book not None) -> int:
        """Take charge of a symbol, known by its spelling on the wire."""
        cdef CheckedSymbol state
        index = VenueStream.add_book(self, book)
        if index == len(self.states):
            state = self.new_symbol(book)
            if not self.verify_checksum:
                book.checksum = None
            self.states.append(state)
            self._tapes.append(state.trades)
        return index

    def symbol_states(self) -> list:
        """The symbols' states by symbol index."""
        return list(self.states)

    def set_precision(self, index: int, price_precision: int, qty_precision: int) -> None:
        """The venue's decimals of a symbol, with which it writes the text of its checksums.

        Raises:
            ScaleOverflowError: a level of the book does not fit 64 bits at these decimals.
        """
        cdef CheckedSymbol state = self.states[index]
        if state.book.set_precision(price_precision, qty_precision) != WIRE_OK:
            raise ScaleOverflowError(f"{state.book.symbol} at {price_precision} and {qty_precision} decimals",
                                     op="book.widen", provider=self.provider)
        state.has_precision = True
        if not self.verify_checksum:
            state.book.checksum = None

    def reset_connection(self, int conn) -> None:
        """The connection was made anew: its books wait for their snapshots."""
        self.lose_connection(conn, REASON_RECONNECT, self.clock.now_ns())

    def drop_book(self, index: int, reason: int = REASON_RECONNECT) -> None:
        """The book is not fed any more: forget it, and ask for nothing."""
        cdef CheckedSymbol state = <CheckedSymbol>self.states[index]
        if state.continuity.in_sync:
            state.continuity.lose()
            self.give_up(state.book, reason, self.clock.now_ns())

    cdef int lose(self, int index, int reason, int64_t ts_recv_ns) except -1:
        """Void a book that is in sync."""
        cdef CheckedSymbol state = <CheckedSymbol>self.states[index]
        if state.continuity.in_sync:
            state.continuity.lose()
            self.lost(state.book, index, reason, ts_recv_ns)
        return 0

    cdef int lose_connection(self, int conn, int reason, int64_t ts_recv_ns) except -1:
        """Void every book that a connection feeds."""
        cdef int index
        for index in range(<int>len(self.states)):
            if (<CheckedSymbol>self.states[index]).continuity.conn == conn:
                self.lose(index, reason, ts_recv_ns)
        return 0

    cdef int fail(self, int index, int outcome, int64_t ts_recv_ns) except -1:
        """A message went into a book which then was not the venue's: *outcome* says why."""
        if outcome == BOOK_CHECKSUM_FAILED:
            (<CheckedSymbol>self.states[index]).continuity.failed(self.record_index)
            return self.lose(index, REASON_CHECKSUM, ts_recv_ns)
        return self.lose(index, REASON_CROSSED if outcome == BOOK_CROSSED else REASON_OVERFLOW, ts_recv_ns)

    cdef int take_instruments(self, const char* text, size_t length, const char* field) except -1:
        """Hand a frame of catalogue data on; one that cannot be used is refused for its *field*."""
        if self.on_instruments is None:
            return 0
        try:
            self.on_instruments(text[:length])
        except (ScaleOverflowError, ValidationError) as error:
            self.reject(WIRE_OVERFLOW if isinstance(error, ScaleOverflowError) else WIRE_BAD_VALUE, field, text,
                        length)
        return 0
