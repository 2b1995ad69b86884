"""JRN-07, JRN-08, JRN-10, ORDM-08: what became of orders while nobody heard, found after each start and reconnect."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import pytest

from engine.base.errors import CapacityError
from engine.schema.enums import Side
from engine.schema.order import (
    OrderState,
    ReportKind,
    ReportSource,
    SubmitStatus,
    VenueFill,
)
from tests.unit.orders.desk_kit import Story, run

WIRE = "0000d8336800800089e7dc0d75d75dbc"
KEY = ("mm1", "mm1-000017")


@pytest.mark.parametrize("is_over", [True, False])
def test_jrn_10_fills_that_totals_have_counted_are_not_told_again_when_the_venue_lists_them(is_over: bool) -> None:
    """Coinbase's channel has totals alone, its list of fills their ids; one that was missed is told."""

    async def tale(story: Story) -> None:
        reply = await story.placed()
        story.desk.on_report(story.says(ReportKind.ACK, venue_order_id="v-1"))
        story.desk.on_report(story.says(ReportKind.FILLED, "5") if is_over else story.says(ReportKind.PARTIAL, "2"))
        told = len(story.events)
        sizes = ("2", "3") if is_over else ("1", "1", "1.5")
        story.gateway.fill_rows = [
            VenueFill(exec_id=f"t{number}", wire_order_id=reply.wire_order_id or "", venue_order_id="v-1", symbol="BTC-USD", side=Side.BUY,
                      qty=Decimal(size), price=Decimal(100), ts_venue_ns=number) for number, size in enumerate(sizes)
        ]  # fmt: skip
        story.reconciler.last_fill_ns["kraken", "BTC-USD"] = 1
        story.gateway.rows = [] if is_over else [story.says(ReportKind.PARTIAL, "3.5", venue_order_id="v-1")]
        for _ in range(2):
            story.desk.on_gateway_state("kraken", True, "")
            await story.turn()
        assert story.kinds()[told:] == ([] if is_over else ["partial:partially_filled"])
        assert story.risk.position == (5000 if is_over else 3500)

    run(tale)


def test_jrn_10_after_each_reconnect_orders_are_held_until_every_one_is_settled() -> None:
    async def tale(story: Story) -> None:
        for name in ("open", "filled", "cancelled", "gone"):
            await story.placed(name)
            story.desk.on_report(story.says(ReportKind.ACK))
        wires = dict(zip(("open", "filled", "cancelled", "gone"), story.gateway.placed, strict=True))
        says = partial(story.says)
        story.desk.on_gateway_state("kraken", False, "reset")
        assert not story.reconciler.is_settled("kraken")
        story.gateway.rows = [says(ReportKind.ACK, "0", wire=wires["open"]), says(ReportKind.ACK, wire="else", venue_order_id="FOREIGN")]
        story.gateway.answers = [says(ReportKind.FILLED, "5", wire=wires["filled"]), says(ReportKind.CANCELLED, "0", wire=wires["cancelled"]),
                                 None, None]  # fmt: skip
        story.events.clear()
        story.desk.on_gateway_state("kraken", True, "")
        assert (story.risk.held[-1], story.risk.is_up[-1]) == (True, True)
        await story.turn()
        assert story.reconciler.is_settled("kraken")
        assert story.risk.held[-1] is False
        assert story.kinds() == ["filled:filled", "cancelled:cancelled", "expired:expired"]
        assert all(event.source is ReportSource.RECONCILE for event in story.events)  # type: ignore[attr-defined]
        assert all(event.flags for event in story.events)
        assert story.state("open") is OrderState.ACKED
        assert story.foreign == ["FOREIGN"]
        assert len(story.gateway.placed) == 4
        assert (story.gateway.asked.count(wires["gone"]), story.waits) == (2, [1.0])

    run(tale)


