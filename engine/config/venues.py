"""What each venue offers, as far as a configuration may name it."""

from collections.abc import Mapping
from types import MappingProxyType

# Levels a side that may be subscribed; a venue not listed publishes any number.
BOOK_DEPTHS: Mapping[str, tuple[int, ...]] = MappingProxyType({"kraken": (10, 25, 100, 500, 1000)})

KLINE_INTERVALS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "binance": (
        "1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M",
    ),
    "coinbase": ("5m",),
    "kraken": ("1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w", "15d"),
    "simulated": ("1m", "5m", "15m", "30m", "1h", "4h", "1d"),
})  # fmt: skip

VENUES_WITHOUT_ACCOUNTS = frozenset({"simulated"})
"""Their feeds are public alone; a simulated account is had by naming a real venue and the simulator's endpoints."""
