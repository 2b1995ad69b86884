"""Consumers that leave: cancellation reaches every worker, what they held comes back (SUB-12, CON-13, CON-14)."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from engine.base.clock import SystemClock
from engine.base.errors import ConfigError, UnknownSymbolError
from engine.consumers.subscriptions import Subscription
from engine.runtime import membership
from tests.unit.pipeline_kit import Collector
from tests.unit.providers.socket_kit import until
from tests.unit.runtime.engine_kit import UNLIMITED, TradeEngine

BTC = {"symbol": "BTC-USDT", "event_types": ["Trade"]}


class Line(TradeEngine):
    """An engine with a thread's loop beside it; trades come when told to."""

    def __init__(self) -> None:
        super().__init__(SystemClock(), UNLIMITED)
        self.engine._in_step = False
        self.number = 0

    def trades(self, count: int = 1) -> None:
        for _ in range(count):
            self.number += 1
            self.trade(self.number)


class Busy:
    """Does not return from its callback by itself."""

    def __init__(self) -> None:
        self.is_in = threading.Event()
        self.may_go = threading.Event()
        self.stopped = 0
        self.calls = 0
        self.ours, self.theirs = socket.socketpair()

    def on_batch(self, events: list[Any], ctx: Any) -> None:
        self.calls += 1
        self.is_in.set()
        self.hang()

    def on_stop(self, ctx: Any) -> None:
        self.stopped += 1
        self.ours.close()
        self.theirs.close()

    def hang(self) -> None:
        raise NotImplementedError


class Computes(Busy):
    def hang(self) -> None:
        while not self.may_go.is_set():
            pass


class Waits(Busy):
    def hang(self) -> None:
        while not self.may_go.wait(0.02):
            pass


class Reads(Busy):
    def hang(self) -> None:
        self.ours.settimeout(0.05)
        while True:
            try:
                self.ours.recv(1)
                return
            except TimeoutError:
                pass


class Swallows(Busy):
    """Catches every Exception there is."""

    def hang(self) -> None:
        while not self.may_go.is_set():
            with suppress(Exception):
                self.may_go.wait(0.001)


class ReadsForever(Busy):
    """In a system call that nothing ends but the other side."""

    def hang(self) -> None:
        self.ours.recv(1)


async def left(line: Line, consumer_id: str) -> tuple[str, float]:
    begun_s = time.monotonic()
    state = await membership.leave(line.engine, consumer_id)
    return state, time.monotonic() - begun_s


@pytest.mark.threads
@pytest.mark.parametrize("kind", [Computes, Waits, Reads, Swallows])
def test_con_14_a_callback_that_does_not_return_is_interrupted_within_a_second(kind: type[Busy]) -> None:
    async def main() -> None:
        with Line() as line:
            busy, other = kind(), Collector()
            line.add("other", other)
            await membership.join(line.engine, "busy", busy, [BTC], mode="thread")
            line.trades(5)
            assert busy.is_in.wait(2)
            line.trades(20)
            state, took_s = await left(line, "busy")
            assert (state, busy.stopped) == ("stopped", 1)
            assert took_s < 1.0
            assert busy.calls == 1, "what was queued is given back, not delivered"
            line.trades(5)
            assert other.seqs() == list(range(1, 31))
        summary = line.engine.summary()
        assert summary.imbalances == []
        assert summary.consumers["(left)"]["failures"] == 1
        assert threading.active_count() == threads

    threads = threading.active_count()
    asyncio.run(main())


@pytest.mark.threads
def test_con_14_a_consumer_that_waits_for_events_ends_at_once() -> None:
    async def main() -> None:
        with Line() as line:
            await membership.join(line.engine, "idle", Collector(), [BTC], mode="thread")
            line.trades(3)
            state, took_s = await left(line, "idle")
            assert (state, took_s < 0.25) == ("stopped", True)
        assert line.engine.summary().imbalances == []

    asyncio.run(main())


