"""CTL-15, CON-09: a strategy written as the coroutine run(ctx) gets what on_batch gets, and gives it back in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from engine.base.errors import ConfigError, MisuseError
from engine.consumers.context import Context
from engine.consumers.inline import InlineRunner
from engine.dispatcher.routing import stream_index
from engine.observability.stages import StageTimer
from engine.schema.command import Ack, Reply, as_it_is
from engine.schema.enums import EventType
from tests.unit.event_kit import recycler
from tests.unit.pipeline_kit import INSTRUMENT_ID, Line, runner_of

ACK = Ack(message_id="m", consumer_id="c", command_type="subscribe", success=True, routing_version=3)


def context() -> Context:
    return Context("c", lambda command: Reply("subscribe", lambda timeout_s: ACK, None, as_it_is), lambda: 77, {"size": 2})


def line_of(handler: object, **options: Any) -> tuple[Line, Any]:
    line = Line()
    return line, runner_of_context(line, handler, context(), **options)


def runner_of_context(line: Line, handler: object, ctx: Context, **options: Any) -> Any:
    options.setdefault("on_error", lambda *what: line.errors.append(what))
    runner = InlineRunner("c0", 0, handler, ctx, line.pools, line.clock, StageTimer(), **options)
    runner.start()
    line.bus.add(runner)
    line.runners.append(runner)
    line.route(0, {stream_index(INSTRUMENT_ID, EventType.TRADE)})
    return runner


def give(line: Line, *numbers: int) -> None:
    for number in numbers:
        line.offer(seq_provider=number)
    line.flush()


class Reader:
    """Reads every event, and tells when it began and ended."""

    def __init__(self) -> None:
        self.story: list[Any] = []

    async def run(self, ctx: Context) -> None:
        self.story.append("begun")
        async for events in ctx.batches():
            self.story.append([event.seq_provider for event in events])
        self.story.append("over")


def test_ctl_15_batches_come_in_order_and_of_at_most_the_quantum() -> None:
    handler = Reader()
    line, runner = line_of(handler, quantum=3)
    assert handler.story == ["begun"]
    give(line, 1, 2, 3, 4)
    give(line, 5)
    runner.stop()
    assert handler.story == ["begun", [1, 2, 3], [4], [5], "over"]
    assert (runner.invocations, runner.delivered, runner.failures) == (3, 5, 0)
    runner.stop()
    assert handler.story[-1] == "over"


def test_what_is_queued_comes_before_the_end() -> None:
    handler = Reader()
    line, runner = line_of(handler)
    line.offer(seq_provider=1)
    runner.stop()
    assert handler.story == ["begun", [1], "over"]


def test_ctl_15_a_reply_can_be_awaited_and_a_batch_taken_by_hand() -> None:
    class Asking:
        def __init__(self) -> None:
            self.seen: list[Any] = []

        async def run(self, ctx: Context) -> None:
            ack = await ctx.subscribe("BTC-USD", event_types=["Trade"])
            batches: AsyncIterator[list[Any]] = ctx.batches()
            first = [event.seq_provider for event in await anext(batches)]
            second = [event.seq_provider for event in await anext(batches)]
            self.seen = [ack.routing_version, ctx.now_ns(), ctx.params["size"], first, second]

    handler = Asking()
    line, _ = line_of(handler)
    give(line, 1)
    give(line, 2, 3)
    assert handler.seen == [3, 77, 2, [1], [2, 3]]


def test_a_refused_command_raises_where_it_is_awaited() -> None:
    told: list[str] = []

    class Asking:
        async def run(self, ctx: Context) -> None:
            try:
                await ctx.subscribe("BTC-USD", event_types=["Trade"])
            except MisuseError as error:
                told.append(error.reason)

    error = {"code": "not_found", "message": "no provider carries BTC-USD"}
    refused = Ack(message_id="m", consumer_id="c", command_type="subscribe", success=False, routing_version=1, error=error)
    runner_of_context(Line(), Asking(), Context("c", lambda command: Reply("subscribe", lambda timeout_s: refused, None, as_it_is), lambda: 0))
    assert told == ["no provider carries BTC-USD"]


def test_con_09_the_slots_are_back_when_the_coroutine_waits_again_or_fails() -> None:
    class Failing:
        async def run(self, ctx: Context) -> None:
            async for events in ctx.batches():
                if events[0].seq_provider == 2:
                    raise ValueError("two")
                del events

    out: list[dict[str, int]] = []
    line, runner = line_of(Failing(), on_error=lambda *what: out.append(line.pools.statistics().out()))
    give(line, 1)
    assert line.pools.statistics().out() == {}
    give(line, 2)
    assert out == [{}]
    assert runner.escapes == 0


def test_ctl_10_after_a_failure_it_is_begun_anew_with_the_next_batch() -> None:
    begun: list[int] = []
    seen: list[int] = []

    class Failing:
        async def run(self, ctx: Context) -> None:
            begun.append(len(seen))
            async for events in ctx.batches():
                for event in events:
                    seen.append(event.seq_provider)
                    if event.seq_provider % 2:
                        raise ValueError(f"{event.seq_provider} is odd")

    line, runner = line_of(Failing())
    for number in range(1, 6):
        give(line, number)
    assert seen == [1, 2, 3, 4, 5]
    assert begun == [0, 1, 3]
    assert [str(error) for _, error, *_ in line.errors] == ["1 is odd", "3 is odd", "5 is odd"]
    assert (runner.delivered, runner.failures) == (5, 3)


def test_one_that_returns_is_not_begun_again() -> None:
    class Short:
        runs = 0

        async def run(self, ctx: Context) -> None:
            self.runs += 1
            async for _ in ctx.batches():
                return

    handler = Short()
    line, runner = line_of(handler)
    give(line, 1)
    give(line, 2)
    runner.stop()
    assert (handler.runs, runner.delivered, runner.failures) == (1, 2, 0)


def test_a_list_that_is_kept_is_empty_afterwards_and_its_events_went_back() -> None:
    kept: list[list[Any]] = []

    class Keeping:
        async def run(self, ctx: Context) -> None:
            async for events in ctx.batches():
                kept.append(events)

    line, runner = line_of(Keeping())
    give(line, 1, 2)
    give(line, 3)
    assert kept[0] is kept[1]
    assert kept[0] == []
    assert runner.escapes == 0


def test_the_variable_of_a_loop_keeps_one_event_whole() -> None:
    """The one thing a coroutine holds between batches: it escapes and stays what it was."""
    values: list[int] = []

    class Looping:
        async def run(self, ctx: Context) -> None:
            event = None
            async for events in ctx.batches():
                if event is not None:
                    values.append(event.seq_provider)
                for event in events:  # noqa: B007
                    pass

    line, runner = line_of(Looping())
    for number in range(1, 6):
        give(line, number, number + 10)
    assert values == [11, 12, 13, 14]
    assert runner.escapes == 5


@pytest.mark.parametrize(
    ("awaited", "named"),
    [
        (lambda: asyncio.get_running_loop().create_future(), "Future"),
        (lambda: asyncio.sleep(0), "a turn of the loop"),
    ],
)
def test_waiting_for_anything_else_is_refused_and_stops_nobody(awaited: Callable[[], Any], named: str) -> None:
    class Waiting:
        async def run(self, ctx: Context) -> None:
            async for _ in ctx.batches():
                await awaited()

    async def main() -> Line:
        line, runner = line_of(Waiting())
        give(line, 1)
        give(line, 2)
        runner.stop()
        return line

    line = asyncio.run(main())
    assert [type(error) for _, error, *_ in line.errors] == [MisuseError] * 2
    assert f"awaits batches and replies only, not {named}" in str(line.errors[0][1])


def test_a_plain_run_and_batches_elsewhere_are_refused() -> None:
    class Plain:
        def run(self, ctx: Context) -> None: ...

    with pytest.raises(ConfigError, match="run of handler Plain is no coroutine"):
        runner_of(recycler(), Plain())
    with pytest.raises(MisuseError, match=r"only a run\(ctx\) coroutine takes batches"):
        context().batches()


def test_one_that_asks_on_after_the_end_is_closed() -> None:
    closed: list[str] = []

    class Stubborn:
        async def run(self, ctx: Context) -> None:
            try:
                while True:
                    async for _ in ctx.batches():
                        pass
            finally:
                closed.append("closed")

    _, runner = line_of(Stubborn())
    runner.stop()
    assert closed == ["closed"]
