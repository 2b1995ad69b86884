from typing import Any, NoReturn

from typing_extensions import disjoint_base

from engine.schema.enums import OrderingMode
from engine.schema.event import Event
from engine.schema.ports import EventSink

@disjoint_base
class Lease:
    """A slot taken off the hot path: fill(), publish(), then release() or offer_to().

    It holds the engine's reference, not a Python one. Every call after the last reference was given back or handed
    over is refused, whoever owns the slot by then.
    """

    def event(self) -> Event:
        """The event itself; whoever keeps it past its last release makes the slot escape.

        Raises:
            MisuseError: the lease has ended.
        """
    def fill(self, name: str, value: Any) -> None:
        """Set one field before publish().

        Raises:
            MisuseError: the event is published already, or the lease has ended.
            AttributeError: the event has no such field, or it follows from others.
            BufferError: levels of which an array is in use.
        """
    def fill_all(self, fields: dict[str, object]) -> None:
        """Set several fields, none of them levels, as fill() does each.

        Raises:
            MisuseError: the event is published already, or the lease has ended.
            AttributeError: the event has no such field, or it follows from others.
        """
    def publish(self, ordering: OrderingMode = ...) -> None:
        """Freeze the event; *ordering* declares how its stream's numbers are read (EVT-61).

        Raises:
            MisuseError: the lease has ended.
        """
    def retain(self) -> None:
        """Add one engine reference, which this lease then owes.

        Raises:
            MisuseError: the lease has ended.
        """
    def offer_to(self, sink: EventSink) -> str:
        """Hand one reference of a published event to a stage.

        Returns:
            ``accepted`` or ``coalesced``: the reference is the stage's now, as it is when the stage raises;
            ``full``: it stays with the lease.

        Raises:
            MisuseError: the event is not published yet, or the lease has ended.
        """
    def release(self) -> str:
        """Give one engine reference back: ``held``, ``recycled``, ``escaped`` or ``refused``.

        Raises:
            DoubleRecycleError: refused, in debug.
        """
    @property
    def type(self) -> int: ...
    @property
    def index(self) -> int: ...
    @property
    def generation(self) -> int: ...
    @property
    def held(self) -> int: ...
    def __reduce__(self) -> NoReturn: ...
