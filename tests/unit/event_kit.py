"""Events of every built type: a value for each field, and pools to take them from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from engine.pools.lease import Lease
from engine.pools.recycler import Recycler
from engine.schema.account import BalanceUpdate
from engine.schema.classes import Event, class_of
from engine.schema.control import ControlAck, ControlResult, InstrumentUpdate
from engine.schema.enums import (
    CRITICAL_KINDS,
    KIND_OF_TYPE,
    BalanceCause,
    BookReason,
    ChecksumState,
    CloseReason,
    EventFlag,
    EventType,
    InstrumentChange,
    OrderingMode,
    Side,
    UpdateType,
)
from engine.schema.event import BASE_FIELDS
from engine.schema.execution import ExecReport
from engine.schema.instrument import Instrument, InstrumentStatus, OrderType, TimeInForce
from engine.schema.market import BookSnapshot, BookUpdate, Trade
from engine.schema.merged import MergedEvent
from engine.schema.order import (
    Anomaly,
    Breach,
    Fee,
    Liquidity,
    OrderState,
    Reason,
    ReportKind,
    ReportSource,
    RiskControlKind,
    RiskScope,
    RiskStatus,
)
from engine.schema.quotes import KlineSummary, Ticker
from engine.schema.risk import RiskControl

BUILT: dict[EventType, type[Event]] = {
    EventType.BOOK_SNAPSHOT: BookSnapshot,
    EventType.BOOK_UPDATE: BookUpdate,
    EventType.TRADE: Trade,
    EventType.TICKER: Ticker,
    EventType.KLINE_SUMMARY: KlineSummary,
    EventType.EXEC_REPORT: ExecReport,
    EventType.CONTROL_ACK: ControlAck,
    EventType.CONTROL_RESULT: ControlResult,
    EventType.INSTRUMENT_UPDATE: InstrumentUpdate,
    EventType.BALANCE_UPDATE: BalanceUpdate,
    EventType.RISK_CONTROL: RiskControl,
    EventType.MERGED_EVENT: MergedEvent,
}
BOOK_TYPES = (EventType.BOOK_SNAPSHOT, EventType.BOOK_UPDATE)
DERIVED = frozenset(
    {"type", "kind", "schema_version", "event_id", "merge_id", "venue_meta", "interval", "source_providers", "is_complete",
     "remaining_qty_raw", "is_open", "is_critical", "lag_ns", "is_detached"}
)
"""Attributes that follow from others, or from the moment."""

INSTRUMENT = Instrument(
    provider="binance",
    symbol="BTC-USDT",
    venue_symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    status=InstrumentStatus.TRADING,
    price_scale=2,
    qty_scale=8,
    tick_size_raw=1,
    lot_size_raw=1000,
    min_qty_raw=1000,
    version=3,
)
SAMPLES: dict[str, Any] = {
    "provider": "binance",
    "symbol": "BTC-USDT",
    "seq_provider": 2**64 - 2,
    "seq_first": 2**64 - 9,
    "epoch": 7,
    "ts_venue_ns": 1_700_000_000_000_000_001,
    "ts_recv_ns": 1_700_000_000_000_000_002,
    "ts_emit_ns": 1_700_000_000_000_000_003,
    "routing_version": 12,
    "trace_id": "5f0c1d2e-3a4b-5968-7786-a5b4c3d2e1f0",
    "decision_id": "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
    "flags": frozenset({EventFlag.GAP_BEFORE, EventFlag.AFTER_RESYNC}),
    "folded_count": 4,
    "price_scale": 2,
    "qty_scale": 8,
    "bids": [(6_125_000, 75_000_000), (6_124_990, 1)],
    "asks": [(6_125_010, 5), (6_125_020, 2**63 - 1), (6_125_030, 7)],
    "first_update_id": 100,
    "final_update_id": 2**63 + 5,
    "checksum": 2**32 - 1,
    "checksum_state": ChecksumState.VERIFIED,
    "verified_through_id": 99,
    "depth_levels": 10,
    "reason": BookReason.CHECKSUM,
    "update_type": UpdateType.INVALID,
    "invalid_reason": BookReason.GAP,
    "trade_id": "9007199254740993",
    "side": Side.SELL,
    "price_raw": -5,
    "qty_raw": 2**63 - 1,
    "match_count": 3,
    "last_price_raw": 1,
    "bid_price_raw": 2,
    "bid_qty_raw": 3,
    "ask_price_raw": 4,
    "ask_qty_raw": 5,
    "open_24h_raw": 6,
    "high_24h_raw": 7,
    "low_24h_raw": 8,
    "volume_24h_raw": 9,
    "interval_ns": 60_000_000_000,
    "open_time_ns": 1_700_000_040_000_000_000,
    "close_time_ns": 1_700_000_100_000_000_000,
    "open_raw": 11,
    "high_raw": 12,
    "low_raw": 10,
    "close_raw": 11,
    "volume_raw": 13,
    "trade_count": 14,
    "is_closed": True,
    "message_id": "m-41",
    "consumer_id": "mm1",
    "command_type": "subscribe",
    "success": True,
    "error": {"code": "not_found", "message": "no provider carries DOGE-EUR"},
    "result": {"subscription_id": "mm1-4", "first_event": "live", "depth": {"levels": [1, 2]}},
    "instrument": INSTRUMENT,
    "change": InstrumentChange.SCALE_WIDENED,
    "account": "kraken_2",
    "asset": "USDT",
    "asset_scale": 9,
    "total_raw": 2**63 - 1,
    "available_raw": 2**63 - 6,
    "held_raw": 5,
    "delta_raw": -3,
    "cause": BalanceCause.TRANSFER,
    "changed_fields": ("price_scale", "tick_size_raw"),
    "rule": "btc",
    "window_open_ns": 1_700_000_000_000_000_000,
    "window_close_ns": 1_700_000_010_000_000_000,
    "close_reason": CloseReason.COUNT,
    "expected_providers": ("coinbase", "kraken"),
    "fragments": tuple(
        Trade.from_dict({"provider": provider, "symbol": "BTC-USD", "seq_provider": number, "price_raw": 70 + number,
                         "match_count": 1, "ts_recv_ns": 1, "ts_emit_ns": 2})
        for number, provider in enumerate(("coinbase", "kraken"), 1)
    ),
    "fragment_count": 5,
    "client_order_id": "mm1-000016",
    "wire_order_id": "0000d833-6800-8000-89e7-dc0d75d75dbb",
    "venue_order_id": "OQCLML",
    "exec_id": "TX4K2Q",
    "report": ReportKind.PARTIAL,
    "order_state": OrderState.PARTIALLY_FILLED,
    "order_report_seq": 2,
    "order_type": OrderType.LIMIT,
    "tif": TimeInForce.IOC,
    "filled_qty_raw": 2**62,
    "last_qty_raw": 2**61,
    "cum_notional": Decimal("170141183460469231731687303715884105727E-36"),
    "avg_fill_price": Decimal("61999.5000000"),
    "liquidity": Liquidity.MAKER,
    "fees": (Fee("USD", Decimal("0.9920")), Fee("KFEE", Decimal("-1E-18"))),
    "anomaly": Anomaly.LATE_FILL,
    "source": ReportSource.RECONCILE,
    "status": RiskStatus.TRIGGERED,
    "control": RiskControlKind.CIRCUIT_BREAKER,
    "scope": RiskScope(provider="kraken", symbol="BTC-USD", consumer_id="mm1"),
    "breach": Breach.PRICE_BAND,
    "breach_count": 3,
    "until_ns": 1_700_000_090_000_000_000,
    "operator": "night desk",
    "text": "3 breaches in 90 s",
}
"""A value unlike the cleared one for every field of every type; a field that is missing here fails a test."""
_OF_TYPE: dict[tuple[EventType, str], Any] = {
    (EventType.EXEC_REPORT, "reason"): Reason(code="exchange_error", venue_code="-2010", text="account has insufficient balance"),
}


def sample(event_type: EventType, name: str) -> Any:
    """A value for a field, where a name means something of its own in one type."""
    return _OF_TYPE.get((event_type, name), SAMPLES[name])


def attributes_of(cls: type[Event]) -> list[str]:
    """Every public attribute that reads state: properties, own and inherited."""
    return sorted(
        name
        for name in dir(cls)
        if not name.startswith("_") and not callable(getattr(cls, name)) and hasattr(getattr(cls, name), "__get__")
    )


def fields_of(event_type: EventType) -> tuple[str, ...]:
    """Every field that can be set, read off the class."""
    cls = class_of(int(event_type))
    return tuple(name for name in cls().as_dict() if name not in DERIVED)


def recycler(slots: int = 4, reserve: int = 0, types: Iterable[EventType] = BUILT, **options: Any) -> Recycler:
    """A Recycler with *slots* of every one of *types* and *reserve* more of the critical ones."""
    critical = [event_type for event_type in types if KIND_OF_TYPE[event_type] in CRITICAL_KINDS]
    return Recycler(dict.fromkeys(types, slots), dict.fromkeys(critical, reserve), **options)


def fill_all(lease: Lease, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Set every field of a leased event; returns what was set."""
    event_type = EventType(lease.type)
    values = {name: sample(event_type, name) for name in fields_of(event_type)}
    values.update(overrides or {})
    for name, value in values.items():
        lease.fill(name, value)
    return values


def leased(
    pools: Recycler,
    event_type: EventType = EventType.TRADE,
    ordering: OrderingMode = OrderingMode.NONE,
    **fields: Any,
) -> Lease:
    """A published event with these fields."""
    lease = pools.acquire_lease(event_type)
    assert lease is not None, f"{event_type.class_name} pool is empty"
    for name, value in fields.items():
        lease.fill(name, value)
    lease.publish(ordering)
    return lease


def churn(pools: Recycler, event_type: EventType, count: int, fill: Callable[[Lease, int], None] | None = None) -> None:
    """*count* events through the pool, one after the other."""
    for number in range(count):
        lease = pools.acquire_lease(event_type)
        assert lease is not None
        if fill is not None:
            fill(lease, number)
        lease.publish()
        lease.release()


def readable(event: Event) -> dict[str, Any]:
    """Every field of an event as values that do not change with it."""
    return {name: list(value) if name in ("bids", "asks") else value for name, value in event.as_dict().items()}


BASE = BASE_FIELDS
