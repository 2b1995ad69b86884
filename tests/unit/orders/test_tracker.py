"""ORDM-03, ORDM-05, TRD-05, TRD-06: which order a report or an id is about."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.orders.lifecycle import Track
from engine.orders.tracker import Tracker
from engine.schema.order import Order, OrderState, ReportKind
from tests.unit.orders.orderkit import WIRE, report, request

HOUR_NS = 3600 * 1_000_000_000


def known(tracker: Tracker, client_id: str, wire: str, **fields: Any) -> Track:
    """An order in the tracker."""
    names = set(Order.__struct_fields__)
    asked = request(client_order_id=client_id, **{name: value for name, value in fields.items() if name not in names})
    own = {name: value for name, value in fields.items() if name in names}
    track = Track(Order(request=asked, wire_order_id=wire, qty_raw=5000, created_ns=7, updated_ns=7, **own))
    tracker.add(track)
    return track


def test_an_order_is_found_by_any_of_its_ids_in_any_spelling() -> None:
    tracker = Tracker(HOUR_NS)
    one = known(tracker, "1", WIRE, venue_order_id="OQCLML")
    assert tracker.find(report(ReportKind.ACK)) is one
    assert tracker.find(report(ReportKind.ACK, wire_order_id=WIRE.replace("-", "").upper())) is one
    assert tracker.find(report(ReportKind.ACK, wire_order_id="", venue_order_id="OQCLML")) is one
    assert tracker.find(report(ReportKind.ACK, wire_order_id="", venue_order_id=None)) is None
    assert tracker.find(report(ReportKind.ACK, wire_order_id="someone-else", venue_order_id="OQCLML")) is None
    assert tracker.find(report(ReportKind.ACK, provider="binance")) is None


def test_open_orders_are_those_that_have_not_ended_oldest_first() -> None:
    tracker = Tracker(HOUR_NS)
    one, two = known(tracker, "1", "a"), known(tracker, "2", "b", symbol="ETH-USD")
    three = known(tracker, "3", "c", consumer_id="mm2", provider="binance")
    known(tracker, "4", "d", state=OrderState.CANCELLED)
    assert list(tracker.open_orders()) == [one, two, three]
    assert list(tracker.open_orders(symbol="ETH-USD")) == [two]
    assert list(tracker.open_orders(provider="kraken", consumer_id="mm1")) == [one, two]
    tracker.note_end(one, 9)
    assert list(tracker.open_orders()) == [two, three]


def test_trd_05_an_ended_order_is_known_for_the_retention_and_memory_stays_flat() -> None:
    tracker = Tracker(HOUR_NS)
    for number in range(10_000):
        track = known(tracker, f"{number % 7}", f"{number}", venue_order_id=f"V{number}")
        track.order = msgspec.structs.replace(track.order, state=OrderState.FILLED)
        tracker.note_end(track, number * HOUR_NS // 100)
        tracker.forget(number * HOUR_NS // 100)
        assert len(tracker) <= 101
    end_ns = 9999 * HOUR_NS // 100
    assert tracker.forget(end_ns + HOUR_NS - 1) == 99
    assert tracker.forget(end_ns + HOUR_NS) == 1
    assert len(tracker) == 0


def test_what_never_left_is_removed() -> None:
    tracker = Tracker(HOUR_NS)
    tracker.remove(known(tracker, "1", "a"))
    assert (list(tracker.open_orders()), len(tracker)) == ([], 0)
