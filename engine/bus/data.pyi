from collections.abc import Callable
from typing import Any, final

from engine.schema.ports import EventSink, FanoutPort

@final
class DataBus(FanoutPort):
    fanned_out: int
    def __init__(self, pool: Any, on_refused: Callable[[int, Any], None] | None = None) -> None: ...
    def add(self, consumer: EventSink) -> int: ...
    def wake(self, index: int) -> None: ...
