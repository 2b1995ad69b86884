"""The port between orders and venues: what a provider's order gateway does, and whom it tells."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

from engine.schema.order import OrderRef, SendOutcome, VenueFill, VenueReport

if TYPE_CHECKING:
    from engine.schema.approved import ApprovedOrder


class WireIdStyle(IntEnum):
    """How a venue wants the 128 bits of a wire order id written."""

    HYPHENS = 1
    HEX = 2


class ReportSink(Protocol):
    """Takes what a venue says of orders. Implemented by the order desk; called on the engine's loop."""

    def on_report(self, report: VenueReport) -> None:
        """One report, in the order in which the venue sent them."""

    def on_gateway_state(self, provider: str, is_up: bool, cause: str) -> None:
        """The gateway can take orders and hears of them now, or no longer; after each up comes a reconciliation."""


class OrderGateway(Protocol):
    """One provider's way to its venue's orders. Used on the engine's loop.

    A call never raises for what a venue or a network does: it answers SendOutcome, or the error below.
    """

    @property
    def provider(self) -> str:
        """Whose."""

    @property
    def wire_id_style(self) -> WireIdStyle:
        """How it writes wire ids."""

    @property
    def is_up(self) -> bool:
        """Whether orders can be sent and their reports are heard."""

    def submit(self, approved: ApprovedOrder) -> Awaitable[SendOutcome]:
        """Send an order; what is returned waits for what comes of it.

        Over a connection that stands its bytes leave before this returns: a task for them would have its turn only
        after the market data that has come meanwhile.

        Raises:
            MisuseError: *approved* is not what risk built.
        """

    async def cancel(self, order: OrderRef) -> SendOutcome:
        """Ask for an order's end; that it has ended comes as a report. REFUSED: the venue has no such open order."""

    async def query(self, order: OrderRef) -> VenueReport | None:
        """How an order stands; None = the venue does not know it (yet).

        Raises:
            VenueError: the venue cannot be asked now.
        """

    async def open_orders(self) -> Sequence[VenueReport]:
        """Every open order of the account, also of others.

        Raises:
            VenueError: the venue cannot be asked now.
        """

    async def fills(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueFill]:
        """The account's fills of *symbols* since then, oldest first.

        Raises:
            VenueError: the venue cannot be asked now.
        """

    async def close(self) -> None:
        """End what it has open. Idempotent."""
