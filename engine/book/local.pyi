from decimal import Decimal

from typing_extensions import disjoint_base

from engine.book.ladder import Ladder
from engine.schema.enums import BookReason
from engine.schema.market import BookEvent

@disjoint_base
class Book:
    ladder: Ladder
    is_valid: bool
    reason: BookReason | None
    price_scale: int
    qty_scale: int
    verified_through_id: int
    def __init__(self) -> None: ...
    def apply(self, event: BookEvent) -> bool: ...
    def bids(self, limit: int = 0) -> list[tuple[int, int]]: ...
    def asks(self, limit: int = 0) -> list[tuple[int, int]]: ...
    @property
    def best_bid(self) -> tuple[Decimal, Decimal] | None: ...
    @property
    def best_ask(self) -> tuple[Decimal, Decimal] | None: ...
