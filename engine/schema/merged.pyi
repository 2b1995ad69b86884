from typing import final

from engine.schema.enums import CloseReason
from engine.schema.event import Event

@final
class MergedEvent(Event):
    """One fragment of each provider of a merge rule, from one window (EVT-19); its type is theirs."""

    @property
    def rule(self) -> str:
        """Name of the merge rule."""
    @property
    def window_open_ns(self) -> int:
        """Arrival of the fragment that opened the window, ns since 1970 UTC."""
    @property
    def window_close_ns(self) -> int:
        """Its deadline, or the arrival of the fragment that filled it, ns since 1970 UTC."""
    @property
    def close_reason(self) -> CloseReason | None:
        """CloseReason: TIME, COUNT or COMPLETE."""
    @property
    def expected_providers(self) -> tuple[str, ...]:
        """Providers of the rule, in its order."""
    @property
    def source_providers(self) -> tuple[str, ...]:
        """Providers of the fragments, in their order."""
    @property
    def fragments(self) -> tuple[Event, ...]:
        """One whole event of each provider, in the rule's order; valid as long as this event is."""
    @property
    def fragment_count(self) -> int:
        """Fragments that arrived in the window, those that newer ones replaced included."""
    @property
    def is_complete(self) -> bool:
        """Whether every expected provider is among the fragments; always so on what the engine emits."""
