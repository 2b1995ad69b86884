"""What the desk needs of risk and of the journal."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from engine.base.errors import EngineError
from engine.orders.records import Intended, RecoveredOrder, ReportRecord
from engine.schema.order import Breach, Fee, OrderRequest, Sent, SubmitReason

if TYPE_CHECKING:
    from engine.schema.approved import ApprovedOrder


class RefusalPort(Protocol):
    """Why an order is not sent (RSK-03)."""

    @property
    def breach(self) -> Breach:
        """Which check it failed."""

    @property
    def limit(self) -> Decimal | None:
        """The number that was broken, where it is one."""

    @property
    def actual(self) -> Decimal | None:
        """What it would have been."""

    @property
    def reason(self) -> SubmitReason:
        """As the answer to a submit has it."""


class RoomPort(Protocol):
    """Room that an order has taken (ORDM-32)."""

    def fill(self, qty_raw: int, fees: tuple[Fee, ...] = ()) -> None:
        """So much more of it was filled; also after release()."""

    def release(self) -> bool:
        """It holds nothing back any more. False = it was freed before."""


class RiskPort(Protocol):
    """Pre-trade risk."""

    def check(self, request: OrderRequest, is_trading: bool) -> RoomPort | RefusalPort:
        """Check an order and take its room, in one step."""

    def approve(self, reservation: Any, wire_order_id: str) -> ApprovedOrder:
        """The order that a gateway takes, once."""

    def adopt(self, request: OrderRequest, left_qty_raw: int) -> RoomPort:
        """Room for an order that is open already."""

    def hold(self, provider: str, is_held: bool, text: str = "", operator: str | None = None) -> None:
        """A provider's orders are not reconciled (any more), or they are."""

    def set_provider(self, provider: str, is_up: bool) -> None:
        """A provider's gateway can take orders, or not."""


class JournalPort(Protocol):
    """The order journal."""

    @property
    def is_available(self) -> bool:
        """Whether an order can be taken now."""

    def intent(
        self, request: OrderRequest, wire_id_of: Callable[[int], str], done: Callable[[Intended | EngineError], None]
    ) -> None:
        """Keep an order that is about to be sent; done(found) is called once that is committed, or cannot be."""

    def withdraw(self, wire_order_id: str) -> None:
        """No byte of that order left and none will."""

    def sent(self, wire_order_id: str, outcome: Sent, venue_order_id: str | None = None) -> None:
        """What came of handing it to its venue."""

    def report(self, record: ReportRecord) -> int:
        """Keep a report; returns its number."""

    async def find(self, wire_order_id: str) -> RecoveredOrder | None:
        """The order of a wire id."""
