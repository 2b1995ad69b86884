from collections.abc import Callable, Mapping
from typing import Any, Self

from typing_extensions import disjoint_base

from engine.base.clock import Clock
from engine.schema.enums import EventFlag, EventKind, EventType

KIND_OF_TYPE: Mapping[EventType, EventKind]
BASE_FIELDS: tuple[str, ...]

def use_clock(clock: Clock) -> None:
    """The clock that lag_ns reads: the running engine's, or a replay's."""
def parse_uuid(text: str) -> tuple[int, int]:
    """(high, low) 64-bit halves of a lower-case UUID text.

    Raises:
        ValueError: not 32 hex digits with hyphens.
    """
def register_class(cls: type[Event], event_type: int) -> None:
    """Note the class of an event type; each schema module does so once at import."""
def class_of(event_type: int) -> type[Event]:
    """The event class of an EventType.

    Raises:
        KeyError: the type is not built.
    """

@disjoint_base
class Event:
    """A canonical event: read-only in callbacks, valid until the callback returns, `detach()` to keep it."""

    def __setattr__(self, name: str, value: Any, /) -> None: ...
    def __delattr__(self, name: str, /) -> None: ...
    def __eq__(self, other: object, /) -> bool: ...
    def detach(self) -> Self:
        """An unpooled copy that may be kept, changed, pickled and sent; it equals the event field by field."""
    def as_dict(self) -> dict[str, object]:
        """Every field by its attribute name, base fields first."""
    @classmethod
    def from_dict(cls, fields: Mapping[str, object]) -> Self:
        """A detached event with these fields (attribute names, Python values); derived ones are ignored.

        Raises:
            MisuseError: an unknown field name.
            ValueError: a value the field cannot hold.
        """
    def fill(self, name: str, value: Any) -> None:
        """Set one field of a detached event.

        Raises:
            AttributeError: the event is not detached, or has no such field, or it follows from others.
            IndexError: an instrument id that was never given out.
            TypeError, ValueError, OverflowError: a value the field cannot hold.
        """
    def __reduce__(self) -> tuple[Callable[[dict[str, object]], Event], tuple[dict[str, object]]]: ...
    @property
    def type(self) -> EventType:
        """EventType."""
    @property
    def kind(self) -> EventKind:
        """EventKind, which follows from the type."""
    @property
    def is_critical(self) -> bool:
        """Whether it must never be dropped, coalesced, filtered or rate-limited."""
    @property
    def schema_version(self) -> int:
        """Version of the data model: 1."""
    @property
    def event_id(self) -> str:
        """``provider:symbol:type:ident``, without a time, so that a re-sent event has the same id."""
    @property
    def provider(self) -> str:
        """Provider name; ``engine`` for what the engine makes itself."""
    @property
    def symbol(self) -> str | None:
        """``BASE-QUOTE``, or None where an event has no symbol."""
    @property
    def instrument_id(self) -> int:
        """Dense process-wide id of (provider, symbol); never on a wire."""
    @property
    def seq_provider(self) -> int:
        """The stream's number of this event, comparable inside one epoch."""
    @property
    def seq_first(self) -> int:
        """First number covered: below seq_provider where one event covers a range."""
    @property
    def epoch(self) -> int:
        """Grows when the provider restarts the stream's numbering or rebuilds the book."""
    @property
    def ts_venue_ns(self) -> int:
        """The venue's time, ns since 1970 UTC; 0 = unknown."""
    @property
    def ts_recv_ns(self) -> int:
        """When the frame's last byte was handed to us, ns since 1970 UTC."""
    @property
    def ts_emit_ns(self) -> int:
        """When the provider handed the event on, ns since 1970 UTC."""
    @property
    def lag_ns(self) -> int:
        """How far this moment is behind the wire: now - ts_recv_ns."""
    @property
    def routing_version(self) -> int:
        """Version of the routing table that routed it."""
    @property
    def merge_id(self) -> str | None:
        """Set on merged events only."""
    @property
    def trace_id(self) -> str:
        """128 bits as a lower-case UUID."""
    @property
    def decision_id(self) -> str | None:
        """Set by the consumer that decided, else None."""
    @property
    def flags(self) -> frozenset[EventFlag]:
        """Frozen set of EventFlag."""
    @property
    def folded_count(self) -> int:
        """Venue updates folded into this event; 0 = made by the engine."""
    @property
    def price_scale(self) -> int:
        """Decimals of every price_raw: value = raw x 10^-price_scale."""
    @property
    def qty_scale(self) -> int:
        """Decimals of every qty_raw."""
    @property
    def venue_meta(self) -> Mapping[str, str] | None:
        """What the venue sent beyond the model, or None."""
    @property
    def is_detached(self) -> bool:
        """Whether this is a copy no pool will reuse."""
