from typing import final

from engine.schema.event import Event

INTERVAL_NAMES: dict[int, str]

@final
class Ticker(Event):
    """Last, best and 24 h figures, exactly those the venue sent (EVT-14); the others are None."""

    @property
    def last_price_raw(self) -> int | None:
        """Last trade price x 10^price_scale, or None."""
    @property
    def bid_price_raw(self) -> int | None:
        """Best bid x 10^price_scale, or None."""
    @property
    def bid_qty_raw(self) -> int | None:
        """Quantity at the best bid x 10^qty_scale, or None."""
    @property
    def ask_price_raw(self) -> int | None:
        """Best ask x 10^price_scale, or None."""
    @property
    def ask_qty_raw(self) -> int | None:
        """Quantity at the best ask x 10^qty_scale, or None."""
    @property
    def open_24h_raw(self) -> int | None:
        """Price 24 h ago x 10^price_scale, or None."""
    @property
    def high_24h_raw(self) -> int | None:
        """Highest price of 24 h x 10^price_scale, or None."""
    @property
    def low_24h_raw(self) -> int | None:
        """Lowest price of 24 h x 10^price_scale, or None."""
    @property
    def volume_24h_raw(self) -> int | None:
        """Volume of 24 h in base units x 10^qty_scale, or None."""

@final
class KlineSummary(Event):
    """One candle, open or closed (EVT-15); each (stream, open time) closes once."""

    @property
    def interval_ns(self) -> int:
        """Length of the candle in ns (a month counts 30 days)."""
    @property
    def interval(self) -> str:
        """The same as a name: ``1s`` .. ``1M``."""
    @property
    def open_time_ns(self) -> int:
        """Start, ns since 1970 UTC."""
    @property
    def close_time_ns(self) -> int:
        """Exclusive end, ns since 1970 UTC."""
    @property
    def open_raw(self) -> int:
        """First price x 10^price_scale."""
    @property
    def high_raw(self) -> int:
        """Highest price x 10^price_scale."""
    @property
    def low_raw(self) -> int:
        """Lowest price x 10^price_scale."""
    @property
    def close_raw(self) -> int:
        """Last price x 10^price_scale."""
    @property
    def volume_raw(self) -> int:
        """Base volume x 10^qty_scale."""
    @property
    def trade_count(self) -> int | None:
        """Trades in it, or None where the venue does not say."""
    @property
    def is_closed(self) -> bool:
        """Whether it is final."""
