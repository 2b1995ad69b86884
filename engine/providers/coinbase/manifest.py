"""Coinbase Advanced Trade in figures: endpoints, limits, channels. Source: docs.cdp.coinbase.com."""

from __future__ import annotations

from engine.providers.budget import RestLimits
from engine.providers.limits import SocketLimits

VENUE = "coinbase"
WS_ENDPOINT = "wss://advanced-trade-ws.coinbase.com"
REST_ENDPOINT = "https://api.coinbase.com"
REST_PRODUCTS = "/api/v3/brokerage/market/products"
REST_TIME = "/api/v3/brokerage/time"
PRODUCTS_PER_CONNECTION = 30
"""Products a connection: no limit is published, public clients keep to this many for level2."""
REST_LIMITS = RestLimits(weight=10, within_s=1.0)
"""Public calls of an address; figures disagree, this is the least."""
REST_ACCOUNTS = "/api/v3/brokerage/accounts"
REST_ORDERS = "/api/v3/brokerage/orders"
REST_CANCEL = "/api/v3/brokerage/orders/batch_cancel"
REST_HISTORICAL = "/api/v3/brokerage/orders/historical"
REST_LIST = "/api/v3/brokerage/orders/historical/batch"
REST_FILLS = "/api/v3/brokerage/orders/historical/fills"
PRIVATE_LIMITS = RestLimits(weight=30, within_s=1.0)
"""Private calls of a user."""
SOCKET_LIMITS = SocketLimits(
    control_gap_s=0.2,
    messages_per_s=8,
    connects=8,
    connects_within_s=1.0,
    has_heartbeat=True,
    messages_are_per_address=True,
)

BOOK_DEPTHS: tuple[int, ...] = ()
"""The venue does not cut its book: any published depth can be had."""

CANDLE_INTERVAL_S = 300
"""The candles channel has no other interval."""

SIDE_IS_MAKER = True
"""The side of a trade is the maker's, so the aggressor's is the opposite."""

CHANNEL_BOOK = "level2"
CHANNEL_TRADES = "market_trades"
CHANNEL_TICKER = "ticker"
CHANNEL_CANDLES = "candles"
CHANNEL_HEARTBEATS = "heartbeats"
NOT_ACKNOWLEDGED = "it is not in the set that the venue acknowledges"
CHANNEL_USER = "user"
WS_USER_ENDPOINT = "wss://advanced-trade-ws-user.coinbase.com"
