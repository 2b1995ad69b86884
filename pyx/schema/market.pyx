cimport cython
from cpython.buffer cimport PyBUF_WRITABLE
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from decimal import Decimal
from operator import index

from engine.base.units cimport format_decimal
from engine.schema.event cimport (BOOK_SNAPSHOT, BOOK_UPDATE, SLOT_DETACHED, SLOT_ESCAPED, SLOT_POISONED, TRADE,
                                  Event)

from engine.schema.enums import BookReason, ChecksumState, Side, UpdateType, by_number
from engine.schema.event import register_class

cdef tuple _CHECKSUM_STATES = by_number(ChecksumState)
cdef tuple _REASONS = by_number(BookReason)
cdef tuple _UPDATES = by_number(UpdateType)
cdef tuple _SIDES = by_number(Side)
_BOOK_FIELDS = ("bids", "asks", "first_update_id", "final_update_id", "checksum", "checksum_state",
                "verified_through_id")


@cython.final
cdef class Levels:
    """(price_raw, qty_raw) pairs, best first; also an int64[n, 2] buffer without a copy (``numpy.asarray``)."""

    def __cinit__(self, BookEvent event not None, bint asks):
        self._event = event
        self._asks = asks

    cdef Level* _first(self) noexcept:
        return self._event.b.levels + (self._event.b.bid_count if self._asks else 0)

    cdef Py_ssize_t _count(self) noexcept:
        return self._event.b.ask_count if self._asks else self._event.b.bid_count

    def __len__(self) -> int:
        self._event.guard()
        return self._count()

    def __getitem__(self, key):
        self._event.guard()
        cdef Py_ssize_t count = self._count()
        cdef Py_ssize_t i
        if isinstance(key, slice):
            return [self[j] for j in range(*key.indices(count))]
        i = key
        if i < 0:
            i += count
        if not 0 <= i < count:
            raise IndexError(f"level {key} of {count}")
        return (self._first()[i].price_raw, self._first()[i].qty_raw)

    def __iter__(self):
        for i in range(len(self)):
            yield self[i]

    def __eq__(self, other) -> bool:
        return list(self) == list(other)

    def __repr__(self) -> str:
        return f"Levels({list(self)!r})"

    def __reduce__(self):
        return list, (list(self),)             # a copy is a list

    def decimals(self) -> list[tuple[Decimal, Decimal]]:
        """The same levels as Decimals, exact."""
        self._event.guard()
        cdef int price_scale = self._event.h.price_scale
        cdef int qty_scale = self._event.h.qty_scale
        return [(Decimal(format_decimal(p, price_scale)), Decimal(format_decimal(q, qty_scale))) for p, q in self]

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        self._event.guard()
        if flags & PyBUF_WRITABLE == PyBUF_WRITABLE:
            raise BufferError("levels are read-only; copy them to change them")
        self._shape[0] = self._count()
        self._shape[1] = 2
        self._strides[0] = sizeof(Level)
        self._strides[1] = sizeof(int64_t)
        buffer.buf = <void*>self._first()
        buffer.obj = self
        buffer.len = self._count() * sizeof(Level)
        buffer.readonly = 1
        buffer.itemsize = sizeof(int64_t)
        buffer.format = b"q"
        buffer.ndim = 2
        buffer.shape = self._shape
        buffer.strides = self._strides
        buffer.suboffsets = NULL
        buffer.internal = NULL
        self._event.exports += 1

    def __releasebuffer__(self, Py_buffer* buffer):
        self._event.exports -= 1


