"""What venues say of orders, recorded and quoted, as reports (TRD-17, TRD-18, TRD-21): each state by its table."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.base.errors import ValidationError
from engine.providers.binance import reports as binance
from engine.providers.coinbase import reports as coinbase
from engine.providers.coinbase.ordererrors import verdict_of as coinbase_verdict
from engine.providers.kraken import reports as kraken
from engine.providers.kraken.ordererrors import verdict_of as kraken_verdict
from engine.providers.kraken.symbols import instruments_of, rest_spellings
from engine.providers.orderreading import product, read_rows, total
from engine.providers.userstream import message_of
from engine.schema.enums import Side
from engine.schema.instrument import Instrument, InstrumentStatus
from engine.schema.order import Fee, Liquidity, ReportKind, ReportSource, Sent, VenueFill, VenueReport
from tests.twins.capture_io import read_records

D = Decimal


def fixtures(captures: Path, venue: str) -> dict[str, Any]:
    """By the last part of their names, in the form that frames and bodies are read in: numbers are exact."""
    found: dict[str, Any] = {}
    for record in read_records(captures / f"{venue}_fixtures.jsonl.gz"):
        name = str(record.get("name")).rsplit("/", 1)[-1]
        if name in found:
            name = f"{name}#2"
        found[name] = msgspec.json.Decoder(float_hook=Decimal).decode(record["raw"])
    return found


def facts(report: VenueReport | VenueFill) -> dict[str, Any]:
    """All of it that is told, but for the plainest."""
    told = msgspec.structs.asdict(report)
    return {
        name: value
        for name, value in told.items()
        if value not in (None, "", (), 0, False) and name not in ("provider", "source")
    }


# --- Binance ------------------------------------------------------------------------------------------------

COMMON = {"wire_order_id": "x-TD67BGP9-T0000000000000", "venue_order_id": "12345678", "symbol": "ETHUSDT", "side": Side.BUY,
          "qty": D(1), "order_created_ns": 1709654400000 * 10**6}  # fmt: skip
BINANCE: dict[str, dict[str, Any]] = {
    "execution_report_new.json": {**COMMON, "kind": ReportKind.ACK, "ts_venue_ns": 1709654400000 * 10**6},
    "execution_report_stop_loss.json": {
        **COMMON, "kind": ReportKind.ACK, "wire_order_id": "x-TD67BGP9-T0000000000001", "venue_order_id": "12345679",
        "side": Side.SELL, "ts_venue_ns": 1709654400000 * 10**6,
    },
    "execution_report_trade.json": {
        **COMMON, "kind": ReportKind.FILLED, "exec_id": "98765432", "filled_qty": D(1), "last_qty": D(1),
        "last_price": D(2500), "cum_notional": D(2500), "liquidity": Liquidity.MAKER, "fees": (Fee("ETH", D("0.001")),),
        "ts_venue_ns": 1709654401000 * 10**6,
    },
    "execution_report_canceled.json": {**COMMON, "kind": ReportKind.CANCELLED, "ts_venue_ns": 1709654402000 * 10**6},
    "execution_report_expired.json": {**COMMON, "kind": ReportKind.EXPIRED, "ts_venue_ns": 1709654403000 * 10**6},
    "execution_report_wrapped.json": {
        "kind": ReportKind.ACK, "wire_order_id": "mUvoqJxFIILMdfAW5iGSOW", "venue_order_id": "4293153", "symbol": "ETHBTC",
        "side": Side.BUY, "qty": D(1), "ts_venue_ns": 1499405658657 * 10**6, "order_created_ns": 1499405658657 * 10**6,
    },
}  # fmt: skip


def test_every_recorded_report_of_binance_maps_as_tabled_TRD_17(captures: Path) -> None:
    told = {
        name: body.get("event", body)
        for name, body in fixtures(captures, "binance").items()
        if isinstance(body, dict) and body.get("event", body).get("e") == "executionReport"
    }
    assert set(told) == set(BINANCE)
    for name, event in told.items():
        report = binance.event_report("binance", event)
        found = facts(report)
        reason = found.pop("reason", None)
        assert found == BINANCE[name], name
        assert (reason.venue_code if reason else None) == (
            "INSUFFICIENT_LIQUIDITY" if name == "execution_report_expired.json" else None
        )


def test_every_recorded_answer_of_binance_maps_as_tabled_TRD_18(captures: Path) -> None:
    bodies = fixtures(captures, "binance")
    read = partial(binance.order_report, "binance", source=ReportSource.RECONCILE)
    order = {
        "kind": ReportKind.ACK, "wire_order_id": "myOrder1", "venue_order_id": "1", "symbol": "LTCBTC", "side": Side.BUY,
        "qty": D(1), "ts_venue_ns": 1499827319559 * 10**6, "order_created_ns": 1499827319559 * 10**6,
    }  # fmt: skip
    for name in ("all_orders_response.json", "open_orders_response.json"):
        assert [facts(read(row)) for row in bodies[name]] == [order]
    assert facts(read(bodies["order_response.json"])) == order
    cancelled = facts(read(bodies["cancel_order_response.json"]))
    assert (cancelled["kind"], cancelled["wire_order_id"]) == (ReportKind.CANCELLED, "myOrder1")
    found, why = read_rows(bodies["cancel_open_orders_response.json"], read)
    assert [one.wire_order_id for one in found] == ["E6APeyTJvkMvLMYMqu1KQ4", "A3EF2HCwxgZPFMrfwbgrhv"]
    assert "clientOrderId" in why  # a list of orders is none
    filled = facts(read(bodies["new_order_full_response.json"]))
    assert filled == {
        "kind": ReportKind.FILLED, "wire_order_id": "6gCrw2kRUAF9CvJDGP16IP", "venue_order_id": "28", "symbol": "BTCUSDT",
        "side": Side.SELL, "qty": D(10), "filled_qty": D(10), "cum_notional": D(10), "is_fees_total": True,
        "fees": (Fee("USDT", D("39.983")),), "ts_venue_ns": 1507725176595 * 10**6, "order_created_ns": 1507725176595 * 10**6,
    }  # fmt: skip
    assert [facts(binance.fill_of(row)) for row in bodies["account_trades_response.json"]] == [
        {
            "exec_id": "28457", "venue_order_id": "100234", "symbol": "BNBBTC", "side": Side.BUY, "qty": D(12),
            "price": D("4.000001"), "ts_venue_ns": 1499865549590 * 10**6, "liquidity": Liquidity.TAKER,
            "fees": (Fee("BNB", D("10.1")),),
        }
    ]  # fmt: skip


EVENT = {
    "e": "executionReport", "E": 1, "s": "BTCUSDT", "c": "ours", "C": "", "S": "BUY", "x": "NEW", "X": "NEW", "r": "NONE", "i": 7,
    "q": "5", "l": "0", "z": "0", "L": "0", "Z": "0", "n": "0", "N": None, "T": 2, "t": -1, "m": False, "O": 1,
}  # fmt: skip
DOCUMENTED = {
    ("NEW", "NEW"): "ACK", ("NEW", "PENDING_NEW"): "ACK", ("TRADE", "PARTIALLY_FILLED"): "PARTIAL", ("TRADE", "FILLED"): "FILLED",
    ("CANCELED", "CANCELED"): "CANCELLED", ("REPLACED", "NEW"): "ACK", ("REPLACED", "PARTIALLY_FILLED"): "PARTIAL",
    ("REJECTED", "REJECTED"): "REJECTED", ("EXPIRED", "EXPIRED"): "EXPIRED",
    ("TRADE_PREVENTION", "EXPIRED_IN_MATCH"): "EXPIRED", ("TRADE_PREVENTION", "PARTIALLY_FILLED"): "PARTIAL",
    ("TRADE_PREVENTION", "NEW"): "ACK",
}  # fmt: skip


@pytest.mark.parametrize(("states", "kind"), DOCUMENTED.items())
def test_each_state_of_binance_TRD_17(states: tuple[str, str], kind: str) -> None:
    assert set(binance.EVENT_KINDS) == set(DOCUMENTED)
    assert binance.event_report("binance", {**EVENT, "x": states[0], "X": states[1]}).kind.name == kind


def test_a_cancel_names_the_order_by_its_other_id() -> None:
    report = binance.event_report("binance", {**EVENT, "x": "CANCELED", "X": "CANCELED", "c": "of-the-cancel", "C": "ours"})
    assert (report.wire_order_id, report.venue_order_id, report.reason) == ("ours", "7", None)


def test_a_rejection_of_binance_keeps_the_venues_word_TRD_24() -> None:
    report = binance.event_report("binance", {**EVENT, "x": "REJECTED", "X": "REJECTED", "r": "INSUFFICIENT_BALANCES"})
    assert report.reason is not None
    assert (report.reason.code, report.reason.venue_code) == ("exchange_error", "INSUFFICIENT_BALANCES")


def test_self_trade_prevention_takes_quantity_away() -> None:
    event = {**EVENT, "x": "TRADE_PREVENTION", "X": "NEW", "A": "1.50000000", "B": "1.50000000"}
    assert binance.event_report("binance", event).qty == D("3.5")


@pytest.mark.parametrize("change", [{"x": "NEW", "X": "NEVER_HEARD_OF"}, {"x": "TRADE", "X": "NEW"}, {"S": "BOTH"}, {"z": "NaN"}, {"q": 1.5}])
def test_what_is_not_known_is_no_guess_ARC_24(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        binance.event_report("binance", {**EVENT, **change})


# --- Coinbase -----------------------------------------------------------------------------------------------


def test_every_recorded_order_of_coinbase_maps_as_tabled_TRD_17(captures: Path) -> None:
    bodies = fixtures(captures, "coinbase")
    (event,) = bodies["ws_user.json"]["events"]
    assert [facts(coinbase.user_report("coinbase", row)) for row in event["orders"]] == [
        {
            "kind": ReportKind.ACK, "wire_order_id": "11111-000000-000001", "symbol": "BTC-USD", "side": Side.BUY,
            "venue_order_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "qty": D("0.001"),
            "order_created_ns": 1_775_572_195_123_456_000,
        }
    ]  # fmt: skip
    order = facts(coinbase.order_report("coinbase", bodies["http_order.json"]["order"]))
    assert order == {
        "kind": ReportKind.PARTIAL, "wire_order_id": "11111-000000-000000", "venue_order_id": "0000-000000-000000",
        "symbol": "BTC-USD", "side": Side.BUY, "qty": D("0.001"), "filled_qty": D("0.001"), "cum_notional": D(10000),
        "fees": (Fee("USD", D(5)),), "is_fees_total": True, "order_created_ns": 1_622_455_199_000_000_000,
    }  # fmt: skip
    rows = bodies["http_orders_list.json"]["orders"]
    found, why = read_rows(rows, partial(coinbase.order_report, "coinbase"))
    assert why == ""
    assert [(one.kind, one.wire_order_id, one.venue_order_id) for one in found] == [
        (ReportKind.ACK, "11111-000000-000001", "0000-000000-000001"),
        (ReportKind.FILLED, "11111-000000-000002", "0000-000000-000002"),
    ]


USER_ORDER = {
    "order_id": "o", "client_order_id": "c", "cumulative_quantity": "0", "leaves_quantity": "5", "avg_price": "0",
    "total_fees": "0", "status": "OPEN", "product_id": "BTC-USDC", "order_side": "SELL",
}  # fmt: skip
USER_STATES = {
    "PENDING": "ACK", "QUEUED": "ACK", "OPEN": "ACK", "CANCEL_QUEUED": "ACK", "EDIT_QUEUED": "ACK", "FILLED": "FILLED",
    "CANCELLED": "CANCELLED", "EXPIRED": "EXPIRED", "FAILED": "REJECTED",
}  # fmt: skip


@pytest.mark.parametrize(("status", "kind"), USER_STATES.items())
def test_each_state_of_coinbase_TRD_17(status: str, kind: str) -> None:
    assert set(coinbase.STATUS_KINDS) == set(USER_STATES)
    assert coinbase.user_report("coinbase", {**USER_ORDER, "status": status}).kind.name == kind
    some = {**USER_ORDER, "status": status, "cumulative_quantity": "1.5", "leaves_quantity": "3.5", "avg_price": "10"}
    report = coinbase.user_report("coinbase", some)
    assert report.kind.name == ("PARTIAL" if kind == "ACK" else kind)
    assert (report.filled_qty, report.cum_notional) == (D("1.5"), D(15))
    assert report.qty == (D(5) if kind == "ACK" else None)


def test_amounts_of_coinbase_keep_every_digit() -> None:
    some = {**USER_ORDER, "cumulative_quantity": "123456789.123456789123456789", "avg_price": "98765.4321098765432109876543"}
    exact = coinbase.user_report("coinbase", some).cum_notional
    assert exact is not None
    assert exact.as_tuple().digits == tuple(map(int, str(123456789123456789123456789 * 987654321098765432109876543)))


def test_a_failed_order_of_coinbase_has_its_reason_TRD_24() -> None:
    report = coinbase.user_report("coinbase", {**USER_ORDER, "status": "FAILED", "reject_reason": "INSUFFICIENT_FUNDS"})
    assert report.reason is not None
    assert report.reason.venue_code == "INSUFFICIENT_FUNDS"


def test_a_fill_of_coinbase() -> None:
    row = {
        "entry_id": "e", "trade_id": "t1", "order_id": "o", "trade_time": "2026-11-20T10:00:00.5Z", "price": "10.5", "size": "2",
        "commission": "0.01", "product_id": "BTC-USDC", "liquidity_indicator": "MAKER", "size_in_quote": False, "side": "BUY",
    }  # fmt: skip
    assert coinbase.fill_of(row) == VenueFill(
        exec_id="t1", venue_order_id="o", symbol="BTC-USDC", side=Side.BUY, qty=D(2), price=D("10.5"),
        ts_venue_ns=1_795_168_800_500_000_000, liquidity=Liquidity.MAKER,
    )  # fmt: skip
    assert coinbase.fill_of({**row, "size_in_quote": True}) is None


# --- Kraken -------------------------------------------------------------------------------------------------


def test_every_recorded_execution_of_kraken_maps_as_tabled_TRD_17(captures: Path) -> None:
    bodies = fixtures(captures, "kraken")
    found: dict[str, list[Any]] = {}
    for name, body in bodies.items():
        rows = [body] if "exec_type" in body else body.get("data") if body.get("channel") == "executions" else None
        if rows is not None:
            orders = kraken.KrakenOrders("kraken")
            found[name] = [orders.report(row) for row in rows]
    kinds = {name.split(":", 1)[1]: [report and report.kind.name for report in reports] for name, reports in found.items()}
    trades = "test_execution_trades_snapshot:trades_snapshot"
    assert kinds == {
        trades: ["FILLED"] * len(kinds[trades]),
        "test_execution_order_update_cancelled:cancel": ["CANCELLED"],
        "test_execution_limit_order_update_pending:pending_new": [None],
        "test_execution_stop_loss_limit_order_update_pending:pending_new": [None],
        "test_execution_order_update_new:new": ["ACK"],
        "test_execution_order_amended:amend": ["ACK"],
        "test_deserializing_execution_trade:message": ["FILLED"],
        "test_deserializing_execution_new_update:message": ["ACK"],
    }
    (trade,) = found["user_data_messages.rs:test_deserializing_execution_trade:message"]
    assert facts(trade) == {
        "kind": ReportKind.FILLED, "venue_order_id": "O7IBL5-O2V6X-EEXY4U", "symbol": "KAR/USD", "side": Side.BUY,
        "exec_id": "TJE7HC-DKBTI-5BFVKE", "last_qty": D("105.02014889"), "last_price": D("0.121"),
        "liquidity": Liquidity.TAKER, "fees": (Fee("USD", D("0.05083")),), "ts_venue_ns": 1_716_010_893_480_251_000,
    }  # fmt: skip
    (cancelled,) = found["kraken_wss_client.rs:test_execution_order_update_cancelled:cancel"]
    assert (cancelled.reason.venue_code, cancelled.venue_order_id) == ("User requested", "KIUEL4-G3PWU-HOJTYU")
    (amended,) = found["kraken_wss_client.rs:test_execution_order_amended:amend"]
    assert amended.qty == D("5.1")


def test_every_recorded_answer_of_kraken_is_judged_TRD_24(captures: Path) -> None:
    judged = {
        body["error"]: kraken_verdict(body["error"])
        for body in fixtures(captures, "kraken").values()
        if isinstance(body.get("error"), str) and body.get("method", "").endswith("_order")
    }
    assert {said: (verdict.sent.name, verdict.code, verdict.halts) for said, verdict in judged.items()} == {
        "EOrder:Insufficient funds": ("REFUSED", "exchange_error", False),
        "EGeneral:Invalid arguments:no_mpp order option is only available when ordertype = market":
            ("REFUSED", "invalid_request", False),
        "Cash_order_qty field must be a number_float": ("REFUSED", "invalid_request", False),
        "Limit_price field must be a number_float": ("REFUSED", "invalid_request", False),
        "EGeneral:Permission denied": ("REFUSED", "auth", True),
        "Token(s) not found": ("REFUSED", "invalid_request", False),
    }  # fmt: skip


def test_recorded_open_orders_of_kraken_by_rest(captures: Path) -> None:
    bodies = fixtures(captures, "kraken")
    pairs, _ = instruments_of(msgspec.json.encode(bodies["http_asset_pairs.json"]))
    (pair,) = pairs
    find = dict.fromkeys(rest_spellings(pair), pair).get
    rows = bodies["http_open_orders.json"]["result"]["open"]
    first, second = (kraken.order_report("kraken", txid, row, find) for txid, row in rows.items())
    assert facts(first) == {
        "kind": ReportKind.ACK, "venue_order_id": "O26VBY-ISGAE-JP5TLU", "symbol": "BTC/USDT", "side": Side.BUY, "qty": D("0.5"),
        "order_created_ns": 1_688_583_840_864_800_000,
    }  # fmt: skip
    assert (second.kind, second.symbol, second.side) == (ReportKind.ACK, "", Side.SELL)  # a pair that is not listed


STAMP = {"timestamp": "2026-11-20T10:00:00.000001Z"}
FIRST = {"order_id": "O-1", "cl_ord_id": "ours", "symbol": "BTC/USD", "side": "buy", "order_qty": D(5), **STAMP}
KRAKEN_STATES = {
    ("pending_new", "pending_new"): None, ("new", "new"): "ACK", ("new", "partially_filled"): "PARTIAL",
    ("trade", "partially_filled"): "PARTIAL", ("trade", "new"): "PARTIAL", ("trade", "filled"): "FILLED",
    ("filled", "filled"): "FILLED", ("canceled", "canceled"): "CANCELLED", ("expired", "expired"): "EXPIRED",
    **{(what, status): kind for what in ("amended", "restated", "status", "iceberg_refill")
       for status, kind in (("new", "ACK"), ("partially_filled", "PARTIAL"), ("pending_new", "ACK"))},
}  # fmt: skip


@pytest.mark.parametrize(("states", "kind"), KRAKEN_STATES.items())
def test_each_state_of_kraken_TRD_17(states: tuple[str, str], kind: str | None) -> None:
    assert set(kraken.EVENT_KINDS) == set(KRAKEN_STATES)
    orders = kraken.KrakenOrders("kraken")
    what, status = states
    trade = {"exec_id": "T", "last_qty": D(1), "last_price": D(2), "liquidity_ind": "m", "fees": []} if what == "trade" else {}
    report = orders.report({**FIRST, "exec_type": what, "order_status": status, **trade})
    assert (report and report.kind.name) == kind
    if report is not None:
        assert (report.wire_order_id, report.symbol, report.side, report.qty) == ("ours", "BTC/USD", Side.BUY, D(5))
        assert report.exec_id == ("T" if what == "trade" else None)


def said_of_kraken(*rows: dict[str, Any]) -> list[tuple[Any, ...]]:
    orders = kraken.KrakenOrders("kraken")
    reports = [orders.report({**STAMP, "order_id": "O-1", **row}) for row in rows]
    return [(r.kind.name, r.wire_order_id, r.symbol, r.filled_qty) for r in reports if r is not None]


def state(what: str, status: str = "", **fields: Any) -> dict[str, Any]:
    return {"exec_type": what, "order_status": status or what, **fields}


def test_sparse_entries_are_completed_by_those_before_them() -> None:
    fill = {"exec_id": "T1", "last_qty": D(2), "last_price": D(9), "liquidity_ind": "t", "fees": []}
    assert said_of_kraken(
        {**FIRST, **state("pending_new")}, state("new"), state("trade", "partially_filled", **fill),
        state("filled", cum_qty=D(5)), state("canceled", cum_qty=D(5)),
    ) == [
        ("ACK", "ours", "BTC/USD", None), ("PARTIAL", "ours", "BTC/USD", None), ("FILLED", "ours", "BTC/USD", D(5)),
        ("CANCELLED", "ours", "BTC/USD", D(5)),
    ]  # fmt: skip


def test_what_the_engine_of_kraken_refuses_was_never_live() -> None:
    refused = said_of_kraken({**FIRST, **state("pending_new")}, state("canceled", cum_qty=D(0), reason="Post only order"))
    assert refused == [("REJECTED", "ours", "BTC/USD", D(0))]
    # One that was not seen from its beginning may have been live.
    assert said_of_kraken(state("canceled", cum_qty=D(0)))[0][0] == "CANCELLED"
    assert said_of_kraken({**FIRST, **state("pending_new")}, state("canceled", cum_qty=D(1)))[0][0] == "CANCELLED"


def test_an_answer_names_an_order_before_its_stream_does() -> None:
    orders = kraken.KrakenOrders("kraken")
    orders.placed("O-1", "ours")
    report = orders.report({**STAMP, "order_id": "O-1", **state("new")})
    assert report is not None
    assert report.wire_order_id == "ours"


def test_history_in_a_snapshot_is_no_news() -> None:
    orders = kraken.KrakenOrders("kraken")
    fill = {"exec_id": "T1", "last_qty": D(2), "last_price": D(9), "liquidity_ind": "t", "fees": []}
    row = {**STAMP, "order_id": "O-1", **state("trade", "filled", **fill)}
    assert orders.report(row, is_snapshot=True) is None
    orders.placed("O-1", "ours")
    assert orders.report(row, is_snapshot=True) is not None


def test_orders_that_ended_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kraken, "ORDERS_KEPT", 3)
    orders = kraken.KrakenOrders("kraken")
    orders.report({**FIRST, **state("new")})
    for number in range(10):
        name = f"E-{number}"
        orders.report({**FIRST, "order_id": name, **state("new")})
        orders.report({**STAMP, "order_id": name, **state("canceled")})
    report = orders.report({**STAMP, "order_id": "O-1", **state("restated", "new")})
    assert report is not None
    assert report.wire_order_id == "ours"
    assert len(orders._ended) == 3


def kraken_pair() -> Instrument:
    return Instrument(
        provider="kraken", symbol="BTC-USD", venue_symbol="BTC/USD", base="BTC", quote="USD", status=InstrumentStatus.TRADING,
        price_scale=1, qty_scale=8, tick_size_raw=1, lot_size_raw=1, min_qty_raw=1,
    )  # fmt: skip


def test_spellings_of_a_pair_by_rest() -> None:
    assert {"XBTUSD", "XXBTZUSD", "BTCUSD", "XBT/USD", "BTC/USD"} <= set(rest_spellings(kraken_pair()))


REST_STATES = {"pending": "ACK", "open": "ACK", "closed": "FILLED", "canceled": "CANCELLED", "expired": "EXPIRED"}


@pytest.mark.parametrize(("status", "kind"), REST_STATES.items())
def test_each_state_of_kraken_by_rest_TRD_17(status: str, kind: str) -> None:
    assert set(kraken.STATUS_KINDS) == set(REST_STATES)
    row = {
        "status": status, "opentm": D("1688583840.8648"), "closetm": D("1688583841.5"), "cl_ord_id": "ours", "vol": "5",
        "descr": {"pair": "XXBTZUSD", "type": "sell"}, "vol_exec": "2", "cost": "18.5", "fee": "0.03", "oflags": "post,fcib",
    }  # fmt: skip
    report = kraken.order_report("kraken", "O-1", row, {"XXBTZUSD": kraken_pair()}.get)
    assert report.kind.name == ("PARTIAL" if kind == "ACK" else kind)
    assert (report.wire_order_id, report.symbol, report.cum_notional) == ("ours", "BTC/USD", D("18.5"))
    assert (report.fees, report.is_fees_total) == ((), False)  # its fills tell them
    assert report.ts_venue_ns == 1_688_583_841_500_000_000


def test_a_fill_of_kraken_by_rest() -> None:
    row = {
        "ordertxid": "O-1", "pair": "XXBTZUSD", "time": D("1688583840.8648"), "type": "buy", "price": "30010.1", "cost": "1",
        "fee": "0.02", "vol": "0.5", "maker": True,
    }  # fmt: skip
    assert kraken.fill_of("T-1", row, {"XXBTZUSD": kraken_pair()}.get) == VenueFill(
        exec_id="T-1", venue_order_id="O-1", symbol="BTC/USD", side=Side.BUY, qty=D("0.5"), price=D("30010.1"),
        ts_venue_ns=1_688_583_840_864_800_000, liquidity=Liquidity.MAKER, fees=(Fee("USD", D("0.02")),),
    )  # fmt: skip


# --- what all of them rest on --------------------------------------------------------------------------------


def test_sums_and_products_keep_every_digit() -> None:
    big, small = D("123456789012345678901234567890"), D("0.000000000000000000000000000001")
    assert str(total((big, small))) == "123456789012345678901234567890.000000000000000000000000000001"
    assert product(big, big) == D(123456789012345678901234567890**2)
    with pytest.raises(ValidationError):
        total((D("1e500"), D("1e-500")))


def test_one_order_that_cannot_be_read_takes_no_other_with_it() -> None:
    rows = [{**USER_ORDER, "status": "NEVER_HEARD_OF"}, USER_ORDER, {"order_id": "x"}]
    found, why = read_rows(rows, partial(coinbase.user_report, "coinbase"))
    assert [report.wire_order_id for report in found] == ["c"]
    assert "NEVER_HEARD_OF" in why


def test_numbers_of_frames_are_exact() -> None:
    row = message_of(b'{"qty": 0.10000000000000000000000000000001}')
    assert total((row["qty"],)) == D("0.10000000000000000000000000000001")


@pytest.mark.parametrize(
    ("said", "sent", "code"),
    [
        ("INSUFFICIENT_FUND", Sent.REFUSED, "exchange_error"),
        ("PREVIEW_INSUFFICIENT_FUND", Sent.REFUSED, "exchange_error"),
        ("INVALID_PRICE_PRECISION", Sent.REFUSED, "invalid_request"),
        ("ORDER_ENTRY_DISABLED", Sent.REFUSED, "unavailable"),
        ("DUPLICATE_CLIENT_ORDER_ID", Sent.UNKNOWN, "conflict"),
        ("A_RULE_OF_TOMORROW", Sent.REFUSED, "exchange_error"),
    ],
)
def test_refusals_of_coinbase_TRD_24(said: str, sent: Sent, code: str) -> None:
    assert coinbase_verdict(said)[:2] == (sent, code)
