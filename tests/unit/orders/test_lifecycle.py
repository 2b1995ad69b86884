"""ORDM-20, ORDM-21, TRD-19 to TRD-21, TRD-25: what reports make of an order."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.orders.lifecycle import TABLE, Stage, Track, apply
from engine.schema.order import Anomaly, Fee, OrderState, ReportKind, ReportSource, VenueReport
from tests.twins.order_twin import OrderTwin, Told
from tests.unit.orders.orderkit import report, track

S, K, A = OrderState, ReportKind, Anomaly
DUPLICATE = None

# --- every cell ---------------------------------------------------------------------------------------------

NEW = [
    (K.ACK, None, S.ACKED, A.NONE),
    (K.PARTIAL, "2", S.PARTIALLY_FILLED, A.FILL_BEFORE_ACK),
    (K.FILLED, "5", S.FILLED, A.FILL_BEFORE_ACK),
    (K.CANCELLED, None, S.CANCELLED, A.TERMINAL_BEFORE_ACK),
    (K.REJECTED, None, S.REJECTED, A.NONE),
    (K.EXPIRED, None, S.EXPIRED, A.TERMINAL_BEFORE_ACK),
]
CELLS = [
    *((S.SUBMITTED, "0", *row) for row in NEW),
    *((S.UNKNOWN, "0", *row) for row in NEW),
    (S.ACKED, "0", K.ACK, None, S.ACKED, DUPLICATE),
    (S.ACKED, "0", K.PARTIAL, "2", S.PARTIALLY_FILLED, A.NONE),
    (S.ACKED, "0", K.FILLED, "5", S.FILLED, A.NONE),
    (S.ACKED, "0", K.CANCELLED, None, S.CANCELLED, A.NONE),
    (S.ACKED, "0", K.REJECTED, None, S.REJECTED, A.REJECT_AFTER_ACK),
    (S.ACKED, "0", K.EXPIRED, None, S.EXPIRED, A.NONE),
    (S.PARTIALLY_FILLED, "2", K.ACK, None, S.PARTIALLY_FILLED, A.STALE),
    (S.PARTIALLY_FILLED, "2", K.PARTIAL, "3", S.PARTIALLY_FILLED, A.NONE),
    (S.PARTIALLY_FILLED, "2", K.PARTIAL, "2", S.PARTIALLY_FILLED, DUPLICATE),
    (S.PARTIALLY_FILLED, "2", K.PARTIAL, "1", S.PARTIALLY_FILLED, A.STALE),
    (S.PARTIALLY_FILLED, "2", K.FILLED, "5", S.FILLED, A.NONE),
    (S.PARTIALLY_FILLED, "2", K.CANCELLED, "2", S.CANCELLED, A.NONE),
    (S.PARTIALLY_FILLED, "2", K.REJECTED, None, S.REJECTED, A.REJECT_AFTER_FILL),
    (S.PARTIALLY_FILLED, "2", K.EXPIRED, "2", S.EXPIRED, A.NONE),
    *(row for end, filled in ((S.FILLED, "5"), (S.CANCELLED, "2"), (S.REJECTED, "0"), (S.EXPIRED, "0")) for row in [
        (end, filled, K.ACK, None, end, A.AFTER_TERMINAL),
        (end, filled, K.PARTIAL, filled, end, A.AFTER_TERMINAL),
        (end, filled, K.FILLED, filled, end, DUPLICATE),
        (end, filled, K.CANCELLED, filled, end, A.AFTER_TERMINAL),
        (end, filled, K.REJECTED, None, end, A.AFTER_TERMINAL),
        (end, filled, K.EXPIRED, filled, end, A.AFTER_TERMINAL),
    ]),
    (S.CANCELLED, "2", K.PARTIAL, "3", S.CANCELLED, A.LATE_FILL),
    (S.CANCELLED, "2", K.PARTIAL, "5", S.FILLED, A.LATE_FILL),
    (S.EXPIRED, "0", K.FILLED, "5", S.FILLED, A.LATE_FILL),
    # a partial that reaches the full quantity acts as filled, a filled that carries less is inconsistent
    (S.ACKED, "0", K.PARTIAL, "5", S.FILLED, A.NONE),
    (S.ACKED, "0", K.FILLED, "4", S.PARTIALLY_FILLED, A.INCONSISTENT),
    (S.SUBMITTED, "0", K.FILLED, "0", S.ACKED, A.INCONSISTENT),
    (S.ACKED, "0", K.ACK, "1", S.PARTIALLY_FILLED, A.NONE),
    (S.ACKED, "0", K.PARTIAL, "0", S.ACKED, A.INCONSISTENT),
]  # fmt: skip


def check(order_track: Track, before_raw: int) -> None:
    """What holds of every order at every moment (TRD-20)."""
    order = order_track.order
    assert order.filled_qty_raw >= before_raw
    assert order.remaining_qty_raw == order.qty_raw - order.filled_qty_raw >= 0
    assert (order.avg_fill_price is not None) is (order.filled_qty_raw > 0)
    assert (order.state is S.FILLED) is (order.remaining_qty_raw == 0)
    assert order.is_open is (order.state in (S.SUBMITTED, S.UNKNOWN, S.ACKED, S.PARTIALLY_FILLED))


@pytest.mark.parametrize(("state", "filled", "kind", "total", "expected", "anomaly"), CELLS)
def test_ordm_20_each_cell(
    state: S, filled: str, kind: K, total: str | None, expected: S, anomaly: A | None
) -> None:
    order_track = track(state, filled)
    before = order_track.order
    done = apply(order_track, report(kind, total), 11)
    assert order_track.order.state is done.order.state is expected
    assert done.is_duplicate is (anomaly is DUPLICATE)
    if anomaly is DUPLICATE:
        assert order_track.order == before
    else:
        assert done.anomaly is anomaly
        assert (done.order.order_report_seq, done.order.updated_ns) == (1, 11)
        assert done.must_query is (anomaly is A.INCONSISTENT)
        assert done.has_ended is (expected.is_terminal and not state.is_terminal)
    kept = max(Decimal(filled), Decimal(total or 0))
    assert order_track.order.filled_qty_raw == kept * 1000
    check(order_track, before.filled_qty_raw)


@pytest.mark.parametrize("filled", ["0", "2", "5"])
def test_trd_25_an_answer_that_says_what_the_stream_has_said_is_told_to_nobody(filled: str) -> None:
    order_track = track()
    apply(order_track, report(K.ACK), 11)
    apply(order_track, report(K.PARTIAL, filled), 11)
    before = order_track.order
    assert apply(order_track, report(K.ACK, source=ReportSource.REPLY), 11).is_duplicate
    assert order_track.order == before


def test_ordm_21_the_table_has_every_cell() -> None:
    assert set(TABLE) == set(product(Stage, ReportKind))


# --- fills --------------------------------------------------------------------------------------------------


def test_trd_21_totals_become_fills_by_difference() -> None:
    order_track = track(S.ACKED)
    fills = [apply(order_track, report(kind, total), 11) for kind, total in ((K.PARTIAL, "1"), (K.PARTIAL, "3"), (K.FILLED, "5"))]
    assert [done.last_qty_raw for done in fills] == [1000, 2000, 2000]
    assert [done.order.order_report_seq for done in fills] == [1, 2, 3]
    assert order_track.order.filled_qty_raw == 5000


@pytest.mark.parametrize("order_of", list(permutations(range(4))))
def test_trd_21_a_fill_told_by_id_by_total_or_both_counts_once(order_of: tuple[int, ...]) -> None:
    told = [report(K.PARTIAL, None, "2", "a"), report(K.PARTIAL, None, "1", "b"), report(K.PARTIAL, "3"), report(K.PARTIAL, "2", "2", "a")]
    order_track = track(S.ACKED)
    grown = sum(apply(order_track, told[number], 11).last_qty_raw for number in (*order_of, *order_of))
    assert order_track.order.filled_qty_raw == grown == 3000
    apply(order_track, report(K.FILLED, None, "2", "c"), 11)
    assert order_track.order.state is S.FILLED


def test_what_fills_cost_is_exact_and_the_average_half_even() -> None:
    order_track = track(S.ACKED)
    apply(order_track, report(K.PARTIAL, None, "1", "a", last_price=Decimal("100.1")), 11)
    apply(order_track, report(K.PARTIAL, None, "2", "b", last_price=Decimal("100.2")), 11)
    assert str(order_track.order.cum_notional) == "300.5000"
    assert str(order_track.order.avg_fill_price) == "100.1666667"
    done = apply(order_track, report(K.FILLED, "5", cum_notional=Decimal("500.70001")), 11)
    assert (done.last_notional, str(done.order.cum_notional)) == (Decimal("200.20001"), "500.70001")


def test_fees_are_told_by_what_they_grow() -> None:
    order_track = track(S.ACKED)
    apply(order_track, report(K.PARTIAL, "1", fees=(Fee("USD", Decimal("0.1")),)), 11)
    done = apply(order_track, report(K.PARTIAL, "2", fees=(Fee("USD", Decimal("0.3")), Fee("KFEE", Decimal(2))), is_fees_total=True), 11)
    assert done.fees == (Fee("USD", Decimal("0.2")), Fee("KFEE", Decimal(2)))
    assert done.order.fees == (Fee("USD", Decimal("0.3")), Fee("KFEE", Decimal(2)))


def test_ordm_09_a_quantity_that_the_venue_changed_is_told_and_queried() -> None:
    order_track = track(S.ACKED)
    done = apply(order_track, report(K.PARTIAL, "2", qty=Decimal(4)), 11)
    assert (done.anomaly, done.order.qty_raw, done.order.remaining_qty_raw, done.must_query) == (A.QUANTITY_CHANGED, 4000, 2000, True)
    done = apply(order_track, report(K.FILLED, "6"), 11)
    assert (done.anomaly, done.order.qty_raw, done.order.state) == (A.INCONSISTENT, 6000, S.FILLED)


# --- against the twin ---------------------------------------------------------------------------------------

HISTORIES: list[tuple[list[Told], str, int]] = [
    ([Told("ack"), Told("partial", Fraction(1)), Told("partial", Fraction(3)), Told("partial", Fraction(4)), Told("filled", Fraction(5))], "filled", 5),
    ([Told("ack"), Told("partial", None, ("a", Fraction(2))), Told("partial", None, ("b", Fraction(1))), Told("filled", None, ("c", Fraction(2)))],
     "filled", 5),
    ([Told("ack"), Told("partial", Fraction(2)), Told("partial", Fraction(2), ("a", Fraction(2))), Told("cancelled", Fraction(2))], "cancelled", 2),
    ([Told("ack"), Told("partial", Fraction(1)), Told("partial", Fraction(3)), Told("expired", Fraction(3))], "expired", 3),
    ([Told("ack"), Told("ack"), Told("cancelled")], "cancelled", 0),
    ([Told("rejected"), Told("ack")], "rejected", 0),
    ([Told("ack"), Told("partial", Fraction(2)), Told("cancelled"), Told("partial", Fraction(5))], "filled", 5),
    ([Told("filled", Fraction(5)), Told("ack"), Told("filled", Fraction(5)), Told("partial", Fraction(5), ("a", Fraction(5)))], "filled", 5),
]  # fmt: skip


def as_report(told: Told, source: ReportSource = ReportSource.STREAM) -> VenueReport:
    total = None if told.total is None else str(Decimal(told.total.numerator) / told.total.denominator)
    exec_id, last = (None, None) if told.fill is None else (told.fill[0], str(told.fill[1]))
    return report(K[told.kind.upper()], total, last, exec_id, source=source)


def run_both(stream: list[Told]) -> tuple[Track, OrderTwin]:
    """The same reports into both; compared, and the invariants looked at, after each."""
    order_track, twin = track(), OrderTwin(Fraction(5))
    delivered = []
    duplicates = 0
    for told in stream:
        before = order_track.order
        done = apply(order_track, as_report(told), 11)
        twin.take(told)
        check(order_track, before.filled_qty_raw)
        if done.is_duplicate:
            duplicates += 1
            assert order_track.order == before
        else:
            delivered.append((done.report.name.lower(), done.order.state.name.lower(), done.anomaly.name.lower(), Fraction(done.last_qty_raw, 1000)))
            assert done.order.order_report_seq == before.order_report_seq + 1
        assert (order_track.order.state.name.lower(), Fraction(order_track.order.filled_qty_raw, 1000)) == (twin.state, twin.filled)
    assert (delivered, duplicates) == (twin.delivered, twin.duplicates)
    return order_track, twin


@pytest.mark.property
@pytest.mark.parametrize(("history", "state", "filled"), HISTORIES, ids=range(len(HISTORIES)))
def test_trd_19_every_permutation_of_a_history_ends_in_the_right_state(history: list[Told], state: str, filled: int) -> None:
    ends = set()
    for stream in permutations(history):
        order_track, _ = run_both(list(stream))
        ends.add((order_track.order.state.name.lower(), order_track.order.filled_qty_raw))
    allowed = {(state, filled * 1000)}
    if history[0].kind == "rejected":
        allowed = {("rejected", 0)}
    assert ends == allowed


ALPHABET = [
    Told("ack"), Told("partial", Fraction(2)), Told("partial", None, ("a", Fraction(2))), Told("filled", Fraction(5)), Told("cancelled", Fraction(2)),
    Told("rejected"), Told("expired"),
]  # fmt: skip


@pytest.mark.property
def test_trd_19_every_stream_of_up_to_five_reports_agrees_with_the_twin() -> None:
    """Lengths 1 to 4 of all letters, and 5 of those that carry fills."""
    for length in range(1, 5):
        for stream in product(ALPHABET, repeat=length):
            run_both(list(stream))
    for stream in permutations(ALPHABET, 5):
        run_both(list(stream))


TOLD = st.builds(
    Told,
    st.sampled_from(["ack", "partial", "filled", "cancelled", "rejected", "expired"]),
    st.none() | st.integers(0, 5).map(Fraction),
    st.none() | st.sampled_from([("a", Fraction(1)), ("b", Fraction(2)), ("c", Fraction(1)), ("d", Fraction(1))]),
)


@pytest.mark.property
@settings(max_examples=300)
@given(st.lists(TOLD, max_size=12))
def test_ordm_21_random_streams_agree_with_the_twin(stream: list[Told]) -> None:
    run_both(stream)


@pytest.mark.property
@pytest.mark.parametrize(("history", "state", "filled"), HISTORIES[:5], ids=range(5))
def test_trd_25_reply_and_stream_in_every_interleaving_end_the_same(history: list[Told], state: str, filled: int) -> None:
    """The reply says what some report of the stream says; it comes before, between or after, the stream in its own order."""
    for replied in history:
        for place in range(len(history) + 1):
            order_track = track()
            for number in range(len(history) + 1):
                if number == place:
                    before = order_track.order.filled_qty_raw
                    apply(order_track, as_report(replied, ReportSource.REPLY), 11)
                    check(order_track, before)
                if number < len(history):
                    before = order_track.order.filled_qty_raw
                    apply(order_track, as_report(history[number]), 11)
                    check(order_track, before)
            assert (order_track.order.state.name.lower(), order_track.order.filled_qty_raw) == (state, filled * 1000)
