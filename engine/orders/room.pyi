from decimal import Decimal
from typing import final

from engine.schema.order import Fee, OrderRequest

@final
class Bucket:
    """Tokens of one consumer under one rule."""

@final
class ConsumerRisk:
    """One consumer's breaker and buckets."""

@final
class ProviderGate:
    """Whether orders may go to a provider at all."""

@final
class RiskTally:
    """Counts of one risk."""

@final
class RiskSlot:
    """One consumer's room at one instrument. Owned by risk, lives as long as it."""

@final
class Reservation:
    """Room that an order has taken. Attributes: *request*; *is_open*: the room is not freed yet."""

    request: OrderRequest
    is_open: bool
    def __init__(self, *args: object, **kwargs: object) -> None: ...
    @property
    def left_qty(self) -> Decimal:
        """What may still be filled, in base units."""
    def fill(self, qty_raw: int, fees: tuple[Fee, ...] = ()) -> None:
        """So much more of the order was filled: it goes from what is open to the position, also after release()."""
    def release(self) -> bool:
        """The order holds nothing back any more: it has ended, or was not sent. False = it was freed before."""
