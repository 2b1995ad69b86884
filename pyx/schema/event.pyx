from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from engine.base.clock cimport Clock, SystemClock
from engine.base.ids cimport instrument_keys

from decimal import Decimal

from engine.base.errors import MisuseError, UseAfterRecycleError
from engine.base.ids import instrument_id, instrument_key
from engine.schema.enums import KIND_OF_TYPE, EventFlag, EventType

cdef object _poison_reporter = None
cdef Clock _lag_clock = SystemClock()
_CLASSES = {}

BASE_FIELDS = (
    "type", "kind", "schema_version", "event_id", "provider", "symbol", "seq_provider", "seq_first", "epoch",
    "ts_venue_ns", "ts_recv_ns", "ts_emit_ns", "routing_version", "merge_id", "trace_id", "decision_id", "flags",
    "folded_count", "price_scale", "qty_scale", "venue_meta")
_DERIVED_FIELDS = frozenset({"type", "kind", "schema_version", "event_id", "merge_id", "venue_meta",
                             "source_providers", "is_complete", "remaining_qty_raw", "is_open"})
cdef enum BaseField:
    SET_INSTRUMENT_ID
    SET_PROVIDER
    SET_SYMBOL
    SET_TRACE_ID
    SET_DECISION_ID
    SET_FLAGS
    SET_SEQ_PROVIDER
    SET_SEQ_FIRST
    SET_EPOCH
    SET_TS_VENUE_NS
    SET_TS_RECV_NS
    SET_TS_EMIT_NS
    SET_ROUTING_VERSION
    SET_FOLDED_COUNT
    SET_PRICE_SCALE
    SET_QTY_SCALE


cdef dict _FIELD_NUMBERS = {
    "instrument_id": SET_INSTRUMENT_ID, "provider": SET_PROVIDER, "symbol": SET_SYMBOL, "trace_id": SET_TRACE_ID,
    "decision_id": SET_DECISION_ID, "flags": SET_FLAGS, "seq_provider": SET_SEQ_PROVIDER, "seq_first": SET_SEQ_FIRST,
    "epoch": SET_EPOCH, "ts_venue_ns": SET_TS_VENUE_NS, "ts_recv_ns": SET_TS_RECV_NS, "ts_emit_ns": SET_TS_EMIT_NS,
    "routing_version": SET_ROUTING_VERSION, "folded_count": SET_FOLDED_COUNT, "price_scale": SET_PRICE_SCALE,
    "qty_scale": SET_QTY_SCALE,
}
cdef tuple _TYPES = tuple([EventType(number) if number in EventType._value2member_map_ else None
                          for number in range(TYPE_COUNT)])      # a look-up, where calling the class would search
cdef dict _OWN_FIELDS = {}                 # names by class, for finding
cdef dict _FLAG_SETS = {}                  # by their bits: most events have none, and few combinations ever come
_DECIMAL_FIELDS = frozenset({"cum_notional", "avg_fill_price"})


cdef object set_poison_reporter(object reporter):
    """Give guard() the text about a recycled slot by its id (acquire and recycle stacks); the recycler's business."""
    global _poison_reporter
    _poison_reporter = reporter
    return None


def use_clock(Clock clock not None) -> None:
    """The clock that lag_ns reads: the running engine's, or a replay's."""
    global _lag_clock
    _lag_clock = clock


cdef str uuid_text(uint64_t hi, uint64_t lo):
    cdef str digits = f"{hi:016x}{lo:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def parse_uuid(str text not None) -> tuple[int, int]:
    """(high, low) 64-bit halves of a lower-case UUID text.

    Raises:
        ValueError: not 32 hex digits with hyphens.
    """
    digits = text.replace("-", "")
    if len(digits) != 32:
        raise ValueError(f"{text!r} is not a UUID")
    return int(digits[:16], 16), int(digits[16:], 16)


