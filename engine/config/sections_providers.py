"""`providers[]`: venues, their symbols and streams, connections and books."""

from typing import Annotated, Literal

from pydantic import Field

from engine.config.types import (
    Distinct,
    EnvName,
    FilePath,
    HttpUrl,
    ProviderName,
    Section,
    Symbol,
    WsUrl,
    at_least,
    counted,
    zero_or_at_least,
)

Venue = Literal["binance", "coinbase", "kraken", "simulated"]
Stream = Literal["book", "trade", "ticker", "kline"]


class BookConfig(Section):
    """How a provider keeps and publishes its books."""

    depth_levels: int = Field(
        1000, ge=0, le=1048576, description="published a side, 0 = all; kraken: the subscribed depth"
    )
    kept_levels_max: int = Field(
        65536,
        ge=1024,
        le=1048576,
        description="levels a side; past it the book resyncs. Larger = more memory",
    )
    diff_buffer_max: int = Field(
        10000, ge=100, le=1000000, description="diffs of a symbol kept while its snapshot is awaited"
    )
    emit: Literal["delta", "full"] = Field("delta", description="full = whole books; costs throughput")
    snapshot_timeout_ms: int = Field(5000, ge=100, le=60000)
    verify_checksum: bool = Field(True, description="off saves its cost and gives up the proof")


class CredentialsConfig(Section):
    """Names of the environment variables that hold a venue's key; all null = public data only."""

    api_key_env: EnvName | None = None
    api_secret_env: EnvName | None = None
    key_type: Literal["hmac", "rsa", "ed25519", "ecdsa"] | None = None


class ConnectionConfig(Section):
    """The WebSocket connections of a provider."""

    connect_timeout_ms: int = Field(5000, ge=100, le=60000)
    ping_interval_ms: int = Field(20000, ge=1000, le=60000)
    pong_timeout_ms: int = Field(5000, ge=500, le=60000)
    heartbeat_timeout_ms: int = Field(5000, ge=1000, le=60000)
    backoff_min_ms: int = Field(
        500, ge=10, le=60000, description="lower = back sooner, nearer the venue's limit"
    )
    backoff_max_ms: Annotated[int, at_least("backoff_min_ms")] = Field(30000, le=600000)
    max_frame_bytes: int = Field(16777216, ge=65536, le=268435456)
    symbols_per_conn: int = Field(50, ge=1, le=1024)


class RestConfig(Section):
    """The REST calls of a provider."""

    timeout_ms: int = Field(5000, ge=100, le=60000)
    limit_share: float = Field(0.8, ge=0.05, le=1, description="share of the venue's published limit we use")
    max_connections: int = Field(4, ge=1, le=64)


class ProviderOrdersConfig(Section):
    """Whether orders may be sent through this provider."""

    enabled: bool = False
    dead_man_s: Annotated[int, zero_or_at_least(10)] = Field(60, ge=0, le=600, description="0 = off")
    on_stop: Literal["leave", "cancel"] = "leave"


class ProviderConfig(Section):
    """One venue account or feed."""

    name: ProviderName
    venue: Venue
    enabled: bool = True
    symbols: Annotated[Distinct[Symbol], counted(1, 1000)]
    streams: Annotated[Distinct[Stream], counted(1, 4)] = ("book", "trade", "ticker")
    kline_intervals: Annotated[Distinct[str], counted(1, 16)] = Field(
        ("1m",), description="used where streams has kline"
    )
    ws_endpoint: WsUrl | None = Field(None, description="null = the venue's own")
    ws_private_endpoint: WsUrl | None = Field(
        None, description="of the account's stream, used with credentials; null = the venue's own"
    )
    rest_endpoint: HttpUrl | None = Field(None, description="null = the venue's own")
    tls_ca_file: FilePath | None = Field(
        None, description="PEM file of the authorities to believe, in place of the system's"
    )
    book: BookConfig = Field(default_factory=BookConfig)
    book_refresh_interval_s: int = Field(180, ge=120, le=300)
    stale_after_s: int = Field(300, ge=30, le=3600)
    instrument_refresh_s: int = Field(1800, ge=60, le=86400)
    credentials: CredentialsConfig = Field(default_factory=CredentialsConfig)
    connection: ConnectionConfig = Field(default_factory=ConnectionConfig)
    rest: RestConfig = Field(default_factory=RestConfig)
    orders: ProviderOrdersConfig = Field(default_factory=ProviderOrdersConfig)
