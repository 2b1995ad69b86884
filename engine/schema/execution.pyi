from decimal import Decimal
from typing import final

from engine.schema.enums import Side
from engine.schema.event import Event
from engine.schema.instrument import OrderType, TimeInForce
from engine.schema.order import Anomaly, Fee, Liquidity, OrderState, Reason, ReportKind, ReportSource

@final
class ExecReport(Event):
    """What became of an order: reports of one come in order, each once, and are never dropped (EVT-16)."""

    @property
    def client_order_id(self) -> str:
        """The owner's id of the order."""
    @property
    def consumer_id(self) -> str:
        """The owner."""
    @property
    def wire_order_id(self) -> str:
        """The order's id at the venue that is ours, in the venue's spelling."""
    @property
    def venue_order_id(self) -> str | None:
        """The venue's own id of it, once known."""
    @property
    def exec_id(self) -> str | None:
        """The venue's id of the fill; None where the report carries no single one."""
    @property
    def report(self) -> ReportKind | None:
        """What the venue says has happened."""
    @property
    def order_state(self) -> OrderState | None:
        """How the order stands after it."""
    @property
    def order_report_seq(self) -> int:
        """1, 2, 3.. in one order, without a break."""
    @property
    def side(self) -> Side:
        """BUY or SELL."""
    @property
    def order_type(self) -> OrderType | None:
        """LIMIT or MARKET."""
    @property
    def tif(self) -> TimeInForce | None:
        """How long the order stands."""
    @property
    def price_raw(self) -> int | None:
        """The limit; None for a market order."""
    @property
    def qty_raw(self) -> int:
        """The whole of the order."""
    @property
    def filled_qty_raw(self) -> int:
        """Filled so far; never falls."""
    @property
    def remaining_qty_raw(self) -> int:
        """What is not filled: quantity - filled."""
    @property
    def last_qty_raw(self) -> int:
        """How much this report added to what is filled."""
    @property
    def last_price_raw(self) -> int | None:
        """What that was traded at; None where nothing was added, or it is not known."""
    @property
    def cum_notional(self) -> Decimal:
        """Sum of price x quantity of all fills, exact."""
    @property
    def avg_fill_price(self) -> Decimal | None:
        """Average price of what is filled; None while nothing is."""
    @property
    def liquidity(self) -> Liquidity:
        """Whether the fill made or took."""
    @property
    def fees(self) -> tuple[Fee, ...]:
        """What this report added to the order's fees, where the venue tells it."""
    @property
    def reason(self) -> Reason | None:
        """Why it was rejected, or ended, where the venue says."""
    @property
    def is_open(self) -> bool:
        """Whether the order has not ended."""
    @property
    def anomaly(self) -> Anomaly:
        """What was odd about the report."""
    @property
    def source(self) -> ReportSource | None:
        """How it came to be known."""
