"""EVT-02, EVT-03: whatever values an event has, its dict, its pickle and its JSON give the same event again."""

from __future__ import annotations

import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.schema.codec import from_json, to_json
from engine.schema.enums import (
    BalanceCause,
    BookReason,
    ChecksumState,
    CloseReason,
    EventFlag,
    EventType,
    InstrumentChange,
    Side,
    UpdateType,
)
from engine.schema.event import Event
from engine.schema.instrument import Instrument, OrderType, TimeInForce
from engine.schema.market import Trade
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
from tests.unit.event_kit import BUILT, INSTRUMENT, fields_of, readable, recycler

pytestmark = pytest.mark.property

U64 = st.integers(0, 2**64 - 1)
U32 = st.integers(0, 2**32 - 1)
I64 = st.integers(-(2**63), 2**63 - 1)
SCALE = st.integers(0, 18)
INSTANT = st.integers(1, 9_214_646_399_999_999_999)
"""1970 to 2261, which RFC 3339 of the codec can tell."""
UUID = st.uuids().map(str).filter(lambda text: any(digit not in "0-" for digit in text))
LEVELS = st.lists(st.tuples(I64, I64), max_size=20)
TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
WIDE = st.builds(lambda raw, scale: Decimal(f"{raw}E-{scale}"), st.integers(-(2**127) + 1, 2**127 - 1), st.integers(0, 36))
"""Mantissas of 128 bits, at each scale a product can have."""
REASON = st.none() | st.builds(Reason, code=st.just("exchange_error"), venue_code=TEXT, text=TEXT)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "provider": st.sampled_from(["binance", "kraken", "engine"]),
    "symbol": st.sampled_from(["BTC-USDT", "ETH-USD", None]),
    "seq_provider": U64,
    "seq_first": U64,
    "epoch": U32,
    "ts_venue_ns": st.just(0) | INSTANT,
    "ts_recv_ns": INSTANT,
    "ts_emit_ns": INSTANT,
    "routing_version": U64,
    "trace_id": UUID,
    "decision_id": st.none() | UUID,
    "flags": st.frozensets(st.sampled_from(EventFlag)),
    "folded_count": U32,
    "price_scale": SCALE,
    "qty_scale": SCALE,
    "bids": LEVELS,
    "asks": LEVELS,
    "checksum": st.none() | U32,
    "checksum_state": st.sampled_from(ChecksumState),
    "verified_through_id": U64,
    "depth_levels": U32,
    "reason": st.sampled_from(BookReason),
    "update_type": st.none() | st.sampled_from(UpdateType),
    "invalid_reason": st.none() | st.sampled_from([reason for reason in BookReason if reason]),
    "trade_id": U64.map(str),
    "side": st.sampled_from(Side),
    "price_raw": I64,
    "qty_raw": I64,
    "match_count": U32,
    "interval_ns": st.sampled_from([1, 60, 3600, 86_400, 7]).map(lambda seconds: seconds * 1_000_000_000),
    "open_time_ns": INSTANT,
    "close_time_ns": INSTANT,
    "trade_count": st.none() | U64,
    "is_closed": st.booleans(),
    "message_id": TEXT,
    "consumer_id": TEXT,
    "command_type": TEXT,
    "success": st.booleans(),
    "error": st.none() | st.fixed_dictionaries({"code": st.just("not_found"), "message": TEXT}),
    "result": st.dictionaries(st.sampled_from(["subscription_id", "rule", "state"]), TEXT | I64 | st.lists(st.booleans(), max_size=3)),
    "instrument": st.none() | st.just(INSTRUMENT),
    "change": st.none() | st.sampled_from(InstrumentChange),
    "account": TEXT,
    "asset": TEXT,
    "asset_scale": SCALE,
    "total_raw": I64,
    "available_raw": I64,
    "held_raw": I64,
    "delta_raw": st.none() | I64,
    "cause": st.none() | st.sampled_from(BalanceCause),
    "changed_fields": st.sets(st.sampled_from(Instrument.__struct_fields__)).map(
        lambda names: tuple(name for name in Instrument.__struct_fields__ if name in names)
    ),
    "rule": st.sampled_from(["btc", "eth_1s"]),
    "window_open_ns": INSTANT,
    "window_close_ns": INSTANT,
    "close_reason": st.none() | st.sampled_from(CloseReason),
    "expected_providers": st.lists(st.sampled_from(["binance", "coinbase", "kraken"]), unique=True).map(tuple),
    "fragments": st.lists(
        st.builds(
            lambda provider, price_raw: Trade.from_dict(
                {"provider": provider, "symbol": "BTC-USD", "price_raw": price_raw, "ts_recv_ns": 1, "ts_emit_ns": 1}
            ),
            st.sampled_from(["binance", "coinbase", "kraken"]),
            I64,
        ),
        max_size=16,
    ).map(tuple),
    "fragment_count": U32,
    "client_order_id": TEXT,
    "wire_order_id": TEXT,
    "venue_order_id": st.none() | TEXT.filter(bool),
    "exec_id": st.none() | TEXT.filter(bool),
    "report": st.sampled_from(ReportKind),
    "order_state": st.sampled_from(OrderState),
    "order_report_seq": U32,
    "order_type": st.sampled_from(OrderType),
    "tif": st.sampled_from(TimeInForce),
    "filled_qty_raw": I64,
    "last_qty_raw": I64,
    "cum_notional": WIDE,
    "avg_fill_price": st.none() | WIDE,
    "liquidity": st.sampled_from(Liquidity),
    "fees": st.lists(st.builds(Fee, TEXT, WIDE), max_size=16).map(tuple),
    "anomaly": st.sampled_from(Anomaly),
    "source": st.none() | st.sampled_from(ReportSource),
    "status": st.sampled_from(RiskStatus),
    "control": st.sampled_from(RiskControlKind),
    "scope": st.builds(RiskScope, *(st.none() | st.just(text) for text in ("kraken", "BTC-USD", "mm1"))),
    "breach": st.none() | st.sampled_from([breach for breach in Breach if breach]),
    "breach_count": U32,
    "until_ns": st.none() | INSTANT,
    "operator": st.none() | TEXT.filter(bool),
    "text": TEXT,
}
TICKER_FIELDS = [name for name in fields_of(EventType.TICKER) if name.endswith("_raw")]
KLINE_FIELDS = [name for name in fields_of(EventType.KLINE_SUMMARY) if name.endswith("_raw")]
UPDATE_IDS = st.none() | st.tuples(U64, U64)


