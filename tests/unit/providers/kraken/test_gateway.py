"""The order gateway of Kraken: terms, tokens, limits, reports, fills, the dead-man switch (TRD-07, TRD-17)."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from engine.base.instants import from_rfc3339
from engine.schema.enums import Side
from engine.schema.instrument import OrderType, TimeInForce
from engine.schema.order import OrderRef, ReportKind, Sent
from tests.unit.providers.gateway_kit import KRAKEN_ROW, TAKEN, run
from tests.unit.providers.order_kit import SILENCE, OrderVenue, Trading
from tests.unit.providers.virtual_time import START_NS, now_s, pass_s, reached

pytestmark = pytest.mark.timeout(30)  # hours of virtual time, on a machine that may be busy


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        ({}, {}),
        ({"qty_raw": 123_456_789_012_345_678}, {"order_qty": Decimal("1234567890.12345678")}),
        ({"post_only": True, "side": Side.SELL}, {"post_only": True, "side": "sell"}),
        ({"tif": TimeInForce.IOC}, {"time_in_force": "ioc"}),
        ({"order_type": OrderType.MARKET}, {"order_type": "market", "time_in_force": None, "limit_price": None}),
        ({"timeout_ms": 100}, {"deadline": 0.5}),
        ({"timeout_ms": 100_000}, {"deadline": 60.0}),
    ],
)
def test_terms_of_an_order_at_kraken(
    fields: dict[str, Any], change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(it: Trading) -> None:
        await it.gateway.submit(it.order(**fields))
        (asked,) = it.venue.of("add_order")
        wanted = {
            "order_type": "limit", "side": "buy", "symbol": "BTC/USDT", "order_qty": Decimal("0.00000005"), "time_in_force": "gtc",
            "limit_price": Decimal("60000.0"), "cl_ord_id": it.wire_id, "token": "token-1", "deadline": 10.0, **change,
        }  # fmt: skip
        ahead_s = (from_rfc3339(asked["params"].pop("deadline")) - START_NS) / 1e9 - it.venue.orders[0][0]
        assert abs(ahead_s - wanted.pop("deadline")) < 0.01
        assert asked["params"] == {key: value for key, value in wanted.items() if value is not None}

    run("kraken", monkeypatch, main)


@pytest.mark.parametrize("said", ["EAPI:Invalid token", "ESession:Invalid session"])
def test_a_token_that_is_forgotten_is_fetched_and_the_order_sent_once_more(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will("add_order", {"error": said}, TAKEN["kraken"])
        assert (await it.gateway.submit(it.order())).sent is Sent.TAKEN
        assert [asked["params"]["token"] for asked in it.venue.of("add_order")] == ["token-1", "token-2"]

    run("kraken", monkeypatch, main)


def test_requests_that_kraken_leaves_unanswered_slow_us_down(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will("add_order", SILENCE)
        sending = asyncio.create_task(it.gateway.submit(it.order()))
        await reached(lambda: bool(it.venue.orders))
        it.client.send(b'{"Error":"Exceeded msg rate"}')
        await reached(lambda: it.gateway.pace.wait_s(now_s(), "BTC-USDT") > 0.0)
        assert (await it.gateway.submit(it.order())).sent is Sent.NOT_SENT
        assert (await sending).sent is Sent.UNKNOWN

    run("kraken", monkeypatch, main)


def test_the_counter_of_kraken_is_kept_to(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        outcomes = [await it.gateway.submit(it.order()) for _ in range(49)]
        assert [outcome.sent for outcome in outcomes] == [Sent.TAKEN] * 48 + [Sent.NOT_SENT]  # 80 % of 60
        await pass_s(10.0)  # falls by one a second; a cancel of a young order costs eight
        assert (await it.gateway.cancel(it.ref(created_ns=START_NS + int(now_s() * 1e9)))).sent is Sent.TAKEN
        sent = [(await it.gateway.submit(it.order())).sent for _ in range(3)]
        assert sent == [Sent.TAKEN, Sent.TAKEN, Sent.NOT_SENT]

    run("kraken", monkeypatch, main)


def execution(number: int, *rows: dict[str, Any], kind: str = "update") -> dict[str, Any]:
    stamped = [{"order_id": "O-42", "timestamp": "2026-11-20T10:00:00.000001Z", **row} for row in rows]
    return {"channel": "executions", "type": kind, "sequence": number, "data": stamped}


def state(what: str, status: str = "", **fields: Any) -> dict[str, Any]:
    return {"exec_type": what, "order_status": status or what, **fields}


def test_reports_of_kraken_reach_the_desk_whichever_connection_told_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        fill = {"exec_id": "T1", "last_qty": 2, "last_price": 9.5, "liquidity_ind": "t", "fees": [{"asset": "USD", "qty": 0.01}]}
        await it.gateway.submit(it.order())
        it.client.send(
            execution(2, state("pending_new", symbol="BTC/USDT", side="buy", order_qty=5, cl_ord_id=it.wire_id)),
            execution(3, state("new"), state("trade", "partially_filled", **fill)),
        )
        await reached(lambda: len(it.desk.reports) == 2)
        it.client.transport.disconnect(graceful=False)
        await reached(lambda: len(it.venue.clients) == 2 and it.gateway.is_up)
        it.client.send(execution(2, state("filled", cum_qty=5, cum_cost=47.5)))
        await reached(lambda: len(it.desk.reports) == 3)
        assert it.desk.told() == [("ACK", it.wire_id, None), ("PARTIAL", it.wire_id, None), ("FILLED", it.wire_id, 5)]
        assert {report.symbol for report in it.desk.reports} == {"BTC-USDT"}
        assert it.desk.reports[1].last_price == Decimal("9.5")

    run("kraken", monkeypatch, main)


def test_a_report_that_cannot_be_read_is_kept_and_the_others_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.client.send(execution(2, state("never_heard_of"), state("new")))
        await reached(lambda: len(it.desk.reports) == 1)
        assert it.held.engine.reporting.rejected_frames["kraken", "bad_value"] == 1

    run("kraken", monkeypatch, main)


def test_an_order_of_kraken_that_has_ended_is_found_among_those(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will("OpenOrders", {"error": [], "result": {"open": {}}})
        ended = {**KRAKEN_ROW, "status": "canceled", "closetm": 1800000001.25, "reason": "User requested"}
        it.venue.will("ClosedOrders", {"error": [], "result": {"closed": {"O-42": ended}, "count": 1}})
        report = await it.gateway.query(it.ref())
        assert report is not None
        assert (report.kind, report.reason.venue_code if report.reason else "") == (ReportKind.CANCELLED, "User requested")
        assert it.venue.of("ClosedOrders")[0]["cl_ord_id"] == it.wire_id

    run("kraken", monkeypatch, main)


def test_orders_of_kraken_that_ended_are_asked_for_together_JRN_07(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        ended = {**KRAKEN_ROW, "status": "canceled", "closetm": 1800000001.25}
        closed = {f"O-{number}": {**ended, "cl_ord_id": f"{number:032x}"} for number in range(20)}
        it.venue.will("OpenOrders", {"error": [], "result": {"open": {}}})
        it.venue.will("ClosedOrders", {"error": [], "result": {"closed": closed, "count": 20}})
        await it.gateway.open_orders()
        for number in range(20):
            ref = OrderRef(wire_order_id=f"{number:032x}", symbol="BTC-USDT", venue_order_id=f"O-{number}")
            report = await it.gateway.query(ref)
            assert report is not None
            assert (report.kind, report.venue_order_id) == (ReportKind.CANCELLED, f"O-{number}")
        assert await it.gateway.query(it.ref()) is None  # neither open nor ended
        assert [len(it.venue.of(path)) for path in ("OpenOrders", "ClosedOrders")] == [1, 1]
        await pass_s(1.0)
        assert await it.gateway.query(it.ref()) is None  # a second look is one of its own
        assert [len(it.venue.of(path)) for path in ("OpenOrders", "ClosedOrders")] == [2, 2]

    run("kraken", monkeypatch, main)


def test_fills_of_kraken_come_page_by_page_BOOK_04(monkeypatch: pytest.MonkeyPatch) -> None:
    def row(number: int) -> dict[str, Any]:
        return {"ordertxid": "O-42", "pair": "BTCUSDT", "time": 1_800_000_000 + number // 4, "type": "buy", "price": "10", "vol": "1",
                "cost": "10", "fee": "0.1"}  # fmt: skip

    async def main(it: Trading) -> None:
        pages = [{f"T-{number}": row(number) for number in range(50, 0, -1)}, {"T-0": row(0), "OTHER": {**row(0), "pair": "ADAUSD"}}]
        it.venue.will("TradesHistory", *({"error": [], "result": {"trades": page, "count": 52}} for page in pages))
        fills = await it.gateway.fills(["BTC-USDT"], START_NS)
        assert [fill.exec_id for fill in fills] == [f"T-{number}" for number in range(51)]
        assert [asked["ofs"] for asked in it.venue.of("TradesHistory")] == ["0", "50"]

    run("kraken", monkeypatch, main)


def test_jrn_07_fills_of_kraken_of_one_microsecond_come_in_the_order_in_which_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their ids and their places in the venue's object are: it numbers the trades of a pair."""

    def row(time: str, number: int) -> dict[str, Any]:
        return {"ordertxid": "O-42", "pair": "BTCUSDT", "time": time, "type": "buy", "price": "10", "vol": "1", "cost": "10",
                "fee": "0.1", "trade_id": number}  # fmt: skip

    async def main(it: Trading) -> None:
        same = "1800000000.123457"
        rows = {"T-Z": row("1800000000.123456", 1), "T-A": row(same, 3), "T-C": row(same, 2), "T-B": row(same, 4),
                "T-Y": row("1800000000.123458", 5)}  # fmt: skip
        it.venue.will("TradesHistory", {"error": [], "result": {"trades": rows, "count": 5}})
        fills = await it.gateway.fills(["BTC-USDT"], START_NS)
        assert [fill.exec_id for fill in fills] == ["T-Z", "T-C", "T-A", "T-B", "T-Y"]
        assert fills[0].ts_venue_ns == 1_800_000_000_123_456_000

    run("kraken", monkeypatch, main)


