from collections.abc import Callable, Iterable
from typing import final

from engine.base.clock import Clock
from engine.config.sections_orders import RiskConfig
from engine.orders.records import KillState, Position
from engine.orders.refusals import Exposure, Refusal, RiskChange, RiskStatistics
from engine.orders.room import Reservation
from engine.schema.approved import ApprovedOrder
from engine.schema.instrument import Instrument
from engine.schema.order import Fee, OrderRequest
from engine.schema.ports import BookSource

@final
class Risk:
    """Args:
    config: the section `risk`.
    clock: for rates, the breaker and the kill switch.
    books: our own verified books, for the price band and the cost of market orders.
    on_change: called as on_change(RiskChange) when something begins or ceases to hold orders back.
    keep: called as keep(KillState) whenever the kill switch changes; Journal.risk_state().

    Every provider begins held and down, and the journal unavailable: no order passes before the desk has said so.
    """

    kill: KillState
    next_ns: int
    breaker_opens: int
    def __init__(
        self,
        config: RiskConfig,
        clock: Clock,
        books: BookSource,
        *,
        on_change: Callable[[RiskChange], None] | None = None,
        keep: Callable[[KillState], None] | None = None,
    ) -> None: ...
    @property
    def config(self) -> RiskConfig:
        """The limits in force."""
    def set_config(self, config: RiskConfig) -> None:
        """Other limits, in force with the next check; see limits.replaced() (RSK-12)."""
    def set_instrument(self, instrument: Instrument) -> None:
        """An instrument is known, or has changed."""
    def check(self, request: OrderRequest, is_trading: bool) -> Reservation | Refusal:
        """Check an order and take its room, in one step.

        Args:
            request: OrderRequest.
            is_trading: its consumer's switch.

        Returns:
            Reservation, to be approved once the order is journaled; or Refusal.
        """
    def approve(self, reservation: Reservation, wire_order_id: str) -> ApprovedOrder:
        """The order that a gateway takes: once, for room that is still taken.

        Args:
            reservation: as check() gave it.
            wire_order_id: in the venue's spelling, as journaled.

        Raises:
            MisuseError: its room was freed, or it was approved before.
        """
    def set_provider(self, provider: str, is_up: bool) -> None:
        """A provider's gateway can take orders, or not."""
    def set_journal(self, is_available: bool) -> None:
        """The journal can keep an intent, or not."""
    def hold(self, provider: str, is_held: bool, text: str = "", operator: str | None = None) -> None:
        """A provider's orders are not reconciled (any more), or they are."""
    def set_kill(self, is_on: bool, operator: str | None, text: str = "") -> bool:
        """Refuse every order from now on, or no longer; only this clears it. False = so it was already (RSK-10)."""
    def clear_breaker(self, consumer_id: str, operator: str | None) -> bool:
        """Close a consumer's breaker before its time. False = it was not open."""
    def do_work(self, now_ns: int) -> int:
        """Close the breakers whose time is over; *next_ns* is when the next one's is. Returns how many."""
    def open_breakers(self) -> dict[str, int]:
        """Consumers whose breaker is open, and until when."""
    def restore(self, positions: Iterable[Position], kill: KillState) -> None:
        """What the journal knows: positions, and the kill switch, which stands as it stood."""
    def adopt(self, request: OrderRequest, left_qty_raw: int) -> Reservation:
        """Take room for an order that is open already, past every limit: it cannot be refused any more."""
    def note_fill(self, request: OrderRequest, qty_raw: int, fees: Iterable[Fee] = ()) -> None:
        """A fill of an order that holds no room any more; Reservation.fill() for one that does."""
    def exposures(self) -> tuple[Exposure, ...]:
        """Every position and what is open, of consumers in the order of their first order (ORDM-33)."""
    def statistics(self) -> RiskStatistics:
        """Counts since the start."""
