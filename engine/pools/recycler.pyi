from collections.abc import Callable
from typing import NoReturn, final

from engine.pools.frames import FramePools
from engine.pools.lease import Lease
from engine.pools.sizes import RecyclerStatistics
from engine.schema.enums import EventType
from engine.schema.ports import EventPool

BLOCK_LEVELS: tuple[int, ...]
BLOCK_SLOTS: tuple[int, ...]

def live() -> list[Recycler]:
    """Every Recycler that exists in this process."""

@final
class Recycler(EventPool):
    """Pools of every event type (EVT-30..45, MEM-01..23).

    Args:
        capacities: EventType -> number of slots for market data and others (see engine.pools.sizes).
        reserves: EventType -> further slots that only critical kinds may take.
        debug: poison recycled slots and keep acquire and recycle stacks.
        on_problem: called as on_problem(kind, **metadata) with telemetry kinds; must not raise.
        blocks_scale: multiplies the number of level blocks.
        frames: the pools of venue bytes; None = the service profile's.
    """

    def __init__(
        self,
        capacities: dict[EventType, int],
        reserves: dict[EventType, int] | None = None,
        *,
        debug: bool = False,
        on_problem: Callable[..., None] | None = None,
        blocks_scale: int = 1,
        frames: FramePools | None = None,
    ) -> None: ...
    def acquire_lease(self, event_type: EventType) -> Lease | None:
        """Take a slot at once, as a token; None when the pool is exhausted.

        Raises:
            MisuseError: there is no pool of this type.
        """
    def acquire(self, event_type: EventType, timeout_s: float = 0.1) -> Lease:
        """Take a slot, waiting up to *timeout_s*; for threads other than the engine's loop.

        Raises:
            WrongThreadError: called where an event loop runs, which must never wait.
            PoolTimeoutError: nothing came back in time; names pool, use, capacity and the longest holder.
            MisuseError: there is no pool of this type.
        """
    async def acquire_async(self, event_type: EventType, timeout_s: float = 0.1) -> Lease:
        """Take a slot, awaiting up to *timeout_s* without holding the loop.

        Raises:
            PoolTimeoutError: nothing came back in time.
            MisuseError: there is no pool of this type.
        """
    def drain(self, timeout_s: float) -> bool:
        """Wait until everything is back, up to *timeout_s*; whether it is.

        Raises:
            WrongThreadError: called where an event loop runs.
        """
    def statistics(self) -> RecyclerStatistics:
        """A frozen record of every pool, by type name."""
    def outstanding(self, limit: int = 100) -> list[dict[str, object]]:
        """What is out, the longest first: type, slot (None = heap), references, holder and arrival.

        In debug also age_ns since the acquire and its stack, else None. Holder: the consumer that kept it, or engine.
        """
    def set_debug(self, on: bool) -> None:
        """Switch poisoning and stacks; what was poisoned before stays so until it is used again."""
    @property
    def debug(self) -> bool:
        """Whether recycled slots are poisoned."""
    def __reduce__(self) -> NoReturn: ...
