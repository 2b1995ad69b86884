"""The whole configuration (model.md section 9): every key with its type, range and default.

Sections are frozen; nothing here reads a file or the environment (see :mod:`engine.config.load`). Which of
these keys a built part reads already is told by :mod:`engine.config.not_built`.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr

from engine.config.sections_consumers import ConsumerConfig
from engine.config.sections_orders import JournalConfig, OrdersConfig, RiskConfig
from engine.config.sections_providers import ProviderConfig
from engine.config.sections_surfaces import (
    ApiConfig,
    BusConfig,
    CacheConfig,
    DlqConfig,
    McpConfig,
    MetricsConfig,
    ReportsConfig,
    TelemetryConfig,
)
from engine.config.types import (
    Capacity,
    Distinct,
    FilePath,
    InstanceId,
    MergeKey,
    ProviderName,
    RuleName,
    Section,
    Several,
    TokenRate,
    at_most,
    counted,
)

CoalescableType = Literal["BookSnapshot", "BookUpdate", "Ticker", "KlineSummary"]


class ProcessConfig(Section):
    """`engine`: this process."""

    instance_id: InstanceId = "engine-1"
    namespace: int = Field(
        1, ge=0, le=65535, description="part of every wire order id; one per process on an account"
    )
    state_dir: FilePath = "./engine-state"
    idle: Literal["sleep", "yield", "spin"] = Field(
        "sleep", description="spin = lowest latency, for one core at 100 %"
    )
    shutdown_wait_ms: int = Field(5000, ge=100, le=60000, description="for events still out")


class DebugConfig(Section):
    """`debug`: checks that cost throughput."""

    recycler: bool = Field(False, description="poisoning, stacks, single-writer assertions; costs throughput")


class LogConfig(Section):
    """`log`: to stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "json"


class MergeRuleConfig(Section):
    """One merge rule of the orchestrator."""

    name: RuleName
    merge_key: MergeKey
    providers: Annotated[Distinct[ProviderName], counted(2, 16)]
    window_duration_ms: int = Field(10000, ge=1, le=600000)
    window_max_events: int = Field(1000, ge=1, le=1000000)
    close_on_complete: bool = False
    partial_policy: Literal["suppress"] = "suppress"


class OrchestratorConfig(Section):
    """`orchestrator`: merge windows."""

    merge_rules: Annotated[Several[MergeRuleConfig], counted(0, 64)] = ()


class StreamOrderingConfig(Section):
    """How long and how many events wait for a missing number."""

    lateness_tolerance_ms: int = Field(
        150, ge=1, le=5000, description="more = fewer late drops, longer holds"
    )
    flush_overrun_ms: int = Field(50, ge=1, le=1000)
    max_buffer_size: int = Field(200, ge=1, le=65536)


class DedupeConfig(Section):
    """How far back a repeated event is recognised."""

    horizon_ids: int = Field(
        8192, ge=1024, le=1048576, description="larger = older repeats found, more memory"
    )
    horizon_s: int = Field(300, ge=1, le=3600)


class BackpressureConfig(Section):
    """Token bucket per stream at entry."""

    token_rate_per_stream: TokenRate = 1000
    token_burst: Annotated[int, at_most("token_rate_per_stream")] = Field(100, ge=1)
    socket_pause_ms: int = Field(100, ge=0, le=1000)


class DispatcherConfig(Section):
    """`dispatcher`: ordering, deduplication, entry limits."""

    stream_ordering: StreamOrderingConfig = Field(default_factory=StreamOrderingConfig)
    dedupe: DedupeConfig = Field(default_factory=DedupeConfig)
    backpressure: BackpressureConfig = Field(default_factory=BackpressureConfig)
    coalescable_types: Distinct[CoalescableType] = ("BookSnapshot", "BookUpdate", "Ticker", "KlineSummary")
    quantum_events: int = Field(64, ge=1, le=4096, description="larger = throughput, smaller = evenness")


