"""What is shown and published: `bus`, `reports`, `cache`, `mcp`, `telemetry`, `metrics`, `dlq`, `api`."""

from typing import Annotated, Literal

from pydantic import Field

from engine.config.types import (
    DecimalText,
    EnvName,
    FilePath,
    HttpUrl,
    Port,
    PositiveDecimal,
    ReportSymbols,
    Section,
    SettleTime,
    Several,
    above,
    at_least,
    below,
    decimal_above,
    multiple_of,
)


class CoordinationConfig(Section):
    """How several nodes share the work of the report bus."""

    enabled: bool = False
    node_id_env: EnvName = "ENGINE_NODE_ID"
    lease_ttl_ms: int = Field(1000, ge=500, le=10000)
    lease_renew_ms: Annotated[int, below("lease_ttl_ms")] = Field(333, ge=1)
    lease_poll_ms: int = Field(200, ge=1)
    lease_margin_ms: Annotated[int, below("lease_ttl_ms")] = Field(100, ge=1)
    rank_wait_ms: int = Field(100, ge=0)
    candidates: int = Field(3, ge=1)
    heartbeat_ms: int = Field(1000, ge=1)
    heartbeat_ttl_ms: Annotated[int, above("heartbeat_ms")] = Field(5000, ge=1)
    rebalance_ms: int = Field(2500, ge=1)
    min_hold_ms: int = Field(2000, ge=0)
    sticky_pct: int = Field(2, ge=0, le=10)
    standby: Literal["none", "warm"] = "none"


class BusConfig(Section):
    """Control mailboxes, then the bus of the reports."""

    control_capacity: int = Field(256, ge=16, le=65536)
    critical_reserve: int = Field(64, ge=8, le=65536)
    saturate_at: float = Field(0.75, gt=0, le=1)
    resume_at: Annotated[float, below("saturate_at")] = Field(0.5, ge=0, le=1)
    spill_trades: int = Field(65536, ge=0, le=1048576)
    backend: Literal["inprocess", "redis"] = "inprocess"
    url_env: EnvName = "ENGINE_REDIS_URL"
    stream_key: str = Field("nt:{venue}", min_length=1)
    shards: int = Field(64, ge=1, le=1024)
    group: str = Field("engine-reports", min_length=1)
    ring_capacity_entries: int = Field(65536, ge=1024)
    queue_max_entries: Annotated[int, at_least("ring_capacity_entries")] = 262144
    publish_batch: int = Field(256, ge=64, le=512, description="larger = throughput, smaller = latency")
    coalesce_span_ms: int = Field(100, ge=0, le=1000, description="book updates further apart are counted apart")
    snapshot_levels: int = Field(100, ge=50)
    snapshot_interval_ms: int = Field(1000, ge=100, le=60000)
    snapshot_every_deltas: int = Field(1000, ge=1)
    retention_s: int = Field(2700, ge=2400)
    maxlen_cap: Annotated[int, at_least("queue_max_entries")] = 5000000
    read_count: int = Field(512, ge=256, le=1024)
    read_block_ms: int = Field(100, ge=1, le=250)
    claim_idle_ms: int = Field(5000, ge=1000)
    max_deliveries: int = Field(3, ge=1, le=100)
    max_entry_bytes: int = Field(1048576, ge=1024)
    dlq_key: str = Field("nt:dlq", min_length=1)
    coordination: CoordinationConfig = Field(default_factory=CoordinationConfig)


class ReportWindowsConfig(Section):
    """Spans the analytics look back over."""

    rate_s: int = Field(10, ge=1)
    flow_s: int = Field(30, ge=1)
    profile_s: int = Field(1800, ge=1)
    spoofing_s: int = Field(30, ge=1)
    iceberg_s: int = Field(300, ge=1)
    sample_age_s: int = Field(900, ge=1)
    episode_max_s: int = Field(300, ge=1)


class WallsConfig(Section):
    """What counts as a wall."""

    multiplier: PositiveDecimal = "1.5"
    percentile: int = Field(95, ge=1, le=99)
    min_wall_qty: dict[str, DecimalText] = Field(default_factory=lambda: {"default": "0"})


class VacuumsConfig(Section):
    """What counts as a vacuum."""

    percentile: int = Field(10, ge=1, le=99)
    min_levels: int = Field(3, ge=1)


