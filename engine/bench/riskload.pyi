from collections.abc import Iterable
from typing import final

from engine.orders.risk import Risk
from engine.schema.order import OrderRequest
from engine.schema.ports import BookSource

@final
class FixedTops(BookSource):
    """Best prices that are set by hand, in place of assembled books."""

    def set(self, instrument_id: int, bid_raw: int, ask_raw: int, price_scale: int) -> None:
        """An instrument has a valid book with these best prices."""
    def clear(self, instrument_id: int) -> None:
        """It has none."""

@final
class RiskLoad:
    """Args:
    risk: ready to take orders.
    requests: taken in turn.
    """

    def __init__(self, risk: Risk, requests: Iterable[OrderRequest]) -> None: ...
    def run(self, count: int) -> list[int]:
        """Check *count* orders; what each check took, in ns. What was approved is released, untimed."""
