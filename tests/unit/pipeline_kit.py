"""Stages around a Recycler: handlers that keep, fail or note, and the line from dispatcher to consumer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from engine.base.clock import Clock, ManualClock
from engine.base.ids import instrument_id
from engine.bus.data import DataBus
from engine.consumers.inline import InlineRunner
from engine.consumers.runner import Runner
from engine.consumers.settings import MailboxSettings
from engine.dispatcher.dispatcher import Dispatcher
from engine.dispatcher.routing import RoutingBoard, stream_index
from engine.observability.stages import StageTimer
from engine.orchestrator.merge import Orchestrator
from engine.pools.recycler import Recycler
from engine.schema.enums import EventType
from tests.unit.event_kit import leased, readable, recycler

INSTRUMENT_ID = instrument_id("binance", "BTC-USDT")


class Collector:
    """Notes what it reads, as plain values."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def on_batch(self, events: list[Any], ctx: Any) -> None:
        self.events += [readable(event) for event in events]

    def seqs(self) -> list[int]:
        return [event["seq_provider"] for event in self.events]


class Keeper:
    """Keeps every event itself."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def on_event(self, event: Any, ctx: Any) -> None:
        self.events.append(event)


class Blocked(Collector):
    """A collector that can be kept busy: its mailbox fills, and nothing is served, as long as its callback runs."""

    def __init__(self) -> None:
        super().__init__()
        self._body: Callable[[], object] | None = None

    def on_batch(self, events: list[Any], ctx: Any) -> None:
        body, self._body = self._body, None
        if body is None:
            super().on_batch(events, ctx)
        else:
            body()

    def while_busy(self, pools: Recycler, runner: Any, body: Callable[[], object]) -> None:
        """Run *body* inside a callback; what it queued is delivered after it."""
        self._body = body
        assert leased(pools, EventType.CONTROL_ACK).offer_to(runner) == "accepted"
        runner.deliver()


_OF_MAILBOX = frozenset(field.name for field in fields(MailboxSettings))


def runner_of(
    pools: Recycler,
    handler: object,
    *,
    index: int = 0,
    clock: Clock | None = None,
    kind: type[Runner] = InlineRunner,
    timer: StageTimer | None = None,
    **options: Any,
) -> Any:
    """A runner of *handler*, started; options are its own and those of its mailbox."""
    of_mailbox = {name: options.pop(name) for name in list(options) if name in _OF_MAILBOX}
    options.setdefault("settings", MailboxSettings(**of_mailbox))
    runner = kind(
        f"c{index}",
        index,
        handler,
        f"ctx{index}",
        pools,
        clock or ManualClock(),
        timer or StageTimer(),
        **options,
    )
    runner.start()
    return runner


@dataclass
class Line:
    """Orchestrator -> dispatcher -> bus -> inline consumers, by a clock that stands until it is moved."""

    pools: Recycler = field(default_factory=lambda: recycler(64))
    clock: ManualClock = field(default_factory=lambda: ManualClock(1_700_000_000_000_000_000))
    timer: StageTimer = field(default_factory=StageTimer)
    rules: dict[str, Any] = field(default_factory=dict)
    dropped: list[tuple[str, str, int, Any]] = field(default_factory=list)
    errors: list[tuple[str, BaseException, str, str, str]] = field(default_factory=list)
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    runners: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.board = RoutingBoard()
        self.bus = DataBus(self.pools)
        self.dispatcher = Dispatcher(
            self.pools,
            self.bus,
            self.board,
            self.clock,
            self.timer,
            on_telemetry=lambda kind, **metadata: self.told.append((kind, metadata)),
            **self.rules,
        )
        self.orchestrator = Orchestrator(
            self.dispatcher,
            self.board,
            self.timer,
            self.pools,
            self.clock,
            lambda kind, **metadata: self.told.append((kind, metadata)),
        )

    def add(self, handler: object, streams: Iterable[int] | None = None, **options: Any) -> Any:
        """A consumer of *streams*, by default of the one stream that offer() uses."""
        index = len(self.runners)
        options.setdefault("on_error", lambda *what: self.errors.append(what))
        options.setdefault("on_dropped", lambda name, stream, count, event, depth: self.dropped.append((name, stream, count, event)))
        options.setdefault("versions", self.board)
        runner = runner_of(self.pools, handler, index=index, clock=self.clock, timer=self.timer, **options)
        assert self.bus.add(runner) == index
        self.runners.append(runner)
        self.route(index, {stream_index(INSTRUMENT_ID, EventType.TRADE)} if streams is None else streams)
        return runner

    def route(self, index: int, streams: Iterable[int]) -> int:
        return self.board.set_routes(index, frozenset(streams))

    def offer(self, event_type: EventType = EventType.TRADE, **fields: Any) -> None:
        """One event through the whole line, without flushing it."""
        fields = {"instrument_id": INSTRUMENT_ID, "ts_recv_ns": self.clock.now(), "epoch": 1, **fields}
        fields.setdefault("seq_first", fields.get("seq_provider", 0))
        assert leased(self.pools, event_type, **fields).offer_to(self.orchestrator) == "accepted"

    def flush(self) -> None:
        self.orchestrator.deliver()
