from typing import final

from engine.schema.event import Event
from engine.schema.order import Breach, RiskControlKind, RiskScope, RiskStatus

@final
class RiskControl(Event):
    """Orders are held back, or no longer; told to every consumer in scope and never dropped (EVT-22)."""

    @property
    def status(self) -> RiskStatus | None:
        """Whether it holds them back now."""
    @property
    def control(self) -> RiskControlKind | None:
        """What does."""
    @property
    def scope(self) -> RiskScope:
        """Whose orders."""
    @property
    def breach(self) -> Breach | None:
        """The refusal that brought it about, where one did."""
    @property
    def breach_count(self) -> int:
        """How many did."""
    @property
    def until_ns(self) -> int | None:
        """When it ends by itself, ns since 1970 UTC; None = when it is cleared."""
    @property
    def operator(self) -> str | None:
        """Who asked for it; None = the engine by itself."""
    @property
    def text(self) -> str:
        """What has happened, in words."""
