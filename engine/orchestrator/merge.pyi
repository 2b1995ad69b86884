from typing import final

from engine.observability.latency import StageTimer
from engine.schema.ports import EventSink, VersionPort

@final
class Orchestrator(EventSink):
    """Between providers and dispatcher.

    Args:
        next: where events go on.
        versions: the routing version in force.
        timer: stage times.
    """

    passed: int
    def __init__(self, next: EventSink, versions: VersionPort, timer: StageTimer) -> None: ...
