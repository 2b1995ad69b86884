from collections.abc import Callable
from typing import final

from engine.base.clock import Clock
from engine.observability.stages import StageTimer
from engine.orchestrator.counts import WindowCounts
from engine.orchestrator.rules import MergeRule
from engine.orchestrator.window import MergeWindow
from engine.schema.ports import EventPool, EventSink, VersionPort

@final
class Watch:
    """One provider's place in one window."""

@final
class Orchestrator(EventSink):
    """Between providers and dispatcher: events pass; those of a merge rule's streams are shown to its window as well.

    Args:
        next: where events go on.
        versions: the routing version in force.
        timer: stage times.
        pool: of merged events, and where fragments go back to.
        clock: when a merged event is handed on.
        on_telemetry: called as on_telemetry(kind, **metadata).
    """

    passed: int
    on_deadline: Callable[[], None] | None
    def __init__(
        self,
        next: EventSink,
        versions: VersionPort,
        timer: StageTimer,
        pool: EventPool,
        clock: Clock,
        on_telemetry: Callable[..., None] | None = None,
    ) -> None: ...
    def poll(self, now_ns: int) -> int:
        """Act on deadlines up to *now_ns*, here and further on; returns how much happened."""
    @property
    def next_deadline_ns(self) -> int | None:
        """When poll() is next needed for a window, or None."""
    def add_rule(self, rule: MergeRule) -> None:
        """Put a rule in force: windows open from the next fragment on. One that was in force before goes on counting.

        Raises:
            ConfigError: another rule has this name.
        """
    def end_rule(self, name: str) -> None:
        """Take a rule out of force; a window that is open is discarded."""
    def discard_open(self) -> int:
        """Shutdown: what is in windows is never emitted; returns how many windows (MRG-18)."""
    def windows(self) -> dict[str, MergeWindow]:
        """Windows by rule name."""
    def statistics(self) -> dict[str, WindowCounts]:
        """Counts by rule name (MRG-19)."""