class ProfileReportConfig(Section):
    """The volume profile."""

    bin_ticks: int = Field(5, ge=1)
    min_trades: int = Field(10, ge=1)


class IcebergConfig(Section):
    """What counts as an iceberg."""

    min_fills: int = Field(5, ge=1)


class HealthConfig(Section):
    """The scale of the health figures."""

    depth_ref: dict[str, PositiveDecimal] = Field(default_factory=lambda: {"default": "100000"})
    spread_good_bps: PositiveDecimal = "2"
    spread_bad_bps: Annotated[PositiveDecimal, decimal_above("spread_good_bps")] = "50"
    rate_full: PositiveDecimal = "10"


class ReportsConfig(Section):
    """The analytics behind the reports."""

    enabled: bool = True
    workers: int = Field(1, ge=1, le=64, description="threads of the engine's own process that share the symbols")
    symbols: ReportSymbols = "all"
    fast_period_ms: int = Field(250, ge=100, le=1000)
    slow_period_ms: Annotated[int, multiple_of("fast_period_ms")] = Field(2000, ge=1000)
    fresh_ms: int = Field(1000, ge=1)
    down_ms: Annotated[int, above("fresh_ms")] = 5000
    settle_ms: SettleTime = "auto"
    future_ms: int = Field(5000, ge=1)
    windows: ReportWindowsConfig = Field(default_factory=ReportWindowsConfig)
    walls: WallsConfig = Field(default_factory=WallsConfig)
    vacuums: VacuumsConfig = Field(default_factory=VacuumsConfig)
    profile: ProfileReportConfig = Field(default_factory=ProfileReportConfig)
    iceberg: IcebergConfig = Field(default_factory=IcebergConfig)
    health: HealthConfig = Field(default_factory=HealthConfig)


class CacheConfig(Section):
    """Where finished reports are kept."""

    backend: Literal["inprocess", "redis", "http"] = "inprocess"
    url_env: EnvName = "ENGINE_REDIS_URL"
    url: HttpUrl | None = None
    ttl_s: int = Field(300, ge=120, le=300)


class McpConfig(Section):
    """The read-only report server."""

    enabled: bool = True
    transport: Literal["http", "stdio"] = "http"
    host: str = Field("127.0.0.1", min_length=1)
    port: Port = 8890
    deadline_ms: int = Field(150, ge=10, le=5000)
    cache_timeout_ms: Annotated[int, below("deadline_ms")] = Field(100, ge=1)
    venue_priority: Several[str] = ()
    allowed_hosts: Several[str] = ()
    cors_origins: Several[str] = ()
    auth_token_env: EnvName | None = None
    allow_unauthenticated: bool = False


class TelemetryConfig(Section):
    """Telemetry, metrics endpoint and traces."""

    enabled: bool = True
    metrics_port: Port = Field(9090, description="0 = on the API only")
    ring_records: int = Field(4096, ge=64, le=1048576)
    fold_window_ms: int = Field(
        1000, ge=0, le=60000, description="equal lines within it become one with a count"
    )
    trace_sampling: float = Field(
        1.0, ge=0, le=1, description="share of the frames whose way is timed; throughput: one in 64"
    )
    otlp_endpoint: HttpUrl | None = None


class MetricsConfig(Section):
    """How finely metrics are labelled."""

    per_stream: bool = False
    max_label_sets: int = Field(2000, ge=100, le=100000)


class DlqConfig(Section):
    """The dead-letter queue."""

    max_records: int = Field(10000, ge=16, le=1000000)
    max_bytes: int = Field(16777216, ge=65536, le=4294967296)
    path: FilePath | None = Field(None, description="JSON lines; null = memory only")


class ApiConfig(Section):
    """The operator's HTTP and WebSocket surface."""

    enabled: bool = True
    host: str = Field("127.0.0.1", min_length=1)
    port: Port = Field(8880, description="0 = any")
    ws_port: Port = Field(8881, description="0 = any")
    token_env: EnvName = "ENGINE_API_TOKEN"
    read_token_env: EnvName | None = None
    allowed_hosts: Several[str] = ()
    tls_cert: FilePath | None = None
    tls_key: FilePath | None = None
    max_body_bytes: int = Field(1048576, ge=1024, le=16777216)
    max_ws_clients: int = Field(64, ge=1, le=1024)