cdef class Event:
    """A canonical event: read-only in callbacks, valid until the callback returns, `detach()` to keep it."""

    cdef int guard(self) except -1:
        if self.s.state == SLOT_POISONED:
            detail = _poison_reporter(id(self)) if _poison_reporter is not None else ""
            raise UseAfterRecycleError(
                f"{type(self).__name__} read after it was recycled{detail}", op="event.read",
                hint="keep event.detach() instead of the event")
        return 0

    cdef object own_fields(self):
        return ()

    cdef int fill_own(self, str name, object value) except -1:
        raise AttributeError(f"{type(self).__name__} has no field {name!r}")

    cdef int copy_own(self, Event source) except -1:
        return 0

    cdef int take_ident(self, str ident) except -1:
        # For types whose ident holds more than the fields do.
        return 0

    # -- base fields ------------------------------------------------------------------------------------------

    @property
    def type(self):
        """EventType."""
        self.guard()
        return _TYPES[self.s.type]

    @property
    def kind(self):
        """EventKind, which follows from the type."""
        self.guard()
        return KIND_OF_TYPE[_TYPES[self.s.type]]

    @property
    def is_critical(self) -> bool:
        """Whether it must never be dropped, coalesced, filtered or rate-limited."""
        self.guard()
        return is_critical(self.s.type)

    @property
    def schema_version(self) -> int:
        """Version of the data model: 1."""
        self.guard()
        return 1

    @property
    def event_id(self) -> str:
        """``provider:symbol:type:ident``, without a time, so that a re-sent event has the same id."""
        self.guard()
        symbol = self.symbol
        return f"{self.provider}:{symbol or ''}:{type(self).__name__}:{self._ident()}"

    def _ident(self) -> str:
        return f"{self.h.epoch}.{self.h.seq_provider}"

    @property
    def provider(self) -> str:
        """Provider name; ``engine`` for what the engine makes itself."""
        self.guard()
        return instrument_keys[self.h.instrument_id][0]

    @property
    def symbol(self):
        """``BASE-QUOTE``, or None where an event has no symbol."""
        self.guard()
        return instrument_keys[self.h.instrument_id][1]

    @property
    def instrument_id(self) -> int:
        """Dense process-wide id of (provider, symbol); never on a wire."""
        self.guard()
        return self.h.instrument_id

    @property
    def seq_provider(self) -> int:
        """The stream's number of this event, comparable inside one epoch."""
        self.guard()
        return self.h.seq_provider

    @property
    def seq_first(self) -> int:
        """First number covered: below seq_provider where one event covers a range."""
        self.guard()
        return self.h.seq_first

    @property
    def epoch(self) -> int:
        """Grows when the provider restarts the stream's numbering or rebuilds the book."""
        self.guard()
        return self.h.epoch

    @property
    def ts_venue_ns(self) -> int:
        """The venue's time, ns since 1970 UTC; 0 = unknown."""
        self.guard()
        return self.h.ts_venue_ns

    @property
    def ts_recv_ns(self) -> int:
        """When the frame's last byte was handed to us, ns since 1970 UTC."""
        self.guard()
        return self.h.ts_recv_ns

    @property
    def ts_emit_ns(self) -> int:
        """When the provider handed the event on, ns since 1970 UTC."""
        self.guard()
        return self.h.ts_emit_ns

    @property
    def lag_ns(self) -> int:
        """How far this moment is behind the wire: now - ts_recv_ns."""
        self.guard()
        return _lag_clock.now_ns() - self.h.ts_recv_ns

    @property
    def routing_version(self) -> int:
        """Version of the routing table that routed it."""
        self.guard()
        return self.h.routing_version

    @property
    def merge_id(self):
        """Set on merged events only."""
        self.guard()
        return None

    @property
    def trace_id(self) -> str:
        """128 bits as a lower-case UUID."""
        self.guard()
        return uuid_text(self.h.trace_hi, self.h.trace_lo)

    @property
    def decision_id(self):
        """Set by the consumer that decided, else None."""
        self.guard()
        if self.h.decision_hi == 0 and self.h.decision_lo == 0:
            return None
        return uuid_text(self.h.decision_hi, self.h.decision_lo)

    @property
    def flags(self):
        """Frozen set of EventFlag."""
        self.guard()
        found = _FLAG_SETS.get(self.h.flags)
        if found is None:
            found = _FLAG_SETS[self.h.flags] = frozenset([flag for flag in EventFlag if self.h.flags & flag])
        return found

    @property
    def folded_count(self) -> int:
        """Venue updates folded into this event; 0 = made by the engine."""
        self.guard()
        return self.h.folded_count

    @property
    def price_scale(self) -> int:
        """Decimals of every price_raw: value = raw x 10^-price_scale."""
        self.guard()
        return self.h.price_scale

    @property
    def qty_scale(self) -> int:
        """Decimals of every qty_raw."""
        self.guard()
        return self.h.qty_scale

    @property
    def venue_meta(self):
        """What the venue sent beyond the model, or None."""
        self.guard()
        return None

    # -- copies -----------------------------------------------------------------------------------------------

    def detach(self):
        """An unpooled copy that may be kept, changed, pickled and sent; it equals the event field by field."""
        self.guard()
        cdef Event copy = type(self)()
        copy.h = self.h
        copy.h.flags &= ~FLAG_OVERFLOW_ALLOC
        memcpy(copy.s.data, self.s.data, self.s.data_size)
        copy.copy_own(self)
        return copy

    @property
    def is_detached(self) -> bool:
        """Whether this is a copy no pool will reuse."""
        self.guard()
        return self.s.state == SLOT_DETACHED

    def as_dict(self) -> dict[str, object]:
        """Every field by its attribute name, base fields first."""
        self.guard()
        return {name: getattr(self, name) for name in BASE_FIELDS + tuple(self.own_fields())}

    @classmethod
    def from_dict(cls, fields: dict[str, object]):
        """A detached event with these fields (attribute names, Python values); derived ones are ignored.

        Raises:
            MisuseError: an unknown field name.
            ValueError: a value the field cannot hold.
        """
        cdef Event event = cls()
        unknown = sorted(set(fields) - set(BASE_FIELDS) - set(event.own_fields()) - {"instrument_id"})
        if unknown:
            raise MisuseError(f"{cls.__name__} has no field {unknown[0]!r}", op="event.from_dict")
        given = dict(fields)
        if "provider" in given or "symbol" in given:
            # Dense ids differ from process to process: the names say which instrument it is.
            event.h.instrument_id = instrument_id(given.pop("provider", "engine"), given.pop("symbol", None))
            given.pop("instrument_id", None)
        event.take_ident(given.get("event_id", "").rpartition(":")[2])
        for name, value in given.items():
            if name not in _DERIVED_FIELDS:
                event.fill(name, value)
        return event

    def fill(self, str name not None, value) -> None:
        """Set one field of a detached event.

        Raises:
            AttributeError: the event is not detached, or has no such field, or it follows from others.
            IndexError: an instrument id that was never given out.
            TypeError, ValueError, OverflowError: a value the field cannot hold.
        """
        self.guard()
        if self.s.state != SLOT_DETACHED:
            raise AttributeError(f"{type(self).__name__}.{name} is read-only; detach() gives a copy you may change")
        cdef object kind = type(value)
        if kind is not int and kind is not str and hasattr(value, "__int__") and not hasattr(value, "__index__") and not (
                kind is Decimal and name in _DECIMAL_FIELDS):
            # A float or Decimal would be cut to an integer without a word.
            raise TypeError(f"{type(self).__name__}.{name} takes no {kind.__name__}")
        cdef object found = _FIELD_NUMBERS.get(name)
        if found is not None:
            self._fill_base(found, value)
            return
        found = _OWN_FIELDS.get(type(self))
        if found is None:
            found = _OWN_FIELDS[type(self)] = frozenset(self.own_fields())
        if name not in <frozenset>found:
            raise AttributeError(f"{type(self).__name__} has no field {name!r} to set")
        self.fill_own(name, value)

    cdef int _fill_base(self, int number, object value) except -1:
        """Found by its number: comparing one name after the other takes longer than all the rest of a fill."""
        if number == SET_INSTRUMENT_ID:
            instrument_key(value)
            self.h.instrument_id = value
        elif number == SET_PROVIDER:
            self.h.instrument_id = instrument_id(value, self.symbol)
        elif number == SET_SYMBOL:
            self.h.instrument_id = instrument_id(self.provider, value)
        elif number == SET_TRACE_ID:
            self.h.trace_hi, self.h.trace_lo = parse_uuid(value)
        elif number == SET_DECISION_ID:
            self.h.decision_hi, self.h.decision_lo = parse_uuid(value) if value is not None else (0, 0)
        elif number == SET_FLAGS:
            self.h.flags = sum({int(EventFlag(flag)) for flag in value}) if value else 0
        elif number == SET_SEQ_PROVIDER:
            self.h.seq_provider = value
        elif number == SET_SEQ_FIRST:
            self.h.seq_first = value
        elif number == SET_EPOCH:
            self.h.epoch = value
        elif number == SET_TS_VENUE_NS:
            self.h.ts_venue_ns = value
        elif number == SET_TS_RECV_NS:
            self.h.ts_recv_ns = value
        elif number == SET_TS_EMIT_NS:
            self.h.ts_emit_ns = value
        elif number == SET_ROUTING_VERSION:
            self.h.routing_version = value
        elif number == SET_FOLDED_COUNT:
            self.h.folded_count = value
        elif number == SET_PRICE_SCALE:
            self.h.price_scale = value
        else:
            self.h.qty_scale = value
        return 0

    def __setattr__(self, str name, value) -> None:
        self.fill(name, value)

    def __reduce__(self):
        self.guard()
        if self.s.state != SLOT_DETACHED:
            raise MisuseError(f"{type(self).__name__} belongs to a pool and cannot be pickled", op="event.pickle",
                              hint="pickle event.detach()")
        return type(self).from_dict, (self.as_dict(),)

    def __eq__(self, other) -> bool:
        if self is other:
            return True
        if type(self) is not type(other):
            return NotImplemented
        return self.as_dict() == other.as_dict()

    def __hash__(self) -> int:
        return hash(self.event_id)

    def __repr__(self) -> str:
        if self.s.state == SLOT_POISONED:
            return f"<{type(self).__name__} recycled>"
        return f"<{type(self).__name__} {self.event_id}>"


def register_class(cls, int event_type) -> None:
    """Note the class of an event type; each schema module does so once at import."""
    _CLASSES[event_type] = cls


def class_of(int event_type):
    """The event class of an EventType.

    Raises:
        KeyError: the type is not built.
    """
    return _CLASSES[event_type]
