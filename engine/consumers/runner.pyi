from collections.abc import Callable
from typing import Any, final

from engine.consumers.mailbox import Mailbox
from engine.observability.latency import LatencyHistogram
from engine.schema.ports import EventSink

@final
class InlineRunner(EventSink):
    consumer_id: str
    index: int
    handler: Any
    context: Any
    mailbox: Mailbox
    state: str
    delivered: int
    dropped: int
    skipped: int
    invocations: int
    failures: int
    escapes: int
    slow_callbacks: int
    busy_ns: int
    delivery: LatencyHistogram
    callback: LatencyHistogram
    def __init__(
        self,
        consumer_id: str,
        index: int,
        handler: Any,
        context: Any,
        pool: Any,
        clock: Any,
        timer: Any,
        *,
        capacity: int = 256,
        critical_reserve: int = 64,
        quantum: int = 64,
        budget_ms: int = 50,
        on_error: Callable[[str, BaseException, str, str], None] | None = None,
        on_slow: Callable[[str, int, int], None] | None = None,
    ) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def statistics(self) -> dict[str, int]: ...
    def drop_one(self) -> None: ...

def forget_locals(error: BaseException) -> None: ...
