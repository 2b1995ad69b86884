from typing import Any, final

from engine.schema.ports import EventSink

@final
class Orchestrator(EventSink):
    passed: int
    def __init__(self, next: EventSink, versions: Any, timer: Any) -> None: ...
