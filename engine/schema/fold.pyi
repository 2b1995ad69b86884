from collections.abc import Collection
from typing import final

from engine.schema.enums import EventType, Saturation

@final
class SaturationTable:
    """Args:
    coalescable: types that may coalesce; those that are replaced whatever happens need not be named. None = all.
    """

    def __init__(self, coalescable: Collection[EventType] | None = None) -> None: ...
    def rule_of(self, event_type: int) -> Saturation:
        """The rule of a type."""
