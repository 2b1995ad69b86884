"""The dispatcher of a configuration."""

from __future__ import annotations

from engine.base.clock import Clock
from engine.bus.data import DataBus
from engine.config.sections import EngineConfig
from engine.dispatcher.dispatcher import Dispatcher
from engine.dispatcher.routing import RoutingBoard
from engine.observability.stages import StageTimer
from engine.pools.recycler import Recycler
from engine.providers.bookshelf import BookShelf
from engine.runtime.reporting import Reporting
from engine.schema.fold import SaturationTable


def build_dispatcher(
    config: EngineConfig,
    recycler: Recycler,
    bus: DataBus,
    board: RoutingBoard,
    clock: Clock,
    timer: StageTimer,
    table: SaturationTable,
    books: BookShelf,
    reporting: Reporting,
) -> Dispatcher:
    """The ordering, duplicate and rate rules of *config* over the engine's other parts."""
    ordering, dedupe = config.dispatcher.stream_ordering, config.dispatcher.dedupe
    limits = config.dispatcher.backpressure
    return Dispatcher(
        recycler,
        bus,
        board,
        clock,
        timer,
        tolerance_ms=ordering.lateness_tolerance_ms,
        overrun_ms=ordering.flush_overrun_ms,
        buffer_max=ordering.max_buffer_size,
        horizon_ids=dedupe.horizon_ids,
        horizon_s=dedupe.horizon_s,
        on_telemetry=reporting.tell,
        rate_per_s=0 if limits.token_rate_per_stream == "unlimited" else limits.token_rate_per_stream,
        burst=limits.token_burst,
        table=table,
        books=books,
        on_limited=reporting.rate_limited,
        on_late=reporting.late,
    )