def test_jrn_07_fills_while_away_have_their_own_ids_and_count_once() -> None:
    async def tale(story: Story) -> None:
        await story.placed()
        story.desk.on_report(story.says(ReportKind.PARTIAL, "1", "1", "a", venue_order_id="OQ"))
        wire = story.gateway.placed[0]
        story.gateway.fill_rows = [
            VenueFill(exec_id=name, venue_order_id="OQ", symbol="BTC-USD", side=Side.BUY, qty=Decimal(qty), price=Decimal(99), ts_venue_ns=5)
            for name, qty in (("a", 1), ("b", 2), ("c", 2))
        ]  # fmt: skip
        story.gateway.answers = [story.says(ReportKind.FILLED, "5", wire=wire)]
        story.desk.on_gateway_state("kraken", True, "")
        await story.turn()
        fills = [(row.fill.exec_id, row.fill.qty_raw) for row in story.journal.reports() if row.fill is not None]
        assert fills == [("a", 1000), ("b", 2000), ("c", 2000)]
        assert story.kinds() == ["partial:partially_filled", "partial:partially_filled", "filled:filled"]
        assert story.gateway.since == [7 - 5_000_000_000]

    run(tale)


def test_a_fill_that_is_missing_is_not_hidden_behind_the_id_of_a_later_one() -> None:
    """A total of 3 with a fill of 1: two are of a fill that nobody told; the journal keeps them under no fill's id."""

    async def tale(story: Story) -> None:
        await story.placed()
        story.desk.on_report(story.says(ReportKind.PARTIAL, "3", "1", "b"))
        assert [(row.fill.exec_id, row.fill.qty_raw) for row in story.journal.reports() if row.fill is not None] == [("", 3000)]
        story.desk.on_report(story.says(ReportKind.PARTIAL, None, "2", "a"))
        assert story.desk.order(KEY).filled_qty_raw == 3000

    run(tale)


def test_an_order_in_a_gateway_s_hands_is_left_alone_by_reconciliation() -> None:
    async def tale(story: Story) -> None:
        def reconnect(wire: str) -> None:
            story.desk.on_gateway_state("kraken", True, "")

        story.gateway.while_sending = reconnect
        reply = await story.placed()
        assert (reply.order_state, story.gateway.asked, story.events) == (OrderState.SUBMITTED, [], [])

    run(tale)


def test_ordm_08_an_operator_lets_orders_go_once_reconciliation_is_overdue_and_not_before() -> None:
    """The order that is not settled stays unknown and is asked for on; a reconnect holds the provider anew."""

    async def tale(story: Story) -> None:
        await story.placed()
        story.desk.on_gateway_state("kraken", True, "")
        await story.waited(2)
        with pytest.raises(CapacityError, match="may take 30 s"):
            story.reconciler.release("kraken", "anna")
        await story.waited(6)
        assert story.reconciler.is_overdue("kraken")
        assert story.reconciler.release("kraken", "anna")
        assert story.reconciler.is_settled("kraken")
        assert not story.reconciler.is_overdue("kraken")
        assert not story.reconciler.release("kraken", "anna")
        assert story.risk.held[-1] is False
        reply = await story.placed("second")
        assert reply.status is SubmitStatus.SUBMITTED
        story.gateway.answers = [story.says(ReportKind.ACK, wire=story.gateway.placed[0])] * 9
        await story.turn()
        assert story.state() is OrderState.ACKED                         # asked for on, after the release
        story.desk.on_gateway_state("kraken", False, "reset")
        with pytest.raises(CapacityError, match="takes no orders now"):
            story.reconciler.release("kraken", "anna")
        assert not story.reconciler.is_settled("kraken")

    run(tale)


def test_a_venue_that_cannot_be_asked_keeps_its_orders_held_and_is_asked_again() -> None:
    async def tale(story: Story) -> None:
        await story.placed()
        overdue: list[float] = []
        story.reconciler.on_overdue = lambda provider, seconds: overdue.append(seconds)
        story.desk.on_gateway_state("kraken", True, "")
        await story.waited(6)
        assert story.waits[:6] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
        assert (story.risk.held[-1], overdue) == (True, [31.0])
        story.gateway.answers = [story.says(ReportKind.ACK)] * 9
        await story.turn()
        assert story.reconciler.is_settled("kraken")

    run(tale)
