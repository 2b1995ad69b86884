"""JRN-05, JRN-06, JRN-11, ORDM-08, TRD-04: an order as the journal has it is the order as it was."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.orders.ledger import restored
from engine.orders.records import Recovered
from engine.schema.codec import from_json
from engine.schema.execution import ExecReport
from engine.schema.order import Fee, OrderState, ReportKind, ReportSource, SubmitStatus
from tests.unit.orders.desk_kit import Story
from tests.unit.orders.kit import intended, journal_in
from tests.unit.orders.orderkit import request

WIRE = "0000d8336800800089e7dc0d75d75dbc"
STREAMS: list[list[tuple[ReportKind, str | None, str | None, str | None]]] = [
    [],
    [(ReportKind.ACK, None, None, None)],
    [(ReportKind.ACK, None, None, None), (ReportKind.PARTIAL, None, "2", "a"), (ReportKind.PARTIAL, None, "1", "b")],
    [(ReportKind.PARTIAL, "3", "1", "b")],
    [(ReportKind.ACK, None, None, None), (ReportKind.PARTIAL, "2", None, None), (ReportKind.FILLED, "5", "3", "c")],
    [(ReportKind.ACK, None, None, None), (ReportKind.PARTIAL, "2", "2", "a"), (ReportKind.CANCELLED, "2", None, None)],
]


@pytest.mark.parametrize("stream", STREAMS, ids=range(len(STREAMS)))
def test_jrn_06_an_order_comes_back_as_it_was_and_goes_on_from_there(stream: list[Any], tmp_path: Path) -> None:
    """Written by a real journal, read by the next engine; every report again adds nothing, the rest is taken."""

    async def lives() -> None:
        async with Story() as story:
            journal: Any = journal_in(tmp_path, story.clock)
            await journal.open()
            story.desk._journal = story.ledger._journal = journal
            story.gateway.journal = type("Any", (), {"rows": _Everything()})()  # type: ignore[assignment]
            story.submit()
            while not story.replies:  # noqa: ASYNC110 - the journal's thread
                await asyncio.sleep(0)
            told = [story.says(*row, fees=(Fee("USD", Decimal("0.1")),) if row[2] else (), venue_order_id="V",
                               ts_recv_ns=story.clock.now()) for row in stream]  # fmt: skip
            for report in told:
                story.desk.on_report(report)
            before = story.desk.order(("mm1", "mm1-000017"))
            bodies = [event.event_id for event in story.events]
            await journal.close()
        again: Any = journal_in(tmp_path, story.clock)
        found: Recovered = await again.open()
        await again.close()
        (row,) = found.orders
        track = restored(row)
        after = track.order
        for name in ("request", "wire_order_id", "venue_order_id", "qty_raw", "filled_qty_raw", "order_report_seq", "fees"):
            assert getattr(after, name) == getattr(before, name), name
        assert after.cum_notional == before.cum_notional
        assert after.state is (OrderState.UNKNOWN if before.state is OrderState.SUBMITTED else before.state)
        undelivered = [from_json(one.body) for one in found.undelivered.get("mm1", ())]
        assert [event.event_id for event in undelivered] == bodies
        assert all(isinstance(event, ExecReport) for event in undelivered)
        async with Story() as next_story:
            next_story.ledger.restore(row)
            assert next_story.risk.taken == before.is_open
            for report in told:
                next_story.desk.on_report(report)
            assert next_story.desk.order(("mm1", "mm1-000017")).filled_qty_raw == before.filled_qty_raw
            next_story.submit()
            assert next_story.replies[0].status is SubmitStatus.DUPLICATE
            next_story.gateway.placed.append(WIRE)
            if before.is_open:
                next_story.desk.on_report(next_story.says(ReportKind.FILLED, "5", source=ReportSource.RECONCILE))
                assert next_story.events[-1].order_report_seq >= before.order_report_seq + 1  # type: ignore[attr-defined]
                assert next_story.state() is OrderState.FILLED
                assert next_story.risk.position == 5000 - before.filled_qty_raw
            assert next_story.risk.taken == 0

    asyncio.run(lives())


class _Everything:
    def __contains__(self, row: object) -> bool:
        return True


def test_jrn_08_an_intent_without_a_word_of_its_sending_is_looked_up_and_never_sent(tmp_path: Path) -> None:
    """The process died between the commit and the first byte, or after the last one: nobody knows which."""

    async def lives() -> None:
        async with Story() as story:
            journal: Any = journal_in(tmp_path, story.clock)
            await journal.open()
            await intended(journal, request(), lambda use_no: WIRE)
            await journal.close()
            again: Any = journal_in(tmp_path, story.clock)
            found = await again.open()
            await again.close()
            story.ledger.restore(found.orders[0])
            assert story.state() is OrderState.UNKNOWN
            story.gateway.answers = [None, None]
            story.desk.on_gateway_state("kraken", True, "")
            await story.turn()
            assert (story.state(), story.gateway.placed, story.risk.taken) == (OrderState.REJECTED, [], 0)
            assert story.reconciler.is_settled("kraken")

    asyncio.run(lives())
