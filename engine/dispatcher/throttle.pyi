from collections.abc import Callable
from typing import final

from engine.schema.event import Event
from engine.schema.fold import SaturationTable
from engine.schema.ports import BookSource, EventPool

@final
class Throttle:
    """Args:
    pool: where what is folded or dropped goes.
    rate_per_s: tokens a stream gets a second.
    burst: tokens it can save up, at least 1.
    waiting_max: events of a stream that may wait; past it the oldest goes.
    table: what may coalesce.
    books: told of updates that are lost.
    on_coalesced: called as on_coalesced(stream_index, count), at most once a second a stream.
    on_dropped: called as on_dropped(stream_index, count, event, waiting), likewise, with a copy of the last one;
        None = told at the end.
    """

    next_ns: int
    def __init__(
        self,
        pool: EventPool,
        rate_per_s: int,
        burst: int,
        waiting_max: int,
        table: SaturationTable,
        books: BookSource,
        *,
        on_coalesced: Callable[[int, int], None] | None = None,
        on_dropped: Callable[[int, int, Event | None, int], None] | None = None,
    ) -> None: ...
    def tell_rest(self, now_ns: int) -> None:
        """The engine stops: what was held back for being too often is told."""
