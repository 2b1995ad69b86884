"""TRD-22, TRD-23, TRD-27, ORDM-22, RSK-11: reports reach their owner, whole and in order, whatever else happens."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.base.ids import instrument_id
from engine.orders.lifecycle import apply
from engine.orders.telling import Teller
from engine.schema.codec import from_json
from engine.schema.enums import EventFlag
from engine.schema.event import Event
from engine.schema.order import Anomaly, Breach, OrderState, Reason, ReportKind, RiskControlKind, RiskScope, RiskStatus
from tests.unit.orders.desk_kit import at_once
from tests.unit.orders.orderkit import report, track
from tests.unit.runtime.engine_kit import TradeEngine


class Notes:
    """Keeps a copy of everything it is told."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def on_batch(self, events: list[Any], ctx: Any) -> None:
        self.events += [event.detach() for event in events]


class Desk(TradeEngine):
    """An owner, one that takes all, one that takes none, and a teller."""

    def __init__(self, *sets: str, mode: str = "inline") -> None:
        super().__init__(sets=sets)
        self.owner, self.all, self.none = Notes(), Notes(), Notes()
        self.engine.add_consumer("mm1", self.owner, mode=mode)
        self.engine.add_consumer("watcher", self.all, mode=mode, takes_all_reports=True)
        self.engine.add_consumer("other", self.none, mode=mode)
        self.teller = Teller(self.engine.recycler, self.engine.offer_made, self.clock.now, at_once)
        self.kept: list[bytes] = []

    def _keep(self, body: bytes) -> int:
        self.kept.append(body)
        return len(self.kept)

    def tell(self, *reports: Any, **order: Any) -> None:
        one = track(**order)
        for told in reports:
            self.teller.report(apply(one, told, 11), told, self._keep, lambda body: None)
        self.engine.dispatcher.deliver()


ACK, PARTIAL, FILLED = (report(ReportKind.ACK), report(ReportKind.PARTIAL, "2", "2", "a"), report(ReportKind.FILLED, "5", "3", "b"))


def test_trd_22_the_owner_gets_its_reports_without_subscribing_and_others_only_if_they_asked_for_all() -> None:
    with Desk() as desk:
        desk.tell(ACK, PARTIAL, FILLED)
        assert [event.report for event in desk.owner.events] == [ReportKind.ACK, ReportKind.PARTIAL, ReportKind.FILLED]
        assert desk.all.events == desk.owner.events
        assert desk.none.events == []
        assert [event.order_report_seq for event in desk.owner.events] == [1, 2, 3]
        assert {event.routing_version for event in desk.owner.events} == {desk.engine.board.current_version()}
        assert [event.seq_provider for event in desk.owner.events] == [1, 2, 3]
        counts = desk.engine.summary()
        assert counts.streams["kraken:BTC-USD:ExecReport"].routed == 3
    assert desk.engine.recycler.statistics().balanced


def test_what_one_turn_makes_goes_by_one_call_and_by_the_loop_that_runs() -> None:
    with Desk() as desk:
        one, first, second = track(), list[Any](), list[Any]()

        def make(told: Any) -> None:
            desk.teller.report(apply(one, told, 11), told, lambda body: 1, lambda body: None)

        desk.engine.post = first.append
        make(ACK)
        make(PARTIAL)
        assert (len(first), desk.owner.events) == (1, [])
        first.pop()()
        assert len(desk.owner.events) == 2
        make(FILLED)
        desk.engine.post = second.append                # the loop before ended with a call on its way
        make(report(ReportKind.CANCELLED))
        second.pop()()
        assert len(desk.owner.events) == 4
        desk.engine.post = None
    assert desk.engine.recycler.statistics().balanced


def test_a_report_of_an_owner_that_has_left_is_counted_and_goes_back() -> None:
    with Desk() as desk:
        desk.engine.remove_consumer("mm1")
        desk.engine.remove_consumer("watcher")
        desk.tell(ACK)
        assert desk.engine.dispatcher.statistics()["kraken:BTC-USD:ExecReport"].unrouted == 1
        assert desk.none.events == []
    assert desk.engine.recycler.statistics().balanced


