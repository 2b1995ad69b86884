"""CON-01, BP-02: the bus offers one object to each consumer of the route, and deals with FULL by itself."""

from __future__ import annotations

from typing import Any

import pytest

from engine.base.ids import instrument_id
from engine.dispatcher.routing import stream_index
from engine.schema.enums import EventType
from tests.unit.event_kit import leased, recycler
from tests.unit.pipeline_kit import Collector, Line


def _instrument(symbol: str) -> int:
    return instrument_id("binance", symbol)


def _trades(symbol: str) -> int:
    return stream_index(_instrument(symbol), EventType.TRADE)


def test_a_full_mailbox_is_emptied_and_offered_again() -> None:
    """An idle inline consumer loses nothing, however small its mailbox."""
    line = Line(pools=recycler(512))
    small, large = Collector(), Collector()
    line.add(small, capacity=16)
    line.add(large, capacity=512)
    for number in range(100):
        line.offer(seq_provider=number)
    assert len(small.events) == 96, "served when it began to be full"
    assert large.events == []
    line.flush()
    assert small.seqs() == large.seqs() == list(range(100))
    assert (line.runners[0].mailbox.dropped, line.runners[0].mailbox.saturations, line.dropped) == (0, 0, [])


def test_what_a_busy_consumer_cannot_take_is_handed_on_as_a_copy() -> None:
    line = Line(pools=recycler(512))

    class Busy(Collector):
        def on_batch(self, events: list[Any], ctx: Any) -> None:
            super().on_batch(events, ctx)
            if len(self.events) == 1:
                for number in range(1, 41):
                    line.offer(seq_provider=number)

    busy, other = Busy(), Collector()
    line.add(busy, capacity=16)
    line.add(other)
    line.offer(seq_provider=0)
    line.flush()
    assert [(name, stream, count, event and event.seq_provider) for name, stream, count, event in line.dropped] == [
        ("c0", "binance:BTC-USDT:Trade", 1, 1)
    ], "told once a second"
    assert line.dropped[0][3].is_detached
    line.runners[0].stop()
    assert [row[2:] for row in line.dropped[1:]] == [(23, None)], "and the rest at the end"
    assert busy.seqs() == [0, *range(25, 41)], "the oldest have gone"
    assert other.seqs() == list(range(41))
    assert line.pools.statistics().balanced


def test_consumers_are_served_in_the_order_their_first_event_came() -> None:
    served: list[str] = []
    line = Line()
    for name in ("a", "b", "c"):
        line.add(type(name, (), {"on_batch": lambda self, events, ctx, name=name: served.append(name)})(), ())
    line.route(2, {_trades("ETH-USDT")})
    line.route(0, {_trades("BTC-USDT")})
    line.route(1, {_trades("BTC-USDT"), _trades("ETH-USDT")})
    line.offer(seq_provider=1, instrument_id=_instrument("ETH-USDT"))
    line.offer(seq_provider=1)
    line.flush()
    assert served == ["c", "b", "a"]


def test_a_consumer_that_was_given_something_beside_the_fan_out_is_served_once_woken() -> None:
    line, collector = Line(), Collector()
    line.add(collector, ())
    leased(line.pools, EventType.CONTROL_ACK, message_id="m-1").offer_to(line.runners[0])
    line.flush()
    assert collector.events == []
    line.bus.wake(0)
    line.bus.wake(0)
    line.flush()
    assert [event["message_id"] for event in collector.events] == ["m-1"]


@pytest.mark.parametrize("count", [1, 16, 17, 100])
def test_any_number_of_consumers_can_be_added(count: int) -> None:
    line = Line()
    collectors = [Collector() for _ in range(count)]
    for collector in collectors:
        line.add(collector)
    for number in (1, 2):
        line.offer(seq_provider=number)
    line.flush()
    assert {tuple(collector.seqs()) for collector in collectors} == {(1, 2)}
    assert line.bus.fanned_out == 2


def test_a_consumer_that_makes_work_for_another_is_followed_by_it() -> None:
    """Twenty consumers, each offering to the next from its callback: the queue of the bus turns over."""
    line = Line(pools=recycler(128))
    passed: list[int] = []

    class Passing:
        def __init__(self, number: int) -> None:
            self.number = number

        def on_event(self, event: Any, ctx: Any) -> None:
            passed.append(self.number)
            if len(passed) < 100:
                line.offer(seq_provider=len(passed), instrument_id=_instrument(f"P{(self.number + 1) % 20}-USDT"))
                line.flush()

    for number in range(20):
        line.add(Passing(number), {_trades(f"P{number}-USDT")})
    line.offer(seq_provider=0, instrument_id=_instrument("P0-USDT"))
    line.flush()
    assert passed == [number % 20 for number in range(100)]


def test_bp_12_consumers_are_served_in_rounds_by_weight_until_none_has_anything_left() -> None:
    served: list[tuple[str, int]] = []
    line = Line()
    for name, weight in (("a", 1), ("b", 3), ("c", 1)):
        handler = type(name, (), {"on_batch": lambda self, events, ctx, name=name: served.append((name, len(events)))})()
        line.add(handler, quantum=2, weight=weight)
    for number in range(1, 10):
        line.offer(seq_provider=number)
    line.flush()
    rounds = [[("a", 2), *[("b", 2)] * 3, ("c", 2)], [("a", 2), ("b", 2), ("b", 1), ("c", 2)], [("a", 2), ("c", 2)] * 2]
    assert served == [*rounds[0], *rounds[1], *rounds[2], ("a", 1), ("c", 1)]
    assert all(runner.delivered == 9 for runner in line.runners)


def test_bp_12_three_with_equal_demand_get_equal_shares_of_any_stretch() -> None:
    """Jain's index of what each has had, at every moment of a long queue: 1 but for the batch in hand."""
    had = {"a": 0, "b": 0, "c": 0}
    worst = 1.0
    line = Line(pools=recycler(2048))

    def note(name: str, events: list[Any]) -> None:
        nonlocal worst
        had[name] += len(events)
        if min(had.values()) >= 100:
            worst = min(worst, sum(had.values()) ** 2 / (3 * sum(count * count for count in had.values())))

    for name in had:
        line.add(type(name, (), {"on_batch": lambda self, events, ctx, name=name: note(name, events)})(), quantum=10, capacity=2000)
    for number in range(1, 1001):
        line.offer(seq_provider=number)
    line.flush()
    assert had == {"a": 1000, "b": 1000, "c": 1000}
    assert worst >= 0.95
