from typing import Any

from typing_extensions import disjoint_base

from engine.schema.ports import EventSink

@disjoint_base
class Orchestrator(EventSink):
    passed: int
    def __init__(self, next: EventSink, versions: Any, timer: Any) -> None: ...
