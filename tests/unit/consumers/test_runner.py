"""CON-01, CON-08 to CON-12: what a runner does for its handler, whatever the handler does."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from engine.base.errors import ConfigError, MisuseError
from engine.bench.feeder import TwoFields
from engine.consumers.handler import Handler
from engine.schema.enums import EventType
from tests.unit.event_kit import BUILT, leased, recycler
from tests.unit.pipeline_kit import INSTRUMENT_ID, Collector, Line, runner_of

TRADE = EventType.TRADE


def give(line: Line, *numbers: int) -> None:
    for number in numbers:
        line.offer(seq_provider=number)
    line.flush()


# --- shapes of handlers -------------------------------------------------------------------------------------


class Batch:
    def __init__(self) -> None:
        self.calls: list[tuple[list[int], str]] = []

    def on_batch(self, events: list[Any], ctx: Any) -> None:
        self.calls.append(([event.seq_provider for event in events], ctx))


class Single:
    def __init__(self) -> None:
        self.calls: list[tuple[int, str]] = []

    def on_event(self, event: Any, ctx: Any) -> None:
        self.calls.append((event.seq_provider, ctx))


class Typed:
    def __init__(self) -> None:
        self.calls: list[tuple[str, int, str]] = []

    def on_trade(self, event: Any, ctx: Any) -> None:
        self.calls.append(("trade", event.seq_provider, ctx))

    def on_book_update(self, event: Any, ctx: Any) -> None:
        self.calls.append(("book_update", event.seq_provider, ctx))


def test_on_batch_gets_lists_of_at_most_the_quantum_in_order() -> None:
    line, handler = Line(), Batch()
    runner = line.add(handler, quantum=3)
    give(line, *range(1, 8))
    assert handler.calls == [([1, 2, 3], "ctx0"), ([4, 5, 6], "ctx0"), ([7], "ctx0")]
    assert (runner.invocations, runner.delivered) == (3, 7)


def test_on_event_gets_one_event_a_call() -> None:
    line, handler = Line(), Single()
    runner = line.add(handler)
    give(line, 1, 2, 3)
    assert handler.calls == [(1, "ctx0"), (2, "ctx0"), (3, "ctx0")]
    assert (runner.invocations, runner.delivered) == (3, 3)


def test_on_type_methods_get_their_type_and_the_others_are_skipped_over() -> None:
    pools, handler = recycler(8), Typed()
    runner = runner_of(pools, handler)
    for number, event_type in enumerate((TRADE, EventType.TICKER, EventType.BOOK_UPDATE, TRADE)):
        leased(pools, event_type, seq_provider=number).offer_to(runner)
    runner.deliver()
    assert handler.calls == [("trade", 0, "ctx0"), ("book_update", 2, "ctx0"), ("trade", 3, "ctx0")]
    assert (runner.invocations, runner.delivered) == (3, 4)


@pytest.mark.parametrize("event_type", BUILT)
def test_each_type_has_a_method_of_its_own(event_type: EventType) -> None:
    called: list[Any] = []
    name = f"on_{event_type.name.lower()}"
    handler = type("One", (), {name: lambda self, event, ctx: called.append(event.type)})()
    pools = recycler(2)
    runner = runner_of(pools, handler)
    for other in BUILT:
        leased(pools, other).offer_to(runner)
    runner.deliver()
    assert called == [event_type]


def test_a_cython_handler_is_called_without_python() -> None:
    line, handler = Line(), TwoFields()
    line.add(handler)
    for number in (1, 2, 3):
        line.offer(seq_provider=number, ts_recv_ns=number * 10)
    line.flush()
    assert (handler.events, handler.first_sum, handler.second_sum) == (3, 60, 6)


def test_a_cython_handler_that_overrides_nothing_fails_and_says_so() -> None:
    line = Line()
    line.add(Handler())
    give(line, 1, 2)
    assert [str(error) for _, error, *_ in line.errors] == ["Handler overrides no on_event"] * 2


def test_on_batch_goes_before_on_event_and_that_before_on_type() -> None:
    class All(Batch, Typed):
        def on_event(self, event: Any, ctx: Any) -> None:
            raise AssertionError

    handler = All()
    line = Line()
    line.add(handler)
    give(line, 1)
    assert handler.calls == [([1], "ctx0")]


def test_a_handler_without_a_method_is_refused() -> None:
    with pytest.raises(ConfigError, match="handler object of consumer c0 has no method to call"):
        runner_of(recycler(), object())


def test_start_and_stop_are_told_once_and_stop_delivers_first() -> None:
    story: list[str] = []

    class Telling(Batch):
        def on_start(self, ctx: Any) -> None:
            story.append(f"start {ctx}")

        def on_batch(self, events: list[Any], ctx: Any) -> None:
            story.append(f"batch of {len(events)}")

        def on_stop(self, ctx: Any) -> None:
            story.append(f"stop {ctx}")

    pools = recycler()
    runner = runner_of(pools, Telling())
    assert runner.state == "running"
    leased(pools).offer_to(runner)
    runner.stop()
    runner.stop()
    assert story == ["start ctx0", "batch of 1", "stop ctx0"]
    assert runner.state == "stopped"


# --- one object for all -------------------------------------------------------------------------------------


def test_con_01_every_consumer_gets_the_same_object() -> None:
    seen: list[list[int]] = [[] for _ in range(4)]

    class Noting:
        def __init__(self, place: int) -> None:
            self.place = place

        def on_event(self, event: Any, ctx: Any) -> None:
            seen[self.place].append(id(event))

    line = Line()
    for place in range(4):
        line.add(Noting(place))
    give(line, 1, 2, 3)
    assert seen[0] == seen[1] == seen[2] == seen[3]
    assert len(set(seen[0])) == 3


@pytest.mark.parametrize("consumers", [0, 1, 5])
def test_con_01_the_number_of_events_taken_does_not_depend_on_the_consumers(consumers: int) -> None:
    line = Line()
    for _ in range(consumers):
        line.add(Collector())
    give(line, *range(1, 21))
    row = line.pools.statistics().pools["Trade"]
    assert (row.acquired, row.overflowed, row.escaped) == (20, 0, 0)


def test_con_08_a_consumer_that_tries_changes_nothing_for_the_next() -> None:
    class Vandal:
        def on_batch(self, events: list[Any], ctx: Any) -> None:
            for event in list(events):
                for touch in (lambda e=event: setattr(e, "price_raw", 666), lambda e=event: e.fill("price_raw", 666)):
                    with pytest.raises(AttributeError):
                        touch()
                event.detach().price_raw = 666
            events.reverse()
            events[0] = "nothing"

    line, reader = Line(), Collector()
    line.add(Vandal())
    line.add(reader)
    for number in (1, 2, 3):
        line.offer(seq_provider=number, price_raw=number)
    line.flush()
    assert [event["price_raw"] for event in reader.events] == [1, 2, 3]
    assert line.errors == []


def test_con_10_a_handler_gets_events_and_its_context_and_nothing_of_the_engine() -> None:
    got: list[tuple[Any, ...]] = []

    class Nosy:
        def on_event(self, *arguments: Any) -> None:
            event, ctx = arguments
            public = {name for name in dir(event) if not name.startswith("_")}
            got.append((ctx, public & {"release", "recycle", "retain", "publish", "pool", "slot", "refs", "generation"}))
            with pytest.raises(MisuseError):
                event.__reduce__()

    line = Line()
    line.add(Nosy())
    give(line, 1)
    assert got == [("ctx0", set())]
    assert line.errors == []


# --- failures -----------------------------------------------------------------------------------------------


class Failing:
    def __init__(self, error: type[Exception], at: int = 1) -> None:
        self.error = error
        self.at = at

    def on_event(self, event: Any, ctx: Any) -> None:
        kept = [event]
        if event.seq_provider == self.at:
            raise self.error(f"{ctx} on {kept[0].seq_provider}")


def test_con_12_all_errors_of_one_event_are_reported_each_with_its_trace_and_consumer() -> None:
    """3 of 5 callbacks fail differently on the same event: 3 errors, and all 5 are served."""
    line = Line()
    readers = [Collector(), Collector()]
    handlers: list[object] = [Failing(ValueError), readers[0], Failing(KeyError), readers[1], Failing(ZeroDivisionError)]
    for handler in handlers:
        line.add(handler)
    lease = leased(line.pools, TRADE, instrument_id=INSTRUMENT_ID, seq_provider=1, trade_id="7")
    trace_id = lease.event().trace_id
    lease.offer_to(line.orchestrator)
    give(line, 2)
    assert [(who, type(error), trace, event_id) for who, error, trace, event_id, _ in line.errors] == [
        ("c0", ValueError, trace_id, "binance:BTC-USDT:Trade:7"),
        ("c2", KeyError, trace_id, "binance:BTC-USDT:Trade:7"),
        ("c4", ZeroDivisionError, trace_id, "binance:BTC-USDT:Trade:7"),
    ]
    assert [reader.seqs() for reader in readers] == [[1, 2], [1, 2]]
    assert [runner.failures for runner in line.runners] == [1, 0, 1, 0, 1]
    assert [runner.delivered for runner in line.runners] == [2] * 5


def test_con_12_every_failure_of_a_batch_of_single_calls_is_reported() -> None:
    class Always:
        def on_event(self, event: Any, ctx: Any) -> None:
            raise ValueError(event.seq_provider)

    line = Line()
    line.add(Always(), quantum=4)
    give(line, *range(1, 11))
    assert [error.args for _, error, *_ in line.errors] == [(number,) for number in range(1, 11)]
    assert len({trace for _, _, trace, *_ in line.errors}) == 10
    assert line.runners[0].statistics()["failures"] == 10


@pytest.mark.parametrize("shape", ["on_event", "on_batch", "on_trade"])
def test_con_09_the_slot_is_back_before_the_error_goes_on(shape: str) -> None:
    """The pool is asked inside the error handler, while the traceback still exists; so are the frames of its cause."""
    line = Line()
    out: list[dict[str, int]] = []

    def deep(event: Any) -> None:
        inner = event
        try:
            raise KeyError(inner.seq_provider)
        except KeyError as cause:
            raise ValueError("at the bottom") from cause

    def fail(self: Any, given: Any, ctx: Any) -> None:
        local = given[0] if isinstance(given, list) else given
        deep(local)

    line.add(
        type("Fails", (), {shape: fail})(),
        on_error=lambda *what: out.append(line.pools.statistics().out()),
    )
    give(line, 1)
    assert out == [{}]
    row = line.pools.statistics().pools["Trade"]
    assert (row.recycled, row.escaped) == (1, 0)


def test_con_11_the_stack_of_a_failure_is_still_told() -> None:
    stacks: list[list[str]] = []

    def note(who: str, error: BaseException, trace: str, event_id: str, worker: str) -> None:
        names, place = [], error.__traceback__
        while place is not None:
            names.append(place.tb_frame.f_code.co_name)
            place = place.tb_next
        stacks.append(names)

    line = Line()
    line.add(Failing(ValueError), on_error=note)
    give(line, 1)
    assert stacks[0][-1] == "on_event"


def test_con_11_a_consumer_that_always_fails_stays_and_the_others_are_served() -> None:
    line, reader = Line(), Collector()
    line.add(type("Bad", (), {"on_batch": lambda self, events, ctx: 1 / 0})(), quantum=2)
    line.add(reader)
    for first in range(1, 101, 10):
        give(line, *range(first, first + 10))
    assert len(line.errors) == 50
    assert reader.seqs() == list(range(1, 101))
    counts = line.runners[0].statistics()
    assert (counts["delivered"], counts["failures"], counts["offered"]) == (100, 50, 100)


def test_an_error_that_holds_the_event_keeps_it_whole() -> None:
    """Whoever raises the event itself keeps it: it escapes, and stays what it was."""
    line = Line()
    line.add(type("Raises", (), {"on_event": lambda self, event, ctx: (_ for _ in ()).throw(ValueError(event))})())
    give(line, 1)
    give(line, 2, 3)
    events = [error.args[0] for _, error, *_ in line.errors]
    assert [event.seq_provider for event in events] == [1, 2, 3]
    assert line.pools.statistics().pools["Trade"].escaped == 3


# --- what a handler may do with its list --------------------------------------------------------------------


class Meddler:
    """Does something to the list it is given."""

    def __init__(self, meddle: Any) -> None:
        self.meddle = meddle
        self.seen: list[int] = []

    def on_batch(self, events: list[Any], ctx: Any) -> None:
        self.seen += [event.seq_provider for event in events]
        self.meddle(events)


MEDDLING = {
    "replaces an item": lambda events: events.__setitem__(0, None),
    "replaces all": lambda events: events.__setitem__(slice(None), ["x"] * len(events)),
    "takes one": lambda events: events.pop(),
    "adds one": lambda events: events.append("more"),
    "adds and takes": lambda events: (events.append("more"), events.pop()),
    "empties it": lambda events: events.clear(),
    "empties and refills it": lambda events: (copy := list(events), events.clear(), events.extend(copy)),
    "turns it round": lambda events: events.reverse(),
    "sorts it": lambda events: events.sort(key=lambda event: -event.seq_provider),
    "grows it": lambda events: events.extend([None] * 1000),
}


@pytest.mark.parametrize("how", MEDDLING)
@pytest.mark.parametrize("quantum", [4, 64])
def test_whatever_is_done_to_the_list_the_next_batch_is_right(how: str, quantum: int) -> None:
    """One event first, so that a list that shrank its storage is then asked to hold a whole batch."""
    line, handler, reader = Line(pools=recycler(256)), Meddler(MEDDLING[how]), Collector()
    line.add(handler, quantum=quantum, capacity=256)
    line.add(reader, capacity=256)
    sent = 0
    for size in (1, 64, 2, 200, 1, 63):
        give(line, *range(sent + 1, sent + size + 1))
        sent += size
    assert handler.seen == reader.seqs() == list(range(1, sent + 1))
    assert line.errors == []
    assert line.pools.statistics().balanced
    assert line.pools.statistics().pools["Trade"].escaped == 0


def test_a_list_that_is_kept_is_the_handlers_own() -> None:
    class KeepsList:
        def __init__(self) -> None:
            self.lists: list[list[Any]] = []

        def on_batch(self, events: list[Any], ctx: Any) -> None:
            self.lists.append(events)

    line, handler = Line(), KeepsList()
    line.add(handler, quantum=4)
    give(line, *range(1, 11))
    give(line, 11, 12)
    assert [[event.seq_provider for event in events] for events in handler.lists] == [
        [1, 2, 3, 4], [5, 6, 7, 8], [9, 10], [11, 12],
    ]  # fmt: skip
    row = line.pools.statistics().pools["Trade"]
    assert (row.escaped, row.in_use) == (12, 0)
    assert line.runners[0].escapes == 12


def test_an_item_taken_from_the_list_escapes_alone() -> None:
    taken: list[Any] = []
    line = Line()
    line.add(Meddler(lambda events: taken.append(events[1])), quantum=4)
    give(line, 1, 2, 3)
    give(line, 4, 5)
    assert [event.seq_provider for event in taken] == [2, 5]
    assert line.pools.statistics().pools["Trade"].escaped == 2


def test_the_list_is_reused_when_nobody_kept_it() -> None:
    seen: set[int] = set()
    line = Line()
    line.add(Meddler(lambda events: seen.add(id(events))))
    for number in range(50):
        give(line, number)
    assert len(seen) == 1


def test_what_replaces_an_item_is_let_go() -> None:
    class Thing:
        pass

    line = Line()
    line.add(Meddler(lambda events: events.__setitem__(0, Thing())))
    give(line, 1)
    gc.collect()
    assert not any(isinstance(thing, Thing) for thing in gc.get_objects())


# --- counts and times ---------------------------------------------------------------------------------------


def test_evt_08_the_second_equation_holds() -> None:
    line = Line()

    class Greedy(Collector):
        def on_batch(self, events: list[Any], ctx: Any) -> None:
            super().on_batch(events, ctx)
            if self.events[-1]["seq_provider"] < 100:
                for number in range(100, 130):
                    line.offer(seq_provider=number)

    runner = line.add(Greedy(), capacity=16)
    give(line, 1, 2)
    counts = runner.statistics()
    assert counts["offered"] == 32
    parts = ("delivered", "coalesced", "skipped", "dropped", "queued")
    assert counts["offered"] == sum(counts[part] for part in parts)
    assert counts["dropped"] == 14


def test_delivery_is_measured_from_arrival_to_callback() -> None:
    line = Line()
    runner = line.add(Collector())
    line.offer(seq_provider=1)
    line.clock.advance(3_000)
    line.offer(seq_provider=2)
    line.offer(seq_provider=3)
    line.clock.advance(40_000)
    line.flush()
    assert runner.delivery.count == 3
    assert (runner.delivery.min_ns, runner.delivery.max_ns) == (40_000, 43_000)
    assert runner.callback.count == 1
    assert runner.busy_ns == runner.callback.max_ns > 0


def test_a_slow_callback_is_told_with_its_budget() -> None:
    told: list[tuple[str, int, int]] = []
    line = Line()
    runner = line.add(Collector(), budget_ms=0, on_slow=lambda *what: told.append(what))
    give(line, 1)
    ((who, took_ns, budget_ns),) = told
    assert (who, budget_ns, runner.slow_callbacks) == ("c0", 0, 1)
    assert took_ns == runner.busy_ns


def test_a_callback_inside_a_callback_waits_its_turn() -> None:
    """Events that a callback causes for its own consumer come after the batch in hand, not inside it."""
    line = Line()
    depth: list[int] = [0]
    seen: list[int] = []

    class Nested:
        def on_event(self, event: Any, ctx: Any) -> None:
            depth[0] += 1
            assert depth[0] == 1
            seen.append(event.seq_provider)
            if event.seq_provider < 3:
                line.offer(seq_provider=event.seq_provider + 10)
                line.flush()
                line.runners[0].deliver()
            depth[0] -= 1

    line.add(Nested())
    give(line, 1, 2)
    assert seen == [1, 2, 11, 12]
