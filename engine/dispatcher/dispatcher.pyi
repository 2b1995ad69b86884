from array import array
from collections.abc import Callable
from typing import final

from engine.base.clock import Clock
from engine.dispatcher.counts import StreamCounts
from engine.dispatcher.routing import RoutingBoard
from engine.observability.latency import LatencyHistogram
from engine.observability.stages import StageTimer
from engine.schema.event import Event
from engine.schema.fold import SaturationTable
from engine.schema.ports import BookSource, EventPool, EventSink, FanoutPort

@final
class Dispatcher(EventSink):
    """Orders each stream, removes duplicates, routes by the table each event was stamped with.

    Args:
        pool: where events go back to.
        bus: hands an event to the consumers of its route.
        board: the routing in force.
        clock: for deadlines.
        timer: stage times.
        tolerance_ms: longest hold of an event that waits for a gap (lower = more late drops, higher = longer holds).
        overrun_ms: a deadline acted on later than this is counted.
        buffer_max: events a stream may hold; past it the lowest goes on.
        horizon_ids: numbers a stream remembers to tell a duplicate from a late event; rounded up to a power of two,
            at least 64.
        horizon_s: how long it remembers them at most.
        on_telemetry: called as on_telemetry(kind, **metadata).
        rate_per_s: events of a stream a second that go on at once, critical ones aside; 0 = no limit.
        burst: how many of them a stream may save up.
        table: what may coalesce while it waits.
        books: told where an update is lost.
        on_limited: called as on_limited(stream_key, count, event, waiting) for what found no place to wait.
        on_late: called as on_late(stream_key, event) for market data that is dropped as late; the event is valid until
            it returns.
    """

    flush_overruns: int
    gap_hold: LatencyHistogram
    on_deadline: Callable[[], None] | None
    audience: Callable[[Event], array[int]] | None
    """Consumers that an addressed event goes to: reports of orders, risk."""
    def __init__(
        self,
        pool: EventPool,
        bus: FanoutPort,
        board: RoutingBoard,
        clock: Clock,
        timer: StageTimer,
        *,
        tolerance_ms: int = 150,
        overrun_ms: int = 50,
        buffer_max: int = 200,
        horizon_ids: int = 8192,
        horizon_s: int = 300,
        on_telemetry: Callable[..., None] | None = None,
        rate_per_s: int = 0,
        burst: int = 1,
        table: SaturationTable | None = None,
        books: BookSource | None = None,
        on_limited: Callable[[str, int, Event | None, int], None] | None = None,
        on_late: Callable[[str, Event], None] | None = None,
    ) -> None: ...
    def poll(self, now_ns: int) -> int:
        """Act on deadlines up to *now_ns*; returns how many events moved."""
    def deliver(self) -> None:
        """Act on deadlines that have come and deliver what is queued, as the end of a read does."""
    def flush_held(self) -> int:
        """Shutdown: everything held goes on, in order; returns how many."""
    @property
    def next_deadline_ns(self) -> int | None:
        """When poll() is next needed, or None."""
    def stream_key(self, index: int) -> str:
        """``provider:symbol:Type`` of a stream index."""
    def statistics(self) -> dict[str, StreamCounts]:
        """Counts of every stream by its key (EVT-08, first equation)."""
