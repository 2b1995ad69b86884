from collections.abc import Iterator
from decimal import Decimal
from typing import final, overload

from typing_extensions import disjoint_base

from engine.schema.enums import BookReason, ChecksumState, Side, UpdateType
from engine.schema.event import Event

@final
class Levels:
    """(price_raw, qty_raw) pairs, best first; also an int64[n, 2] buffer without a copy (``numpy.asarray``)."""

    def __eq__(self, other: object, /) -> bool: ...
    def __iter__(self) -> Iterator[tuple[int, int]]: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, key: int, /) -> tuple[int, int]: ...
    @overload
    def __getitem__(self, key: slice, /) -> list[tuple[int, int]]: ...
    def __reduce__(self) -> tuple[type[list[tuple[int, int]]], tuple[list[tuple[int, int]]]]: ...
    def decimals(self) -> list[tuple[Decimal, Decimal]]:
        """The same levels as Decimals, exact."""

@disjoint_base
class BookEvent(Event):
    """What BookSnapshot and BookUpdate share: levels and the ids that prove them."""

    @property
    def bids(self) -> Levels:
        """Levels best (highest) first."""
    @property
    def asks(self) -> Levels:
        """Levels best (lowest) first."""
    @property
    def first_update_id(self) -> int | None:
        """First venue update id covered, or None where the venue numbers nothing."""
    @property
    def final_update_id(self) -> int | None:
        """Last venue update id covered, or None."""
    @property
    def checksum(self) -> int | None:
        """The venue's checksum of the book after this event, or None."""
    @property
    def checksum_state(self) -> ChecksumState:
        """ChecksumState: VERIFIED only when a checksum was compared and agreed."""
    @property
    def verified_through_id(self) -> int:
        """Last update of this stream proven by sequence or checksum."""

@final
class Trade(Event):
    """One trade, or one aggregate of match_count trades; side is the aggressor's (EVT-13)."""

    @property
    def trade_id(self) -> str:
        """The venue's id of the trade."""
    @property
    def side(self) -> Side:
        """Side of the aggressor; NONE where the venue does not say."""
    @property
    def price_raw(self) -> int:
        """Price x 10^price_scale."""
    @property
    def qty_raw(self) -> int:
        """Quantity x 10^qty_scale."""
    @property
    def match_count(self) -> int:
        """Trades aggregated by the venue; 1 = none."""

@final
class BookSnapshot(BookEvent):
    """The published part of an assembled book (EVT-11)."""

    @property
    def depth_levels(self) -> int:
        """Levels published per side; 0 = all."""
    @property
    def reason(self) -> BookReason:
        """BookReason: why it was published."""

@final
class BookUpdate(BookEvent):
    """A change of the published book (EVT-12): absolute quantities, 0 removes; or full; or invalid."""

    @property
    def update_type(self) -> UpdateType:
        """UpdateType: DELTA, FULL or INVALID."""
    @property
    def invalid_reason(self) -> BookReason | None:
        """BookReason on INVALID, else None."""
