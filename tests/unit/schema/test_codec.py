"""EVT-03, API-30: one codec; the published wire examples decode and encode to the same bytes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.base.errors import ValidationError
from engine.schema.codec import from_json, to_json
from engine.schema.control import ControlAck, ControlResult
from engine.schema.enums import BookReason, EventFlag, Side, UpdateType
from engine.schema.event import Event
from engine.schema.execution import ExecReport
from engine.schema.instrument import OrderType, TimeInForce
from engine.schema.market import BookUpdate, Trade
from engine.schema.order import Fee, OrderState, Reason, ReportKind, ReportSource
from engine.schema.quotes import Ticker

BOOK_UPDATE = (
    b'{"type":"BookUpdate","kind":"market_data","schema_version":1,"event_id":"kraken:BTC-USD:BookUpdate:3.18211",'
    b'"provider":"kraken","symbol":"BTC-USD","seq_provider":18211,"seq_first":18211,"epoch":3,'
    b'"ts_venue":"2030-01-02T03:04:05.123456000Z","ts_recv":"2030-01-02T03:04:05.125001337Z",'
    b'"ts_emit":"2030-01-02T03:04:05.125012042Z","routing_version":7,"merge_id":null,'
    b'"trace_id":"5f0c1d2e-3a4b-5968-7786-a5b4c3d2e1f0","decision_id":null,"flags":[],"folded_count":1,'
    b'"price_scale":1,"qty_scale":8,"venue_meta":null,"update_type":"delta",'
    b'"bids":[["61250.0","0.75000000"],["61249.9","0.00000000"]],"asks":[],"first_update_id":null,'
    b'"final_update_id":null,"checksum":2871436091,"checksum_state":"verified","verified_through_id":18211,'
    b'"invalid_reason":null}'
)
EXEC_REPORT = (
    b'{"type":"ExecReport","kind":"exec_report","schema_version":1,'
    b'"event_id":"kraken:BTC-USD:ExecReport:TX4K2Q","provider":"kraken","symbol":"BTC-USD","seq_provider":52,'
    b'"seq_first":52,"epoch":1,"ts_venue":"2030-01-02T03:04:06.000100000Z",'
    b'"ts_recv":"2030-01-02T03:04:06.001900500Z","ts_emit":"2030-01-02T03:04:06.001911020Z",'
    b'"routing_version":7,"merge_id":null,"trace_id":"5f0c1d2e-3a4b-5968-7786-a5b4c3d2e1f0","decision_id":null,'
    b'"flags":[],"folded_count":1,"price_scale":1,"qty_scale":8,"venue_meta":null,'
    b'"client_order_id":"mm1-000016","consumer_id":"mm1","wire_order_id":"0000d8336800800089e7dc0d75d75dbb",'
    b'"venue_order_id":"OQCLML","exec_id":"TX4K2Q","report":"partial","order_state":"partially_filled",'
    b'"order_report_seq":2,"side":"buy","order_type":"limit","tif":"gtc","price":"61999.5","qty":"0.03000000",'
    b'"filled_qty":"0.01000000","remaining_qty":"0.02000000","last_qty":"0.01000000","last_price":"61999.5",'
    b'"cum_notional":"619.995000000","avg_fill_price":"61999.5000000","liquidity":"maker",'
    b'"fees":[{"asset":"USD","amount":"0.9920"}],"reason":null,"is_open":true,"anomaly":"none",'
    b'"source":"stream"}'
)
CONTROL_ACK = (
    b'{"type":"ControlAck","kind":"control_ack","schema_version":1,"event_id":"engine::ControlAck:1.9",'
    b'"provider":"engine","symbol":null,"seq_provider":9,"seq_first":9,"epoch":1,"ts_venue":null,'
    b'"ts_recv":"2030-01-02T03:04:05.000000001Z","ts_emit":"2030-01-02T03:04:05.000020001Z","routing_version":7,'
    b'"merge_id":null,"trace_id":"0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9","decision_id":null,"flags":[],'
    b'"folded_count":0,"price_scale":0,"qty_scale":0,"venue_meta":null,"message_id":"m-41","consumer_id":"mm1",'
    b'"command_type":"subscribe","success":true,"error":null}'
)


CONTROL_RESULT = CONTROL_ACK.replace(b"ControlAck", b"ControlResult").replace(b"control_ack", b"control_result").replace(
    b'"success":true,"error":null', b'"result":{"subscription_id":"s1","first_event":"live"}'
)
RISK_CONTROL = CONTROL_ACK.replace(b"ControlAck", b"RiskControl").replace(b"control_ack", b"control_result").replace(
    b'"message_id":"m-41","consumer_id":"mm1","command_type":"subscribe","success":true,"error":null',
    b'"status":"triggered","control":"circuit_breaker","scope":{"provider":null,"symbol":null,"consumer_id":"mm1"},'
    b'"breach":"price_band","breach_count":3,"until":"2030-01-02T03:05:35.000000000Z","operator":null,"text":"3 breaches in 90 s"',
)


@pytest.mark.parametrize("document", [BOOK_UPDATE, EXEC_REPORT, CONTROL_ACK, CONTROL_RESULT, RISK_CONTROL])
def test_the_published_examples_encode_to_the_same_bytes_API_30(document: bytes) -> None:
    assert to_json(from_json(document)) == document


def test_evt_18_a_result_that_does_not_fit_is_refused_and_never_cut() -> None:
    event = from_json(CONTROL_RESULT)
    assert isinstance(event, ControlResult)
    event.result = {"text": "x" * 4085}
    assert event.result == {"text": "x" * 4085}
    with pytest.raises(ValueError, match="4097 bytes, at most 4096"):
        event.result = {"text": "x" * 4086}


def test_values_come_back_as_they_were() -> None:
    event = from_json(BOOK_UPDATE)
    assert isinstance(event, BookUpdate)
    assert (event.update_type, event.invalid_reason, event.checksum) == (UpdateType.DELTA, None, 2871436091)
    assert list(event.bids) == [(612500, 75_000_000), (612499, 0)]
    assert event.ts_recv_ns == 1_893_553_445_125_001_337


FIELDS = {"provider": "binance", "symbol": "BTC-USDT", "seq_provider": 2**63, "seq_first": 2**63 - 5, "epoch": 4,
          "ts_recv_ns": 1_700_000_000_000_000_001, "ts_emit_ns": 1_700_000_000_000_000_002, "routing_version": 9,
          "trace_id": "5f0c1d2e-3a4b-5968-7786-a5b4c3d2e1f0", "decision_id": "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
          "folded_count": 3, "price_scale": 2, "qty_scale": 5}  # fmt: skip
EVENTS: list[Event] = [
    Trade.from_dict({**FIELDS, "trade_id": "123", "side": Side.SELL, "price_raw": 110, "qty_raw": 7, "match_count": 2}),
    Ticker.from_dict({**FIELDS, "bid_price_raw": 10, "volume_24h_raw": 10**18}),
    BookUpdate.from_dict({**FIELDS, "update_type": UpdateType.INVALID, "invalid_reason": BookReason.GAP,
                          "flags": frozenset({EventFlag.LATE, EventFlag.GAP_BEFORE})}),
    ExecReport.from_dict({**FIELDS, "client_order_id": "a", "consumer_id": "c", "wire_order_id": "f" * 32, "side": Side.BUY,
                          "report": ReportKind.REJECTED, "order_state": OrderState.REJECTED, "order_type": OrderType.MARKET,
                          "tif": TimeInForce.IOC, "qty_raw": 5, "source": ReportSource.REPLY,
                          "reason": Reason(code="exchange_error", venue_code="-2010", text="no"),
                          "fees": (Fee("BNB", Decimal("-1E-18")),)}),
    ControlAck.from_dict({"message_id": "m", "consumer_id": "c", "command_type": "subscribe", "success": False,
                          "error": {"code": "not_found", "message": "no such symbol"}}),
]  # fmt: skip


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_a_round_trip_keeps_every_field(event: Event) -> None:
    assert from_json(to_json(event)) == event


def test_money_has_exactly_the_scale_s_decimals() -> None:
    assert b'"price":"1.10"' in to_json(EVENTS[0])
    assert b'"qty":"0.00007"' in to_json(EVENTS[0])
    assert b'"seq_provider":9223372036854775808' in to_json(EVENTS[0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ((b'"epoch":3', b'"epoch":3,"epok":1'), "no field 'epok'"),
        ((b'"epoch":3,', b""), "lacks field 'epoch'"),
        ((b'"type":"BookUpdate"', b'"type":"BookUpdat"'), "unknown event type 'BookUpdat'"),
        ((b'"schema_version":1', b'"schema_version":2'), "schema_version 2"),
        ((b'"0.75000000"', b'"0.75"'), "BookUpdate.bids: '0.75' has not 8 decimals"),
        ((b'"update_type":"delta"', b'"update_type":"delt"'), "BookUpdate.update_type"),
        ((b'"2030-01-02T03:04:05.125001337Z"', b'"yesterday"'), "BookUpdate.ts_recv"),
    ],
)
def test_a_document_that_is_wrong_is_refused_by_field(change: tuple[bytes, bytes], says: str) -> None:
    with pytest.raises(ValidationError, match=says.replace("'", ".")):
        from_json(BOOK_UPDATE.replace(*change))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ((b'"619.995000000"', b'"6.19E2"'), "ExecReport.cum_notional: .6.19E2. is no decimal"),
        ((b'"0.9920"', b'"+0.9920"'), "ExecReport.fees: .+0.9920. is no decimal"),
        ((b'"0.9920"', b"0.992"), "ExecReport.fees"),
        ((b'"anomaly":"none"', b'"anomaly":"odd"'), "ExecReport.anomaly"),
        ((b'"reason":null', b'"reason":{"code":"network"}'), "ExecReport.reason: .venue_code."),
    ],
)
def test_evt_16_a_report_that_is_wrong_is_refused_by_field(change: tuple[bytes, bytes], says: str) -> None:
    with pytest.raises(ValidationError, match=says.replace("+", "[+]")):
        from_json(EXEC_REPORT.replace(*change))
