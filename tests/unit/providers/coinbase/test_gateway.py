"""The order gateway of Coinbase: terms, reports, fills (TRD-07, TRD-17, TRD-21)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.base.instants import from_rfc3339
from engine.schema.instrument import OrderType, TimeInForce
from engine.schema.order import ReportKind, Sent
from tests.unit.providers.gateway_kit import coinbase_row, run
from tests.unit.providers.order_kit import Trading
from tests.unit.providers.virtual_time import START_NS, reached

pytestmark = pytest.mark.timeout(30)  # hours of virtual time, on a machine that may be busy


@pytest.mark.parametrize(
    ("fields", "configuration"),
    [
        ({}, {"limit_limit_gtc": {"base_size": "0.00000005", "limit_price": "60000.0", "post_only": False}}),
        ({"post_only": True}, {"limit_limit_gtc": {"base_size": "0.00000005", "limit_price": "60000.0", "post_only": True}}),
        ({"tif": TimeInForce.IOC}, {"sor_limit_ioc": {"base_size": "0.00000005", "limit_price": "60000.0"}}),
        ({"tif": TimeInForce.FOK}, {"limit_limit_fok": {"base_size": "0.00000005", "limit_price": "60000.0"}}),
        ({"order_type": OrderType.MARKET}, {"market_market_ioc": {"base_size": "0.00000005"}}),
    ],
)
def test_terms_of_an_order_at_coinbase(
    fields: dict[str, Any], configuration: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(it: Trading) -> None:
        await it.gateway.submit(it.order(**fields))
        (asked,) = it.venue.of("orders")
        assert asked.pop("headers")["Authorization"].startswith("Bearer ey")
        assert asked == {
            "client_order_id": it.wire_id, "product_id": "BTC-USDT", "side": "BUY", "order_configuration": configuration,
        }  # fmt: skip

    run("coinbase", monkeypatch, main)


def test_coinbase_finds_the_venues_id_before_it_cancels(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.venue.will("orders/historical/batch", {"orders": [coinbase_row()], "has_next": False, "cursor": ""})
        assert (await it.gateway.cancel(it.ref())).sent is Sent.TAKEN
        assert it.venue.of("orders/batch_cancel")[0]["order_ids"] == ["v-42"]
        (asked,) = it.venue.of("orders/historical/batch")
        assert asked["start_date"].startswith("2027-01-15T07:59:00")  # a minute before it was asked for
        it.venue.will("orders/historical/batch", {"orders": [coinbase_row(status="FILLED", filled_size="5")]})
        refused = await it.gateway.cancel(it.ref())
        assert (refused.sent, refused.reason.code if refused.reason else "") == (Sent.REFUSED, "not_found")
        assert refused.report is not None
        assert refused.report.kind is ReportKind.FILLED

    run("coinbase", monkeypatch, main)


def test_a_connect_that_is_refused_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        it.gateway._endpoint = "http://127.0.0.1:9"  # type: ignore[attr-defined]
        outcome = await it.gateway.submit(it.order())
        assert (outcome.sent, outcome.reason.code if outcome.reason else "") == (Sent.NOT_SENT, "network")

    run("coinbase", monkeypatch, main)


def test_reports_of_coinbase_reach_the_desk_TRD_21(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Trading) -> None:
        base = {
            "order_id": "v-42", "client_order_id": it.wire_id, "cumulative_quantity": "0", "leaves_quantity": "5", "avg_price": "0",
            "total_fees": "0", "status": "OPEN", "product_id": "BTC-USDT", "order_side": "BUY",
        }  # fmt: skip
        some = {**base, "cumulative_quantity": "2", "leaves_quantity": "3", "avg_price": "10.5", "total_fees": "0.02"}
        done = {**some, "cumulative_quantity": "5", "leaves_quantity": "0", "status": "FILLED", "total_fees": "0.05"}
        it.client.numbered("user", {"type": "update", "orders": [base, some]}, {"type": "update", "orders": [done]})
        await reached(lambda: len(it.desk.reports) == 3)
        assert it.desk.told() == [("ACK", it.wire_id, 0), ("PARTIAL", it.wire_id, 2), ("FILLED", it.wire_id, 5)]
        assert [report.cum_notional for report in it.desk.reports] == [0, 21, Decimal("52.5")]
        assert all(report.exec_id is None and report.symbol == "BTC-USDT" for report in it.desk.reports)
        assert it.desk.reports[2].is_fees_total

    run("coinbase", monkeypatch, main)


def test_fills_of_coinbase_come_page_by_page_BOOK_04(monkeypatch: pytest.MonkeyPatch) -> None:
    def row(number: int, product: str = "BTC-USDT") -> dict[str, Any]:
        return {
            "trade_id": f"t{number}", "order_id": "v-42", "trade_time": f"2027-01-15T08:00:0{number}Z", "price": "10", "size": "1",
            "commission": "0.01", "product_id": product, "liquidity_indicator": "TAKER", "size_in_quote": False, "side": "BUY",
        }  # fmt: skip

    async def main(it: Trading) -> None:
        it.venue.will(
            "orders/historical/fills", {"fills": [row(3), row(2)], "cursor": "next"}, {"fills": [row(1), row(0, "OTHER-USD")], "cursor": ""}
        )
        fills = await it.gateway.fills(["BTC-USDT"], START_NS)
        assert [fill.exec_id for fill in fills] == ["t1", "t2", "t3"]
        first, second = it.venue.of("orders/historical/fills")
        # By the venue's clock, which is known to half of its tick.
        assert abs(from_rfc3339(first["start_sequence_timestamp"]) - START_NS) <= 500_000
        assert second["cursor"] == "next"

    run("coinbase", monkeypatch, main)
