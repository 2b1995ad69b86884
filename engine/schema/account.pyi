from typing import final

from engine.schema.enums import BalanceCause
from engine.schema.event import Event

@final
class BalanceUpdate(Event):
    """What an account holds of one asset, in absolute values (EVT-21)."""

    @property
    def account(self) -> str:
        """The provider whose account it is."""
    @property
    def asset(self) -> str:
        """Code of the asset, as in BASE-QUOTE."""
    @property
    def asset_scale(self) -> int:
        """Decimals of the raws."""
    @property
    def total_raw(self) -> int:
        """All of it: available and held."""
    @property
    def available_raw(self) -> int:
        """What new orders may use."""
    @property
    def held_raw(self) -> int:
        """What open orders hold; 0 where the venue's stream does not tell it."""
    @property
    def delta_raw(self) -> int | None:
        """How much more the total is than it was told before; None in a snapshot."""
    @property
    def cause(self) -> BalanceCause | None:
        """What changed it, as far as the venue says."""
