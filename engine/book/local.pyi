from decimal import Decimal

from typing_extensions import disjoint_base

from engine.book.ladder import Ladder
from engine.schema.enums import BookReason
from engine.schema.market import BookEvent

@disjoint_base
class Book:
    """Rebuilds one book from BookSnapshot and BookUpdate events, and refuses to be read while it is invalid."""

    ladder: Ladder
    is_valid: bool
    reason: BookReason | None
    price_scale: int
    qty_scale: int
    verified_through_id: int
    def __init__(self) -> None: ...
    def apply(self, event: BookEvent) -> bool:
        """Take one book event; returns whether the book may be read now.

        Raises:
            MisuseError: an event of another instrument.
        """
    def bids(self, limit: int = 0) -> list[tuple[int, int]]:
        """(price_raw, qty_raw), best first; limit 0 = all.

        Raises:
            MisuseError: the book is invalid.
        """
    def asks(self, limit: int = 0) -> list[tuple[int, int]]:
        """(price_raw, qty_raw), best first; limit 0 = all.

        Raises:
            MisuseError: the book is invalid.
        """
    @property
    def best_bid(self) -> tuple[Decimal, Decimal] | None:
        """(price, quantity) as Decimals, None for an empty side.

        Raises:
            MisuseError: the book is invalid.
        """
    @property
    def best_ask(self) -> tuple[Decimal, Decimal] | None:
        """(price, quantity) as Decimals, None for an empty side.

        Raises:
            MisuseError: the book is invalid.
        """
