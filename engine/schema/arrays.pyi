from typing import Any

from engine.schema.event import Event

def to_numpy(events: list[Event]) -> Any: ...
