"""The order gateway of Binance: terms, limits, reports, fills (TRD-07, TRD-17, TRD-23)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from typing import Any

import pytest

from engine.base.errors import RateLimitedError
from engine.providers.budget import CallClass
from engine.schema.enums import Side
from engine.schema.instrument import OrderType, TimeInForce
from engine.schema.order import Liquidity, Sent
from tests.unit.providers.gateway_kit import TAKEN, error, run
from tests.unit.providers.order_kit import SILENCE, WIRE_IDS, Trading
from tests.unit.providers.private_kit import SECRETS
from tests.unit.providers.virtual_time import START_NS, now_s, pass_s, reached

pytestmark = pytest.mark.timeout(30)  # hours of virtual time, on a machine that may be busy
BINANCE_TERMS = {
    "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.00000005", "price": "60000.0",
    "newClientOrderId": WIRE_IDS["binance"], "newOrderRespType": "ACK", "recvWindow": 5000,
}  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        ({}, {}),
        ({"side": Side.SELL, "tif": TimeInForce.IOC}, {"side": "SELL", "timeInForce": "IOC"}),
        ({"tif": TimeInForce.FOK, "timeout_ms": 800}, {"timeInForce": "FOK", "recvWindow": 800}),
        ({"post_only": True}, {"type": "LIMIT_MAKER", "timeInForce": None}),
        ({"order_type": OrderType.MARKET}, {"type": "MARKET", "timeInForce": None, "price": None}),
    ],
)
@pytest.mark.parametrize("kind", ["ed25519", "hmac"])
def test_terms_of_an_order_at_binance(
    kind: str, fields: dict[str, Any], change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(it: Trading) -> None:
        await it.gateway.submit(it.order(**fields))
        (asked,) = it.venue.of("order.place")
        params = asked["params"]
        if kind == "hmac":
            signature = params.pop("signature")
            text = "&".join(f"{name}={params[name]}" for name in sorted(params))
            assert signature == hmac.new(SECRETS["binance"].encode(), text.encode(), hashlib.sha256).hexdigest()
            assert params.pop("apiKey") == "the-key-of-a-test"
        assert params.pop("timestamp") == (START_NS + int(now_s() * 1e9)) // 10**6
        wanted = {key: value for key, value in {**BINANCE_TERMS, **change}.items() if value is not None}
        assert params == wanted

    run("binance", monkeypatch, main, kind=kind)


def test_a_clock_that_stays_off_refuses_the_order_and_halts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will("order.place", error(-1021, "Timestamp for this request was 1000ms ahead of the server's time."))
        outcome = await it.gateway.submit(it.order())
        assert (outcome.sent, outcome.reason.code if outcome.reason else "") == (Sent.REFUSED, "auth")
        assert len(it.venue.of("order.place")) == 2
        assert it.gateway.is_up

    run("binance", monkeypatch, main)


def test_the_limit_of_binance_is_kept_to_and_its_own_count_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    def limits(count: int) -> dict[str, Any]:
        row = {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 5, "count": count}
        return {**TAKEN["binance"], "rateLimits": [row]}

    async def main(it: Trading) -> None:
        it.venue.will("order.place", limits(1), limits(2), limits(3), limits(4), limits(0))
        outcomes = [await it.gateway.submit(it.order()) for _ in range(5)]
        # 80 % of five.
        assert [outcome.sent for outcome in outcomes] == [Sent.TAKEN] * 4 + [Sent.NOT_SENT]
        assert outcomes[4].reason is not None
        assert outcomes[4].reason.code == "rate_limited"
        assert outcomes[4].retry_after_s is not None
        assert 9.0 < outcomes[4].retry_after_s <= 10.0
        await pass_s(outcomes[4].retry_after_s + 0.001)
        assert (await it.gateway.submit(it.order())).sent is Sent.TAKEN
        # Orders that were filled are given back: the venue counts none.
        assert [(await it.gateway.submit(it.order())).sent for _ in range(4)] == [Sent.TAKEN] * 4

    run("binance", monkeypatch, main)


def test_limits_of_the_metadata_of_binance_are_kept_to(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        rows = [{"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 10}, {"rateLimitType": "RAW_REQUESTS"}]
        it.held.session.feed.read_instruments(json.dumps({"symbols": [], "rateLimits": rows}).encode())
        it.client.transport.disconnect(graceful=False)
        await reached(lambda: it.held.account.logins == 2)
        sent = [(await it.gateway.submit(it.order())).sent for _ in range(9)]
        assert sent == [Sent.TAKEN] * 8 + [Sent.NOT_SENT]
        it.held.session.feed.read_instruments(b'{"symbols": [], "rateLimits": []}')
        it.client.transport.disconnect(graceful=False)
        await reached(lambda: it.held.account.logins == 3)
        assert {(await it.gateway.submit(it.order())).sent for _ in range(200)} == {Sent.TAKEN}

    run("binance", monkeypatch, main)


def test_an_address_that_has_asked_too_much_asks_nothing_more_BOOK_07(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        until_ms = (START_NS + 30 * 10**9) // 10**6
        it.venue.will("order.cancel", error(-1003, "Way too much request weight used; IP banned.", 418, retryAfter=until_ms))
        assert (await it.gateway.cancel(it.ref())).sent is Sent.REFUSED
        outcome = await it.gateway.cancel(it.ref())
        assert (outcome.sent, outcome.reason.code if outcome.reason else "") == (Sent.NOT_SENT, "rate_limited")
        assert outcome.retry_after_s is not None
        assert 29.0 < outcome.retry_after_s <= 30.0
        assert it.held.session.gate.budget.banned_s(now_s(), CallClass.REFRESH) > 29.0  # snapshots wait as well
        assert len(it.venue.orders) == 1

    run("binance", monkeypatch, main)


def event(**fields: Any) -> dict[str, Any]:
    whole = {
        "e": "executionReport", "E": 1, "s": "BTCUSDT", "c": WIRE_IDS["binance"], "C": "", "S": "BUY", "x": "NEW", "X": "NEW",
        "r": "NONE", "i": 42, "q": "5", "l": "0", "z": "0", "L": "0", "Z": "0", "n": "0", "N": None, "T": 2, "t": -1, "m": False,
        "O": 1, **fields,
    }  # fmt: skip
    return {"subscriptionId": 0, "event": whole}


def test_reports_of_binance_reach_the_desk_in_order_and_others_too_TRD_23_TRD_26(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.client.send(
            event(),
            event(x="TRADE", X="PARTIALLY_FILLED", l="2", z="2", L="10", Z="20", n="0.1", N="BNB", t=7, m=True),
            event(c="theirs", s="NEVERHEARDOF", i=43),
            event(x="CANCELED", X="CANCELED", c="of-the-cancel", C=WIRE_IDS["binance"], z="2", Z="20"),
        )
        await reached(lambda: len(it.desk.reports) == 4)
        assert it.desk.told() == [
            ("ACK", it.wire_id, 0), ("PARTIAL", it.wire_id, 2), ("ACK", "theirs", 0), ("CANCELLED", it.wire_id, 2),
        ]  # fmt: skip
        fill = it.desk.reports[1]
        assert (fill.symbol, fill.exec_id, fill.last_qty, fill.liquidity) == ("BTC-USDT", "7", 2, Liquidity.MAKER)
        assert fill.ts_recv_ns > START_NS
        assert it.desk.reports[2].symbol == ""
        assert it.held.account.orders_told == 0  # whose they are the desk knows

    run("binance", monkeypatch, main)


def test_while_a_connection_is_replaced_both_are_heard_and_answers_waited_for_BOOK_05(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        old = it.client
        it.venue.will("order.place", SILENCE)
        sending = asyncio.create_task(it.gateway.submit(it.order()))
        await reached(lambda: bool(it.venue.orders))
        old.send({"event": {"e": "serverShutdown", "E": 1}})
        await reached(lambda: len(it.venue.clients) == 2 and it.held.account.logins == 2)
        old.send(event())
        it.client.send(event())
        await reached(lambda: len(it.desk.reports) == 2)
        assert old.is_open
        old.send({"id": it.venue.of("order.place")[0]["id"], "status": 200, **TAKEN["binance"]})
        assert (await sending).sent is Sent.TAKEN
        await reached(lambda: not old.is_open)
        assert [is_up for is_up, _ in it.desk.states] == [True]  # it never was away
        it.venue.will("order.place", TAKEN["binance"])
        assert (await it.gateway.submit(it.order())).sent is Sent.TAKEN

    run("binance", monkeypatch, main)


def trades(first: int, count: int) -> list[dict[str, Any]]:
    return [
        {"id": number, "orderId": 42, "symbol": "BTCUSDT", "price": "10", "qty": "1", "commission": "0", "commissionAsset": "BNB",
         "time": number, "isBuyer": True, "isMaker": False} for number in range(first, first + count)
    ]  # fmt: skip


def test_fills_of_binance_come_page_by_page_BOOK_04(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will("myTrades", {"result": trades(1, 1000)}, {"result": trades(1001, 7)})
        fills = await it.gateway.fills(["BTC-USDT"], 5_000_000)
        assert [fill.exec_id for fill in fills] == [str(number) for number in range(1, 1008)]
        assert {(fill.symbol, fill.venue_order_id) for fill in fills} == {("BTC-USDT", "42")}
        first, second = (asked["params"] for asked in it.venue.of("myTrades"))
        assert (first["startTime"], "fromId" in first) == (5, False)
        assert (second["fromId"], "startTime" in second) == (1001, False)

    run("binance", monkeypatch, main)


def test_weights_of_look_ups_count_as_the_addresss_BOOK_07(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will("openOrders.status", {"result": []})
        budget = it.held.session.gate.budget
        before = budget.used(now_s())
        await it.gateway.open_orders()
        assert budget.used(now_s()) - before == 80
        budget.spend(now_s(), 6000)
        began_s = now_s()
        await it.gateway.open_orders()
        assert now_s() - began_s > 30.0

    run("binance", monkeypatch, main)


def test_a_look_up_is_refused_while_the_address_is_banned(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.held.session.gate.budget.ban(now_s(), CallClass.ORDERS, 60.0)
        with pytest.raises(RateLimitedError):
            await it.gateway.open_orders()

    run("binance", monkeypatch, main)
