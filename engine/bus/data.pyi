from typing import final

from engine.schema.ports import EventPool, EventSink, FanoutPort

@final
class Nobody(EventSink):
    """In the place of a consumer that has left: takes nothing."""

    def __init__(self) -> None: ...

@final
class DataBus(FanoutPort):
    """Fan-out to consumers by index.

    Args:
        pool: where an event goes that no consumer took; who refused it has told why.
    """

    fanned_out: int
    def __init__(self, pool: EventPool) -> None: ...
    def add(self, consumer: EventSink) -> int:
        """Connect a consumer; returns its index, which is never reused while running."""
    def remove(self, index: int) -> None:
        """A consumer has left, and no route leads to it: its place stays empty."""
    def wake(self, index: int) -> None:
        """A consumer was offered something outside the fan-out (an acknowledgement): the next flush serves it."""
