"""The plain feed in figures: endpoints, limits, channels. Source: docs/simulator.md, "The plain feed"."""

from __future__ import annotations

from engine.providers.budget import RestLimits
from engine.providers.limits import SocketLimits

VENUE = "simulated"
WS_ENDPOINT = "ws://127.0.0.1:8870/simulated"
REST_ENDPOINT = "http://127.0.0.1:8871"
"""Where ``engine-run sim`` listens unless it is told otherwise."""
REST_INSTRUMENTS = "/simulated/instruments"
REST_TIME = "/simulated/time"
REST_LIMITS = RestLimits(weight=10, within_s=1.0)
SOCKET_LIMITS = SocketLimits(
    control_gap_s=0.1,
    messages_per_s=10,
    connects=60,
    connects_within_s=60.0,
    has_heartbeat=True,
)
STREAMS_PER_CONNECTION = 1000

CHANNEL_BOOK = "book"
CHANNEL_TRADES = "trade"
CHANNEL_TICKER = "ticker"
CHANNEL_CANDLES = "kline"
CHANNEL_INSTRUMENTS = "instrument"

KLINE_INTERVALS_S: dict[bytes, int] = {
    b"1m": 60, b"5m": 300, b"15m": 900, b"30m": 1800, b"1h": 3600, b"4h": 14400, b"1d": 86400,
}  # fmt: skip

STATES = frozenset({"online", "ending"})
"""What the status channel may say; ``ending``: the connection will be closed."""