cdef class BookEvent(Event):
    def __cinit__(self):
        self.s.data = &self.b
        self.s.data_size = sizeof(BookData)
        self.b.block_class = 255

    def __dealloc__(self):
        # A pooled event's block is the pool's until the slot escapes; then it goes with the event.
        free(self.b.levels)

    cdef int copy_own(self, Event source) except -1:
        cdef uint32_t count = self.b.bid_count + self.b.ask_count
        cdef Level* levels = self.b.levels
        self.b.levels = NULL
        self.b.block_class = 255
        self.b.capacity = count
        if count:
            self.b.levels = <Level*>malloc(count * sizeof(Level))
            if self.b.levels == NULL:
                raise MemoryError("levels of a detached event")
            memcpy(self.b.levels, levels, count * sizeof(Level))
        return 0

    cdef int fill_own(self, str name, object value) except -1:
        if name == "bids":
            self._fill_levels(list(value), list(Levels(self, True)))
        elif name == "asks":
            self._fill_levels(list(Levels(self, False)), list(value))
        elif name == "first_update_id" or name == "final_update_id":
            self.b.has_update_ids = value is not None
            if name == "first_update_id":
                self.b.first_update_id = value or 0
            else:
                self.b.final_update_id = value or 0
        elif name == "checksum":
            self.b.has_checksum = value is not None
            self.b.checksum = value or 0
        elif name == "checksum_state":
            self.b.verified = ChecksumState(value)
        elif name == "verified_through_id":
            self.b.verified_through_id = value
        elif name == "depth_levels":
            self.b.depth_levels = value
        elif name == "update_type":
            self.b.update_type = UpdateType(value) if value is not None else 0
        elif name == "reason" or name == "invalid_reason":
            self.b.reason = BookReason(value) if value is not None else 0
        else:
            Event.fill_own(self, name, value)
        return 0

    cdef int may_move_levels(self) except -1:
        if self.exports:
            raise BufferError(f"{type(self).__name__}: arrays of its levels are in use; drop them before changing it")
        return 0

    cdef int _fill_levels(self, list bids, list asks) except -1:
        self.may_move_levels()
        cdef uint32_t count = len(bids) + len(asks)
        cdef Level* levels = NULL
        if count:
            levels = <Level*>malloc(count * sizeof(Level))
            if levels == NULL:
                raise MemoryError("levels of a detached event")
        try:
            for i, (price_raw, qty_raw) in enumerate(bids + asks):
                levels[i].price_raw = index(price_raw)
                levels[i].qty_raw = index(qty_raw)
        except BaseException:
            free(levels)
            raise
        free(self.b.levels)
        self.b.levels = levels
        self.b.capacity = count
        self.b.bid_count = len(bids)
        self.b.ask_count = len(asks)
        return 0

    @property
    def bids(self) -> Levels:
        """Levels best (highest) first."""
        self.guard()
        return Levels(self, False)

    @property
    def asks(self) -> Levels:
        """Levels best (lowest) first."""
        self.guard()
        return Levels(self, True)

    @property
    def first_update_id(self):
        """First venue update id covered, or None where the venue numbers nothing."""
        self.guard()
        return self.b.first_update_id if self.b.has_update_ids else None

    @property
    def final_update_id(self):
        """Last venue update id covered, or None."""
        self.guard()
        return self.b.final_update_id if self.b.has_update_ids else None

    @property
    def checksum(self):
        """The venue's checksum of the book after this event, or None."""
        self.guard()
        return self.b.checksum if self.b.has_checksum else None

    @property
    def checksum_state(self):
        """ChecksumState: VERIFIED only when a checksum was compared and agreed."""
        self.guard()
        return _CHECKSUM_STATES[self.b.verified]

    @property
    def verified_through_id(self) -> int:
        """Last update of this stream proven by sequence or checksum."""
        self.guard()
        return self.b.verified_through_id


@cython.final
cdef class BookSnapshot(BookEvent):
    """The published part of an assembled book (EVT-11)."""

    def __cinit__(self):
        self.s.type = BOOK_SNAPSHOT

    cdef object own_fields(self):
        return _BOOK_FIELDS + ("depth_levels", "reason")

    @property
    def depth_levels(self) -> int:
        """Levels published per side; 0 = all."""
        self.guard()
        return self.b.depth_levels

    @property
    def reason(self):
        """BookReason: why it was published."""
        self.guard()
        return _REASONS[self.b.reason]


@cython.final
cdef class BookUpdate(BookEvent):
    """A change of the published book (EVT-12): absolute quantities, 0 removes; or full; or invalid."""

    def __cinit__(self):
        self.s.type = BOOK_UPDATE

    cdef object own_fields(self):
        return ("update_type",) + _BOOK_FIELDS + ("invalid_reason",)

    @property
    def update_type(self):
        """UpdateType: DELTA, FULL or INVALID."""
        self.guard()
        return _UPDATES[self.b.update_type]

    @property
    def invalid_reason(self):
        """BookReason on INVALID, else None."""
        self.guard()
        return _REASONS[self.b.reason] if self.b.reason else None


@cython.final
cdef class Trade(Event):
    """One trade, or one aggregate of match_count trades; side is the aggressor's (EVT-13)."""

    def __cinit__(self):
        self.s.data = &self.t
        self.s.data_size = sizeof(TradeData)
        self.s.type = TRADE

    cdef object own_fields(self):
        return ("trade_id", "side", "price_raw", "qty_raw", "match_count")

    def _ident(self) -> str:
        return str(self.t.trade_id)

    cdef int fill_own(self, str name, object value) except -1:
        if name == "trade_id":
            self.t.trade_id = int(value)
        elif name == "side":
            self.t.side = Side(value)
        elif name == "price_raw":
            self.t.price_raw = value
        elif name == "qty_raw":
            self.t.qty_raw = value
        elif name == "match_count":
            self.t.match_count = value
        else:
            Event.fill_own(self, name, value)
        return 0

    @property
    def trade_id(self) -> str:
        """The venue's id of the trade."""
        self.guard()
        return str(self.t.trade_id)

    @property
    def side(self):
        """Side of the aggressor; NONE where the venue does not say."""
        self.guard()
        return _SIDES[self.t.side]

    @property
    def price_raw(self) -> int:
        """Price x 10^price_scale."""
        self.guard()
        return self.t.price_raw

    @property
    def qty_raw(self) -> int:
        """Quantity x 10^qty_scale."""
        self.guard()
        return self.t.qty_raw

    @property
    def match_count(self) -> int:
        """Trades aggregated by the venue; 1 = none."""
        self.guard()
        return self.t.match_count


for _cls, _type in ((BookSnapshot, BOOK_SNAPSHOT), (BookUpdate, BOOK_UPDATE), (Trade, TRADE)):
    register_class(_cls, _type)
