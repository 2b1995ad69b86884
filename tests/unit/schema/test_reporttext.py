"""EVT-03: a report's own way to JSON tells what the codec tells, byte for byte, or leaves it to the codec."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base.errors import UseAfterRecycleError, ValidationError
from engine.schema.codec import from_json, to_json, to_object
from engine.schema.enums import EventFlag, EventType, Side
from engine.schema.execution import ExecReport
from engine.schema.instrument import OrderType, TimeInForce
from engine.schema.order import Anomaly, Fee, Liquidity, OrderState, Reason, ReportKind, ReportSource
from engine.schema.reporttext import report_text
from tests.unit.event_kit import leased, recycler

I64 = st.integers(-(2**63), 2**63 - 1)
SIZE = st.just(0) | st.integers(0, 2**63 - 1)
U64 = st.integers(0, 2**64 - 1)
U32 = st.integers(0, 2**32 - 1)
SCALE = st.integers(0, 18)
INSTANT = st.integers(0, 9_214_646_399_999_999_999)
UUID = st.uuids().map(str)
PLAIN = st.text(st.characters(min_codepoint=32, exclude_characters='"\\', exclude_categories=["Cs"]), max_size=7)
NAMED = PLAIN.filter(bool)
WIDE = st.builds(lambda raw, scale: Decimal(f"{raw}E-{scale}"), st.integers(-(2**127) + 1, 2**127 - 1), st.integers(0, 36))

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "provider": st.sampled_from(["binance", "kraken"]),
    "symbol": st.sampled_from(["BTC-USDT", "ETH-USD"]),
    "seq_provider": U64,
    "seq_first": U64,
    "epoch": U32,
    "ts_venue_ns": INSTANT,
    "ts_recv_ns": INSTANT,
    "ts_emit_ns": INSTANT,
    "routing_version": U64,
    "trace_id": UUID,
    "decision_id": st.none() | UUID,
    "flags": st.frozensets(st.sampled_from(EventFlag)),
    "folded_count": U32,
    "price_scale": SCALE,
    "qty_scale": SCALE,
    "client_order_id": PLAIN,
    "consumer_id": PLAIN,
    "wire_order_id": PLAIN,
    "venue_order_id": st.none() | NAMED,
    "exec_id": st.none() | NAMED,
    "report": st.none() | st.sampled_from(ReportKind),
    "order_state": st.none() | st.sampled_from(OrderState),
    "order_report_seq": U32,
    "side": st.sampled_from(Side),
    "order_type": st.none() | st.sampled_from(OrderType),
    "tif": st.none() | st.sampled_from(TimeInForce),
    "price_raw": st.none() | I64,
    "qty_raw": SIZE,
    "filled_qty_raw": SIZE,
    "last_qty_raw": I64,
    "last_price_raw": st.none() | I64,
    "cum_notional": st.none() | WIDE,
    "avg_fill_price": st.none() | WIDE,
    "liquidity": st.sampled_from(Liquidity),
    "fees": st.lists(st.builds(Fee, PLAIN, WIDE), max_size=16).map(tuple),
    "reason": st.none() | st.builds(Reason, code=st.just("exchange_error"), venue_code=PLAIN, text=PLAIN),
    "anomaly": st.sampled_from(Anomaly),
    "source": st.none() | st.sampled_from(ReportSource),
}
TEXTS = ("client_order_id", "consumer_id", "wire_order_id", "venue_order_id", "exec_id")


def plainly(event: ExecReport) -> bytes:
    return msgspec.json.encode(to_object(event))


@pytest.mark.property
@given(st.fixed_dictionaries(FIELDS))
def test_evt_03_a_report_is_told_as_the_codec_tells_it(fields: dict[str, Any]) -> None:
    event = ExecReport.from_dict(fields)
    assert report_text(event) == plainly(event)
    assert to_json(event) == plainly(event)
    assert from_json(to_json(event)) == event


def test_the_longest_report_fits() -> None:
    wide = Decimal(-(2**127) + 1).scaleb(-36)
    event = ExecReport.from_dict({
        "provider": "p" * 512, "symbol": "s" * 512, "client_order_id": "c" * 64, "consumer_id": "o" * 32,
        "wire_order_id": "w" * 36, "venue_order_id": "v" * 64, "exec_id": "x" * 64, "cum_notional": wide, "avg_fill_price": wide,
        "fees": tuple(Fee(f"{number:031}", wide) for number in range(16)), "flags": frozenset(EventFlag), "price_scale": 18,
        "qty_scale": 18, "price_raw": -(2**63), "qty_raw": 2**63 - 1, "ts_venue_ns": 1, "decision_id": "1" * 32,
        "reason": Reason(code="c" * 24, venue_code="v" * 64, text="t" * 256),
    })  # fmt: skip
    assert report_text(event) == plainly(event)


@pytest.mark.parametrize("name", [*TEXTS, "code", "venue_code", "text", "asset"])
@pytest.mark.parametrize("odd", ['a"b', "a\\b", "a\nb", "\x01", "\x1f"])
def test_a_text_that_has_to_be_escaped_is_left_to_the_codec(name: str, odd: str) -> None:
    fields: dict[str, Any] = {name: odd} if name in TEXTS else {"reason": Reason(**{"code": "c", "venue_code": "v", "text": "t", name: odd})} \
        if name != "asset" else {"fees": (Fee(odd, Decimal(1)),)}
    event = ExecReport.from_dict({"provider": "kraken", "symbol": "BTC-USD", **fields})
    assert report_text(event) is None
    assert to_json(event) == plainly(event)
    assert from_json(to_json(event)) == event


@pytest.mark.parametrize(
    "fields",
    [{"symbol": None}, {"qty_raw": -1}, {"filled_qty_raw": -1}, {"price_scale": 19}, {"qty_scale": 255},
     {"provider": "p" * 513}, {"symbol": "s" * 513}, {"provider": 'p"'}],
    ids=str,
)  # fmt: skip
def test_what_no_venue_tells_is_left_to_the_codec(fields: dict[str, Any]) -> None:
    event = ExecReport.from_dict({"provider": "kraken", "symbol": "BTC-USD", **fields})
    assert report_text(event) is None
    assert to_json(event) == plainly(event)


def test_a_time_before_1970_is_refused_as_ever() -> None:
    event = ExecReport.from_dict({"provider": "kraken", "symbol": "BTC-USD", "ts_recv_ns": -1})
    with pytest.raises(ValidationError, match=r"outside 1970..2262"):
        to_json(event)


def test_mem_06_a_report_that_was_given_back_is_not_told() -> None:
    pools = recycler(4, debug=True)
    lease = leased(pools, EventType.EXEC_REPORT)
    event = lease.event()
    assert isinstance(event, ExecReport)
    lease.publish()
    lease.release()
    with pytest.raises(UseAfterRecycleError):
        report_text(event)
