"""INS-14, CTL-14: an order has the trace of the event whose callback asks, and how its owner's switch stood then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.schema.order import SubmitReply, SubmitStatus
from engine.schema.payloads import SubmitRequest
from tests.unit.runtime.engine_kit import START_NS, TradeEngine

GIVEN = "5f0c1d2e-3a4b-5968-7786-a5b4c3d2e1f0"


class Orders:
    """Answers every order, and notes the trace it came with."""

    def __init__(self) -> None:
        self.traces: list[tuple[str, str]] = []
        self.switch: list[bool] = []

    def submit(self, asked: SubmitRequest, consumer_id: str, trace_id: str, done: Callable[[SubmitReply], None], *,
               was_trading: bool) -> None:  # fmt: skip
        self.switch.append(was_trading)
        self.traces.append((asked.client_order_id, trace_id))
        done(SubmitReply(client_order_id=asked.client_order_id, status=SubmitStatus.SUBMITTED, ts_ns=START_NS, trace_id=trace_id))


def ask(ctx: Any, name: object, **more: Any) -> None:
    ctx.submit(str(name), "BTC-USDT", side="buy", qty="1", price="1", **more)


class Each:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def on_start(self, ctx: Any) -> None:
        ask(ctx, "start")

    def on_event(self, event: Any, ctx: Any) -> None:
        if event.is_critical:
            return
        self.seen.append((str(event.seq_provider), event.trace_id))
        ask(ctx, event.seq_provider)


class Typed:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    on_start = Each.on_start
    on_trade = Each.on_event


class Batch:
    """Of a batch its first event's, unless another is named."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def on_start(self, ctx: Any) -> None:
        ask(ctx, "start")

    def on_batch(self, events: list[Any], ctx: Any) -> None:
        trades = [event for event in events if not event.is_critical]
        self.seen += [(str(event.seq_provider), events[0].trace_id) for event in trades]
        for event in trades:
            ask(ctx, event.seq_provider)
        for event in trades[-1:]:
            self.seen.append(("named", event.trace_id))
            ask(ctx, "named", trace_id=event.trace_id)


class Runs:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    async def run(self, ctx: Any) -> None:
        ask(ctx, "start")
        async for events in ctx.batches():
            Batch.on_batch(self, events, ctx)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["inline", "thread"])
@pytest.mark.parametrize("handler", [Each, Typed, Batch, Runs])
def test_ins_14_an_order_inherits_the_trace_of_the_event_its_callback_has(handler: type, mode: str) -> None:
    orders, strategy = Orders(), handler()
    line = TradeEngine()
    line.engine.commands.orders.desk = orders  # type: ignore[assignment]
    runner = line.add("c", strategy, mode=mode)
    with line:
        for number in range(1, 4):
            line.trade(number, is_last=number == 3)
        ask(runner.context, "outside")
    (start, from_start), *during, (outside, afterwards) = orders.traces
    assert (start, from_start, outside, afterwards) == ("start", "", "outside", "")
    assert sorted(during) == sorted(strategy.seen)
    assert len({trace for _, trace in strategy.seen}) >= (3 if handler in (Each, Typed) else 1)


@pytest.mark.threads
def test_trd_13_what_was_asked_for_while_the_switch_was_off_stays_asked_in_vain() -> None:
    """A thread asks, and the loop obeys later: meanwhile the switch goes on, and off."""
    orders, line = Orders(), TradeEngine()
    line.engine.commands.orders.desk = orders
    posted: list[Callable[[], None]] = []
    runner = line.add("c", Each(), mode="thread")
    with line:
        line.engine.post = posted.append
        for on in (False, True, False):
            line.engine.switches.set("c", enabled=on, by="test")
            ask(runner.context, on)
        line.engine.switches.set("c", enabled=True, by="test")
        for call in posted:
            call()
        line.engine.post = None
        assert orders.switch == [False, False, True, False]                        # the first was asked for in on_start
