from collections.abc import Callable
from typing import final

from engine.schema.event import Event
from engine.schema.ports import EventPool, EventSink, FanoutPort

@final
class DataBus(FanoutPort):
    """Fan-out to consumers by index.

    Args:
        pool: where an event goes that no consumer took.
        on_refused: called as on_refused(consumer_index, event) for each event a full mailbox refused.
    """

    fanned_out: int
    def __init__(self, pool: EventPool, on_refused: Callable[[int, Event], None] | None = None) -> None: ...
    def add(self, consumer: EventSink) -> int:
        """Connect a consumer; returns its index, which is never reused while running."""
    def wake(self, index: int) -> None:
        """A consumer was offered something outside the fan-out (an acknowledgement): the next flush serves it."""