def test_a_nonce_that_came_too_late_is_taken_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will("OpenOrders", {"error": ["EAPI:Invalid nonce"]}, {"error": [], "result": {"open": {}}})
        assert await it.gateway.open_orders() == []
        first, second = it.venue.of("OpenOrders")
        assert int(second["nonce"]) > int(first["nonce"])

    run("kraken", monkeypatch, main)


ARMED = {"result": {"currentTime": "2026-11-20T10:00:00Z", "triggerTime": "2026-11-20T10:01:00Z"}}


def kraken_with_dead_man(*answers: Any) -> OrderVenue:
    venue = OrderVenue("kraken")
    venue.will("cancel_all_orders_after", *answers)
    return venue


def test_the_dead_man_switch_is_renewed_and_taken_off_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    venue = kraken_with_dead_man(ARMED)

    async def main(it: Trading) -> None:
        await pass_s(100.0)
        times = [at_s for at_s, method, _ in venue.orders if method == "cancel_all_orders_after"]
        assert 5 <= len(times) <= 7
        assert all(19.0 < later - sooner < 21.0 for sooner, later in pairwise(times))
        assert {asked["params"]["timeout"] for asked in venue.of("cancel_all_orders_after")} == {60}
        await it.gateway.close()
        assert venue.of("cancel_all_orders_after")[-1]["params"]["timeout"] == 0
        count = len(venue.orders)
        await it.gateway.close()
        await pass_s(100.0)
        assert len(venue.orders) == count
        assert it.desk.states[-1] == (False, "closed")
        assert (await it.gateway.submit(it.order())).sent is Sent.NOT_SENT

    run("kraken", monkeypatch, main, dead_man_s=60, venue=venue)


