"""JRN-12, TRD-22: who joins gets what it may have missed and how its open orders stand, in order, under the same ids."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from engine.orders.lifecycle import Track, apply
from engine.orders.records import Undelivered
from engine.orders.telling import Teller
from engine.runtime.deliveries import Deliveries
from engine.schema.enums import EventFlag
from engine.schema.order import ReportKind, VenueReport
from tests.unit.orders.desk_kit import at_once
from tests.unit.orders.orderkit import report, track
from tests.unit.runtime.engine_kit import TradeEngine
from tests.unit.runtime.test_report_delivery import Notes

ACK, PARTIAL, FILLED = report(ReportKind.ACK), report(ReportKind.PARTIAL, "2", "2", "a"), report(ReportKind.FILLED, "5", "3", "b")


class Line(TradeEngine):
    """An engine whose orders are in the test's hands: what is told of them, and what the journal hears of deliveries."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[Track] = []
        self.delivered: list[tuple[str, int]] = []
        self.teller = Teller(self.engine.recycler, self.engine.offer_made, self.clock.now, at_once)
        self.deliveries = Deliveries(self.engine.runners, self.teller, lambda name, number: self.delivered.append((name, number)),
                                     lambda name: [one for one in self.open if one.order.request.consumer_id == name])  # fmt: skip
        self.teller.on_told = self.deliveries.told
        self.engine.audience.on_joined = self.deliveries.joined
        self.report_no = 0
        self.bodies: list[bytes] = []

    def join(self, consumer_id: str, **options: Any) -> Notes:
        notes = Notes()
        self.engine.add_consumer(consumer_id, notes, **options)
        self.engine.start()
        self.engine.dispatcher.deliver()
        return notes

    def tell(self, one: Track, *reports: VenueReport, flush: bool = True) -> None:
        """As the ledger does: the event is kept, and goes."""
        for told in reports:
            done = apply(one, told, 11)
            self.teller.report(done, told, self._keep, partial(self._goes, one, done))
        if flush:
            self.engine.dispatcher.deliver()

    def _keep(self, body: bytes) -> int:
        self.report_no += 1
        self.bodies.append(body)
        return self.report_no

    @staticmethod
    def _goes(one: Track, done: Any, body: bytes) -> None:
        one.last_report = None if done.order.state.is_terminal else body


def said(notes: Notes) -> list[tuple[str, int, bool]]:
    return [(event.client_order_id, event.order_report_seq, EventFlag.RECONCILED in event.flags) for event in notes.events]


@pytest.mark.parametrize("mode", ["inline", "thread"])
def test_jrn_12_who_leaves_and_comes_back_is_told_how_its_open_orders_stand_and_what_came_meanwhile(mode: str) -> None:
    with Line() as line:
        first = line.join("mm1", mode=mode)
        here, gone, meanwhile = (track(client_order_id=name) for name in ("here", "gone", "meanwhile"))
        line.open = [here, meanwhile]
        line.tell(here, ACK)
        line.tell(gone, ACK, FILLED)
        line.tell(meanwhile, ACK)
        line.engine.runners["mm1"].stop()
        line.deliveries.confirm()
        assert len(first.events) == 4
        assert line.delivered == [("mm1", 4)]
        line.engine.remove_consumer("mm1")
        line.tell(meanwhile, PARTIAL)
        line.deliveries.confirm()
        assert line.delivered == [("mm1", 4)]                                  # nobody was there to take it
        again = line.join("mm1", mode=mode)
        line.tell(meanwhile, FILLED)
        line.open = [here]
        line.engine.runners["mm1"].stop()
        assert said(again) == [("meanwhile", 2, True), ("here", 1, True), ("meanwhile", 3, False)]
        assert again.events[1].event_id == first.events[0].event_id
        line.deliveries.confirm()
        assert line.delivered[1:] == [("mm1", 6)]
    assert line.engine.recycler.statistics().balanced


def test_jrn_12_what_nobody_confirmed_before_a_crash_waits_for_an_owner_that_joins_later() -> None:
    with Line() as before:
        before.join("mm1")
        one = track()
        before.tell(one, ACK, PARTIAL)
        rows = [Undelivered(report_no=number, wire_order_id="w", order_report_seq=number, body=body)
                for number, body in enumerate(before.bodies, 1)]  # fmt: skip
    with Line() as line:
        other = line.join("mm2")
        line.open = [one]
        line.deliveries.restore({"mm1": rows})
        line.deliveries.confirm()
        assert line.delivered == []
        notes = line.join("mm1")
        assert said(notes) == [(one.order.request.client_order_id, 1, True), (one.order.request.client_order_id, 2, True)]
        assert other.events == []
        line.deliveries.confirm()
        line.deliveries.confirm()
        assert line.delivered == [("mm1", 2)]


def test_jrn_12_nothing_is_confirmed_while_its_owner_has_something_left_to_take() -> None:
    with Line() as line:
        line.join("mm1")
        line.tell(track(), ACK, flush=False)
        line.deliveries.confirm()
        assert line.delivered == []
        line.engine.dispatcher.deliver()
        line.deliveries.confirm()
        assert line.delivered == [("mm1", 1)]