class PoolConfig(Section):
    """One pool."""

    capacity: Capacity = Field("auto", description="auto = 3 x the peak use computed from the configuration")


class PoolsConfig(Section):
    """`pools`: one key per pooled type, spelled as the type."""

    acquire_timeout_ms: int = Field(100, ge=1, le=10000)
    escape_limit: int | None = Field(None, ge=1, description="escapes after which a consumer is stopped")
    ws_frame: PoolConfig = Field(PoolConfig(), alias="WsFrame")
    provider_raw: PoolConfig = Field(PoolConfig(), alias="ProviderRaw")
    book_update: PoolConfig = Field(PoolConfig(), alias="BookUpdate")
    trade: PoolConfig = Field(PoolConfig(), alias="Trade")
    book_snapshot: PoolConfig = Field(PoolConfig(), alias="BookSnapshot")
    ticker: PoolConfig = Field(PoolConfig(), alias="Ticker")
    kline_summary: PoolConfig = Field(PoolConfig(), alias="KlineSummary")
    instrument_update: PoolConfig = Field(PoolConfig(), alias="InstrumentUpdate")
    balance_update: PoolConfig = Field(PoolConfig(), alias="BalanceUpdate")
    merged_event: PoolConfig = Field(PoolConfig(), alias="MergedEvent")
    order_request: PoolConfig = Field(PoolConfig(), alias="OrderRequest")
    approved_order: PoolConfig = Field(PoolConfig(), alias="ApprovedOrder")
    exec_report: PoolConfig = Field(PoolConfig(), alias="ExecReport")
    control_ack: PoolConfig = Field(PoolConfig(), alias="ControlAck")
    control_result: PoolConfig = Field(PoolConfig(), alias="ControlResult")
    risk_control: PoolConfig = Field(PoolConfig(), alias="RiskControl")
    level_block: PoolConfig = Field(PoolConfig(), alias="LevelBlock")

    def capacities(self) -> dict[str, int | None]:
        """Capacity by pooled type (``BookUpdate``); None = auto."""
        named = {
            field.alias: getattr(self, name) for name, field in type(self).model_fields.items() if field.alias
        }
        return {alias: None if pool.capacity == "auto" else pool.capacity for alias, pool in named.items()}


class EngineConfig(Section):
    """The root. Obtain one from :func:`engine.config.load.load_config`."""

    schema_version: int = Field(ge=1, le=1)
    profile: Literal["service", "throughput"] = "service"
    engine: ProcessConfig = Field(default_factory=ProcessConfig)
    debug: DebugConfig = Field(default_factory=DebugConfig)
    log: LogConfig = Field(default_factory=LogConfig)
    providers: Annotated[Several[ProviderConfig], counted(1, 16)]
    orchestrator: OrchestratorConfig = Field(default_factory=OrchestratorConfig)
    dispatcher: DispatcherConfig = Field(default_factory=DispatcherConfig)
    pools: PoolsConfig = Field(default_factory=PoolsConfig)
    consumers: Annotated[Several[ConsumerConfig], counted(0, 256)] = ()
    orders: OrdersConfig = Field(default_factory=OrdersConfig)
    journal: JournalConfig = Field(default_factory=JournalConfig)
    risk: RiskConfig = Field(default_factory=RiskConfig)
    bus: BusConfig = Field(default_factory=BusConfig)
    reports: ReportsConfig = Field(default_factory=ReportsConfig)
    cache: CacheConfig = Field(default_factory=CacheConfig)
    mcp: McpConfig = Field(default_factory=McpConfig)
    telemetry: TelemetryConfig = Field(default_factory=TelemetryConfig)
    metrics: MetricsConfig = Field(default_factory=MetricsConfig)
    dlq: DlqConfig = Field(default_factory=DlqConfig)
    api: ApiConfig = Field(default_factory=ApiConfig)

    _origins: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @property
    def origins(self) -> Mapping[str, str]:
        """Path to where its value came from, for every value that is not a default."""
        return self._origins
