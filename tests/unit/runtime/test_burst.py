"""BP-07 in the load `burst`: whatever is full, cancelled or ending, each critical event comes, and nothing grows."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from engine.schema.command import Command
from engine.schema.enums import EventType
from tests.unit.runtime.engine_kit import START_NS, UNLIMITED
from tests.unit.runtime.market_kit import Market
from tests.unit.runtime.test_backpressure import burst

MAILBOX = 16
BURST = 10 * MAILBOX
SMALL = (*UNLIMITED, "pools.BookUpdate.capacity=6", "pools.Trade.capacity=4", "pools.BookSnapshot.capacity=6",
         "pools.ControlAck.capacity=4")  # fmt: skip


class Blocked:
    """Is called with its first event and, meanwhile, gets everything else: *work* runs inside that call."""

    def __init__(self, work: Any) -> None:
        self.work = work
        self.acks: list[str] = []
        self.results: list[str] = []
        self.kinds: Counter[str] = Counter()

    def on_event(self, event: Any, ctx: Any) -> None:
        self.kinds[type(event).__name__] += 1
        if event.is_critical:
            (self.acks if event.type is EventType.CONTROL_ACK else self.results).append(event.message_id)
        work, self.work = self.work, None
        if work is not None:
            work()


class Cancelled(BaseException):
    """As a cancellation is: no failure of the callback, it goes through everything."""


def command(number: int, consumer_id: str = "blocked") -> Command:
    payload = {"symbol": "BTC-USDT", "providers": [], "event_types": ["Trade"]}
    return Command(message_id=f"m-{number}", consumer_id=consumer_id, type="subscribe", payload=payload, ts_ns=START_NS)


def flood(market: Market, ids: list[str], happens: Any = burst) -> None:
    """Ten mailboxes of market data, and a fifth of that in acknowledgements, which come first; their ids in order."""
    for number in range(BURST):
        try:
            if number % 5 == 0:
                ids.append(f"m-{number}")
                market.engine.control.handle(command(number))
            happens(market, 1)
        except Cancelled:
            continue


def trades(market: Market, count: int) -> None:
    """A snapshot that is cut short would end the books, and with them most of the load."""
    for _ in range(count):
        market.trade(market.rng.choice(sorted(market.twins)))


def is_whole(market: Market) -> bool:
    return market.engine.summary().imbalances == []


def test_bp_07_every_queue_and_pool_is_full_and_every_acknowledgement_comes_in_order() -> None:
    ids: list[str] = []
    peaks: list[int] = []

    def work() -> None:
        flood(market, ids)
        peaks.extend(runner.statistics()["pinned"] for runner in market.engine.runners.values())
        peaks.append(sum(row.in_use for row in market.engine.recycler.statistics().pools.values()))

    with Market(5, ("BTC", "ETH"), sets=SMALL) as market:
        blocked, other = Blocked(work), Blocked(None)
        market.add("blocked", blocked, ("BookUpdate", "Trade"), capacity=MAILBOX)
        market.add("other", other, ("BookUpdate", "Trade"), capacity=MAILBOX)
        burst(market, 1)
        pools = market.engine.recycler.statistics().pools
    assert blocked.acks == blocked.results == ids
    assert len(ids) == BURST // 5
    # Market data stood back instead, counted, and what was held at the fullest moment has its bound (MEM-21).
    rows = market.engine.summary().consumers
    assert rows["blocked"]["coalesced"] + rows["blocked"]["dropped"] > BURST / 4
    lost = market.feed.stream.unpublished + sum(book.unpublished for book in market.feed.stream.book_list())
    assert lost > 0, "the pools were empty"
    assert peaks[0] <= MAILBOX + 2 * len(ids) + 1
    assert peaks[-1] <= sum(row.capacity for row in pools.values()) + 2 * len(ids)
    assert is_whole(market)


def test_bp_07_again_while_the_fan_out_is_cancelled_half_way() -> None:
    """A consumer before the blocked one ends the hand-over of an event, from inside: its mailbox is full, so it is called
    in the middle of it; and the delivery of a read as well."""
    ids: list[str] = []
    cancelled: list[bool] = []
    is_flooding: list[bool] = []

    class Ends:
        def on_event(self, event: Any, ctx: Any) -> None:
            if event.seq_provider % 3 == 0:
                cancelled.append(bool(is_flooding))
                raise Cancelled

    def work() -> None:
        is_flooding.append(True)
        flood(market, ids, trades)
        is_flooding.clear()

    roomy = (*UNLIMITED, "pools.ControlAck.capacity=4")           # so that mailboxes are what is short
    with Market(6, ("BTC", "ETH"), sets=roomy) as market:
        market.add("ends", Ends(), ("BookUpdate", "Trade"), capacity=MAILBOX)
        blocked, after = Blocked(work), Blocked(None)
        market.add("blocked", blocked, ("BookUpdate", "Trade"), capacity=MAILBOX)
        market.add("after", after, ("BookUpdate", "Trade"), capacity=MAILBOX)
        for _ in range(20):
            try:
                burst(market, 1)
                market.engine.dispatcher.deliver()
            except Cancelled:
                continue
        while any(runner.statistics()["queued"] for runner in market.engine.runners.values()):
            try:
                market.engine.dispatcher.deliver()
            except Cancelled:
                continue
    assert cancelled.count(True) > 3, "in the middle of the hand-over"
    assert cancelled.count(False) > 0, "and of the delivery"
    assert blocked.acks == blocked.results == ids
    assert len(ids) == BURST // 5
    assert after.kinds.total() > 20, "who comes behind is served as well"
    assert is_whole(market)


def test_bp_07_again_during_shutdown() -> None:
    """The mailbox is full of market data and of acknowledgements when the engine closes: reports first, none missing."""
    ids: list[str] = []
    order: list[bool] = []

    class Late(Blocked):
        def on_event(self, event: Any, ctx: Any) -> None:
            order.append(event.is_critical)
            super().on_event(event, ctx)

    with Market(7, ("BTC", "ETH"), sets=(*SMALL, "dispatcher.quantum_events=1")) as market:
        late = Late(None)
        runner = market.add("blocked", late, ("BookUpdate", "Trade"), capacity=MAILBOX)

        def close() -> None:
            flood(market, ids)
            order.clear()
            market.engine.close()

        late.work = close
        burst(market, 1)
    assert late.acks == late.results == ids
    assert order[: len(ids)] == [True] * len(ids)
    assert len(order) > len(ids), "and the market data that was queued"
    assert runner.state == "stopped"
    assert is_whole(market)


@pytest.mark.timeout(20)
def test_mem_12_no_event_takes_the_loop_longer_than_100_ms_when_pools_are_empty() -> None:
    """One thread, pools of one slot, two subscribers that hold it: CPU time of every single frame, and no wait in any."""
    sets = (*UNLIMITED, "pools.BookUpdate.capacity=1", "pools.Trade.capacity=1", "pools.BookSnapshot.capacity=1")
    longest_ns = 0

    def work() -> None:
        nonlocal longest_ns
        for _ in range(300):
            began_ns, began_cpu_ns = time.monotonic_ns(), time.thread_time_ns()
            burst(market, 1)
            took_ns = time.thread_time_ns() - began_cpu_ns
            # Who waits uses no CPU: a wait of 100 ms would show between the two, another process's turn far less often.
            waited.append(time.monotonic_ns() - began_ns - took_ns > 100_000_000)
            longest_ns = max(longest_ns, took_ns)

    waited: list[bool] = []
    with Market(8, ("BTC", "ETH"), sets=sets) as market:
        market.add("blocked", Blocked(work), ("BookUpdate", "Trade"))
        market.add("other", Blocked(None), ("BookUpdate", "Trade"))
        burst(market, 1)
    lost = market.feed.stream.unpublished + sum(book.unpublished for book in market.feed.stream.book_list())
    assert lost > 50
    assert longest_ns < 100_000_000
    assert sum(waited) <= 3
    assert market.engine.summary().imbalances == []


def test_the_commands_of_these_tests_change_nothing() -> None:
    """An acknowledgement is all that comes of one: it asks for what is there already."""
    with Market(9) as market:
        market.add("blocked", Blocked(None), ("Trade",))
        version = market.engine.board.current_version()
        ack = market.engine.control.handle(command(1))
        assert (ack.success, ack.routing_version, market.engine.board.current_version()) == (True, version, version)
