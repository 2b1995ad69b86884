"""Binance Spot in figures: endpoints, limits, intervals. Source: binance-spot-api-docs."""

from __future__ import annotations

from engine.providers.budget import RestLimits
from engine.providers.limits import SocketLimits

VENUE = "binance"
WS_ENDPOINT = "wss://stream.binance.com:9443"
WS_USER_ENDPOINT = "wss://ws-api.binance.com:443/ws-api/v3"
REST_ENDPOINT = "https://api.binance.com"
SNAPSHOT_WEIGHTS = {500: 25, 1000: 50}
"""Levels a side that are asked for -> weight of that call. The venue's 100 for 5 are too few: prices walk past them."""
SNAPSHOT_MARGIN = 10
"""Levels asked for, at least, for each that is published: what lies beyond a snapshot is unknown until it changes."""
STREAMS_PER_CONNECTION = 1024
REST_LIMITS = RestLimits(weight=6000, within_s=60.0, instruments_weight=20)
REST_TIME = "/api/v3/time"
REST_ACCOUNT = "/api/v3/account"
REST_ACCOUNT_WEIGHT = 20
ORDER_WINDOWS = ((10.0, 50), (24 * 3600.0, 160_000))
"""(s, orders): so many within so long that have not been filled, of the least account; the venue tells its own."""
INTERVALS_S = {"SECOND": 1.0, "MINUTE": 60.0, "HOUR": 3600.0, "DAY": 24 * 3600.0}
"""Of what ``rateLimits`` says."""
ORDER_STATUS_WEIGHT, OPEN_ORDERS_WEIGHT, MY_TRADES_WEIGHT = 4, 80, 20
MY_TRADES_MAX = 1000
FAILED_ORDER_WEIGHT = 1
"""One that is taken weighs nothing."""
TOO_MUCH = (418, 429)
"""Statuses of who asks too much."""
RECV_WINDOW_MS = 5000
SOCKET_LIMITS = SocketLimits(
    control_gap_s=0.25,
    messages_per_s=5,
    connects=300,
    connects_within_s=300.0,
    has_heartbeat=False,
    lifetime_s=24 * 3600.0,
)
BOOK_DEPTHS: tuple[int, ...] = ()
"""The venue does not cut its book: any published depth can be had."""

KLINE_INTERVALS_S: dict[bytes, int] = {
    b"1s": 1, b"1m": 60, b"3m": 180, b"5m": 300, b"15m": 900, b"30m": 1800, b"1h": 3600, b"2h": 7200,
    b"4h": 14400, b"6h": 21600, b"8h": 28800, b"12h": 43200, b"1d": 86400, b"3d": 259200, b"1w": 604800,
    b"1M": 2592000,
}  # fmt: skip

QUOTE_ASSETS = (
    "FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USDP", "USD1", "BIDR", "BVND", "IDRT", "BKRW", "GYEN", "EURI",
    "USDS", "DOGE", "BTC", "ETH", "BNB", "XRP", "TRX", "DOT", "PAX", "VAI", "DAI", "UST", "SOL", "JPY", "MXN",
    "PLN", "RON", "ZAR", "CZK", "ARS", "COP", "NGN", "RUB", "TRY", "EUR", "GBP", "AUD", "BRL", "UAH", "USD",
)  # fmt: skip
"""Quote assets, longer ones first, to split a spelling like BTCUSDT where a recording has no exchangeInfo."""
