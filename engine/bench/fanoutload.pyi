from typing_extensions import disjoint_base

from engine.schema.ports import EventPool, FanoutPort

@disjoint_base
class FanoutLoad:
    """Events handed to the first consumers of a bus.

    Args:
        pool: has a pool of book updates.
        bus: consumers are connected already; their mailboxes hold at least 64 entries.
        consumer_count: consumers of each event, indices 0..
    """

    def __init__(self, pool: EventPool, bus: FanoutPort, consumer_count: int) -> None: ...
    def run(self, bursts: int) -> tuple[int, int]:
        """*bursts* of 64 events; wall ns of (the fan-out, everything from lease to last release)."""
