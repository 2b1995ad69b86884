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

    @property
    def fanned_out(self) -> int:
        """Events handed to at least one consumer."""
    @property
    def places(self) -> int:
        """How many have joined: the index of the next one."""
    def __init__(self, pool: EventPool) -> None: ...
    def add(self, consumer: EventSink) -> int:
        """Connect a consumer; returns its index, which is never reused while running."""
    def remove(self, index: int) -> None:
        """A consumer has left, and no route leads to it: its place stays empty."""
    def sizes(self) -> dict[int, int]:
        """How many consumers events were handed to: number -> events, of at least one."""
    def wake(self, index: int) -> None:
        """A consumer was offered something outside the fan-out (an acknowledgement): the next flush serves it."""