@pytest.mark.threads
def test_con_14_what_waits_in_a_system_call_is_left_to_itself_within_a_second_and_gives_back_later() -> None:
    async def main() -> None:
        with Line() as line:
            busy = ReadsForever()
            await membership.join(line.engine, "busy", busy, [BTC], mode="thread")
            line.trades(3)
            assert busy.is_in.wait(2)
            state, took_s = await left(line, "busy")
            assert (state, 0.9 < took_s < 1.5) == ("stalled", True)
            with pytest.raises(ConfigError, match="is there already"):
                await membership.join(line.engine, "busy", Collector(), mode="thread")
            line.trades(3)
            assert sum(line.engine.recycler.statistics().out().values()) == line.engine.summary().consumers["busy"]["queued"] > 0
            busy.theirs.send(b"x")
            await until(lambda: line.engine.leaving["busy"].has_ended)
            await membership.join(line.engine, "busy", Collector(), mode="thread")
            assert line.engine.recycler.statistics().out() == {}
        assert line.engine.summary().imbalances == []

    asyncio.run(main())


@pytest.mark.threads
def test_the_loop_goes_on_while_somebody_joins_and_leaves_slowly() -> None:
    class Slow(Collector):
        def on_start(self, ctx: Any) -> None:
            threading.Event().wait(0.2)

        def on_stop(self, ctx: Any) -> None:
            threading.Event().wait(0.2)

    async def main() -> None:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        with Line() as line:
            counting = asyncio.ensure_future(count())
            await membership.join(line.engine, "slow", Slow(), [BTC], mode="thread")
            await membership.leave(line.engine, "slow")
            counting.cancel()
        assert turns > 1000

    asyncio.run(main())


@pytest.mark.threads
@pytest.mark.parametrize("mode", ["inline", "thread"])
def test_sub_12_leaving_gives_back_what_is_queued_and_frees_the_name(mode: str) -> None:
    with Line() as line:
        engine = line.engine
        notes = Collector()
        runner = engine.add_consumer("guest", notes, mode=mode)
        engine.desk.subscribe(Subscription(consumer_id="guest", symbol="BTC-USDT", event_types=("Trade",)))
        engine.start()
        context = runner.context
        version = engine.board.current_version()
        line.number = 0
        for number in range(1, 11):
            line.trade(number, is_last=False)
        engine.remove_consumer("guest")
        assert engine.board.current_version() == version + 1
        assert "guest" not in engine.runners
        line.trade(11)
        assert engine.recycler.statistics().out() == {}
        row = engine.summary().consumers["(left)"]
        assert row["offered"] == 10 == row["delivered"] + row["skipped"]
        assert not engine.switches.is_enabled("guest")
        # Whoever still has its context gets refusals.
        for reply in (context.subscribe("BTC-USDT", event_types=["Trade"]), context.set_trading_mode(True)):
            assert reply.ack.error["code"] == "not_found"
        with pytest.raises(UnknownSymbolError):
            engine.remove_consumer("guest")
        again = engine.add_consumer("guest", Collector(), mode=mode)
        engine.start()
        assert again.context.subscribe("BTC-USDT", event_types=["Trade"]).result().success, "its message ids begin anew"
    assert engine.summary().imbalances == []


def test_the_last_of_a_merge_rule_that_leaves_ends_it() -> None:
    with Line() as line:
        other = line.engine.open_provider("binance", "other")
        line.engine.carry(other, other.guess_instrument("BTCUSDT"))
        runner = line.engine.add_consumer("guest", Collector())
        line.engine.start()
        asked = runner.context.subscribe("BTC-USDT", event_types=["Trade"], providers=["binance", "other"], merged={})
        assert asked.outcome() == {"subscription_id": "s1", "rule": "rule_1"}
        line.trades()
        assert line.engine.orchestrator.statistics()["rule_1"].open == 1
        line.engine.remove_consumer("guest")
        assert line.engine.orchestrator.statistics()["rule_1"].open == 0
    assert line.engine.summary().imbalances == []


def test_a_place_on_the_bus_that_was_left_takes_nothing_and_is_not_given_again() -> None:
    """As when an event is still held that is routed by a table from before."""
    with Line() as line:
        bus, notes = line.engine.bus, Collector()
        runner = line.add("one", notes)
        line.engine.start()
        line.trades(2)
        bus.remove(runner.index)
        line.trades(2)
        assert notes.seqs() == [1, 2]
        assert line.engine.recycler.statistics().out() == {}
        assert bus.add(runner) == runner.index + 1
