from collections.abc import Callable
from typing import Any, final

from engine.dispatcher.counts import StreamCounts
from engine.observability.latency import LatencyHistogram
from engine.schema.ports import EventSink

@final
class Dispatcher(EventSink):
    flush_overruns: int
    gap_hold: LatencyHistogram
    on_deadline: Callable[[], None] | None
    def __init__(
        self,
        pool: Any,
        bus: Any,
        board: Any,
        clock: Any,
        timer: Any,
        *,
        tolerance_ms: int = 150,
        overrun_ms: int = 50,
        buffer_max: int = 200,
        horizon_ids: int = 8192,
        horizon_s: int = 300,
        on_telemetry: Callable[..., None] | None = None,
    ) -> None: ...
    def poll(self, now_ns: int) -> int: ...
    def deliver(self) -> None: ...
    def flush_held(self) -> int: ...
    @property
    def next_deadline_ns(self) -> int | None: ...
    def stream_key(self, index: int) -> str: ...
    def statistics(self) -> dict[str, StreamCounts]: ...