@st.composite
def events(draw: st.DrawFn) -> tuple[EventType, dict[str, Any]]:
    """A type, and a value for each of its fields."""
    event_type = draw(st.sampled_from(list(BUILT)))
    values = {}
    for name in fields_of(event_type):
        if event_type is EventType.TICKER and name in TICKER_FIELDS:
            values[name] = draw(st.none() | I64)
        elif name in ("first_update_id", "final_update_id"):
            continue
        elif event_type is EventType.EXEC_REPORT and name == "reason":
            values[name] = draw(REASON)
        elif event_type is EventType.EXEC_REPORT and name in ("price_raw", "last_price_raw"):
            values[name] = draw(st.none() | I64)
        elif event_type is EventType.KLINE_SUMMARY and name in KLINE_FIELDS:
            values[name] = draw(I64)
        else:
            values[name] = draw(VALUES[name])
    if "final_update_id" in fields_of(event_type):
        values["first_update_id"], values["final_update_id"] = draw(UPDATE_IDS) or (None, None)
    return event_type, values


@given(events())
def test_evt_03_dict_and_pickle_give_the_same_event(made: tuple[EventType, dict[str, Any]]) -> None:
    event_type, values = made
    cls = BUILT[event_type]
    event = cls.from_dict(values)
    now = readable(event)
    assert {name: now[name] for name in values} == values
    assert cls.from_dict(event.as_dict()) == event
    assert pickle.loads(pickle.dumps(event)) == event
    assert pickle.loads(pickle.dumps(event)).event_id == event.event_id


@given(events())
def test_evt_02_a_pooled_event_and_its_copy_are_equal(made: tuple[EventType, dict[str, Any]]) -> None:
    event_type, values = made
    values["flags"] -= {EventFlag.OVERFLOW_ALLOC}
    pools = recycler(1)
    lease = pools.acquire_lease(event_type)
    assert lease is not None
    for name, value in values.items():
        lease.fill(name, value)
    lease.publish()
    copy: Event = lease.event().detach()
    assert lease.event() == copy
    assert lease.release() == "recycled"
    now = readable(copy)
    assert {name: now[name] for name in values} == values


@given(events())
def test_evt_03_json_keeps_every_field(made: tuple[EventType, dict[str, Any]]) -> None:
    event_type, values = made
    event = BUILT[event_type].from_dict(values)
    document = to_json(event)
    again = from_json(document)
    assert readable(again) == readable(event)
    assert to_json(again) == document


@given(revision=st.integers(0, 2**32 - 1), open_time_ns=INSTANT)
def test_evt_04_the_revision_of_a_candle_survives(revision: int, open_time_ns: int) -> None:
    cls = BUILT[EventType.KLINE_SUMMARY]
    event_id = f"kraken:BTC-USD:KlineSummary:{open_time_ns}.{revision}"
    event = cls.from_dict(
        {"provider": "kraken", "symbol": "BTC-USD", "event_id": event_id, "open_time_ns": open_time_ns, "ts_recv_ns": 1}
    )
    assert event.event_id == event_id
    assert pickle.loads(pickle.dumps(event)).event_id == event_id
    assert from_json(to_json(event)).event_id == event_id
