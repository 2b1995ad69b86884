from collections.abc import Sequence

from typing_extensions import disjoint_base

from engine.schema.ports import EventPool, EventSink

@disjoint_base
class OrderLoad:
    """A stream of events that have no route: what the dispatcher does with them before routing is its order.

    Args:
        pool: has a pool of at least 1024 book updates.
        sink: the dispatcher.
        instrument_id: of the stream.
        order: the numbers 0..n-1 in the order they arrive; none more than 1023 places late.
    """

    def __init__(
        self, pool: EventPool, sink: EventSink, instrument_id: int, order: Sequence[int]
    ) -> None: ...
    @property
    def count(self) -> int:
        """Events in one run."""

    def run(self, ordering: int, routing_version: int) -> int:
        """Offer every event once, numbers running on from the last run; returns wall ns.

        Args:
            ordering: OrderingMode of the stream.
            routing_version: in force.
        """

    def close(self) -> None:
        """Give the events back; the load is used up."""