def test_evt_16_every_field_says_what_the_report_said() -> None:
    with Desk() as desk:
        desk.tell(
            report(ReportKind.PARTIAL, "2", "2", "a", ts_venue_ns=5, venue_order_id="OQ", last_price=Decimal("99.95")),
            report(ReportKind.REJECTED),
            report(ReportKind.CANCELLED, reason=Reason(code="exchange_error", venue_code="-2011", text="unknown order")),
            trace_id="5f0c1d2e-3a4b-5968-7786-a5b4c3d2e1f0", decision_id="0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
        )  # fmt: skip
        fill, rejected, cancelled = desk.owner.events
        assert (fill.client_order_id, fill.consumer_id, fill.venue_order_id, fill.exec_id) == ("mm1-000017", "mm1", "OQ", "a")
        assert (fill.order_state, fill.anomaly, fill.is_open) == (OrderState.PARTIALLY_FILLED, Anomaly.FILL_BEFORE_ACK, True)
        assert (fill.qty_raw, fill.filled_qty_raw, fill.remaining_qty_raw, fill.last_qty_raw) == (5000, 2000, 3000, 2000)
        assert (fill.price_raw, fill.last_price_raw) == (1000, 1000)                      # half-even at the order's scale
        assert (str(fill.cum_notional), str(fill.avg_fill_price)) == ("199.9000", "99.9500000")
        assert (fill.ts_venue_ns, fill.ts_recv_ns, fill.ts_emit_ns) == (5, 9, desk.clock.now())
        assert (fill.trace_id, fill.decision_id) == ("5f0c1d2e-3a4b-5968-7786-a5b4c3d2e1f0", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9")
        assert rejected.reason is not None                                              # present on every one rejected
        assert (rejected.anomaly, rejected.filled_qty_raw) == (Anomaly.REJECT_AFTER_FILL, 2000)
        assert cancelled.reason == Reason(code="exchange_error", venue_code="-2011", text="unknown order")
        assert (cancelled.anomaly, cancelled.order_state) == (Anomaly.AFTER_TERMINAL, OrderState.REJECTED)
        kept = [from_json(body) for body in desk.kept]
        assert [event.event_id for event in kept] == [event.event_id for event in desk.owner.events]


@pytest.mark.parametrize("count", [21, 1000])
def test_trd_27_a_burst_beyond_the_pool_is_served_by_overflow(count: int) -> None:
    """Every pooled slot is held meanwhile: 20 and the reserve of 64."""
    with Desk("bus.critical_reserve=4096") as desk:
        held = [desk.engine.recycler.acquire_lease(6) for _ in range(84)]
        for number in range(count):
            one = track(client_order_id=f"o{number}")
            desk.teller.report(apply(one, ACK, 11), ACK, desk._keep, lambda body: None)
        desk.engine.dispatcher.deliver()
        assert [event.client_order_id for event in desk.owner.events] == [f"o{number}" for number in range(count)]
        assert desk.engine.recycler.statistics().pools["ExecReport"].overflowed == count
        for lease in held:
            assert lease is not None
            lease.release()
    assert desk.engine.recycler.statistics().balanced


def test_trd_23_reports_pass_a_market_that_overflows() -> None:
    """Market data fills the mailbox and is dropped; every report comes, order by order."""
    with Desk("dispatcher.backpressure.token_rate_per_stream=unlimited", "bus.critical_reserve=1024") as desk:
        for number in range(300):
            desk.trade(number + 1, is_last=False)
            one = track(client_order_id=f"o{number}")
            for told in (ACK, PARTIAL, FILLED):
                desk.teller.report(apply(one, told, 11), told, desk._keep, lambda body: None)
        desk.engine.dispatcher.deliver()
        by_order: dict[str, list[Any]] = {}
        for event in desk.owner.events:
            by_order.setdefault(event.client_order_id, []).append(event.report)
        assert list(by_order) == [f"o{number}" for number in range(300)]
        assert set(map(tuple, by_order.values())) == {(ReportKind.ACK, ReportKind.PARTIAL, ReportKind.FILLED)}
        assert not any(EventFlag.COALESCED in event.flags for event in desk.owner.events)


def test_rsk_11_risk_is_told_to_everyone() -> None:
    with Desk() as desk:
        for status in RiskStatus:
            desk.teller.risk(status, RiskControlKind.CIRCUIT_BREAKER, RiskScope(consumer_id="mm1"), "3 breaches in 90 s",
                             breach=Breach.PRICE_BAND, breach_count=3, until_ns=desk.clock.now() + 90)  # fmt: skip
        desk.engine.dispatcher.deliver()
        for notes in (desk.owner, desk.all, desk.none):
            assert [(event.status, event.scope.consumer_id, event.breach) for event in notes.events] == [
                (RiskStatus.TRIGGERED, "mm1", Breach.PRICE_BAND), (RiskStatus.CLEARED, "mm1", Breach.PRICE_BAND)
            ]  # fmt: skip
            assert (notes.events[0].provider, notes.events[0].symbol, notes.events[0].until_ns) == ("engine", None, desk.clock.now() + 90)


def test_jrn_12_a_report_told_again_has_the_same_id_and_says_that_it_is() -> None:
    with Desk() as desk:
        desk.tell(ACK, PARTIAL)
        first: list[Event] = list(desk.owner.events)
        for body in desk.kept:
            desk.teller.again(from_json(body))
        desk.engine.dispatcher.deliver()
        again = desk.owner.events[2:]
        assert [event.event_id for event in again] == [event.event_id for event in first]
        assert all(EventFlag.RECONCILED in event.flags for event in again)
        assert [event.instrument_id for event in again] == [instrument_id("kraken", "BTC-USD")] * 2
        assert [event.order_report_seq for event in again] == [1, 2]
