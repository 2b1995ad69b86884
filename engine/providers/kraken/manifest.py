"""Kraken Spot in figures: endpoints, limits, channels. Source: docs.kraken.com, WebSocket v2 and REST."""

from __future__ import annotations

from engine.providers.budget import RestLimits
from engine.providers.limits import SocketLimits

VENUE = "kraken"
WS_ENDPOINT = "wss://ws.kraken.com/v2"
WS_USER_ENDPOINT = "wss://ws-auth.kraken.com/v2"
REST_ENDPOINT = "https://api.kraken.com"
REST_PAIRS = "/0/public/AssetPairs"
REST_TIME = "/0/public/Time"
REST_LIMITS = RestLimits(weight=3, within_s=3.0)
"""The venue's guidance for public calls is about one a second."""
SOCKET_LIMITS = SocketLimits(
    control_gap_s=0.2,
    messages_per_s=5,
    connects=150,
    connects_within_s=600.0,
    has_heartbeat=True,
)
"""The venue publishes no rate of messages; it is what the gap allows."""
PAIRS_PER_CONNECTION = 1000
"""No limit is published."""

BOOK_DEPTHS: tuple[int, ...] = (10, 25, 100, 500, 1000)
"""Levels a side that may be subscribed; the venue cuts its book there, and so do we."""

KLINE_INTERVALS_MIN: dict[str, int] = {
    "1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "4h": 240, "1d": 1440, "1w": 10080, "15d": 21600,
}  # fmt: skip

SYSTEM_STATES = frozenset({"online", "cancel_only", "post_only", "limit_only", "maintenance"})
"""What the status channel may say of the whole venue."""

OLD_ASSETS: dict[str, str] = {"XBT": "BTC", "XDG": "DOGE"}
"""Spellings of REST and of WebSocket v1 that v2 has given up."""
REST_ASSETS: dict[str, str] = {
    **{f"X{asset}": OLD_ASSETS.get(asset, asset) for asset in (
        "XBT", "XDG", "ETC", "ETH", "LTC", "MLN", "REP", "XLM", "XMR", "XRP", "ZEC",
    )},
    **{f"Z{asset}": asset for asset in ("AUD", "CAD", "EUR", "GBP", "JPY", "USD")},
}  # fmt: skip
"""Assets that answers by REST write with four letters."""

PRIVATE_LIMITS = RestLimits(weight=15, within_s=45.0)
"""Private calls of a key of the least tier: a counter up to 15 that falls by one in 3 s."""
RATE_THRESHOLD, RATE_DECAY_PER_S = 60, 1.0
"""Of the orders' counter of a pair, of the least tier; the executions channel tells the account's own threshold."""
RATE_DECAYS_PER_S = {60: 1.0, 125: 2.34, 180: 3.75}
RATE_SECONDS = 60.0
"""Within so long a full counter of any tier is empty."""
DEADLINE_MIN_MS, DEADLINE_MAX_MS = 500, 60_000

CHANNEL_BOOK = "book"
CHANNEL_TRADES = "trade"
CHANNEL_TICKER = "ticker"
CHANNEL_CANDLES = "ohlc"
CHANNEL_INSTRUMENTS = "instrument"
CHANNEL_EXECUTIONS = "executions"
CHANNEL_BALANCES = "balances"
ALREADY_SUBSCRIBED = "Already subscribed"
"""The refusal of what one has."""
TICKER_TRIGGER = "bbo"
"""Tickers at each change of the best prices; the venue's default is at trades only."""
