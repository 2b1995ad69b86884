"""MEM-08, MEM-15, MEM-18, MEM-20, EVT-41: whatever way an event takes, its slot comes back exactly once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.dispatcher.routing import stream_index
from engine.pools.lease import Lease
from engine.pools.recycler import Recycler
from engine.schema.enums import EventType, OrderingMode
from tests.unit.event_kit import leased, recycler
from tests.unit.pipeline_kit import INSTRUMENT_ID, Collector, Keeper, Line

TRADE = EventType.TRADE
TRADES = stream_index(INSTRUMENT_ID, TRADE)


# --- exactly once -------------------------------------------------------------------------------------------


@pytest.mark.property
@given(
    holders=st.lists(st.integers(1, 6), min_size=1, max_size=12),
    event_type=st.sampled_from([TRADE, EventType.BOOK_UPDATE, EventType.CONTROL_ACK]),
    debug=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_mem_08_the_last_release_returns_the_slot_in_any_order(
    holders: list[int], event_type: EventType, debug: bool, seed: int
) -> None:
    """Several events out, each held by a number of consumers, given back in a random order."""
    rng = random.Random(seed)
    pools = recycler(12, debug=debug)
    returns: list[Lease] = []
    for count in holders:
        lease = leased(pools, event_type)
        for _ in range(count - 1):
            lease.retain()
        returns += [lease] * count
    rng.shuffle(returns)
    left = {id(lease): returns.count(lease) for lease in returns}
    for lease in returns:
        left[id(lease)] -= 1
        assert lease.release() == ("held" if left[id(lease)] else "recycled")
    row = pools.statistics().pools[event_type.class_name]
    assert (row.acquired, row.recycled, row.refused) == (len(holders), len(holders), 0)
    assert pools.statistics().balanced


@pytest.mark.property
@given(consumers=st.integers(0, 6), seed=st.integers(0, 2**32 - 1), bursts=st.integers(1, 5))
def test_mem_08_through_the_line_returns_equal_acquires(consumers: int, seed: int, bursts: int) -> None:
    rng = random.Random(seed)
    line = Line(pools=recycler(256))
    for _ in range(consumers):
        line.add(rng.choice([Collector, Keeper])(), capacity=rng.choice([4, 16]), quantum=rng.choice([1, 3, 64]))
    for number in range(bursts * 20):
        line.offer(seq_provider=number + 1)
        if rng.random() < 0.2:
            line.flush()
    line.flush()
    row = line.pools.statistics().pools["Trade"]
    assert row.acquired == bursts * 20 == row.recycled + row.escaped
    assert row.in_use == 0
    assert row.refused == 0


def test_mem_08_with_no_subscriber_it_returns_at_once() -> None:
    line = Line()
    line.offer(seq_provider=1)
    assert line.pools.statistics().balanced
    assert line.bus.fanned_out == 0


def test_mem_08_the_dispatcher_lets_go_right_after_the_enqueue() -> None:
    """What is out afterwards is what the mailboxes hold: one reference each."""
    line = Line()
    for _ in range(3):
        line.add(Collector())
    line.offer(seq_provider=1)
    (row,) = line.pools.outstanding()
    assert row["refs"] == 3
    line.flush()


# --- every exit ---------------------------------------------------------------------------------------------


def no_subscriber(line: Line) -> None:
    line.offer(seq_provider=1)


def no_callback(line: Line) -> None:
    """A handler that has no method for this type."""

    class OnlyTickers:
        def on_ticker(self, event: Any, ctx: Any) -> None:
            raise AssertionError

    line.add(OnlyTickers())
    line.offer(seq_provider=1)
    line.flush()


def one_consumer(line: Line) -> None:
    line.add(Collector())
    line.offer(seq_provider=1)
    line.flush()


def many_consumers(line: Line) -> None:
    for _ in range(20):
        line.add(Collector())
    line.offer(seq_provider=1)
    line.flush()


def unsubscribed_in_flight(line: Line) -> None:
    """Routed and queued, held back for a gap, then the consumer goes."""
    line.add(Collector())
    line.offer(seq_provider=1, ordering=OrderingMode.CONTIGUOUS)
    line.offer(seq_provider=3, ordering=OrderingMode.CONTIGUOUS)
    line.route(0, ())
    line.flush()
    line.clock.advance(151_000_000)
    line.flush()


def duplicate(line: Line) -> None:
    line.add(Collector())
    for number in (1, 2, 2, 1):
        line.offer(seq_provider=number, ordering=OrderingMode.CONTIGUOUS)
    line.flush()
    assert line.dispatcher.statistics()["binance:BTC-USDT:Trade"].duplicates == 2


def duplicate_of_one_held(line: Line) -> None:
    line.add(Collector())
    for number in (1, 4, 4, 4):
        line.offer(seq_provider=number, ordering=OrderingMode.CONTIGUOUS)
    line.flush()
    assert line.dispatcher.statistics()["binance:BTC-USDT:Trade"].duplicates == 2
    line.dispatcher.flush_held()


def late(line: Line) -> None:
    line.add(Collector())
    for number in (5, 6, 3):
        line.offer(seq_provider=number, ordering=OrderingMode.CONTIGUOUS)
    line.flush()
    assert line.dispatcher.statistics()["binance:BTC-USDT:Trade"].late_dropped == 1


def reset(line: Line) -> None:
    line.add(Collector())
    for number, epoch in ((5, 1), (9, 1), (1, 2), (8, 1)):
        line.offer(seq_provider=number, epoch=epoch, ordering=OrderingMode.CONTIGUOUS)
    line.flush()


def parse_error(line: Line) -> None:
    """A provider leased a slot, then found that the frame cannot be used."""
    lease = line.pools.acquire_lease(EventType.BOOK_UPDATE)
    assert lease is not None
    lease.fill("bids", [(1, 1)])
    lease.release()


def enqueue_refused(line: Line) -> None:
    """A mailbox that is full while its consumer is busy: the oldest leave it, the first of them kept as a copy."""

    class Greedy:
        def on_event(self, event: Any, ctx: Any) -> None:
            if event.seq_provider == 1:
                for number in range(2, 30):
                    line.offer(seq_provider=number)

    line.add(Greedy(), capacity=16)
    line.offer(seq_provider=1)
    line.flush()
    assert line.runners[0].statistics()["dropped"] == 12
    (kept,) = [event for *_, event in line.dropped if event is not None]
    assert (kept.seq_provider, kept.is_detached) == (2, True)


def sent_to_dlq(line: Line) -> None:
    """The dead letter is a copy; what keeps it pins no slot."""
    enqueue_refused(line)
    assert line.pools.statistics().balanced
    assert [event.seq_provider for *_, event in line.dropped if event is not None] == [2]


def callback_raised(line: Line) -> None:
    class Failing:
        def on_event(self, event: Any, ctx: Any) -> None:
            raise ValueError(event.seq_provider)

    line.add(Failing())
    line.add(Collector())
    for number in range(1, 6):
        line.offer(seq_provider=number)
    line.flush()
    assert len(line.errors) == 5


def batch_raised(line: Line) -> None:
    class Failing:
        def on_batch(self, events: list[Any], ctx: Any) -> None:
            first = events[0]
            try:
                raise KeyError(first.seq_provider)
            except KeyError as cause:
                raise ValueError(first.seq_provider) from cause

    line.add(Failing())
    for number in range(1, 6):
        line.offer(seq_provider=number)
    line.flush()
    assert len(line.errors) == 1


class Cancelled:
    """Cancelled in the middle of its events, the first time."""

    def __init__(self, error: BaseException) -> None:
        self.error: BaseException | None = error
        self.seen: list[int] = []

    def on_event(self, event: Any, ctx: Any) -> None:
        self.seen.append(event.seq_provider)
        if event.seq_provider == 3 and self.error is not None:
            error, self.error = self.error, None
            raise error


def cancelled(line: Line, error: BaseException | None = None) -> None:
    """The callback is cancelled: its batch goes back, what was queued behind is served by the next flush."""
    handler = Cancelled(error or asyncio.CancelledError())
    behind = Collector()
    line.add(handler, quantum=4)
    line.add(behind)
    for number in range(1, 8):
        line.offer(seq_provider=number)
    with pytest.raises((asyncio.CancelledError, KeyboardInterrupt)):
        line.flush()
    line.flush()
    assert handler.seen == [1, 2, 3, 5, 6, 7]
    assert behind.seqs() == list(range(1, 8))
    counts = line.runners[0].statistics()
    assert (counts["offered"], counts["delivered"], counts["skipped"], counts["queued"]) == (7, 6, 1, 0)


def interrupted(line: Line) -> None:
    cancelled(line, KeyboardInterrupt())


def batch_cancelled(line: Line) -> None:
    class Stop:
        def on_batch(self, events: list[Any], ctx: Any) -> None:
            kept = list(events)
            raise KeyboardInterrupt(len(kept))

    line.add(Stop())
    line.offer(seq_provider=1)
    with pytest.raises(KeyboardInterrupt):
        line.flush()


def fan_out_cancelled(line: Line) -> None:
    """Half-way through the fan-out a full consumer is emptied, and its callback is cancelled."""
    handler = Cancelled(KeyboardInterrupt())
    line.add(Collector())
    line.add(handler, capacity=4, quantum=16)
    line.add(Collector())
    for number in range(1, 4):
        line.offer(seq_provider=number)
    with pytest.raises(KeyboardInterrupt):     # at three quarters of its places
        line.offer(seq_provider=4)
    line.flush()
    assert line.runners[0].handler.seqs() == [1, 2, 3, 4]
    assert line.runners[2].handler.seqs() == [1, 2, 3]
    assert handler.seen == [1, 2, 3]


def handler_keeps(line: Line) -> None:
    line.add(Keeper())
    line.offer(seq_provider=1)
    line.flush()


def shutdown(line: Line) -> None:
    """Held back for a gap and queued in a mailbox, then everything stops in order."""
    collector = Collector()
    line.add(collector)
    for number in (1, 2, 5, 7):
        line.offer(seq_provider=number, ordering=OrderingMode.CONTIGUOUS)
    assert line.dispatcher.flush_held() == 2
    line.runners[0].stop()
    assert collector.seqs() == [1, 2, 5, 7]


EXITS: list[Callable[[Line], None]] = [
    no_subscriber,
    no_callback,
    one_consumer,
    many_consumers,
    unsubscribed_in_flight,
    duplicate,
    duplicate_of_one_held,
    late,
    reset,
    parse_error,
    enqueue_refused,
    sent_to_dlq,
    callback_raised,
    batch_raised,
    cancelled,
    interrupted,
    batch_cancelled,
    fan_out_cancelled,
    handler_keeps,
    shutdown,
]


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("way_out", EXITS, ids=lambda way_out: way_out.__name__)
def test_mem_15_every_way_out_returns_the_slot(way_out: Callable[[Line], None], debug: bool) -> None:
    line = Line(pools=recycler(64, debug=debug))
    way_out(line)
    statistics = line.pools.statistics()
    assert statistics.out() == {}
    assert statistics.balanced
    assert all(row.refused == 0 for row in statistics.pools.values())


def test_mem_18_right_after_each_of_100_failures_nothing_is_out() -> None:
    """10,000 events, one in 100 raises; the pool is asked inside each report of an error."""
    line = Line()
    out: list[dict[str, int]] = []

    class Faulty:
        def on_event(self, event: Any, ctx: Any) -> None:
            local = event
            if local.seq_provider % 100 == 0:
                raise RuntimeError("every hundredth")

    line.add(Faulty(), on_error=lambda *what: out.append(line.pools.statistics().out()))
    for number in range(1, 10_001):
        line.offer(seq_provider=number)
        if number % 40 == 0:
            line.flush()
    line.flush()
    assert out == [{}] * 100
    row = line.pools.statistics().pools["Trade"]
    assert (row.acquired, row.recycled, row.escaped) == (10_000, 10_000, 0)


def test_lease_of_another_recycler_stays_its_own() -> None:
    first, second = Recycler({TRADE: 1}), Recycler({TRADE: 1})
    one, two = leased(first, price_raw=1), leased(second, price_raw=2)
    assert one.release() == "recycled"
    assert two.event().price_raw == 2
    assert two.release() == "recycled"
