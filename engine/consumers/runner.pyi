from collections.abc import Callable

from typing_extensions import disjoint_base

from engine.base.clock import Clock
from engine.consumers.mailbox import Mailbox
from engine.consumers.settings import MailboxSettings
from engine.observability.latency import LatencyHistogram
from engine.observability.stages import StageTimer
from engine.schema.ports import EventPool, EventSink

@disjoint_base
class Runner(EventSink):
    """A consumer, wherever it runs (CON-08..12).

    Args:
        consumer_id: its name.
        index: its index on the bus.
        handler: an object with one of on_batch(events, ctx), on_event(event, ctx), on_<event_type>(event, ctx), or a
            Cython Handler; or with the coroutine run(ctx). Optional on_start(ctx), on_stop(ctx).
        context: handed to every call.
        pool, clock, timer: the engine's.
        settings: of its mailbox, see :class:`~engine.consumers.settings.MailboxSettings`.
        quantum: most events a batch (larger = throughput, smaller = evenness).
        weight: batches it gets in a round that others wait in.
        budget_ms: a callback longer than this is reported as slow.
        on_error: called as on_error(consumer_id, error, trace_id, event_id, worker).
        on_slow: called as on_slow(consumer_id, callback_ns, budget_ns).

    Raises:
        ConfigError: the handler has none of these methods.
    """

    consumer_id: str
    index: int
    handler: object
    context: object
    mailbox: Mailbox
    state: str
    mode: str
    worker: str
    delivered: int
    cancelled: int
    invocations: int
    failures: int
    escapes: int
    slow_callbacks: int
    busy_ns: int
    lag_ns: int
    delivery: LatencyHistogram
    callback: LatencyHistogram
    def __init__(
        self,
        consumer_id: str,
        index: int,
        handler: object,
        context: object,
        pool: EventPool,
        clock: Clock,
        timer: StageTimer,
        *,
        settings: MailboxSettings | None = None,
        quantum: int = 64,
        weight: int = 1,
        budget_ms: int = 50,
        on_error: Callable[[str, BaseException, str, str, str], None] | None = None,
        on_slow: Callable[[str, int, int], None] | None = None,
    ) -> None: ...
    def start(self) -> None:
        """Call on_start(ctx) and begin."""
    def stop(self, within_s: float = 5.0) -> None:
        """Deliver what is queued, then call on_stop(ctx). Idempotent.

        Args:
            within_s: wait no longer for a callback of another thread, and what is queued.
        """
    def begin(self) -> None:
        """As start(), without waiting for on_start(ctx) where it runs elsewhere."""
    def ask_to_stop(self) -> None:
        """As stop(), without waiting; stop() is called once it has ended."""
    def interrupt(self) -> None:
        """End the callback in hand where that can be done, and call none with what is still queued."""
    @property
    def has_begun(self) -> bool:
        """Whether on_start(ctx) has returned or raised."""
    @property
    def has_ended(self) -> bool:
        """Whether no callback runs any more, and none will once stop() is called."""
    def trace_in_hand(self) -> str:
        """The trace of the event whose callback runs, of a batch its first one's, as its errors have it; else empty."""
    def statistics(self) -> dict[str, int]:
        """Counts of EVT-08's second equation and of the callbacks."""

def forget_locals(error: BaseException) -> None:
    """Empty the frames an exception went through, and those of its causes: their variables hold events."""
