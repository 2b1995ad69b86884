"""ORDM-02, ORDM-05, ORDM-09, ORDM-10, TRD-03, TRD-04, TRD-09 to TRD-14, TRD-24, RSK-06: from a submit to what became of it."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from engine.base.errors import UnknownSymbolError
from engine.schema.instrument import TimeInForce
from engine.schema.order import (
    Breach,
    Fee,
    OrderState,
    Reason,
    ReportKind,
    ReportSource,
    SendOutcome,
    Sent,
    SubmitStatus,
)
from tests.unit.orders.desk_kit import Story, run
from tests.unit.orders.orderkit import TRACE, request

WIRE = "0000d8336800800089e7dc0d75d75dbc"
KEY = ("mm1", "mm1-000017")


def test_ordm_07_an_order_leaves_in_the_turn_of_the_loop_in_which_its_intent_is_kept() -> None:
    async def tale(story: Story) -> None:
        story.submit()
        assert story.gateway.placed == [WIRE]
        assert story.replies == []
        await story.turn()
        assert [reply.status for reply in story.replies] == [SubmitStatus.SUBMITTED]

    run(tale)


def test_an_order_is_journaled_sent_once_and_answered_and_its_reports_come() -> None:
    async def tale(story: Story) -> None:
        reply = await story.placed()
        assert (reply.status, reply.order_state, reply.wire_order_id) == (SubmitStatus.SUBMITTED, OrderState.SUBMITTED, WIRE)
        assert story.gateway.placed == [WIRE]
        assert story.journal.rows == [("intent", WIRE), ("sent", Sent.TAKEN)]
        for told in (story.says(ReportKind.ACK, venue_order_id="OQ"), story.says(ReportKind.PARTIAL, "2", "2", "a"),
                     story.says(ReportKind.FILLED, "5", "3", "b")):  # fmt: skip
            story.desk.on_report(told)
        assert story.kinds() == ["ack:acked", "partial:partially_filled", "filled:filled"]
        assert [row.order_report_seq for row in story.journal.reports()] == [1, 2, 3]
        fills = [row.fill for row in story.journal.reports() if row.fill is not None]
        assert [(fill.exec_id, fill.qty_raw, fill.price) for fill in fills] == [("a", 2000, Decimal(100)), ("b", 3000, Decimal(100))]
        assert story.risk.position == 5000

    run(tale)


@pytest.mark.parametrize(
    ("outcome", "status", "state", "rows"),
    [
        (SendOutcome(sent=Sent.REFUSED, reason=Reason(code="exchange_error", venue_code="-2010", text="balance")),
         SubmitStatus.SUBMITTED, OrderState.REJECTED, ["intent", "sent", "report"]),
        (SendOutcome(sent=Sent.UNKNOWN, reason=Reason(code="network", text="reset")), SubmitStatus.SUBMITTED, OrderState.UNKNOWN,
         ["intent", "sent"]),
        (SendOutcome(sent=Sent.NOT_SENT, reason=Reason(code="unavailable", text="down")), SubmitStatus.REJECTED, None,
         ["intent", "withdraw"]),
        (SendOutcome(sent=Sent.NOT_SENT, reason=Reason(code="rate_limited", text="slow")), SubmitStatus.REJECTED, None,
         ["intent", "withdraw"]),
        (RuntimeError("a bug"), SubmitStatus.SUBMITTED, OrderState.UNKNOWN, ["intent", "sent"]),
    ],
)  # fmt: skip
def test_trd_09_each_outcome_has_one_answer(outcome: object, status: SubmitStatus, state: OrderState | None, rows: list[str]) -> None:
    async def tale(story: Story) -> None:
        story.gateway.is_up = False
        story.gateway.outcome = outcome
        story.submit()
        for _ in range(6):
            await asyncio.sleep(0)
        (reply,) = story.replies
        assert (reply.status, reply.order_state) == (status, state)
        assert story.journal.names() == rows
        if state is OrderState.REJECTED:
            (event,) = story.events
            assert event.reason == Reason(code="exchange_error", venue_code="-2010", text="balance")  # type: ignore[attr-defined]
        if status is SubmitStatus.REJECTED:
            assert reply.reason is not None
            assert reply.reason.breach is (Breach.RATE_LIMIT if reply.reason.code == "rate_limited" else Breach.PROVIDER_DOWN)
            story.gateway.outcome = SendOutcome(sent=Sent.TAKEN)
            assert (await story.placed()).status is SubmitStatus.SUBMITTED       # the id was not used up

    run(tale)


def test_rsk_06_a_hundred_submits_fail_then_one_passes() -> None:
    async def tale(story: Story) -> None:
        story.gateway.outcome = SendOutcome(sent=Sent.NOT_SENT, reason=Reason(code="unavailable", text="down"))
        for _ in range(100):
            await story.placed()
        assert story.risk.taken == 0
        story.gateway.outcome = SendOutcome(sent=Sent.REFUSED, reason=Reason(code="exchange_error", text="no"))
        await story.placed()
        assert story.risk.taken == 0
        story.gateway.outcome = SendOutcome(sent=Sent.TAKEN)
        await story.placed("another")
        assert story.risk.taken == 1

    run(tale)


def test_trd_13_a_consumer_that_saw_its_switch_off_is_suppressed_though_it_is_on_by_now() -> None:
    async def tale(story: Story) -> None:
        story.desk.submit(request(), story.replies.append, was_trading=False)
        assert [(one.status, one.reason and one.reason.breach) for one in story.replies] == [(SubmitStatus.SUPPRESSED, Breach.TRADING_OFF)]
        assert (story.journal.rows, story.gateway.placed) == ([], [])
        assert (await story.placed()).status is SubmitStatus.SUBMITTED           # the id was not used up

    run(tale)


def test_trd_04_whoever_asks_again_gets_the_first_order_s_state_and_nothing_is_sent() -> None:
    async def tale(story: Story) -> None:
        story.journal.gate.clear()
        for _ in range(32):
            story.submit()                                        # while the first one is on its way to the disk
        assert [reply.status for reply in story.replies] == [SubmitStatus.DUPLICATE] * 31
        story.journal.gate.set()
        await story.turn()
        assert story.replies[-1].status is SubmitStatus.SUBMITTED
        story.desk.on_report(story.says(ReportKind.PARTIAL, "2"))
        same, other = await story.placed(created_ns=99, trace_id="x"), await story.placed(qty_raw=6000)
        assert [(one.status, one.order_state, one.body_matches) for one in (same, other)] == [
            (SubmitStatus.DUPLICATE, OrderState.PARTIALLY_FILLED, True), (SubmitStatus.DUPLICATE, OrderState.PARTIALLY_FILLED, False)
        ]  # fmt: skip
        assert len(story.gateway.placed) == 1
        assert (await story.placed(consumer_id="mm2")).status is SubmitStatus.SUBMITTED
        assert len(set(story.gateway.placed)) == 2
        assert sum(kind == "order.duplicate_detected" for kind, _ in story.told) == 33
        assert {row["trace_id"] for _, row in story.told} == {TRACE, "x"}           # INS-14

    run(tale)


@pytest.mark.parametrize(("minutes", "status"), [(59, SubmitStatus.DUPLICATE), (61, SubmitStatus.SUBMITTED)])
def test_trd_05_an_id_is_free_an_hour_after_its_order_ended_under_another_wire_id(minutes: int, status: SubmitStatus) -> None:
    async def tale(story: Story) -> None:
        await story.placed()
        story.desk.on_report(story.says(ReportKind.CANCELLED))
        story.clock.advance(minutes * 60 * 1_000_000_000)
        story.ledger.forget(story.clock.now())
        assert (await story.placed()).status is status
        if status is SubmitStatus.SUBMITTED:
            assert story.gateway.placed == [WIRE, "8000d8336bcb80d8a9d63e2ce8adaffd"]

    run(tale)


def test_trd_13_what_was_switched_off_while_the_journal_wrote_does_not_go_out() -> None:
    """The first look at the switch passes, the second one does not."""

    async def tale(story: Story) -> None:
        story.journal.on_intent = lambda: setattr(story, "switch", False)
        reply = await story.placed()
        assert (reply.status, story.gateway.placed) == (SubmitStatus.SUPPRESSED, [])
        assert story.journal.names() == ["intent", "withdraw"]
        with pytest.raises(UnknownSymbolError):
            story.desk.order(KEY)

    run(tale)


def test_trd_14_what_is_off_is_suppressed_before_anything_is_written() -> None:
    async def tale(story: Story) -> None:
        story.switch = False
        for number in range(10_000):
            story.submit(f"o{number}")
        assert {reply.status for reply in story.replies} == {SubmitStatus.SUPPRESSED}
        assert (len(story.replies), story.journal.rows, story.gateway.placed) == (10_000, [], [])
        story.switch = True
        assert (await story.placed("o1")).status is SubmitStatus.SUBMITTED       # suppressed does not use up the id

    run(tale)


def test_rsk_10_what_latched_while_the_journal_wrote_holds_the_order_back() -> None:
    async def tale(story: Story) -> None:
        story.journal.on_intent = lambda: setattr(story.risk, "late", Breach.KILL_SWITCH)
        reply = await story.placed()
        assert reply.reason is not None
        assert (reply.status, reply.reason.breach, story.gateway.placed) == (SubmitStatus.REJECTED, Breach.KILL_SWITCH, [])

    run(tale)


def test_jrn_03_a_journal_that_fails_refuses_the_order_and_reports_go_on() -> None:
    async def tale(story: Story) -> None:
        await story.placed()
        story.journal.fails = True
        reply = await story.placed("next")
        assert reply.reason is not None
        assert (reply.status, reply.reason.breach, len(story.gateway.placed)) == (SubmitStatus.REJECTED, Breach.JOURNAL_UNAVAILABLE, 1)
        story.desk.on_report(story.says(ReportKind.FILLED, "5"))
        assert story.kinds() == ["filled:filled"]

    run(tale)


@pytest.mark.parametrize("breach", [Breach.RECONCILING, Breach.PRICE_BAND])
def test_rsk_03_a_refusal_of_risk_is_an_answer_and_is_told(breach: Breach) -> None:
    async def tale(story: Story) -> None:
        story.risk.breach = breach
        story.submit()
        assert story.replies[0].reason is not None
        assert (story.replies[0].status, story.replies[0].reason.breach) == (SubmitStatus.REJECTED, breach)
        assert story.journal.rows == []
        assert story.told == [("risk.refused", {"trace_id": TRACE, "consumer_id": "mm1", "breach": breach.name.lower(), "limit": None, "actual": None})]

    run(tale)


# --- an outcome nobody knows --------------------------------------------------------------------------------

LOST = SendOutcome(sent=Sent.UNKNOWN, reason=Reason(code="network", text="reset"))


def test_ordm_10_a_lost_answer_is_looked_up_after_one_second_and_the_order_goes_on() -> None:
    async def tale(story: Story) -> None:
        story.gateway.outcome = LOST
        story.gateway.while_sending = lambda wire: story.gateway.answers.append(story.says(ReportKind.PARTIAL, "2", wire=wire))
        await story.placed()
        assert (story.waits, story.state(), len(story.gateway.placed)) == ([1.0], OrderState.PARTIALLY_FILLED, 1)
        assert story.events[-1].source is ReportSource.RECONCILE  # type: ignore[attr-defined]
        assert [kind for kind, _ in story.told if kind.startswith("order.") and kind != "order.anomaly"] == ["order.unknown", "order.recovered"]
        assert {row["trace_id"] for kind, row in story.told if kind.startswith("order.")} == {TRACE}

    run(tale)


def test_jrn_08_not_placed_needs_two_looks() -> None:
    async def tale(story: Story) -> None:
        story.gateway.outcome = LOST
        story.gateway.answers = [None, None]
        await story.placed()
        assert (story.waits, story.state(), story.kinds()) == ([1.0, 2.0], OrderState.REJECTED, ["rejected:rejected"])
        assert story.risk.taken == 0

    run(tale)


def test_jrn_08_an_order_seen_only_at_the_second_look_is_there() -> None:
    async def tale(story: Story) -> None:
        story.gateway.outcome = LOST
        story.gateway.while_sending = lambda wire: story.gateway.answers.extend([None, story.says(ReportKind.ACK, wire=wire)])
        await story.placed()
        assert (story.waits, story.state()) == ([1.0, 2.0], OrderState.ACKED)

    run(tale)


def test_ordm_10_a_venue_that_cannot_be_asked_is_asked_again_ever_more_seldom() -> None:
    async def tale(story: Story) -> None:
        story.gateway.outcome = LOST
        story.submit()
        await story.waited(8)
        assert story.waits[:8] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
        assert story.state() is OrderState.UNKNOWN
        story.desk.on_report(story.says(ReportKind.FILLED, "5"))                   # the stream may tell first
        await story.turn()
        assert story.kinds() == ["filled:filled"]

    run(tale)


def test_trd_25_the_stream_may_be_faster_than_the_answer() -> None:
    async def tale(story: Story) -> None:
        story.gateway.while_sending = lambda wire: story.desk.on_report(story.says(ReportKind.FILLED, "5", wire=wire))
        story.gateway.outcome = LOST
        reply = await story.placed()
        assert (reply.order_state, story.waits, story.kinds()) == (OrderState.FILLED, [], ["filled:filled"])

    run(tale)


# --- cancel, query ------------------------------------------------------------------------------------------


def test_trd_12_a_cancel_is_final_only_by_its_report() -> None:
    async def tale(story: Story) -> None:
        await story.placed()
        story.desk.on_report(story.says(ReportKind.ACK))
        order = await story.desk.cancel(KEY)
        assert (order.state, order.cancel_requested) == (OrderState.ACKED, True)
        story.desk.on_report(story.says(ReportKind.CANCELLED))
        assert story.state() is OrderState.CANCELLED
        assert (await story.desk.cancel(KEY)).state is OrderState.CANCELLED
        assert len(story.gateway.cancelled) == 1

    run(tale)


def test_ordm_09_a_cancel_that_lost_its_race_finds_out_how_the_order_stands() -> None:
    async def tale(story: Story) -> None:
        await story.placed()
        story.desk.on_report(story.says(ReportKind.ACK))
        story.gateway.cancel_outcome = SendOutcome(sent=Sent.REFUSED, reason=Reason(code="not_found", text="no such order"))
        story.gateway.answers = [story.says(ReportKind.FILLED, "5")]
        assert (await story.desk.cancel(KEY)).state is OrderState.FILLED
        story.desk.on_report(story.says(ReportKind.FILLED, "5"))
        assert story.kinds() == ["ack:acked", "filled:filled"]

    run(tale)


def test_trd_12_a_query_asks_the_venue_and_answers_what_is_known_where_it_cannot() -> None:
    async def tale(story: Story) -> None:
        await story.placed()
        story.gateway.answers = [story.says(ReportKind.PARTIAL, "1")]
        assert (await story.desk.query(KEY)).filled_qty_raw == 1000
        assert (await story.desk.query(KEY)).state is OrderState.PARTIALLY_FILLED    # nobody answers
        with pytest.raises(UnknownSymbolError):
            await story.desk.query(("mm1", "never"))

    run(tale)


# --- what venues say ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", ["somebody-else", "", "0001d8336800800089e7dc0d75d75dbc"])
def test_trd_26_an_order_of_others_is_told_and_disturbs_no_one(wire: str) -> None:
    async def tale(story: Story) -> None:
        await story.placed()
        story.desk.on_report(story.says(ReportKind.FILLED, "5", wire=wire, venue_order_id="FOREIGN"))
        assert (story.foreign, story.events, story.state()) == (["FOREIGN"], [], OrderState.SUBMITTED)

    run(tale)


def test_a_report_of_ours_that_the_journal_does_not_know_either_is_told_as_foreign() -> None:
    async def tale(story: Story) -> None:
        await story.placed()
        other = WIRE[:-1] + "d"
        for _ in range(3):
            story.desk.on_report(story.says(ReportKind.PARTIAL, "1", wire=other, venue_order_id="LATE"))
        assert story.foreign == []
        await story.turn()
        assert story.foreign == ["LATE"] * 3

    run(tale)


def test_a_venue_that_answers_with_an_older_order_of_that_id_is_not_believed() -> None:
    async def tale(story: Story) -> None:
        await story.placed(created_ns=story.clock.now())
        old_ns = story.clock.now() - 3_600_000_000_000
        story.desk.on_report(story.says(ReportKind.FILLED, "5", order_created_ns=old_ns, venue_order_id="OLD"))
        assert (story.state(), story.foreign) == (OrderState.SUBMITTED, ["OLD"])

    run(tale)


def test_what_does_not_fit_together_is_queried() -> None:
    async def tale(story: Story) -> None:
        await story.placed()
        story.gateway.answers = [story.says(ReportKind.FILLED, "5")]
        story.desk.on_report(story.says(ReportKind.FILLED, "4"))
        await story.turn()
        assert story.kinds() == ["partial:partially_filled", "filled:filled"]

    run(tale)


@pytest.mark.parametrize(("tif", "severity"), [("GTC", "WARN"), ("IOC", "INFO")])
def test_an_anomaly_is_told_by_what_is_usual_for_the_order(tif: str, severity: str) -> None:
    async def tale(story: Story) -> None:
        await story.placed(tif=TimeInForce[tif])
        story.desk.on_report(story.says(ReportKind.FILLED, "5"))
        (row,) = [row for kind, row in story.told if kind == "order.anomaly"]
        assert (row["severity"], row["anomaly"]) == (severity, "fill_before_ack")

    run(tale)


def test_jrn_03_an_order_that_the_journal_keeps_waiting_past_its_time_out_does_not_go_out() -> None:
    async def tale(story: Story) -> None:
        for name, late_ms in (("in time", 10_000), ("late", 10_001)):
            story.journal.gate.clear()
            story.submit(name.replace(" ", "_"), timeout_ms=10_000)
            await story.turn()
            story.clock.advance(late_ms * 1_000_000)
            story.journal.gate.set()
            await story.turn()
        first, second = story.replies
        assert first.status is SubmitStatus.SUBMITTED
        assert (second.status, second.reason and second.reason.breach) == (SubmitStatus.REJECTED, Breach.JOURNAL_UNAVAILABLE)
        assert len(story.gateway.placed) == 1
        assert story.journal.names()[-1] == "withdraw"
        story.submit("late", timeout_ms=10_000)                # its id is free
        await story.turn()
        assert story.replies[-1].status is SubmitStatus.SUBMITTED

    run(tale)


@pytest.mark.parametrize(("assets", "anomalies"), [(6, ["fill_before_ack"]), (16, ["fill_before_ack"]), (20, ["fill_before_ack", "fees_cut"])])
def test_evt_16_a_report_tells_every_fee_and_says_so_where_it_cannot(assets: int, anomalies: list[str]) -> None:
    """Those of one asset are one; the order and the journal have them all."""

    async def tale(story: Story) -> None:
        await story.placed()
        fees = tuple(Fee(f"C{number}", Decimal(number)) for number in range(1, assets + 1))
        halves = tuple(Fee(fee.asset, fee.amount / 2) for fee in fees)
        story.desk.on_report(story.says(ReportKind.PARTIAL, "1", "1", "a", fees=halves + halves))
        (event,), (row,) = story.events, story.journal.reports()
        assert event.fees == fees[:16]  # type: ignore[attr-defined]
        assert story.desk.order(KEY).fees == fees
        assert row.fill is not None
        assert row.fill.fees == fees
        assert [told["anomaly"] for kind, told in story.told if kind == "order.anomaly"] == anomalies
        assert story.ledger.counts.anomalies == {("kraken", name): 1 for name in anomalies}

    run(tale)


def test_a_cancel_that_finds_no_venue_says_so_by_the_order_as_it_is() -> None:
    async def tale(story: Story) -> None:
        await story.placed()
        story.gateway.cancel_outcome = SendOutcome(sent=Sent.UNKNOWN, reason=Reason(code="network", text="reset"))
        assert (await story.desk.cancel(KEY)).state is OrderState.SUBMITTED

    run(tale)


def test_a_report_that_cannot_be_told_leaves_the_order_as_it_was_and_is_looked_up() -> None:
    """A fee in an asset with a name that no event holds: nothing of it is taken, the next report has the next number."""

    async def tale(story: Story) -> None:
        await story.placed()
        story.desk.on_report(story.says(ReportKind.ACK))
        story.gateway.answers = [story.says(ReportKind.PARTIAL, "2", "2", "a")]
        story.desk.on_report(story.says(ReportKind.PARTIAL, "2", "2", "a", fees=(Fee("X" * 40, Decimal(1)),), venue_order_id="V"))
        assert (story.state(), story.foreign, story.risk.position) == (OrderState.ACKED, ["V"], 0)
        await story.turn()
        assert story.kinds() == ["ack:acked", "partial:partially_filled"]
        assert [event.order_report_seq for event in story.events] == [1, 2]  # type: ignore[attr-defined]
        assert [event.seq_provider for event in story.events] == [1, 2]
        assert story.risk.position == 2000

    run(tale)