def test_the_dead_man_switch_is_armed_anew_after_a_loss_and_tried_again_after_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    venue = kraken_with_dead_man(ARMED, ARMED, {"error": "EService:Busy"}, ARMED)

    async def main(it: Trading) -> None:
        await reached(lambda: len(venue.orders) == 1)
        it.client.transport.disconnect(graceful=False)
        await reached(lambda: len(venue.orders) == 2)
        assert now_s() < 15.0
        await reached(lambda: len(venue.orders) == 4)
        third, fourth = venue.orders[2][0], venue.orders[3][0]
        assert fourth - third < 3.0

    run("kraken", monkeypatch, main, dead_man_s=60, venue=venue)


def test_without_a_dead_man_nothing_is_armed(monkeypatch: pytest.MonkeyPatch) -> None:
    venue = kraken_with_dead_man(ARMED)

    async def main(it: Trading) -> None:
        await pass_s(100.0)
        await it.gateway.close()
        assert venue.orders == []

    run("kraken", monkeypatch, main, dead_man_s=0, venue=venue)


def test_the_session_parts_from_the_venue_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    venue = kraken_with_dead_man(ARMED)

    async def main(it: Trading) -> None:
        await reached(lambda: len(venue.orders) == 1)
        await it.held.session.close()
        assert venue.of("cancel_all_orders_after")[-1]["params"]["timeout"] == 0

    run("kraken", monkeypatch, main, dead_man_s=60, venue=venue)
