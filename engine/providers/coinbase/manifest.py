"""Coinbase Advanced Trade in figures: endpoints, limits, channels. Source: docs.cdp.coinbase.com."""

from __future__ import annotations

VENUE = "coinbase"
WS_ENDPOINT = "wss://advanced-trade-ws.coinbase.com"
REST_ENDPOINT = "https://api.coinbase.com"
REST_PRODUCTS = "/api/v3/brokerage/market/products"
REST_TIME = "/api/v3/brokerage/time"
STREAMS_PER_CONNECTION = 30
"""Products a connection: no limit is published, public clients keep to this many for level2."""
MESSAGES_PER_S = 8
CONNECTIONS_PER_S = 8
FIRST_SUBSCRIBE_WITHIN_S = 5
HEARTBEAT_EVERY_S = 1
FRAME_MAX_BYTES = 16 * 1024 * 1024
"""A whole book of BTC-USD is 4.8 MB."""

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
